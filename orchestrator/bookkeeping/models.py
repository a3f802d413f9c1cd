"""Which recorded model a user means: by the model's or a checkpoint's id, or by its run."""

from __future__ import annotations

from dataclasses import dataclass

from orchestrator.errors import ModelNotRecorded, NoModelYet, NoSuchRun, SeveralEndpointsOfModel, SeveralModels
from orchestrator.ledger import Ledger
from orchestrator.runs.ancestry import as_made
from orchestrator.store import lineage
from orchestrator.store.runs import Run


@dataclass(frozen=True)
class RecordedModel:
    """A model that a recorded run made."""

    endpoint: str
    model: str
    run: Run
    step: int | None = None
    """The checkpoint's step; None for the run's final model."""

    @property
    def label(self) -> str:
        """As evaluations call it."""
        return "tuned" if self.step is None else f"checkpoint {self.step}"


def find_model(ledger: Ledger, key: str, endpoint: str | None = None) -> RecordedModel:
    """The recorded model or checkpoint of this id, else the model of the newest run of this name, else that of the
    run whose id starts with `key`; of `endpoint`, if it is given.

    Raises NoModelYet, and what `find_run` raises.
    """
    run, model = find_run(ledger, key, endpoint)
    model = model or run.fine_tuned_model
    if model is None:
        raise NoModelYet(run=run.id, state=run.state, reason=run.reason)
    with ledger.database.read() as connection:
        step = as_made(connection, run, model).step
    return RecordedModel(run.endpoint, model, run, step)


def find_run(ledger: Ledger, key: str, endpoint: str | None = None) -> tuple[Run, str | None]:
    """The run that made the model or checkpoint of this id, with that id; else the newest run of this name, or the
    one whose id starts with `key`, with None.

    Raises ModelNotRecorded, SeveralEndpointsOfModel, SeveralModels for a sweep, and AmbiguousRun.
    """
    with ledger.database.read() as connection:
        made = [each for each in lineage.makers(connection, key) if endpoint in (None, each.endpoint)]
    endpoints = sorted({each.endpoint for each in made})
    if len(endpoints) > 1:
        raise SeveralEndpointsOfModel(model=key, endpoints=", ".join(endpoints))
    return (made[0], key) if made else (_run_of(ledger, key, endpoint), None)


def _run_of(ledger: Ledger, key: str, endpoint: str | None) -> Run:
    try:
        found = [run for run in ledger.runs(key) if endpoint in (None, run.endpoint)]
    except NoSuchRun:
        found = []
    if not found:
        where = f" on {endpoint}" if endpoint else ""
        raise ModelNotRecorded(key=key, where=where)
    if found[0].sweep_id is not None and found[0].name == key:
        raise SeveralModels(key=key, count=sum(each.fine_tuned_model is not None for each in found))
    return found[0]
