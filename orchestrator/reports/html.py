"""An evaluation as one self-contained page: no network, no scripts, no other files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orchestrator.dataset.files import new_files
from orchestrator.evaluation.metrics import METRICS, Proportion
from orchestrator.evaluation.ownership import Ownership
from orchestrator.evaluation.results import Results, Series
from orchestrator.evaluation.scores import SeriesKey
from orchestrator.evaluation.versus import Changed
from orchestrator.installation import extra_command
from orchestrator.reports import comparison, evaluation, ownership, ownershipplot
from orchestrator.reports.confusion import confusion_table
from orchestrator.reports.table import Row, Table
from orchestrator.reports.text import plural, printable
from orchestrator.reports.verdict import verdict_lines

if TYPE_CHECKING:
    from jinja2 import Template


MOST_CHANGED = 200
"""Answers that are listed for one model; --json has every one."""
_TEMPLATES = Path(__file__).with_name("templates")


ChangesOfEach = Mapping[SeriesKey, tuple[Sequence[Changed], Sequence[Changed]]]
"""What each model in a variant broke and what it fixed."""


@dataclass(frozen=True)
class Shares:
    """One measure: the share of each model in each variant."""

    title: str
    is_better_low: bool
    shares: Sequence[tuple[str, Proportion]]


@dataclass(frozen=True)
class Changes:
    """What one model broke and fixed against the base in the same variant, as far as it is listed."""

    title: str
    broken: Sequence[Changed]
    fixed: Sequence[Changed]
    counts: tuple[int, int]


@dataclass(frozen=True)
class Owning:
    """The cost of ownership."""

    sentences: Sequence[str]
    tables: Sequence[Table]
    notes: Sequence[str]
    svg: str | None
    without_plot: str


def write_page(results: Results, owned: Ownership | None, changes: ChangesOfEach, path: Path) -> None:
    """Write the page of an evaluation, with the cost of ownership where it was asked for; a file there is replaced.

    `changes` are those of `evaluation.versus.changes_against_base`.

    Raises OutputUnwritable.
    """
    page = page_of(results, owned, changes)
    with new_files([path], replace=True) as [stream]:
        stream.write(page.encode())


def page_of(results: Results, owned: Ownership | None, changes: ChangesOfEach) -> str:
    """The page as text. Anything that models and files contain is text in it, never markup."""
    found = results.evaluation
    return _template().render(
        results=results,
        evaluation=found,
        rehearsal=evaluation.REHEARSAL if found.is_rehearsal else "",
        unanswered=sum(series.all.api_errors for series in results.series),
        why_unanswered=results.why_unanswered,
        said=verdict_lines(results),
        verdict=_verdict(results),
        too_few=comparison.too_few(results.comparisons),
        shares=list(_shares(results)),
        tables=[table for table in _tables(results) if table.rows],
        owning=_owning(owned) if owned else None,
        changes=list(_changes(results, changes)),
        most_changed=MOST_CHANGED,
        facts=list(_facts(results)),
        written=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        version=version("ftorch"),
    )


def _template() -> Template:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_harmless,
    )
    environment.filters |= {"share": comparison.share, "plural": plural}
    return environment.get_template("evaluation.html.jinja")


def _harmless(value: Any) -> Any:
    """Control characters and half surrogates, which a model may answer with, have no place on a page."""
    return printable(value) if type(value) is str else value


def _verdict(results: Results) -> Table | None:
    """With the verdicts in the second column: a phone shows only the first columns."""
    if not results.comparisons:
        return None
    table = comparison.comparisons_table("base", results.comparisons)
    first, *others, last = table.columns
    rows = [each if each.is_heading else _with_last_second(each) for each in table.rows]
    columns = [first, replace(last, heading="verdict"), *others]
    return replace(table, columns=columns, rows=rows, title=comparison.method(results.comparisons))


def _with_last_second(row: Row) -> Row:
    first, *others, last = row.cells
    return replace(row, cells=[first, last, *others])


def _shares(results: Results) -> Iterator[Shares]:
    for measure in (each for each in METRICS.values() if each.in_tables):
        shares = [(_named(results, series), measure.of(series.all)) for series in results.series]
        if any(share.count for _, share in shares):
            yield Shares(measure.title, measure.better_low, shares)


def _named(results: Results, series: Series) -> str:
    several = len(results.evaluation.settings["variants"]) > 1
    return f"{series.label} {series.variant}" if several else series.label


def _tables(results: Results) -> Iterator[Table]:
    yield from evaluation.result_tables(results, is_wide=True)
    yield confusion_table(results)


def _owning(owned: Ownership) -> Owning:
    can_draw = ownershipplot.is_installed()
    return Owning(
        sentences=list(ownership.basis(owned)),
        tables=[ownership.parts_table(owned), ownership.months_table(owned)],
        notes=list(ownership.notes(owned)),
        svg=ownershipplot.inline_svg(owned) if can_draw else None,
        without_plot="" if can_draw else _without_plot(),
    )


def _without_plot() -> str:
    return f"A drawing of this needs matplotlib. Install it, then write the page again: {extra_command('plots')}"


def _changes(results: Results, changes: ChangesOfEach) -> Iterator[Changes]:
    for series in results.series:
        if series.key in changes:
            broken, fixed = changes[series.key]
            counts = (len(broken), len(fixed))
            yield Changes(_named(results, series), broken[:MOST_CHANGED], fixed[:MOST_CHANGED], counts)


def _facts(results: Results) -> Iterator[tuple[str, str]]:
    """How it was measured."""
    found, settings = results.evaluation, results.evaluation.settings
    yield "cases", f"{plural(results.cases, 'case')} of {found.file_path}"
    yield "sha256 of the file", found.file_sha256
    for entry in settings["models"]:
        yield f"model, {entry['label']}", entry["model"]
    yield "endpoint", f"{found.endpoint} ({found.endpoint_type})"
    yield "variants", ", ".join(settings["variants"])
    yield "samples of each question", str(settings["samples"])
    yield "temperature", str(settings.get("temperature", "not recorded"))
    yield "rejection tools", ", ".join(settings.get("rejection_tools", ())) or "none named"
    yield "run", found.run_id or "none, or several"
    yield "begun", _moment(found.created_at)
    yield "scored", f"{_moment(found.finished_at)}, by version {found.scored_with} of the rules"
    yield "evaluation", found.id
    yield "intervals", "Wilson, 95 %, over clusters of paraphrases"
    yield "differences", "exact McNemar test, paired bootstrap, Holm's adjustment where several models are compared"


def _moment(then: float | None) -> str:
    return "unknown" if then is None else datetime.fromtimestamp(then, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
