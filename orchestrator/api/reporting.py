"""What a report shows, read from the records: of a run, a sweep, an evaluation, or several runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from orchestrator.bookkeeping.lineage import Lineage, lineage_of
from orchestrator.config import EndpointConfig
from orchestrator.ledger import Ledger, RunDetails
from orchestrator.store.records import Event

EVENTS = 200
"""Of a run, the last ones that a report has."""


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


def run_record(ledger: Ledger, key: str, *, with_lineage: bool = True) -> RunRecord:
    """The run whose id starts with `key`, or the newest of that name. Raises NoSuchRun and AmbiguousRun.

    `with_lineage` reads the scores of the last evaluations of its models, which may be very many.
    """
    details = ledger.details(key)
    run = details.run
    events, all_events = ledger.last_events(run.id, EVENTS)
    config = ledger.workspace.endpoints.get(run.endpoint)
    return RunRecord(details, config, events, all_events, lineage_of(ledger, run.id) if with_lineage else None)
