"""Rows of choices: all of them in order, or a few that contain every pair (a pairwise covering array).

The greedy algorithm is that of AETG (Cohen, Dalal, Fredman, Patton: "The AETG System", IEEE TSE 23(7), 1997), with
pairs as bits: each row starts from an open pair, and each further column takes the choice that closes the most
open pairs. A column may exist only under some choices of another.

Libraries were too slow: for 40 columns of 10 choices, allpairspy 2.5 takes 58 s (265 rows) and covertable 3.2
more than 120 s.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate, combinations
from random import Random

Row = tuple[int, ...]
"""By column, the number of the choice; -1 if the column does not exist in this row."""

MOST_BITS = 6000
"""Choices of all columns together; above this, each choice appears at least once and pairs are left to chance."""
MOST_ROWS = 10_000
_CANDIDATES = 8
_COMPLETIONS = 20
_MOST_MISSES = 50
"""After this many pairs without a valid row, most likely no row is valid."""


@dataclass(frozen=True)
class Column:
    """The number of choices; each call in which the column exists makes one."""

    size: int
    parent: int = -1
    """The earlier column that decides whether this one exists; -1 if it always does."""
    under: frozenset[int] = frozenset()
    """The parent's choices under which it exists."""


@dataclass(frozen=True)
class Space:
    """All rows over the columns."""

    columns: tuple[Column, ...]
    """Depth first: a column's dependents follow it directly."""

    def rows(self) -> Iterator[Row]:
        """Every row, in order."""
        row = [0] * len(self.columns)
        self._restart(row, 0)
        while True:
            yield tuple(row)
            place = len(row) - 1
            while place >= 0 and not 0 <= row[place] < self.columns[place].size - 1:
                place -= 1
            if place < 0:
                return
            row[place] += 1
            self._restart(row, place + 1)

    @cached_property
    def size(self) -> int:
        """The number of rows."""
        return math.prod(self._sizes[place] for place in self.children[-1])

    def row_at(self, index: int) -> Row:
        """The row at `index` in the order of `rows`."""
        row = [-1] * len(self.columns)
        self._decode(row, self.children[-1], index)
        return tuple(row)

    def any_row(self, random: Random) -> Row:
        """A random row."""
        return self.completed({}, random)

    def completed(self, fixed: dict[int, int], random: Random) -> Row:
        """A random row with these choices; each of their columns must exist under the others."""
        wanted = {**self.needed(fixed), **{place: frozenset((choice,)) for place, choice in fixed.items()}}
        row: list[int] = []
        for place, column in enumerate(self.columns):
            if not self.exists(row, place):
                row.append(-1)
            elif place in wanted:
                row.append(random.choice(sorted(wanted[place])))
            else:
                row.append(random.randrange(column.size))
        return tuple(row)

    def exists(self, row: Sequence[int], place: int) -> bool:
        column = self.columns[place]
        return column.parent < 0 or row[column.parent] in column.under

    def _decode(self, row: list[int], places: Sequence[int], index: int) -> None:
        for place in reversed(places):
            index, rest = divmod(index, self._sizes[place])
            for choice in range(self.columns[place].size):
                ways = self._ways(place, choice)
                if rest < ways:
                    row[place] = choice
                    self._decode(
                        row, [child for child in self.children[place] if choice in self.columns[child].under], rest
                    )
                    break
                rest -= ways

    def _ways(self, place: int, choice: int) -> int:
        below = (child for child in self.children[place] if choice in self.columns[child].under)
        return math.prod(self._sizes[child] for child in below)

    @cached_property
    def children(self) -> dict[int, list[int]]:
        """By column, the columns that depend on it; by -1, those that always exist."""
        children: dict[int, list[int]] = {place: [] for place in range(-1, len(self.columns))}
        for place, column in enumerate(self.columns):
            children[column.parent].append(place)
        return children

    @cached_property
    def _sizes(self) -> list[int]:
        """By column, the number of ways to choose it and the columns under it."""
        sizes = [0] * len(self.columns)
        for place in reversed(range(len(self.columns))):
            for choice in range(self.columns[place].size):
                below = (child for child in self.children[place] if choice in self.columns[child].under)
                sizes[place] += math.prod(sizes[child] for child in below)
        return sizes

    def _restart(self, row: list[int], start: int) -> None:
        for place in range(start, len(row)):
            row[place] = 0 if self.exists(row, place) else -1

    def needed(self, fixed: dict[int, int]) -> dict[int, frozenset[int]]:
        """The choices of the columns above under which these exist."""
        needed: dict[int, frozenset[int]] = {}
        for place in fixed:
            for above, under in self.chains[place]:
                needed[above] = needed.get(above, under) & under
        return needed

    @cached_property
    def chains(self) -> tuple[tuple[tuple[int, frozenset[int]], ...], ...]:
        """By column, the columns above it, with the choices under which it can exist."""
        chains: list[tuple[tuple[int, frozenset[int]], ...]] = []
        for column in self.columns:
            above = () if column.parent < 0 else (*chains[column.parent], (column.parent, column.under))
            chains.append(above)
        return tuple(chains)

    @cached_property
    def offsets(self) -> tuple[int, ...]:
        """By column, the bit of its first choice; at the end, the number of bits."""
        return tuple(accumulate((column.size for column in self.columns), initial=0))

    @cached_property
    def pairs(self) -> int:
        """The number of pairs of choices of two columns that can be in one row."""
        return sum(self._together(one, other) for one, other in combinations(range(len(self.columns)), 2))

    def _together(self, one: int, other: int) -> int:
        ours, theirs = dict(self.chains[one]), dict(self.chains[other])
        if any(not ours[above] & theirs[above] for above in ours.keys() & theirs.keys()):
            return 0
        first = theirs[one] if one in theirs else range(self.columns[one].size)
        second = ours[other] if other in ours else range(self.columns[other].size)
        return len(first) * len(second)

    def bits_of(self, row: Row) -> list[int]:
        return [offset + choice for offset, choice in zip(self.offsets, row, strict=False) if choice >= 0]

    @cached_property
    def partners(self) -> list[int]:
        """By bit, the bits that can be in one row with it, as a mask."""
        excluded = self._excluded()
        everything = (1 << self.offsets[-1]) - 1
        partners = []
        for place, column in enumerate(self.columns):
            above = 0
            for ancestor, under in self.chains[place]:
                common = everything
                for choice in under:
                    common &= excluded[self.offsets[ancestor] + choice]
                above |= common
            own = ((1 << column.size) - 1) << self.offsets[place]
            partners += [
                everything & ~(own | above | excluded[self.offsets[place] + choice])
                for choice in range(column.size)
            ]
        return partners

    def _excluded(self) -> list[int]:
        """By bit, the bits that it excludes: other choices of its column, and columns that do not exist with it."""
        excluded = []
        for column, offset in zip(self.columns, self.offsets, strict=False):
            own = ((1 << column.size) - 1) << offset
            excluded += [own & ~(1 << offset + choice) for choice in range(column.size)]
        for place, chain in enumerate(self.chains):
            own = ((1 << self.columns[place].size) - 1) << self.offsets[place]
            for ancestor, under in chain:
                for choice in range(self.columns[ancestor].size):
                    if choice not in under:
                        excluded[self.offsets[ancestor] + choice] |= own
        return excluded


