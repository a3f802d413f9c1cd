"""What a report shows, read from the records: of a run, a sweep, an evaluation, or several runs."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from orchestrator.config import EndpointConfig
from orchestrator.evaluation.results import Results, results_of
from orchestrator.ledger import Ledger, RunDetails
from orchestrator.store import evaluations as evaluation_store
from orchestrator.store.evaluations import Evaluation
from orchestrator.store.records import Event

EVENTS = 200
"""Of a run, the last ones that a report has."""
_EVALUATIONS = 5


@dataclass(frozen=True)
class EvaluatedRun:
    """An evaluation that asked models of a run; `results` is None where they were not read."""

    evaluation: Evaluation
    models: Collection[str]
    """Those of the run: its model, and its checkpoints."""
    results: Results | None = None


@dataclass(frozen=True)
class RunRecord:
    """Everything recorded about a run."""

    details: RunDetails
    config: EndpointConfig | None
    """Its endpoint as it is configured now; None if it no longer is."""
    events: Sequence[Event] = ()
    """The last ones, oldest first."""
    all_events: int = 0
    evaluations: Sequence[EvaluatedRun] = ()
    """Newest first."""


def run_record(ledger: Ledger, key: str, *, with_results: bool = True) -> RunRecord:
    """The run whose id starts with `key`, or the newest of that name. Raises NoSuchRun and AmbiguousRun.

    `with_results` reads the scores of its last evaluations, which may be very many.
    """
    details = ledger.details(key)
    run = details.run
    events, all_events = ledger.last_events(run.id, EVENTS)
    config = ledger.workspace.endpoints.get(run.endpoint)
    return RunRecord(details, config, events, all_events, _evaluations(ledger, details, with_results=with_results))


def _evaluations(ledger: Ledger, details: RunDetails, *, with_results: bool) -> list[EvaluatedRun]:
    run = details.run
    models = {
        *([run.fine_tuned_model] if run.fine_tuned_model else []),
        *(each.model for each in details.checkpoints),
    }
    if not models:
        return []
    with ledger.database.read() as connection:
        found = evaluation_store.of_models(connection, run.endpoint, models)[:_EVALUATIONS]
    return [EvaluatedRun(each, models, results_of(ledger, each) if with_results else None) for each in found]
