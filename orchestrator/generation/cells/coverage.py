"""The share of the allowed choices that cells contain, counted in the cells themselves."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations

from orchestrator.generation.cells.choices import Aspect, Choice, Choices, Factor
from orchestrator.generation.cells.covering import MOST_BITS, Row, Space

Share = tuple[int, int]
"""(covered, of)"""


@dataclass(frozen=True)
class FunctionCoverage:
    """The coverage of one function."""

    function: str
    cells: int
    full: int
    """The forms in the full product of all choices, without those that were tried and break the schema."""
    is_full: bool
    """Whether every form that the schema allows has a cell."""
    enum_values: Share
    optional: Share
    """Optional parameters, each counted absent and present."""
    booleans: Share
    boundaries: Share
    branches: Share
    """Branches of `oneOf` and `anyOf`, several types, and null."""
    pairs: Share
    """Pairs of choices of two factors. Some of `of` may break the schema if each form had to be tried."""


@dataclass(frozen=True)
class Coverage:
    """The coverage of all cells."""

    functions: tuple[FunctionCoverage, ...]
    function_pairs: Share
    """Pairs of functions called in parallel; (0, 0) without parallel cells."""
    parallel: int
    """Cells with several calls."""

    @cached_property
    def full(self) -> int:
        """The sum of the functions' full products."""
        return sum(each.full for each in self.functions)

    @property
    def shares(self) -> Mapping[str, Share]:
        """The shares over all functions by name, in display order."""
        return {
            "enum values": self._sum(lambda each: each.enum_values),
            "optional present/absent": self._sum(lambda each: each.optional),
            "booleans": self._sum(lambda each: each.booleans),
            "boundaries": self._sum(lambda each: each.boundaries),
            "branches": self._sum(lambda each: each.branches),
            "pairs of choices": self._sum(lambda each: each.pairs),
            "pairs of functions": self.function_pairs,
        }

    def _sum(self, share: Callable[[FunctionCoverage], Share]) -> Share:
        shares = [share(each) for each in self.functions]
        return sum(covered for covered, _ in shares), sum(of for _, of in shares)


def coverage_of(
    function: str,
    choices: Choices,
    factors: Sequence[Factor],
    space: Space,
    rows: Iterable[Row],
    *,
    is_full: bool,
    full: int,
) -> FunctionCoverage:
    """The coverage of one function by rows over its varying factors."""
    cells, used, pairs = _counted(space, rows)
    chosen = {
        (id(factor), number): bool(used >> offset + number & 1)
        for factor, offset in zip(factors, space.offsets, strict=False)
        for number in range(len(factor.choices))
    }
    found = list(_reached(choices.root, chosen, cells > 0)) if choices.root is not None else []

    def share(aspect: Aspect) -> Share:
        covered = [is_in for _, choice, is_in in found if aspect in choice.aspects]
        return sum(covered), len(covered)

    return FunctionCoverage(
        function,
        cells,
        full,
        is_full,
        share(Aspect.ENUM),
        _optional(found),
        share(Aspect.BOOLEAN),
        share(Aspect.BOUNDARY),
        share(Aspect.BRANCH),
        (pairs, space.pairs),
    )


Found = tuple[Factor, Choice, bool]


def _reached(factor: Factor, chosen: Mapping[tuple[int, int], bool], above: bool) -> Iterator[Found]:
    """Each choice of the factor and of those under it once, and whether a cell contains it."""
    under: dict[int, tuple[Factor, bool]] = {}
    for number, choice in enumerate(factor.choices):
        is_in = chosen.get((id(factor), number), above)
        yield factor, choice, is_in
        for inner in choice.factors:
            under[id(inner)] = inner, is_in or under.get(id(inner), (inner, False))[1]
    for inner, is_in in under.values():
        yield from _reached(inner, chosen, is_in)


def _optional(found: Sequence[Found]) -> Share:
    states: dict[tuple[int, bool], bool] = {}
    for factor, choice, is_in in found:
        if factor.optional:
            for absent in (True, False):
                state = id(factor), absent
                states[state] = states.get(state, False) or (is_in and (choice.label == "absent") == absent)
    return sum(states.values()), len(states)


def _counted(space: Space, rows: Iterable[Row]) -> tuple[int, int, int]:
    """The number of rows, the bits of the choices in them, and the number of pairs in them."""
    if space.offsets[-1] > MOST_BITS:
        return _counted_one_by_one(space, rows)
    met, cells = [0] * space.offsets[-1], 0
    for row in rows:
        cells += 1
        bits = space.bits_of(row)
        mask = 0
        for bit in bits:
            mask |= 1 << bit
        for bit in bits:
            met[bit] |= mask
    used = sum(1 << bit for bit, mask in enumerate(met) if mask)
    return cells, used, sum(mask.bit_count() - 1 for mask in met if mask) // 2


def _counted_one_by_one(space: Space, rows: Iterable[Row]) -> tuple[int, int, int]:
    bits: set[int] = set()
    pairs: set[tuple[int, int]] = set()
    cells = 0
    for row in rows:
        cells += 1
        own = space.bits_of(row)
        bits.update(own)
        pairs.update(combinations(own, 2))
    return cells, sum(1 << bit for bit in bits), len(pairs)
