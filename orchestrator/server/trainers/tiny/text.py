"""Words, chunks and the sparse features of a text."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from math import isfinite
from zlib import crc32

Features = tuple[tuple[int, float], ...]
"""Sparse vector: (hashed name, value) pairs."""

WORD = re.compile(r"\d+(?:[.,]\d+)*|[^\W\d_]+(?:['’][^\W\d_]+)*")
NAME_PART = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[^\W\d_a-zA-Z]+|\d+")
CHUNK = re.compile(r"\S+")
POSSESSIVE = re.compile(r"(?<=.)['’]s$")
EDGES = ".,;:!?\"'“”‘’()[]{}<>…"
_ENDINGS = "ations ation ating ings ing ions ion ates ated ate ies ers res er re ed es ly s e y"
_STOP_WORDS = """
a an the this that these those it its i we us our he she they them their is are be was were am do does did have has
had will would can could should may might must shall please of in by for with as into and or but so if then than
there here what which who how when where why just let lets now some s t re ll ve
"""
ENDINGS = tuple(_ENDINGS.split())
STOP_WORDS = frozenset(_STOP_WORDS.split())
"""Words without meaning. Short ones that distinguish requests (on, not, to, me) are not in this list."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """A piece of text between spaces, without its punctuation and 's: copied values consist of these."""

    text: str
    start: int
    end: int
    opens: str
    """The punctuation removed from its beginning."""
    closes: str
    """The punctuation removed from its end."""


def words(text: str) -> list[str]:
    """The words and numbers of a text, in lower case."""
    return [match.group().lower() for match in WORD.finditer(text)]


def chunks(text: str) -> list[Chunk]:
    """The text cut at spaces; chunks of only punctuation are left out."""
    found = []
    for match in CHUNK.finditer(text):
        raw = match.group()
        body = raw.lstrip(EDGES)
        opens = raw[: len(raw) - len(body)]
        body = POSSESSIVE.sub("", body.rstrip(EDGES))
        if body:
            start = match.start() + len(opens)
            closes = raw[len(opens) + len(body) :]
            found.append(Chunk(body, start, start + len(body), opens, closes))
    return found


@lru_cache(maxsize=20_000)
def stem(word: str) -> str:
    """A crude English stem: "lights", "lighting" and "light" become one; numbers become "#"."""
    if word[0].isdigit():
        return "#"
    word = word.split("'")[0].split("’")[0] or word
    for ending in ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            word = word[: -len(ending)]
            break
    return word[:-1] if len(word) > 3 and word[-1] == word[-2] else word


def stems(text: str) -> list[str]:
    return [stem(word) for word in words(text)]


def content_stems(text: str) -> list[str]:
    """The stems that carry meaning: no stop words, no numbers."""
    return [stem(word) for word in words(text) if word not in STOP_WORDS and not word[0].isdigit()]


def name_stems(name: str) -> list[str]:
    """The stems of an identifier: `get_batteryLevel` gives get, battery and level."""
    return [stem(part.lower()) for part in NAME_PART.findall(name)]


def hashed(name: str) -> int:
    """A feature's number: the same in every process, unlike Python's own hash."""
    return crc32(name.encode("utf-8", "surrogatepass"))


def word_features(text: str) -> Features:
    """Stems and pairs of neighbouring stems."""
    found = stems(text)
    pairs = [f"{left} {right}" for left, right in zip(["^", *found], [*found, "$"], strict=True)]
    return group("w", found, 1.0) + group("p", pairs, 0.7)


def text_features(text: str) -> Features:
    """Word features and the character 4-grams inside words."""
    return word_features(text) + group("c", _grams(words(text)), 0.7)


def group(kind: str, names: list[str], length: float) -> Features:
    """Features of one kind, scaled so that their vector has this length, whatever their number."""
    unique = dict.fromkeys(names)
    value = length / max(1, len(unique)) ** 0.5
    return tuple((hashed(f"{kind}:{name}"), value) for name in unique)


def _grams(found: list[str], size: int = 4) -> list[str]:
    padded = [f"<{word}>" for word in found if not word[0].isdigit()]
    return [word[i : i + size] for word in padded for i in range(max(1, len(word) - size + 1))]


# --- Numbers in a text: digits, decimals, signs and English number words --------------------------------------


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
    """The number that begins at this token, and how many tokens it takes."""
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
    """Digits, with a scale word after them if there is one: "3 thousand"."""
    value = tokens[at].value
    if at + 1 < len(tokens) and tokens[at + 1].text in SCALES:
        return value * SCALES[tokens[at + 1].text], at + 2
    return value, at + 1


def _spelled(tokens: list[_Token], at: int) -> tuple[float | None, int]:
    """A number in words from this token on, and the token after it; None if there is none."""
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
    """Whether this word continues the number: "twenty five" does, "five twenty" is two numbers."""
    if word in TENS:
        return not seen or current % 100 == 0
    if word in SMALL:
        return not seen or current % 100 == 0 or (current % 10 == 0 and current % 100 >= 20 and SMALL[word] < 10)
    return False


def _with_tail(tokens: list[_Token], here: int, value: float) -> tuple[float, int]:
    """The decimals or the fraction after a spelled number: "two point five", "two and a half"."""
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
