"""The lists of sweeps and of evaluations, and the way from a model to its run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from orchestrator.bookkeeping.models import find_run
from orchestrator.ledger import SweepStanding
from orchestrator.reports.documents.document import Block, Paragraph, Section
from orchestrator.reports.sweeptables import states, trials_expected, trials_over
from orchestrator.reports.table import Bar, Cell, Column, Fit, Row, Table, row
from orchestrator.reports.text import ago
from orchestrator.store.evaluations import Evaluation
from orchestrator.web.links import run_link
from orchestrator.web.page import Asked, Moved, Page
from orchestrator.web.rendering import render, section_parts

_MOST = 200


def sweeps(asked: Asked) -> Page:
    standings = asked.ledger.sweeps()
    table = sweeps_table(standings[:_MOST], asked.now)
    return _list("Sweeps", table, len(standings), "Add [sweep] to a job file, then: ftorch submit JOB.toml")


def evaluations(asked: Asked) -> Page:
    found = asked.ledger.evaluations(_MOST)
    return _list(
        "Evaluations", _evaluations_table(found, asked.now), len(found), "To evaluate a model: ftorch evaluate RUN"
    )


def model(asked: Asked) -> Page:
    """Raises Moved to the run that made the model, and ModelNotRecorded."""
    run, _ = find_run(asked.ledger, asked.path["model"])
    raise Moved(run_link(run.id))


def sweeps_table(standings: Sequence[SweepStanding], now: float) -> Table:
    """A row for each sweep, with how many of its trials have ended."""
    names = [Column(name, fit=Fit.LINE) for name in ("sweep", "endpoint", "", "done")]
    columns = [*names, Column("trials", fit=Fit.FOLD), Column("created", fit=Fit.LINE)]
    return Table(columns, [_sweep(each, now) for each in standings])


def _sweep(standing: SweepStanding, now: float) -> Row:
    sweep, counts = standing.sweep, standing.counts
    done, expected = trials_over(counts), trials_expected(sweep, counts)
    return row(
        Cell(sweep.name, ref=f"sweep:{sweep.id}"),
        sweep.endpoint,
        Bar(done=done, total=expected),
        f"{done:,}/{expected:,}",
        states(counts, expected) + ("; stopped" if sweep.stopped_at is not None else ""),
        ago(sweep.created_at, now),
    )


def _evaluations_table(found: Sequence[Evaluation], now: float) -> Table:
    names = [Column(name, fit=Fit.LINE) for name in ("evaluation", "name", "state", "endpoint", "begun")]
    columns = [*names, Column("models", fit=Fit.FOLD), Column("cases", fit=Fit.FOLD)]
    return Table(columns, [_evaluation(each, now) for each in found])


def _evaluation(each: Evaluation, now: float) -> Row:
    models = ", ".join(str(entry["label"]) for entry in each.settings["models"])
    name = Cell(each.id, ref=f"evaluation:{each.id}")
    return row(name, each.name, each.state, each.endpoint, ago(each.created_at, now), models, each.file_path)


def _list(title: str, table: Table, total: int, advice: str) -> Page:
    section = Section("list", title, list(_blocks(table, total, advice)))
    return Page(title, section_parts([section]), head=render("heading", title=title), place=title, is_stacked=True)


def _blocks(table: Table, total: int, advice: str) -> Iterator[Block]:
    if not table.rows:
        yield Paragraph(f"None yet. {advice}")
        return
    yield table
    if total > len(table.rows):
        yield Paragraph(f"The newest {len(table.rows)} of {total:,} are shown.")
