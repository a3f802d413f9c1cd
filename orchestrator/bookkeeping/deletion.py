"""Which runs may be deleted, and what of theirs may be deleted on an endpoint."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from enum import StrEnum

from sqlalchemy import Connection

from orchestrator.bookkeeping.stages import PRODUCTION
from orchestrator.bookkeeping.subjects import Subjects, exactly
from orchestrator.engine.worker import is_abandoned
from orchestrator.errors import RunNotDeletable, RunUnfinished
from orchestrator.evaluation.locks import asking_lock_name
from orchestrator.store import deletion as store, deployments, locks, promotions
from orchestrator.store.deletion import Counts
from orchestrator.store.deployments import Deployment
from orchestrator.store.runs import Run
from orchestrator.sweeps.overview import overview_of


class Kind(StrEnum):
    """What an endpoint has of a run, in the order in which it is deleted."""

    RESULTS = "result files"
    DATA = "data files"
    MODELS = "models"


@dataclass(frozen=True)
class Remote:
    """A file or a model on an endpoint."""

    endpoint: str
    kind: Kind
    id: str
    run: Run
    """The first of the runs to which it belongs."""
    kept: str | None = None
    """Why it is not deleted."""


@dataclass(frozen=True)
class Deletion:
    """What a deletion of these runs and sweeps deletes."""

    subjects: Subjects
    counts: Counts
    remotes: tuple[Remote, ...]
    """What the endpoints have of the runs; deleted only on request."""

    def of_kind(self, kind: Kind) -> list[Remote]:
        """What may be deleted."""
        return [each for each in self.remotes if each.kind is kind and each.kept is None]


def deletion_of(connection: Connection, keys: Iterable[str]) -> Deletion:
    """What deleting the runs and sweeps of these ids and names deletes. Changes nothing.

    Raises RunNotDeletable, RunUnfinished, and what `exactly` raises.
    """
    found = exactly(connection, keys)
    for run in found.runs:
        require_deletable(connection, run, found)
    for sweep in found.sweeps:
        if found.runs and not overview_of(connection, sweep).is_over:
            reason, fix = f"its sweep {sweep.name} has trials to come", f"To end it: ftorch sweep stop {sweep.name}"
            raise RunNotDeletable(run=found.runs[0].id, problem=reason, fix=fix)
    remotes: dict[tuple[str, str], Remote] = {}
    for each in (remote for run in found.runs for remote in _remotes(connection, run)):
        remotes.setdefault((each.endpoint, each.id), each)
    judged = [replace(each, kept=why_kept(connection, each, found.run_ids)) for each in remotes.values()]
    return Deletion(found, store.counts(connection, found.runs, found.sweep_ids), tuple(judged))


def require_deletable(connection: Connection, run: Run, found: Subjects) -> None:
    """Raises RunUnfinished and RunNotDeletable if the run can't be deleted, together with all that was `found`."""
    if not run.is_over:
        raise RunUnfinished(run=run.id, state=run.state, done="deleted")
    if reason := _why_not(connection, run, found):
        raise RunNotDeletable(run=run.id, problem=reason[0], fix=reason[1])


def why_kept(connection: Connection, remote: Remote, without: Collection[str]) -> str | None:
    """Why a file or a model must stay on its endpoint: what else uses it, except the runs in `without`."""
    if remote.kind is Kind.MODELS:
        users = store.model_users(connection, remote.id, without)
        if deployed := _deployed(connection, [remote.id]):
            return f"deployed as {deployed.name} on {deployed.endpoint}"
    else:
        users = store.file_users(connection, remote.id, _hashes(remote), without)
    return f"run {users[0]} uses it" if users else None


# --- Whether a run may be deleted --------------------------------------------------------------------------------


_Reason = tuple[str, str]
"""Why not, and what to do."""


def _why_not(connection: Connection, run: Run, found: Subjects) -> _Reason | None:
    names = store.models_of(connection, run)
    return (
        _in_sweep(run, found)
        or _hosted(connection, run, names)
        or _in_production(connection, run, names)
        or _parent(connection, names, found)
        or _asked(connection, run, names)
    )


def _in_sweep(run: Run, found: Subjects) -> _Reason | None:
    if run.sweep_id is None or run.sweep_id in found.sweep_ids:
        return None
    return f"it is a trial of the sweep {run.name}", f"To delete the whole sweep: ftorch runs delete {run.name}"


def _hosted(connection: Connection, run: Run, names: Collection[str]) -> _Reason | None:
    active = deployments.newest(connection, run_ids=[run.id], only_active=True)
    deployed = active[0] if active else _deployed(connection, names)
    if deployed is None:
        return None
    return (
        f"its model is deployed as {deployed.name} on {deployed.endpoint}",
        f"To remove that first: ftorch deployments remove {deployed.name}",
    )


def _deployed(connection: Connection, names: Collection[str]) -> Deployment | None:
    active = deployments.newest(connection, only_active=True)
    return next((each for each in active if each.model in names), None)


def _in_production(connection: Connection, run: Run, names: Collection[str]) -> _Reason | None:
    promoted = promotions.standing(connection, stage=PRODUCTION, endpoint=run.endpoint, models=names)
    if not promoted:
        return None
    name = promoted[0].model
    return f"its model {name} is in production", f"To retire that first: ftorch models promote {name} retired"


def _parent(connection: Connection, names: Collection[str], found: Subjects) -> _Reason | None:
    trained = store.children(connection, names, found.run_ids)
    if not trained:
        return None
    child = trained[0]
    return f"run {child.id} ({child.name}) was trained from its model", f"Delete run {child.id} first."


def _asked(connection: Connection, run: Run, names: Collection[str]) -> _Reason | None:
    gone = [owner for owner in locks.owners(connection) if is_abandoned(owner)]
    asking = [asking_lock_name(name, run.endpoint) for name in names]
    if locks.held(connection, asking, time.time(), gone):
        return "an evaluation is asking its model now", "Wait until that has ended."
    batches = store.batches_on(connection, run.endpoint, names)
    batch = next((batch_id for batch_id, is_over in batches.items() if not is_over), None)
    if batch is None:
        return None
    return f"the batch {batch} is asking its model", f"To end that first: ftorch cancel {batch}"


# --- What an endpoint has of it ----------------------------------------------------------------------------------


def _remotes(connection: Connection, run: Run) -> Iterator[Remote]:
    files = (run.training_file_id, run.validation_file_id)
    results = [str(file) for file in (run.remote_job or {}).get("result_files") or () if file]
    yield from (Remote(run.endpoint, Kind.RESULTS, each, run) for each in results)
    yield from (Remote(run.endpoint, Kind.DATA, each, run) for each in dict.fromkeys(files) if each)
    yield from (Remote(run.endpoint, Kind.MODELS, each, run) for each in store.models_of(connection, run))


def _hashes(remote: Remote) -> list[str]:
    """Of the bytes of a data file."""
    run = remote.run
    found = {run.training_file_id: run.training_sha256, run.validation_file_id: run.validation_sha256}
    sha256 = found.get(remote.id)
    return [sha256] if sha256 else []
