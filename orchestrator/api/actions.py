"""Cancelling, pausing and unpausing: recorded in the database first, then carried out."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from orchestrator.api import batches, generation
from orchestrator.api.host import FAILED, WAITS, Host
from orchestrator.api.observing import observed
from orchestrator.endpoints import capabilities_of
from orchestrator.errors import (
    ActionRefused,
    AmbiguousRun,
    NameIsSweep,
    NoSuchRun,
    SeveralUnfinished,
    Stopped,
    SweepFinished,
)
from orchestrator.ledger import Ledger
from orchestrator.runs.marks import NO_MARK
from orchestrator.runs.session import drive
from orchestrator.runs.states import POLLED, RequestedAction, State
from orchestrator.store import records, runs as store, sweeps as sweep_store
from orchestrator.store.batches import Batch
from orchestrator.store.generations import Generation
from orchestrator.store.records import Metric
from orchestrator.store.runs import Run
from orchestrator.store.sweeps import RecordedSweep

_SETTLING_SECONDS = 10.0
"""How long ftorch watches a job that was asked to be cancelled and has not ended yet."""


def carry_out(ledger: Ledger, key: str, requested: RequestedAction, host: Host) -> Run | Batch | Generation:
    """Request an action on a run and carry it out; returns the run as it is then. Batches of questions and
    generations can be cancelled too.

    It is a failure if the run is not known to be cancelled, paused or unpaused afterwards. Raises what
    `request_action` raises, Stopped, and EndpointError if the endpoint can't be asked now (the request stays).
    """
    try:
        run = request_action(ledger, key, requested)
    except NoSuchRun:
        is_cancel = requested is RequestedAction.CANCEL
        other = is_cancel and (batches.cancel(ledger, key, host) or generation.cancel(ledger, key, host))
        if not other:
            raise
        return other
    return carry_on(ledger, run, requested, host)


def carry_on(ledger: Ledger, run: Run, requested: RequestedAction, host: Host) -> Run:
    """Carry out an action that was requested of this run. Fails and raises as `carry_out` does, once the request is
    recorded."""
    with observed(ledger, host):
        run = _drive(ledger, run, requested, host)
    if run.is_over and not _is_done(run, requested):
        host.say(f"run {run.id} {run.state} before it could be {requested.done}: {run.reason}")
        host.failed(FAILED)
        return run
    host.say(f"run {run.id} is {run.state}: {run.reason}")
    if run.requested_action is not None:
        host.say(f"the request is recorded; ftorch resume {run.id} carries it out")
        host.failed(WAITS)
    elif not _is_done(run, requested):
        host.say(f"run {run.id} is not known to be {requested.done}; ftorch resume {run.id} follows it")
        host.failed(FAILED)
    return run


def request_action(ledger: Ledger, key: str, requested: RequestedAction) -> Run:
    """Record a request for a run. Raises what `subject_of` raises, NameIsSweep, and ActionRefused."""
    run = subject_of(ledger, key)
    if isinstance(run, RecordedSweep):
        raise NameIsSweep(key=key, trials=len(_unfinished(ledger, run)))
    _require_possible(ledger, run, requested)
    with ledger.database.write() as connection:
        store.request_action(connection, run.id, requested)
    return run


def subject_of(ledger: Ledger, key: str) -> Run | RecordedSweep:
    """The one unfinished run or sweep of that name; where there is none, the run that the ledger finds.

    Raises SeveralUnfinished, so that a name never decides between two of them; SweepFinished, NoSuchRun and
    AmbiguousRun.
    """
    with ledger.database.read() as connection:
        named: list[Run | RecordedSweep] = [
            *store.newest(connection, name=key, only_active=True, outside_sweeps=True),
            *(
                sweep
                for sweep in sweep_store.newest(connection, name=key)
                if sweep_store.unfinished_runs(connection, sweep.id)
            ),
        ]
    if len(named) > 1:
        raise SeveralUnfinished(key=key, candidates=", ".join(map(_candidate, named)))
    if not named and ledger.sweeps(key):
        raise SweepFinished(key=key)
    return named[0] if named else ledger.run(key)


def _candidate(subject: Run | RecordedSweep) -> str:
    if isinstance(subject, RecordedSweep):
        return f"the sweep on {subject.endpoint}"
    return f"run {subject.id} on {subject.endpoint} ({subject.state})"


@dataclass(frozen=True)
class Cancellation:
    """What a cancel is about to end, as it is recorded now."""

    subject: Run | RecordedSweep
    runs: Sequence[Run]
    """The run, or the unfinished runs of the sweep."""
    progress: Mapping[str, Metric]
    """The last measured step of each run that has one."""
    charged_by: str | None
    """The endpoint that charges what was trained; None where nothing is charged."""
    doubtful_jobs: Sequence[str]
    """Jobs that may be somebody else's."""


def cancellation(ledger: Ledger, key: str) -> Cancellation:
    """Raises what `subject_of` raises, and ActionRefused where the run has finished."""
    return cancellation_of(ledger, subject_of(ledger, key))


