"""Every cell of functions: the full product of a function's choices if it is small, else all pairs."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations, islice
from random import Random
from typing import overload

import orjson

from orchestrator.errors import FunctionNotEnumerable
from orchestrator.generation.calls import Cell, Form, Function
from orchestrator.generation.cells.choices import Choices, Factor, LeftOut, Note, Numbers, Unsupported, Words
from orchestrator.generation.cells.coverage import Coverage, FunctionCoverage, coverage_of
from orchestrator.generation.cells.covering import MOST_BITS, MOST_ROWS, Column, Row, Space, covering_rows
from orchestrator.generation.cells.reading import choices_of
from orchestrator.generation.cells.values import first_problem

MOST_FULL = 64
"""A function with at most this many forms gets all of them; a larger one gets a pairwise covering array."""

_ALWAYS_TRIED = 256
_TRIED_AT_LEAST = 16
_THREE = 0.25
"""The share of parallel cells with three calls, after every pair of functions has a cell."""
_TRIES = 50
_MOST_IN_VAIN = 2000


@dataclass(frozen=True)
class Columns:
    """The varying factors of one function, as the columns of a space."""

    function: str
    factors: tuple[Factor, ...]
    space: Space

    @cached_property
    def _labels(self) -> list[list[tuple[str, str]]]:
        return [[(factor.pointer, choice.label) for choice in factor.choices] for factor in self.factors]

    def form(self, row: Row) -> Form:
        """The form of this row."""
        chosen = zip(self._labels, row, strict=True)
        return Form(self.function, tuple([labels[choice] for labels, choice in chosen if choice >= 0]))


class CellsOf(Sequence[Cell]):
    """The cells of one function; a full product is made as it is read."""

    def __init__(self, columns: Columns, rows: Sequence[Row] | None) -> None:
        self.columns = columns
        self._rows = rows

    def __len__(self) -> int:
        return self.columns.space.size if self._rows is None else len(self._rows)

    def __iter__(self) -> Iterator[Cell]:
        for row in self.rows():
            yield cell_of((self.columns.form(row),))

    @overload
    def __getitem__(self, index: int) -> Cell: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Cell]: ...
    def __getitem__(self, index: int | slice) -> Cell | Sequence[Cell]:
        if isinstance(index, slice):
            return [self[place] for place in range(len(self))[index]]
        place = range(len(self))[index]
        row = self.columns.space.row_at(place) if self._rows is None else self._rows[place]
        return cell_of((self.columns.form(row),))

    def rows(self) -> Iterable[Row]:
        """The cells as rows."""
        return self.columns.space.rows() if self._rows is None else self._rows


@dataclass(frozen=True)
class Enumerated:
    """One function with its cells."""

    function: Function
    choices: Choices
    cells: CellsOf
    is_full: bool
    """Whether every form that the schema allows has a cell."""
    full: int
    """The forms in the full product of all choices, without those that were tried and break the schema."""


@dataclass(frozen=True)
class Cells:
    """Every cell: function by function, then the parallel ones. The same each time it is read."""

    enumerated: tuple[Enumerated, ...]
    parallel: tuple[Cell, ...]
    pairs: tuple[tuple[str, str], ...]
    """The pairs of functions that can be called in parallel; none without parallel cells."""
    findings: tuple[Note, ...]
    """Everything bounded, unsupported or left out."""

    def __len__(self) -> int:
        return sum(len(each.cells) for each in self.enumerated) + len(self.parallel)

    def __iter__(self) -> Iterator[Cell]:
        for each in self.enumerated:
            yield from each.cells
        yield from self.parallel

    def of(self, function: str) -> Sequence[Cell]:
        """The single-call cells of this function; none if no call of it is possible."""
        return self._by_name.get(function, ())

    @cached_property
    def _by_name(self) -> Mapping[str, Sequence[Cell]]:
        return {each.function.name: each.cells for each in self.enumerated}

    @property
    def notes(self) -> tuple[str, ...]:
        """`findings`, one sentence each."""
        return tuple(note.message for note in self.findings)

    @cached_property
    def coverage(self) -> Coverage:
        """The share of the allowed choices that the cells contain, counted cell by cell."""
        functions = tuple(_coverage(each) for each in self.enumerated)
        met = {pair for cell in self.parallel for pair in _pairs_in(cell)}
        return Coverage(functions, (sum(pair in met for pair in self.pairs), len(self.pairs)), len(self.parallel))


def enumerate_cells(
    functions: Sequence[Function], *, most_full: int = MOST_FULL, seed: int = 0, parallel: int = 0
) -> Cells:
    """The cells of `functions`: all forms of a function with at most `most_full`, else a pairwise covering array;
    then `parallel` cells with two or three calls, beginning with each pair of functions.

    Equal arguments give equal cells in any process. Raises FunctionNotEnumerable if a schema is invalid or no
    function can be called.
    """
    enumerated = tuple(_enumerated(function, most_full, seed) for function in functions)
    findings = tuple(note for _, notes in enumerated for note in notes)
    usable = tuple(each for each, _ in enumerated if len(each.cells))
    if functions and not usable:
        problem = "; ".join(note.message for note in findings[:3])
        raise FunctionNotEnumerable(name=functions[0].name, problem=problem, fix="Correct its definition")
    pairs = _pairs_of(usable, parallel)
    together = tuple(islice(_parallel(usable, pairs, Random(f"parallel {seed}")), parallel)) if pairs else ()
    return Cells(tuple(each for each, _ in enumerated), together, pairs, findings)


def cell_of(forms: tuple[Form, ...]) -> Cell:
    """The cell of these forms."""
    text = orjson.dumps([(form.function, form.choices) for form in forms])
    return Cell(hashlib.sha256(text).hexdigest()[:16], forms)


def columns_of(choices: Choices) -> Columns:
    """The varying factors, parents first, in the order of the schema."""
    factors: list[Factor] = []
    columns: list[Column] = []

    def add(factor: Factor, parent: int, under: frozenset[int]) -> None:
        if factor.only is None:
            factors.append(factor)
            columns.append(Column(len(factor.choices), parent, under))
            parent = len(factors) - 1
        for inner, numbers in _inner(factor):
            add(inner, *((parent, under) if factor.only is not None else (parent, numbers)))

    if choices.root is not None:
        add(choices.root, -1, frozenset())
    return Columns(choices.function, tuple(factors), Space(tuple(columns)))


def _inner(factor: Factor) -> list[tuple[Factor, frozenset[int]]]:
    """The factors under it, each with the numbers of the choices that add it."""
    found: dict[int, tuple[Factor, set[int]]] = {}
    for number, choice in enumerate(factor.choices):
        for inner in choice.factors:
            found.setdefault(id(inner), (inner, set()))[1].add(number)
    return [(inner, frozenset(numbers)) for inner, numbers in found.values()]


def _enumerated(function: Function, most_full: int, seed: int) -> tuple[Enumerated, tuple[Note, ...]]:
    choices = choices_of(function)
    columns, notes = columns_of(choices), choices.notes
    if choices.root is None:
        return Enumerated(function, choices, CellsOf(columns, ()), False, 0), notes
    trial = _Trial(columns, choices)
    is_full = columns.space.size <= most_full
    if is_full and not trial.is_needed():
        return Enumerated(function, choices, CellsOf(columns, None), True, choices.size), notes
    if is_full:
        rows = trial.valid_rows()
        return Enumerated(function, choices, CellsOf(columns, rows), True, len(rows)), (*notes, *trial.note())
    is_valid = trial.holds if trial.is_needed() else None
    rows = covering_rows(columns.space, f"{seed} {function.name}", is_valid)
    if len(rows) >= MOST_ROWS or columns.space.offsets[-1] > MOST_BITS:
        problem = (
            f"there are too many choices to cover every pair; {len(rows)} cells cover each choice at least once"
        )
        notes = (*notes, Unsupported(function.name, "", "enum", problem))
    is_full = len(rows) == choices.size
    return Enumerated(function, choices, CellsOf(columns, rows), is_full, choices.size), (*notes, *trial.note())


class _Trial:
    """Tries to find a valid call of each form."""

    def __init__(self, columns: Columns, choices: Choices) -> None:
        self.columns = columns
        self.choices = choices
        self.tried = 0
        self.failed: list[str] = []

    def is_needed(self) -> bool:
        """Whether to try each form: if the schema requires it, or if one of the first forms breaks it."""
        if self.choices.needs_trial or self.columns.space.size <= _ALWAYS_TRIED:
            return True
        first = islice(self.columns.space.rows(), _TRIED_AT_LEAST)
        return any(first_problem(self.columns.form(row), self.choices) for row in first)

    def valid_rows(self) -> list[Row]:
        """All valid rows; none if none of the first is valid."""
        rows: list[Row] = []
        for row in self.columns.space.rows():
            if self.holds(row):
                rows.append(row)
            elif not rows and self.tried >= _MOST_IN_VAIN:
                break
        return rows

    def holds(self, row: Row) -> bool:
        self.tried += 1
        problem = first_problem(self.columns.form(row), self.choices)
        if problem:
            self.failed.append(problem)
        return not problem

    def note(self) -> tuple[Note, ...]:
        if not self.failed:
            return ()
        return (LeftOut(self.choices.function, len(self.failed), self.tried, self.failed[0]),)


# --- Parallel calls ---


def _pairs_of(usable: Sequence[Enumerated], parallel: int) -> tuple[tuple[str, str], ...]:
    if not parallel:
        return ()
    names = [each.function.name for each in usable]
    same = [(each.function.name,) * 2 for each in usable if _differs(each)]
    return (*combinations(names, 2), *((name, name) for name, _ in same))


def _differs(each: Enumerated) -> bool:
    """Whether two calls of the function can differ."""
    free = (Numbers, Words)
    return len(each.cells) > 1 or any(
        isinstance(choice.content, free) for factor in each.choices.factors() for choice in factor.choices
    )


def _parallel(usable: Sequence[Enumerated], pairs: Sequence[tuple[str, str]], random: Random) -> Iterator[Cell]:
    by_name = {each.function.name: each for each in usable}
    different = [pair for pair in pairs if pair[0] != pair[1]]
    same = [pair for pair in pairs if pair[0] == pair[1]]
    random.shuffle(different)
    random.shuffle(same)
    seen: set[str] = set()
    for pair in (*different, *same):
        yield from _new_cell(pair, by_name, random, seen)
    misses = 0
    while misses < _TRIES:
        names: tuple[str, ...] = random.choice(pairs)
        if random.random() < _THREE:
            names = (*names, random.choice(pairs)[0])
            names = names if len(set(names)) == 3 else names[:2]
        before = len(seen)
        yield from _new_cell(names, by_name, random, seen)
        misses = 0 if len(seen) > before else misses + 1


def _new_cell(
    names: Sequence[str], by_name: Mapping[str, Enumerated], random: Random, seen: set[str]
) -> Iterator[Cell]:
    names = random.sample(names, len(names))
    for _ in range(_TRIES):
        forms = tuple(_any_form(by_name[name], random) for name in names)
        repeats = len(set(forms)) < len(forms) and len(by_name[names[0]].cells) > 1
        cell = cell_of(forms)
        if not repeats and cell.id not in seen:
            seen.add(cell.id)
            yield cell
            return


def _any_form(each: Enumerated, random: Random) -> Form:
    return each.cells[random.randrange(len(each.cells))].forms[0]


def _pairs_in(cell: Cell) -> Iterator[tuple[str, str]]:
    names = [form.function for form in cell.forms]
    for one, other in combinations(names, 2):
        yield one, other
        yield other, one


def _coverage(each: Enumerated) -> FunctionCoverage:
    columns = each.cells.columns
    return coverage_of(
        each.function.name,
        each.choices,
        columns.factors,
        columns.space,
        each.cells.rows(),
        is_full=each.is_full,
        full=each.full,
    )
