"""The bounds of a rendering: steps, characters and seconds, counted while a template runs.

Loop steps, calls, filters and joined texts are counted. What could make a huge value at once, such as "a" * 10**9,
is checked before it is made. The clock is read at every sixteenth step.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence, Sized
from contextvars import ContextVar
from typing import Any

MOST_STEPS = 2_000_000
MOST_CHARACTERS = 1 << 28
"""In all values together."""
LONGEST_VALUE = 1 << 24
"""In characters."""
MOST_SECONDS = 30.0
_LARGEST_INTEGER_BITS = 256
_LARGEST_ARGUMENT = 1_000
_SIZED_BY_ARGUMENT = frozenset({"batch", "indent", "slice", "truncate"})
_WIDE_FORMAT = re.compile(r"%[^a-zA-Z%]*(?:\d{4}|\*)")


class OutOfBoundsError(Exception):
    """The template does too much."""


class Budget:
    """What one rendering may still use."""

    __slots__ = ("characters", "deadline", "steps", "texts")

    def __init__(self, texts: dict[int, str | None] | None = None) -> None:
        self.texts = texts or {}
        self.steps = MOST_STEPS
        self.characters = MOST_CHARACTERS
        self.deadline = time.monotonic() + MOST_SECONDS

    def step(self) -> None:
        self.steps -= 1
        if self.steps < 0:
            raise OutOfBoundsError(f"it takes more than {MOST_STEPS:,} steps")
        if not self.steps & 15 and time.monotonic() > self.deadline:
            raise OutOfBoundsError(f"it takes longer than {MOST_SECONDS:.0f} s")

    def take(self, size: int) -> None:
        """Before a value of this many characters or items is made."""
        self.characters -= size
        if size > LONGEST_VALUE:
            raise OutOfBoundsError(f"it makes a text of {size:,} characters; {LONGEST_VALUE:,} are allowed")
        if self.characters < 0:
            raise OutOfBoundsError(f"it makes more than {MOST_CHARACTERS:,} characters in all")
        self.step()


BUDGET: ContextVar[Budget] = ContextVar("the budget of the rendering under way")


def made(value: Any) -> Any:
    """The value, counted. An item of a list takes as much room as eight characters."""
    size = len(value) if isinstance(value, str) else 8 * len(value) if isinstance(value, list | tuple | dict) else 0
    BUDGET.get().take(size)
    return value


def joined(parts: Iterable[str]) -> str:
    """Texts as one, counted before they are joined."""
    budget, kept = BUDGET.get(), []
    total = 0
    for part in parts:
        kept.append(part)
        total += len(part)
        if total > LONGEST_VALUE:
            break
    budget.take(total)
    return "".join(kept)


def counted(values: Iterable[Any]) -> Iterable[Any]:
    """What a loop goes through, counted; a list keeps its length, which `loop.last` asks for."""
    return _Counted(values) if hasattr(values, "__len__") else _steps(values)


def _steps(values: Iterable[Any]) -> Iterator[Any]:
    step = BUDGET.get().step
    for value in values:
        step()
        yield value


class _Counted:
    def __init__(self, values: Any) -> None:
        self._values = values

    def __len__(self) -> int:
        return len(self._values)

    def __iter__(self) -> Iterator[Any]:
        return _steps(self._values)


def concatenation(parts: Sequence[Any]) -> str:
    """Jinja's `~`."""
    return joined([str(part) for part in parts])


# --- What could make a huge value at once ------------------------------------------------------------------------


def check_operands(operator: str, left: Any, right: Any) -> None:
    """Check an operation before it is done. Raises OutOfBoundsError."""
    if operator == "%" and isinstance(left, str):
        if _WIDE_FORMAT.search(left):
            raise OutOfBoundsError("it formats a text too widely")
    elif operator == "*":
        for text, count in ((left, right), (right, left)):
            if isinstance(text, str | list | tuple) and isinstance(count, int):
                BUDGET.get().take((1 if isinstance(text, str) else 8) * len(text) * max(count, 0))
        if isinstance(left, int) and isinstance(right, int):
            _check_bits(left.bit_length() + right.bit_length())
    elif operator == "**" and isinstance(left, int) and isinstance(right, int):
        _check_bits(left.bit_length() * max(right, 1))


def _check_bits(bits: int) -> None:
    if bits > _LARGEST_INTEGER_BITS:
        raise OutOfBoundsError("it calculates with too large a number")


def check_method(owner: str, name: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
    """Check a method of a text before it is called. Raises OutOfBoundsError."""
    if name == "replace":
        _check_replacement(owner, [*args, *kwargs.values()])
    elif name == "join" and args and isinstance(args[0], Sized):
        BUDGET.get().take(len(owner) * len(args[0]))


def check_filter(name: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
    """Check a filter before it runs. Raises OutOfBoundsError."""
    given = [*args, *kwargs.values()]
    if name in _SIZED_BY_ARGUMENT:
        sizes = [abs(each) for each in given if isinstance(each, int)]
        if sizes and max(sizes) > _LARGEST_ARGUMENT:
            raise OutOfBoundsError(f"{name} takes numbers up to {_LARGEST_ARGUMENT:,}")
        if name == "indent":
            texts = [each for each in given if isinstance(each, str)]
            width = max([*sizes, *map(len, texts[1:]), 4])
            BUDGET.get().take(width * texts[0].count("\n") if texts else 0)
    elif name == "replace":
        texts = [each for each in given if isinstance(each, str)]
        _check_replacement(texts[0] if texts else "", texts[1:])
    elif name == "join":
        separators = [each for each in given[1:] if isinstance(each, str)]
        lists = [each for each in given if isinstance(each, Sized) and not isinstance(each, str)]
        BUDGET.get().take(sum(map(len, separators)) * max(map(len, lists), default=1))


def _check_replacement(text: str, given: Sequence[Any]) -> None:
    old, new = (str(given[0]), str(given[1])) if len(given) > 1 else ("", "")
    BUDGET.get().take(len(new) * (text.count(old) if old else len(text) + 1))
