"""What a report shows, read from the records: of a run, a sweep, an evaluation, several runs, or a data file."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from orchestrator.bookkeeping.endings import endings
from orchestrator.bookkeeping.lineage import Lineage, lineage_of
from orchestrator.config import EndpointConfig
from orchestrator.dataset.checking.filesets import CheckedSource, CheckOptions, check_files
from orchestrator.dataset.stats import Statistics, statistics_of
from orchestrator.errors import AmbiguousEvaluation, NoGoodExample, NoSuchRun, NotComparable, NothingToReport
from orchestrator.evaluation.results import Results, results_of
from orchestrator.evaluation.scores import SeriesKey
from orchestrator.evaluation.versus import Answers, answers_of
from orchestrator.ledger import Ledger, RunDetails
from orchestrator.store import evaluations as evaluation_store, sweeps as sweep_store
from orchestrator.store.records import Event, Metric
from orchestrator.sweeps.overview import Overview, overview_by_id

EVENTS = 200
"""Of a run, the last ones that a report has."""
CURVES = 40
"""Of a sweep, the trials whose course a report draws."""
_DATA = (".jsonl",)


@dataclass(frozen=True)
class RunRecord:
    """Everything recorded about a run."""

    details: RunDetails
    config: EndpointConfig | None = None
    """Its endpoint as it is configured now; None if it no longer is."""
    events: Sequence[Event] = ()
    """The last ones, oldest first."""
    all_events: int = 0
    lineage: Lineage | None = None
    ends: date | None = None
    """The day on which its endpoint ends its model."""


@dataclass(frozen=True)
class SweepRecord:
    """A sweep, and the measured steps of some of its trials."""

    overview: Overview
    config: EndpointConfig | None = None
    metrics: Mapping[str, Sequence[Metric]] = field(default_factory=dict)
    """By run, of at most `CURVES` trials: the best, the worst, and others evenly between them."""


@dataclass(frozen=True)
class EvaluationRecord:
    """An evaluation, and the answers worth reading."""

    results: Results
    answers: Mapping[SeriesKey, Answers]


@dataclass(frozen=True)
class ComparisonRecord:
    """Two or more runs, in the order in which they were named."""

    runs: Sequence[RunRecord]


@dataclass(frozen=True)
class DataRecord:
    """A data file, checked and counted; `statistics` is None if no example in it is good."""

    checked: CheckedSource
    statistics: Statistics | None


Record = RunRecord | SweepRecord | EvaluationRecord | ComparisonRecord | DataRecord


def record_of(ledger: Ledger, keys: Sequence[str]) -> Record:
    """What the keys mean: several runs; or a data file (.jsonl), a sweep, a run, or the id of an evaluation.

    Raises NothingToReport, NotComparable, AmbiguousRun, AmbiguousEvaluation, and what `data_record` raises.
    """
    if len(keys) > 1:
        return comparison_record(ledger, keys)
    [key] = keys
    if Path(key).suffix in _DATA:
        return data_record(Path(key))
    if sweep := sweep_record(ledger, key):
        return sweep
    try:
        return run_record(ledger, key)
    except NoSuchRun:
        found = evaluation_record(ledger, key)
        if found is None:
            raise NothingToReport(key=key) from None
        return found


def run_record(ledger: Ledger, key: str, *, with_lineage: bool = True) -> RunRecord:
    """The run whose id starts with `key`, or the newest of that name. Raises NoSuchRun and AmbiguousRun.

    `with_lineage` reads the scores of the last evaluations of its models, which may be very many.
    """
    details = ledger.details(key)
    run = details.run
    events, all_events = ledger.last_events(run.id, EVENTS)
    config = ledger.workspace.endpoints.get(run.endpoint)
    lineage = lineage_of(ledger, run.id) if with_lineage else None
    ends = endings(ledger).of(run.endpoint, run.fine_tuned_model)
    return RunRecord(details, config, events, all_events, lineage, ends)


def sweep_record(ledger: Ledger, key: str) -> SweepRecord | None:
    """The newest sweep of that name, or the one of that id; None if there is none."""
    with ledger.database.read() as connection:
        known = sweep_store.newest(connection)
    found = next((each for each in known if key in (each.name, each.id)), None)
    if found is None:
        return None
    overview = overview_by_id(ledger, found.id)
    metrics = {run_id: ledger.metrics(run_id) for run_id in _drawn(overview)}
    return SweepRecord(overview, ledger.workspace.endpoints.get(found.endpoint), metrics)


def _drawn(overview: Overview) -> list[str]:
    """The runs whose curves are drawn: ranked ones first, then those without a place."""
    ranked = [result.run_id for point in overview.ranking.ranked for result in point.results]
    others = [record.run.id for record in overview.trials if record.run.id not in set(ranked)]
    ordered = [*ranked, *others]
    if len(ordered) <= CURVES:
        return ordered
    return [ordered[number * (len(ordered) - 1) // (CURVES - 1)] for number in range(CURVES)]


def evaluation_record(ledger: Ledger, key: str) -> EvaluationRecord | None:
    """The finished evaluation whose id starts with `key`; None if there is none. Raises AmbiguousEvaluation."""
    with ledger.database.read() as connection:
        found = evaluation_store.starting_with(connection, key)
    if not found:
        return None
    if len(found) > 1:
        raise AmbiguousEvaluation(key=key, candidates=", ".join(each.id for each in found))
    results = results_of(ledger, found[0])
    return EvaluationRecord(results, answers_of(ledger, results))


def comparison_record(ledger: Ledger, keys: Sequence[str]) -> ComparisonRecord:
    """These runs. Raises NotComparable if one is no run, or if two are the same, and AmbiguousRun."""
    runs: list[RunRecord] = []
    for key in keys:
        try:
            found = run_record(ledger, key)
        except NoSuchRun:
            raise NotComparable(key=key, problem="is not a run") from None
        run = found.details.run
        if run.sweep_id is not None and run.name == key:
            raise NotComparable(key=key, problem="is a sweep of several runs; give the ids of its trials")
        if any(run.id == each.details.run.id for each in runs):
            raise NotComparable(key=key, problem="is a run that was already named")
        runs.append(found)
    return ComparisonRecord(runs)


def data_record(path: Path) -> DataRecord:
    """Check the file and count what it holds. Raises DataFileNotFound and DataFileUnreadable."""
    [checked] = check_files([path], CheckOptions())
    statistics = None
    with contextlib.suppress(NoGoodExample):
        statistics = statistics_of(path, method=checked.report.method)
    return DataRecord(checked, statistics)
