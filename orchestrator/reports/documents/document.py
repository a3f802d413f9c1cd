"""A document as a value: what is known of a run, a sweep, an evaluation, a comparison or a data file, in sections.

`html` writes it for a browser, `markdown` for a page of text, `exports` as CSV, JSON and pictures. Builders know
nothing of that, and writers nothing of runs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from orchestrator.evaluation.metrics import Proportion
from orchestrator.reports.charts.chart import Chart
from orchestrator.reports.charts.parallel import Parallel
from orchestrator.reports.table import Cell, Meaning, Table


@dataclass(frozen=True)
class Paragraph:
    """A sentence or more."""

    text: str
    meaning: Meaning = Meaning.NONE


@dataclass(frozen=True)
class Code:
    """Lines to copy as they are."""

    text: str


@dataclass(frozen=True)
class Moment:
    """One step of a history: when, what was reached, why; and how long it lasted, in words."""

    at: float
    state: Cell
    reason: str
    lasted: str = ""


@dataclass(frozen=True)
class Timeline:
    """The steps of a history, the first one first."""

    moments: Sequence[Moment]


@dataclass(frozen=True)
class Shares:
    """One metric: the share of right answers of each model, drawn with its 95 % CI."""

    title: str
    shares: Sequence[tuple[str, Proportion]]
    is_better_low: bool = False


@dataclass(frozen=True)
class Folded:
    """Blocks that a reader opens."""

    summary: str
    blocks: Sequence[Block]
    is_open: bool = False


Block = Paragraph | Code | Table | Timeline | Chart | Parallel | Shares | Folded


@dataclass(frozen=True)
class Section:
    """Blocks under a title; `key` names the section for links, programs and the page."""

    key: str
    title: str
    blocks: Sequence[Block]


@dataclass(frozen=True)
class Document:
    """A title, what matters most in one sentence, the models it is about, then the sections."""

    kind: str
    """`run`, `sweep`, `evaluation`, `comparison` or `data`."""
    title: str
    lead: str
    sections: Sequence[Section]
    models: Sequence[tuple[str, str]] = ()
    """What each model is here, and its id."""
    warnings: Sequence[str] = ()
    records: Callable[[], Table] | None = None
    """Makes what a spreadsheet gets: a row for each step, trial, model or finding."""
    paths: Sequence[str] = ()
    """The files that it names."""

    @property
    def charts(self) -> list[Chart]:
        """Those that have something to show, in their order."""
        found = (block for section in self.sections for block in _all_blocks(section.blocks))
        return [block for block in found if isinstance(block, Chart) and not block.is_empty]


def _all_blocks(blocks: Sequence[Block]) -> Iterator[Block]:
    for block in blocks:
        yield block
        if isinstance(block, Folded):
            yield from _all_blocks(block.blocks)


def some(*sections: Section) -> list[Section]:
    """The sections that have something in them."""
    return [section for section in sections if section.blocks]