def cancellation_of(ledger: Ledger, subject: Run | RecordedSweep) -> Cancellation:
    """Raises ActionRefused where the run has finished."""
    if isinstance(subject, Run):
        _require_possible(ledger, subject, RequestedAction.CANCEL)
    runs = [subject] if isinstance(subject, Run) else _unfinished(ledger, subject)
    ids = [run.id for run in runs]
    return Cancellation(
        subject,
        runs,
        ledger.progress(ids),
        next(filter(None, (charged_for_cancelling(ledger, run_id) for run_id in ids)), None),
        [job_id for run_id in ids if (job_id := doubtful_job(ledger, run_id))],
    )


def _unfinished(ledger: Ledger, sweep: RecordedSweep) -> list[Run]:
    with ledger.database.read() as connection:
        return store.by_ids(connection, sweep_store.unfinished_runs(connection, sweep.id))


def _require_possible(ledger: Ledger, run: Run, requested: RequestedAction) -> None:
    if problem := _why_not(ledger, run, requested):
        raise ActionRefused(run=run.id, requested_action=requested.done, problem=problem)


def charged_for_cancelling(ledger: Ledger, key: str) -> str | None:
    """The endpoint that would charge for the training done so far; None if nothing would be charged, or there is no
    such run."""
    try:
        run = ledger.run(key)
    except (NoSuchRun, AmbiguousRun):
        return None
    trains = run.state in (State.RUNNING, State.PAUSED) or (run.state in POLLED and _has_trained(ledger, run))
    capabilities = capabilities_of(ledger.workspace.endpoint(run.endpoint)) if trains else None
    return run.endpoint if capabilities and capabilities.cancelling_charges else None


def doubtful_job(ledger: Ledger, key: str) -> str | None:
    """The job of this run if it may be somebody else's: it was adopted because it fits, without a mark of the run.
    None if the job is certain, or there is none."""
    try:
        details = ledger.details(key)
    except (NoSuchRun, AmbiguousRun):
        return None
    job_id = details.run.job_id
    is_doubtful = any(f"job {job_id}," in each.reason and NO_MARK in each.reason for each in details.history)
    return job_id if job_id and is_doubtful else None


def _has_trained(ledger: Ledger, run: Run) -> bool:
    """Whether steps are recorded: a paused job waits in the queue again."""
    with ledger.database.read() as connection:
        return bool(records.last_metrics(connection, [run.id]))


def _drive(ledger: Ledger, run: Run, requested: RequestedAction, host: Host) -> Run:
    """Drive the endpoint until the request is carried out, and return the run.

    A job may continue for a while after it was asked to be cancelled, or end in another way. Raises Stopped.
    """
    asked_at: float | None = None

    def is_carried_out() -> bool:
        nonlocal asked_at
        current = ledger.run(run.id)
        if current.requested_action is not None:
            return False
        asked_at = asked_at or time.monotonic()
        is_late = time.monotonic() - asked_at >= _SETTLING_SECONDS
        return requested is not RequestedAction.CANCEL or current.is_over or is_late

    listener = host.changes()
    _, is_stopped = host.run(
        lambda stop: drive(
            ledger.workspace, ledger.database, ids=[run.id], listener=listener, until=is_carried_out, stop=stop
        )
    )
    current = ledger.run(run.id)
    if is_stopped and current.requested_action is not None:
        raise Stopped(f"stopped; the request is recorded; ftorch resume {run.id} carries it out")
    return current


def _is_done(run: Run, requested: RequestedAction) -> bool:
    """Whether the job is known to be as requested."""
    if requested is RequestedAction.CANCEL:
        return run.state == State.CANCELLED
    if requested is RequestedAction.PAUSE:
        return run.state == State.PAUSED or run.remote_status == "pausing"
    return run.state != State.PAUSED


def _why_not(ledger: Ledger, run: Run, requested: RequestedAction) -> str | None:
    if run.is_over:
        return f"it has finished ({run.state})"
    if requested is RequestedAction.CANCEL:
        return None
    if requested is RequestedAction.AGAIN:
        is_open = run.job_id is None and run.state in (State.CREATING, State.UNKNOWN)
        return None if is_open else f"it is {run.state}: its create request is not in doubt"
    if requested is RequestedAction.UNPAUSE and run.state != State.PAUSED:
        return f"it is {run.state}, not paused"
    if not capabilities_of(ledger.workspace.endpoint(run.endpoint)).pause:
        is_paused = requested is RequestedAction.UNPAUSE
        return f"ftorch can't pause jobs on {run.endpoint}; " + (
            f"unpause it on {run.endpoint}, then run: ftorch resume"
            if is_paused
            else f"ftorch cancel {run.id} ends it"
        )
    if run.state in (State.PENDING, State.UPLOADING):
        return f"it is {run.state}: it has no job yet; ftorch cancel {run.id} ends it"
    if requested is RequestedAction.PAUSE and run.state == State.PAUSED:
        return "it is already paused"
    return None
