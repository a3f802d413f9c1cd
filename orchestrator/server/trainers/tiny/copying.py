"""Values copied from the prompt: numbers as they stand, strings by their first and last chunk."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence, Set
from dataclasses import dataclass
from typing import Any

from orchestrator.server.trainers.tiny import base
from orchestrator.server.trainers.tiny.conversation import Prompt
from orchestrator.server.trainers.tiny.decisions import Option
from orchestrator.server.trainers.tiny.numbers import Number
from orchestrator.server.trainers.tiny.schema import Slot
from orchestrator.server.trainers.tiny.text import STOP_WORDS, Chunk, Features, content_stems, group, stem, stems

MOST_STARTS = 80
LONGEST = 40
"""Chunks in a copied string at most."""


@dataclass(frozen=True, slots=True)
class Copied:
    """A number from the prompt; `start` is where it stands."""

    value: float | int
    start: int

    def __repr__(self) -> str:
        return repr(self.value)


@dataclass(frozen=True, slots=True)
class Start:
    """A string that begins at this chunk of the prompt."""

    at: int


def numbers(prompt: Prompt, slot: Slot, copied: Set[int]) -> Iterator[Option]:
    """The prompt's numbers that fit a slot, as they are and with the other sign."""
    fitting = [n for n in prompt.numbers if slot.kind == "number" or n.value.is_integer()]
    free = [n for n in fitting if n.start not in copied]
    for index, number in enumerate(fitting):
        used = number.start in copied
        features = _around_number(prompt, slot, number, index, used, bool(free) and number is free[0])
        score = base.number(prompt, slot, number) + base.USED * used + 0.5 * (number in free[:1])
        value = int(number.value) if number.value.is_integer() else number.value
        parts = ((f"number {slot.path}", features), ("number", features))
        yield Option(Copied(value, number.start), score, parts)
        if value:
            signs = (prompt.word_features, features)
            other_way = (*((f"negated {slot.path}", seen) for seen in signs), *parts)
            yield Option(Copied(-value, number.start), score + base.NEGATED, other_way)


def starts(
    prompt: Prompt, slot: Slot, definition: Set[str], copied: Set[int], is_known: Callable[[str], bool]
) -> Iterator[Option]:
    """The chunks of the prompt that a string can begin with."""
    for at, chunk in enumerate(prompt.chunks[:MOST_STARTS]):
        used = chunk.start in copied
        known = all(is_known(word) for word in content_stems(chunk.text))
        features = _around_start(prompt, slot, at, known, used)
        score = base.start(prompt, slot, at, definition) + base.USED * used
        yield Option(Start(at), score, ((f"start {slot.path}", features), ("start", features)))


def ends(prompt: Prompt, slot: Slot, first: int) -> Iterator[Option]:
    """The strings that begin at a chunk, by their last chunk."""
    for at in range(first, min(len(prompt.chunks), first + LONGEST)):
        features = _around_end(prompt, first, at)
        parts = ((f"end {slot.path}", features), ("end", features))
        yield Option(span(prompt, first, at), base.end(prompt, first, at), parts)


def span(prompt: Prompt, first: int, last: int) -> str:
    return prompt.text[prompt.chunks[first].start : prompt.chunks[last].end]


def right_options(
    prompt: Prompt, options: Sequence[Option], right: Any, matching: Callable[[Sequence[Any], Any], tuple[int, ...]]
) -> tuple[int, ...]:
    """The indices of the options that lead to the right value, the highest base score first."""
    spans = _right_starts(prompt, right) if isinstance(right, str) else {}
    values = [_led_to(option.value, spans) for option in options]
    return tuple(sorted(matching(values, right), key=lambda i: -options[i].base))


def _led_to(value: Any, spans: dict[int, str]) -> Any:
    if isinstance(value, Copied):
        return value.value
    return spans.get(value.at) if isinstance(value, Start) else value


def _right_starts(prompt: Prompt, right: str) -> dict[int, str]:
    """For each chunk where the right string begins in the prompt, the string as it stands there."""
    plain, text = right.strip().casefold(), prompt.text.casefold()
    ends = {chunk.end for chunk in prompt.chunks}
    return {
        at: prompt.text[chunk.start : chunk.start + len(plain)]
        for at, chunk in enumerate(prompt.chunks[:MOST_STARTS])
        if plain and text.startswith(plain, chunk.start) and chunk.start + len(plain) in ends
    }


def _around_number(prompt: Prompt, slot: Slot, number: Number, index: int, used: bool, next_free: bool) -> Features:
    before = ["^", "^", *stems(prompt.text[: number.start])[-3:]]
    behind = [*stems(prompt.text[number.end :])[:3], "$", "$"]
    named = any(word in slot.name_words for word in before)
    unit = behind[0] in slot.about
    return group(
        "n",
        [
            f"before {before[-1]}",
            f"before two {before[-2]} {before[-1]}",
            f"behind {behind[0]}",
            f"behind two {behind[0]} {behind[1]}",
            f"index {min(index, 4)}",
            f"named {named}",
            f"unit {unit}",
            f"used {used}",
            f"next {next_free}",
            f"negative {number.value < 0}",
            *(f"near before {word}" for word in before[2:]),
            *(f"near behind {word}" for word in behind[:-2]),
        ],
        1.0,
    )


def _around_start(prompt: Prompt, slot: Slot, at: int, known: bool, used: bool) -> Features:
    chunk = prompt.chunks[at]
    before = [_stem_of(other) for other in prompt.chunks[max(0, at - 2) : at]]
    before = ["^", "^", *before]
    return group(
        "s",
        [
            f"before {before[-1]}",
            f"before two {before[-2]} {before[-1]}",
            f"shape {_shape(chunk)}",
            f"shape known {_shape(chunk)} {known}",
            f"known {known}",
            f"stop {chunk.text.lower() in STOP_WORDS}",
            f"opens {chunk.opens[:1]}",
            f"first {at == 0}",
            f"named {any(word in slot.name_words for word in before)}",
            f"used {used}",
        ],
        1.0,
    )


def _around_end(prompt: Prompt, first: int, at: int) -> Features:
    chunk = prompt.chunks[at]
    last = at + 1 == len(prompt.chunks)
    following = None if last else prompt.chunks[at + 1]
    return group(
        "t",
        [
            f"behind {_stem_of(following) if following else '$'}",
            f"shapes {_shape(chunk)} {_shape(following) if following else '$'}",
            f"length {min(at - first, 5)}",
            f"closes {chunk.closes[:1]}",
            f"quoted {bool(prompt.chunks[first].opens)} {bool(chunk.closes)}",
            f"stop {chunk.text.lower() in STOP_WORDS}",
            f"behind is stop {following is not None and following.text.lower() in STOP_WORDS}",
        ],
        1.0,
    )


def _stem_of(chunk: Chunk) -> str:
    return stem(chunk.text.lower()) if chunk.text else ""


def _shape(chunk: Chunk) -> str:
    text = chunk.text
    if any(character.isdigit() for character in text):
        return "digits"
    if text.isupper() and len(text) > 1:
        return "upper"
    return "capital" if text[0].isupper() else "lower"
