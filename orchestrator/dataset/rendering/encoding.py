"""Text to tokens with a model's own tokenizer, in pieces, and never a control token out of a user's text.

A control token in the data, such as <|im_end|> in a user message, would end the message for the model. transformers
encodes it as the control token unless told otherwise (`sanitize_control_tokens`, off by default); vLLM does too.
Here it is encoded as the plain text that it is, in training and in serving alike. Added tokens that are not
special, such as Qwen's <tool_call>, stay tokens: assistants write them, and they end nothing.
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orchestrator.dataset.remembered import Remembered
from orchestrator.errors import CannotRender, RenderingMissing

if TYPE_CHECKING:
    from tokenizers import Tokenizer

PLAIN_START, PLAIN_END = "\ufdd0", "\ufdd1"
"""Around a control token of the data, while the template runs: noncharacters, which no text should hold."""

_ESCAPED = "\\ufdd0"
"""What a template makes of the mark that writes JSON in ASCII: the control token behind it would be one."""

_MARKED = re.compile(f"{PLAIN_START}([^{PLAIN_START}{PLAIN_END}]*){PLAIN_END}")
_MOST_KEPT = 1024
_SHORTEST_KEPT = 256


def read_tokenizer(path: Path) -> Tokenizer:
    """The tokenizer in a tokenizer.json. Raises RenderingMissing, OSError, or ValueError with what is wrong."""
    try:
        from tokenizers import Tokenizer
    except ImportError:
        raise RenderingMissing() from None
    content = path.read_text(encoding="utf-8")
    try:
        tokenizer: Tokenizer = Tokenizer.from_str(content)
    except Exception as error:  # tokenizers raises Exception itself
        raise ValueError(f"{path.name} is no tokenizer that this version of tokenizers reads: {error}") from None
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


class Encoder:
    """A tokenizer for rendered texts."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        added = tokenizer.get_added_tokens_decoder()
        self.specials: Mapping[str, int] = {each.content: number for number, each in added.items() if each.special}
        """The tokens that are never text, with their ids."""
        self._control = _any_of(self.specials)
        self._unknown = _unknown(tokenizer)
        self._sections = _Sections(tokenizer, "")

    def cut_at(self, template: str) -> None:
        """Cut texts at the special tokens in this template, and remember what is between them."""
        self._sections = _Sections(self._tokenizer, template)

    def encode(self, text: str, before: str = "") -> list[int]:
        """The tokens of a rendered piece; `before` is what precedes it, "" at the start of a conversation.

        What is between PLAIN_START and PLAIN_END is plain text. Raises CannotRender for a text that is no Unicode.
        """
        if _ESCAPED in text:
            raise CannotRender(
                kind="row", reason="it holds a control token, and the template can't write it as text"
            )
        try:
            if PLAIN_START not in text:
                return self._sections.encode(text, without_marks(before))
            ids: list[int] = []
            for part in _plain_parts(text):
                ids += self._sections.encode(part, before)
                before = part
            return ids
        except (UnicodeEncodeError, TypeError):
            raise CannotRender(
                kind="row", reason="it holds half of a surrogate pair, which is no character"
            ) from None

    def loses(self, text: str, ids: Sequence[int]) -> bool:
        """Whether some of the text became a token that stands for anything unknown."""
        if self._unknown is None:
            return False
        name, number = self._unknown
        return ids.count(number) > text.count(name)

    def decode(self, ids: Sequence[int]) -> str:
        """The text of tokens, special ones included."""
        return str(self._tokenizer.decode(list(ids), skip_special_tokens=False))

    def holds_control(self, value: Any) -> bool:
        """Whether a string in a JSON value holds a control token."""
        return any(self._control.search(text) for text in _strings(value))

    def marked(self, value: Any) -> Any:
        """A JSON value with each control token in its strings between PLAIN_START and PLAIN_END. Keys stay.

        Raises CannotRender for a text that holds those characters itself, and for a key with a control token.
        """
        if isinstance(value, str):
            if PLAIN_START in value or PLAIN_END in value:
                raise CannotRender(kind="row", reason="it holds the noncharacter U+FDD0 or U+FDD1")
            return self._control.sub(f"{PLAIN_START}\\g<0>{PLAIN_END}", value)
        if isinstance(value, dict):
            if any(self._control.search(key) for key in value):
                raise CannotRender(kind="row", reason="a name in it holds a control token of the model")
            return {key: self.marked(each) for key, each in value.items()}
        return [self.marked(each) for each in value] if isinstance(value, list) else value


def without_marks(text: str) -> str:
    """The text as it is shown."""
    return text.replace(PLAIN_START, "").replace(PLAIN_END, "") if PLAIN_START in text else text