def covering_rows(space: Space, seed: int | str, is_valid: Callable[[Row], bool] | None = None) -> list[Row]:
    """Rows that cover every pair of choices found in a valid row; the same for the same seed in any process.

    Pairs are missing if there are too many choices (MOST_BITS, MOST_ROWS) or no valid row was found for them, so
    count them.
    """
    random = Random(f"covering {seed}")
    if space.offsets[-1] > MOST_BITS:
        rows = list(dict.fromkeys(_each_once(space, random)))
        return rows if is_valid is None else [row for row in rows if is_valid(row)]
    return _Cover(space, random, is_valid).rows()


def _each_once(space: Space, random: Random) -> Iterator[Row]:
    for place, column in enumerate(space.columns):
        for choice in range(column.size):
            yield space.completed({place: choice}, random)


class _Cover:
    """Open pairs, closed row by row."""

    def __init__(self, space: Space, random: Random, is_valid: Callable[[Row], bool] | None) -> None:
        self.space = space
        self.random = random
        self.is_valid = is_valid
        self.open = list(space.partners)
        self.unused = set(range(len(self.open)))
        self.column_of = [place for place, column in enumerate(space.columns) for _ in range(column.size)]
        self.candidates = max(1, min(_CANDIDATES, 8000 // max(1, len(self.open))))

    def rows(self) -> list[Row]:
        rows: dict[Row, None] = {}
        misses = 0
        while len(rows) < MOST_ROWS or self.unused:
            start = self._start()
            if start is None:
                break
            row = max((self._row(start) for _ in range(self.candidates)), key=self._gain)
            if self.is_valid is not None and not self.is_valid(row):
                found = self._valid(start)
                if found is None:
                    self._give_up(start)
                    misses += 1
                    if not rows and misses > _MOST_MISSES:
                        break
                    continue
                row = found
            rows[row] = None
            self._close(row)
        return list(rows)

    def _start(self) -> dict[int, int] | None:
        """An open pair, or a choice that no row contains yet."""
        pool = self.unused or range(len(self.open))
        first = max(pool, key=lambda bit: (self.open[bit].bit_count(), -bit), default=None)
        if first is None or (not self.open[first] and first not in self.unused):
            return None
        bits = [first]
        if self.open[first]:
            partners = list(_bits(self.open[first]))
            bits.append(max(partners, key=lambda bit: (self.open[bit].bit_count(), -bit)))
        return {self.column_of[bit]: bit - self.space.offsets[self.column_of[bit]] for bit in bits}

    def _row(self, start: dict[int, int]) -> Row:
        space, random = self.space, self.random
        needed = space.needed(start)
        row, chosen = [-1] * len(space.columns), 0
        for place, choice in start.items():
            chosen |= 1 << space.offsets[place] + choice
        waiting = list(space.children[-1])
        while waiting:
            spot = random.randrange(len(waiting))
            waiting[spot], waiting[-1] = waiting[-1], waiting[spot]
            place = waiting.pop()
            choice = start[place] if place in start else self._best(place, needed.get(place), chosen)
            row[place] = choice
            chosen |= 1 << space.offsets[place] + choice
            waiting += [child for child in space.children[place] if choice in space.columns[child].under]
        return tuple(row)

    def _best(self, place: int, allowed: frozenset[int] | None, chosen: int) -> int:
        offset, best, most = self.space.offsets[place], [], -1
        for choice in range(self.space.columns[place].size) if allowed is None else sorted(allowed):
            still = self.open[offset + choice]
            gain = (still & chosen).bit_count() * 4 + (still != 0)
            if gain > most:
                best, most = [choice], gain
            elif gain == most:
                best.append(choice)
        return best[0] if len(best) == 1 else self.random.choice(best)

    def _gain(self, row: Row) -> int:
        bits = self.space.bits_of(row)
        mask = sum(1 << bit for bit in bits)
        return sum((self.open[bit] & mask).bit_count() for bit in bits)

    def _close(self, row: Row) -> None:
        bits = self.space.bits_of(row)
        keep = ~sum(1 << bit for bit in bits)
        for bit in bits:
            self.open[bit] &= keep
        self.unused.difference_update(bits)

    def _valid(self, start: dict[int, int]) -> Row | None:
        assert self.is_valid is not None
        for _ in range(_COMPLETIONS):
            row = self.space.completed(start, self.random)
            if self.is_valid(row):
                return row
        return None

    def _give_up(self, start: dict[int, int]) -> None:
        bits = [self.space.offsets[place] + choice for place, choice in start.items()]
        for bit in bits:
            for other in bits:
                self.open[bit] &= ~(1 << other)
        if len(bits) == 1 or not self.open[bits[0]]:
            self.unused.discard(bits[0])


def _bits(mask: int) -> Iterator[int]:
    while mask:
        lowest = mask & -mask
        yield lowest.bit_length() - 1
        mask ^= lowest
