"""The decisions about a call's arguments: left out, an allowed value, copied from the prompt, or seen before."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from typing import Any, Final

from orchestrator.server.trainers.tiny import base
from orchestrator.server.trainers.tiny.conversation import Prompt
from orchestrator.server.trainers.tiny.decisions import Decision, Option, Part, Steps
from orchestrator.server.trainers.tiny.memory import Memory
from orchestrator.server.trainers.tiny.schema import Slot, Tool
from orchestrator.server.trainers.tiny.text import (
    STOP_WORDS,
    Chunk,
    Features,
    Number,
    content_stems,
    group,
    hashed,
    name_stems,
    stem,
    stems,
)

MOST_ITEMS = 8
BASE = hashed("base")


class _Mark:
    """A value that no argument can have."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __repr__(self) -> str:
        return self._name


LEFT_OUT: Final = _Mark("left out")
PRESENT: Final = _Mark("present")
UNKNOWN: Final = _Mark("unknown")
"""In place of the right value while answering, when it is unknown."""


@dataclass
class Arguments:
    """The argument decisions of one answer; remembers what its calls have copied already."""

    prompt: Prompt
    memory: Memory
    own: bool
    copied: set[int] = field(default_factory=set)
    """The positions in the prompt where the copied values begin."""
    _decided: list[str] = field(default_factory=list)
    """The choices made so far in this call, used by the later ones."""
    _listed: list[Any] = field(default_factory=list)
    """The items so far of the present list."""
    _definition: Set[str] = frozenset()
    """The stems of the tool's definition."""

    def of(self, tool: Tool, given: Mapping[str, Any] | None) -> Steps[dict[str, Any]]:
        """The arguments of one call. `given` are the right ones in training."""
        self._decided = []
        self._definition = tool.weights.keys()
        return (yield from self._children(tool.root, UNKNOWN if given is None else given))

    def _children(self, slot: Slot, given: Any) -> Steps[dict[str, Any]]:
        filled = {}
        for name, child in slot.children:
            value = yield from self._slot(child, _inside(given, name))
            if value is not LEFT_OUT:
                filled[name] = value
        return filled

    def _slot(self, slot: Slot, right: Any) -> Steps[Any]:
        if slot.kind not in ("object", "array"):
            return (yield from self._plain(slot, right))
        taken = yield from decide(list(self._presence(slot)), self._right_presence(slot, right))
        if taken is None or taken.value is not PRESENT:
            return taken.value if taken else LEFT_OUT
        if slot.kind == "object":
            return (yield from self._children(slot, right))
        return (yield from self._items(slot, right))

    def _presence(self, slot: Slot) -> Iterator[Option]:
        said = any(word in self.prompt.content for word in slot.name_words)
        if slot.item is not None and slot.item.kind == "choice":
            said = said or self._left(slot.item, [])
        yield self._option(slot, PRESENT, 2.0 * said + 3.0 * slot.required)
        for value in slot.choices:
            yield self._option(slot, value, 0.0)
        if not slot.required:
            yield self._option(slot, LEFT_OUT, base.LEFT_OUT)

    def _right_presence(self, slot: Slot, right: Any) -> tuple[int, ...] | None:
        if right is UNKNOWN:
            return None
        present = isinstance(right, Mapping if slot.kind == "object" else list)
        values = [option.value for option in self._presence(slot)]
        return _matching(values, PRESENT if present else right)

    def _items(self, slot: Slot, right: Any) -> Steps[list[Any]]:
        assert slot.item is not None
        items: list[Any] = []
        around, self._listed = self._listed, items
        while len(items) < MOST_ITEMS:
            known = None if right is UNKNOWN else (int(len(items) < len(right)),)
            taken = yield from decide(self._more(slot.item, items), known)
            if not (taken and taken.value):
                break
            value = yield from self._slot(slot.item, UNKNOWN if right is UNKNOWN else right[len(items)])
            items.append(None if value is LEFT_OUT else value)
        self._listed = around
        return items

    def _more(self, item: Slot, items: Sequence[Any]) -> list[Option]:
        """Stop the list or add an item: continue while the prompt has more to add."""
        features = self.prompt.word_features + group("done", [f"{len(items)} items"], 1.0)
        go = 2.0 if self._left(item, items) else -2.0
        return [
            Option(False, 0.0, ((f"stop {item.path}", features),)),
            Option(True, go, ((f"go on {item.path}", features),)),
        ]

    def _left(self, item: Slot, items: Sequence[Any]) -> bool:
        if item.kind == "choice":
            said = [value for value in item.choices if base.choice(self.prompt, value) >= 3.0]
            return any(value not in items for value in said)
        if item.kind in ("number", "integer"):
            return any(number.start not in self.copied for number in self.prompt.numbers)
        return not items

    def _plain(self, slot: Slot, right: Any) -> Steps[Any]:
        options = list(self._plain_options(slot)) or [self._fallback(slot)]
        known = None if right is UNKNOWN else right_options(self.prompt, options, right, _matching)
        taken = yield from decide(options, known)
        if taken is None:
            return LEFT_OUT
        if slot.kind == "choice":
            self._decided.append(f"{slot.path}={taken.value}")
        if isinstance(taken.value, Start):
            return (yield from self._ended(slot, taken.value.at, right))
        if isinstance(taken.value, Copied):
            self.copied.add(taken.value.start)
            return taken.value.value
        return taken.value

    def _plain_options(self, slot: Slot) -> Iterator[Option]:
        if not slot.required:
            yield self._option(slot, LEFT_OUT, base.LEFT_OUT)
        for value in slot.choices:
            again = base.USED if value in self._listed else 0.0
            yield self._option(slot, value, base.choice(self.prompt, value) + again)
        if slot.kind == "choice":
            return
        for value in self.memory.values.get(slot.path, ()):
            if _fits(slot, value) and value not in slot.choices:
                yield self._option(slot, value, base.SEEN)
        yield from self._from_results(slot)
        if slot.kind == "string":
            yield from starts(self.prompt, slot, self._definition, self.copied, self._is_known)
        else:
            yield from numbers(self.prompt, slot, self.copied)

    def _fallback(self, slot: Slot) -> Option:
        """For a required value without a trace: the default, else nothing rather than an invented one."""
        return self._option(slot, LEFT_OUT if slot.default is None else slot.default, 0.0)

    def _from_results(self, slot: Slot) -> Iterator[Option]:
        for result in self.prompt.results:
            for key, value in result.values:
                if _fits(slot, value):
                    alike = bool(slot.name_words & set(name_stems(key)))
                    features = group("k", [key, f"alike {alike}"], 1.0)
                    yield Option(value, 2.0 * alike - 1.0, ((f"result {slot.path}", features),))

    def _ended(self, slot: Slot, first: int, right: Any) -> Steps[str]:
        options = list(ends(self.prompt, slot, first))
        known = None if right is UNKNOWN else _matching([option.value for option in options], right)
        taken = yield from decide(options, known)
        chunks = self.prompt.chunks
        self.copied.add(chunks[first].start)
        return self._as_seen(slot, str(taken.value) if taken else chunks[first].text)

    def _as_seen(self, slot: Slot, text: str) -> str:
        """A copied string as spelled in training: "paris" becomes Paris."""
        alike = (seen for seen in self.memory.values.get(slot.path, ()) if isinstance(seen, str))
        return next((seen for seen in alike if seen.casefold() == text.casefold()), text)

    def _option(self, slot: Slot, value: Any, score: float) -> Option:
        shown = repr(value) if isinstance(value, _Mark) else json.dumps(value)
        parts: list[Part] = [(name, self.prompt.word_features) for name in (f"{slot.path}={shown}", f"={shown}")]
        parts.append(("value", ((BASE, score / 4),)))
        if self._decided:
            parts.append((f"{slot.path}={shown}", group("a", self._decided, 1.0)))
        return Option(value, score, tuple(parts))

    def _is_known(self, word: str) -> bool:
        return self.memory.is_known(word, own=self.own)


