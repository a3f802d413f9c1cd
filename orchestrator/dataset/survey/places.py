"""Where something was seen in a file: how often, and on which lines first."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

_KEPT = 5


@dataclass
class Places:
    """Counts all lines and keeps the first five, so that a file of any size needs no more memory."""

    count: int = 0
    first: list[int] = field(default_factory=list)

    def add(self, line: int) -> None:
        self.count += 1
        if len(self.first) < _KEPT:
            self.first.append(line)

    def merge(self, later: Places, line_offset: int) -> None:
        """Take up the places of a later part of the same file, which starts behind `line_offset` lines."""
        self.count += later.count
        room = _KEPT - len(self.first)
        self.first.extend(line + line_offset for line in later.first[:room])

    def __str__(self) -> str:
        return lines_text(self.first, self.count)


def lines_text(lines: Sequence[int], count: int | None = None) -> str:
    """`line 4`, `lines 4, 9 and 12`, or `lines 4, 9, 12, 15, 20 and 37 more` where there are `count` in all."""
    word = "line" if len(lines) == 1 and count in (None, 1) else "lines"
    return f"{word} {listed([str(line) for line in lines[:_KEPT]], len(lines) if count is None else count)}"


def listed(items: Iterable[str], count: int | None = None) -> str:
    """The first five of `items` in a sentence, and how many more there are of `count` in all."""
    shown = _first(items, count)
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} and {shown[-1]}"


def listed_apart(items: Iterable[str], count: int | None = None) -> str:
    """The same for items that are lists themselves, with semicolons between them."""
    return "; ".join(_first(items, count))


def _first(items: Iterable[str], count: int | None) -> list[str]:
    known = list(items)
    shown = known[:_KEPT]
    more = (len(known) if count is None else count) - len(shown)
    return [*shown, f"{more:,} more"] if more > 0 else shown