def _plain_parts(text: str) -> Iterator[str]:
    """The parts that are encoded apart. A control token that is text is cut behind its first character."""
    for number, part in enumerate(_MARKED.split(text)):
        yield from (part[:1], part[1:]) if number % 2 else (part,)


def _unknown(tokenizer: Tokenizer) -> tuple[str, int] | None:
    """The token for what a tokenizer can't encode, and its id; None for one that encodes bytes."""
    name = getattr(tokenizer.model, "unk_token", None)
    number = tokenizer.token_to_id(name) if isinstance(name, str) else None
    return (str(name), number) if number is not None else None


def _any_of(texts: Mapping[str, int]) -> re.Pattern[str]:
    longest_first = sorted(texts, key=len, reverse=True)
    return re.compile("|".join(map(re.escape, longest_first)) or r"(?!)")


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, each in value.items():
            yield key
            yield from _strings(each)
    elif isinstance(value, list):
        for each in value:
            yield from _strings(each)


class _Sections:
    """Encodes a text section by section, and each section that was seen before not again.

    A section ends behind a special token of the template. There the tokenizer itself cuts the text before it does
    anything else, so the tokens are the same as those of the whole; long definitions are one section that all rows
    of a file share.
    """

    def __init__(self, tokenizer: Tokenizer, template: str) -> None:
        self._tokenizer = tokenizer
        self._cuts = _cuts(tokenizer, template)
        self._cut = re.compile(f"({'|'.join(map(re.escape, self._cuts)) or '(?!)'})")
        self._puts_blanks = _puts_blanks(tokenizer)
        self._kept: Remembered[tuple[str, str], array[int]] = Remembered(_MOST_KEPT)

    def encode(self, text: str, before: str) -> list[int]:
        """The tokens of a text that follows `before`."""
        ids: list[int] = []
        previous = self._tail(before) if self._puts_blanks else ""
        for number, part in enumerate(self._cut.split(text)):
            if number % 2:
                ids.append(self._cuts[part])
                previous = part if self._puts_blanks else ""
            elif part:
                ids += self._section(previous, part)
        return ids

    def _tail(self, before: str) -> str:
        """What of the text before decides how the next one is encoded: from its last cut on."""
        ends = [match.start() for match in self._cut.finditer(before)]
        return before[ends[-1] :] if ends else before

    def _section(self, previous: str, text: str) -> Sequence[int]:
        """The tokens of a text without cuts, behind `previous`."""
        if len(text) < _SHORTEST_KEPT:
            return self._encoded_behind(previous, text)
        key = (previous, text)
        known = self._kept.get(key)
        return known or self._kept.keep(key, array("I", self._encoded_behind(previous, text)))

    def _encoded_behind(self, previous: str, text: str) -> list[int]:
        """The tokens of a text without the blank that some tokenizers put before the first word of a text."""
        if not previous:
            return self._encoded(text)
        for start in (previous, "\n"):
            ids, known = self._encoded(start + text), self._encoded(start)
            if ids[: len(known)] == known:
                return ids[len(known) :]
        return self._encoded(text)

    def _encoded(self, text: str) -> list[int]:
        ids: list[int] = self._tokenizer.encode(text, add_special_tokens=False).ids
        return ids


def _cuts(tokenizer: Tokenizer, template: str) -> dict[str, int]:
    """The special tokens in the template's text at which a tokenizer always cuts: those that swallow no blanks
    around them and overlap no other added token."""
    added = tokenizer.get_added_tokens_decoder()
    texts = [each.content for each in added.values()]
    cuts = {}
    for number, each in added.items():
        swallows = each.lstrip or each.rstrip or each.single_word or each.normalized
        if each.special and not swallows and each.content in template:  # noqa: SIM102 - the second test is slow
            if not any(_overlap(each.content, other) for other in texts if other != each.content):
                cuts[each.content] = number
    return cuts


def _overlap(first: str, second: str) -> bool:
    """Whether one text can cover a part of the other, or all of it."""
    if first in second or second in first:
        return True
    sizes = range(1, min(len(first), len(second)))
    return any(first[-size:] == second[:size] or second[-size:] == first[:size] for size in sizes)


def _puts_blanks(tokenizer: Tokenizer) -> bool:
    """Whether the tokenizer puts a blank before the first word of a text, as those from SentencePiece do."""
    alone = tokenizer.encode("x", add_special_tokens=False).ids
    start = tokenizer.encode("\n", add_special_tokens=False).ids
    inside = tokenizer.encode("\nx", add_special_tokens=False).ids
    return bool(inside != [*start, *alone])
