"""Numbers in a text: digits, decimals, signs and English number words."""

from __future__ import annotations

import re
from dataclasses import dataclass
from math import isfinite

_SMALL = """
zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen
eighteen nineteen
"""
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety"
SMALL = {word: value for value, word in enumerate(_SMALL.split())}
TENS = {word: 10 * value for value, word in enumerate(_TENS.split(), start=2)}
SCALES = {"hundred": 100, "thousand": 1_000, "million": 1_000_000, "billion": 1_000_000_000}
FRACTIONS = {"half": 0.5, "quarter": 0.25}
MINUS = ("minus", "negative")
TOKEN = re.compile(
    r"(?P<digits>(?:(?<![\w.])[-−+])?(?:(?<![A-Za-z_\d])\d{1,3}(?:,\d{3})+(?!\d)|(?<![A-Za-z_\d])\d+)(?:\.\d+)?"
    r"|(?<![\w.])[-−+]?\.\d+)|(?P<word>[^\W\d_]+)|(?P<other>[^\w\s-])"
)


@dataclass(frozen=True, slots=True)
class Number:
    """A number and the characters it was read from."""

    value: float
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class _Token:
    text: str
    start: int
    end: int
    digits: bool

    @property
    def value(self) -> float:
        return float(self.text.replace(",", "").replace("−", "-"))


def numbers(text: str) -> list[Number]:
    """The numbers of a text from left to right: "minus twenty-five" is -25, "1,200.5" is 1200.5."""
    tokens = [_Token(m.group().lower(), m.start(), m.end(), m["digits"] is not None) for m in TOKEN.finditer(text)]
    found, at = [], 0
    while at < len(tokens):
        number, used = _number_at(tokens, at)
        if number is not None and isfinite(number.value):
            found.append(number)
        at += used
    return found


def _number_at(tokens: list[_Token], at: int) -> tuple[Number | None, int]:
    """The number that begins at this token, and how many tokens to go on by."""
    sign = -1.0 if tokens[at].text in MINUS else 1.0
    first = at + 1 if sign < 0 else at
    if first < len(tokens) and tokens[first].digits:
        value, last = _scaled_digits(tokens, first)
    else:
        value, last = _spelled(tokens, first)
    if value is None:
        return None, 1
    return Number(sign * value, tokens[at].start, tokens[last - 1].end), last - at


def _scaled_digits(tokens: list[_Token], at: int) -> tuple[float | None, int]:
    """Digits, with a scale word behind them where there is one: "3 thousand"."""
    value = tokens[at].value
    if at + 1 < len(tokens) and tokens[at + 1].text in SCALES:
        return value * SCALES[tokens[at + 1].text], at + 2
    return value, at + 1


def _spelled(tokens: list[_Token], at: int) -> tuple[float | None, int]:
    """A number in words from this token on, and the token after it; None where there is none."""
    total, current, seen, here = 0.0, 0.0, False, at
    while here < len(tokens):
        word = tokens[here].text
        if word in SCALES and (seen or _is_article(tokens, here - 1)):
            current = max(current, 1.0) * SCALES[word]
            if word != "hundred":
                total, current = total + current, 0.0
        elif _continues(word, current, seen):
            current += SMALL.get(word, TENS.get(word, 0))
        elif not (seen and word == "and" and _is_spelled(tokens, here + 1)):
            break
        seen, here = True, here + 1
    if not seen:
        return None, at
    return _with_tail(tokens, here, total + current)


def _continues(word: str, current: float, seen: bool) -> bool:
    """Whether this word goes on with the number: "twenty five" does, "five twenty" is two numbers."""
    if word in TENS:
        return not seen or current % 100 == 0
    if word in SMALL:
        return not seen or current % 100 == 0 or (current % 10 == 0 and current % 100 >= 20 and SMALL[word] < 10)
    return False


def _with_tail(tokens: list[_Token], here: int, value: float) -> tuple[float, int]:
    """The decimals or the fraction behind a spelled number: "two point five", "two and a half"."""
    texts = [token.text for token in tokens[here : here + 3]]
    if len(texts) > 1 and texts[0] == "point" and texts[1] in SMALL:
        end = here + 1
        while end < len(tokens) and SMALL.get(tokens[end].text, 10) < 10:
            end += 1
        decimals = "".join(str(SMALL[token.text]) for token in tokens[here + 1 : end])
        return (float(f"{value:.0f}.{decimals}"), end) if decimals else (value, here)
    if len(texts) == 3 and texts[0] == "and" and texts[1] in ("a", "one") and texts[2] in FRACTIONS:
        return value + FRACTIONS[texts[2]], here + 3
    return value, here


def _is_spelled(tokens: list[_Token], at: int) -> bool:
    return at < len(tokens) and (tokens[at].text in SMALL or tokens[at].text in TENS)


def _is_article(tokens: list[_Token], at: int) -> bool:
    return at >= 0 and tokens[at].text == "a"