def decide(options: Sequence[Option], right: tuple[int, ...] | None) -> Steps[Option | None]:
    """Make a decision if there is something to decide."""
    if len(options) == 1 and right != ():
        return options[0]
    return (yield Decision(tuple(options), right))


def _inside(given: Any, name: str) -> Any:
    if given is UNKNOWN:
        return UNKNOWN
    return given.get(name, LEFT_OUT) if isinstance(given, Mapping) else LEFT_OUT


def _fits(slot: Slot, value: Any) -> bool:
    if slot.kind == "string":
        return isinstance(value, str)
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return number and (slot.kind == "number" or float(value).is_integer())


def _matching(values: Sequence[Any], right: Any) -> tuple[int, ...]:
    """The indices of the values equal to the right one; if there are none, of those that differ only in case."""
    exact = tuple(i for i, value in enumerate(values) if _same(value, right))
    if exact or not isinstance(right, str):
        return exact
    plain = right.strip().casefold()
    return tuple(i for i, v in enumerate(values) if isinstance(v, str) and v.strip().casefold() == plain)


def _same(value: Any, right: Any) -> bool:
    return bool(value is right or (isinstance(value, bool) == isinstance(right, bool) and value == right))


# --- Values copied from the prompt: whole numbers, and strings by their first and last chunk ------------------


MOST_STARTS = 80
LONGEST = 40
"""The most chunks in a copied string."""


@dataclass(frozen=True, slots=True)
class Copied:
    """A number from the prompt, at position `start`."""

    value: float | int
    start: int

    def __repr__(self) -> str:
        return repr(self.value)


@dataclass(frozen=True, slots=True)
class Start:
    """A string that begins at this chunk of the prompt."""

    at: int


def numbers(prompt: Prompt, slot: Slot, copied: Set[int]) -> Iterator[Option]:
    """The prompt's numbers that fit a slot, unchanged and with the opposite sign."""
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
    """For each chunk where the right string begins in the prompt, the string as written there."""
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
