"""What a conversion did to a file, and why it could not convert an example."""

from __future__ import annotations

from dataclasses import dataclass, field

FIRST_LINES = 5
MOST_BAD_ROWS = 1000
ANSWERS_ADDED = "answers added"


class NotConvertible(Exception):
    """An example, or what should be one, can't be converted. `problem` says why, `advice` what to do."""

    def __init__(self, problem: str, advice: str) -> None:
        self.problem = problem
        self.advice = advice
        super().__init__(problem)


@dataclass(frozen=True)
class Change:
    """One kind of change: what was done, in how many examples, and the lines of the first of them."""

    what: str
    lines: int
    first: tuple[int, ...]


@dataclass(frozen=True)
class BadRow:
    """An example that was not converted; `line` is the one it begins on, counted from 1."""

    line: int
    problem: str
    advice: str


@dataclass
class Changes:
    """Collects changes during a conversion, in bounded memory. `line` is that of the example at hand."""

    line: int = 0
    dropped: set[str] = field(default_factory=set)
    """Keys and columns that were left out because the user said so."""
    _lines: dict[str, list[int]] = field(default_factory=dict)
    _counts: dict[str, int] = field(default_factory=dict)
    _of_this_row: dict[str, None] = field(default_factory=dict)

    def note(self, what: str) -> None:
        """Note that the example at hand was changed in this way; twice in one example counts once."""
        self._of_this_row[what] = None

    def take_back(self, *pairs: tuple[str, str]) -> None:
        """Forget what was noted and then undone: both of a pair where both are noted for the example at hand."""
        for done, undone in pairs:
            if done in self._of_this_row and undone in self._of_this_row:
                del self._of_this_row[done], self._of_this_row[undone]

    def settle(self) -> None:
        """Count what was noted for the example at hand: it is converted."""
        for what in self._of_this_row:
            self._counts[what] = self._counts.get(what, 0) + 1
            first = self._lines.setdefault(what, [])
            if len(first) < FIRST_LINES:
                first.append(self.line)
        self._of_this_row.clear()

    def discard(self) -> None:
        """Forget what was noted for the example at hand: it is not converted."""
        self._of_this_row.clear()

    def tally(self) -> tuple[Change, ...]:
        """All kinds of changes, in the order in which they were first made."""
        return tuple(Change(what, count, tuple(self._lines[what])) for what, count in self._counts.items())
