"""What a user can do with runs: the functions behind the commands, and those that a notebook imports."""

from __future__ import annotations

import random
import time
from collections.abc import Collection, Sequence
from pathlib import Path

from orchestrator.config import find_workspace
from orchestrator.dataset.basemodels import Method, Purpose
from orchestrator.dataset.checking.filesets import Announce, CheckedSource, CheckOptions, check_files
from orchestrator.endpoints import capabilities_of
from orchestrator.engine.worker import run_blocking
from orchestrator.errors import ActionRefused, AmbiguousRun, JobFileIsSweep, NoSuchRun
from orchestrator.jobfile import load_job_file
from orchestrator.ledger import Ledger, open_ledger
from orchestrator.runs.context import Listener
from orchestrator.runs.engine import Supervisor
from orchestrator.runs.plan import Plan, plan_job
from orchestrator.runs.session import drive
from orchestrator.runs.states import POLLED, RequestedAction, State
from orchestrator.runs.submission import Also, Submitted, record_run
from orchestrator.store import records, runs as store
from orchestrator.store.records import Model
from orchestrator.store.runs import Run


def check(
    *files: str | Path,
    endpoint: str | None = None,
    model: str | None = None,
    purpose: Purpose | None = None,
    method: Method | None = None,
) -> list[CheckedSource]:
    """Check data files (JSONL), or those of job files (.toml), and compare them; nothing is recorded or sent.

    The options are those of `ftorch data check`. Of each file, `report` holds what was found. Raises
    DataFileNotFound, NoSuchEndpoint and the errors of job files; what a file holds is never raised.
    """
    return check_files(map(Path, files), CheckOptions(endpoint, model, purpose, method))


def plan(job_file: str | Path, *, endpoint: str | None = None, announce: Announce | None = None) -> Plan:
    """What submitting the job file would do and cost; nothing is recorded or sent.

    `announce` is told of each data file before it is checked. Raises JobFileNotFound, InvalidJobFile, InvalidData,
    UnknownEndpoint, EndpointNotUsable, JobFileIsSweep.
    """
    path = Path(job_file)
    job = load_job_file(path)
    if job.sweep is not None:
        raise JobFileIsSweep(path=path)
    return plan_job(job, find_workspace(path.parent), endpoint, announce=announce)


def status(key: str | None = None) -> list[Run]:
    """The recorded runs, newest first: all, those of a name, or the one whose id begins with `key`."""
    with open_ledger() as ledger:
        return ledger.runs(key)


def models() -> list[Model]:
    """The model ids that succeeded runs yielded, newest first."""
    with open_ledger() as ledger:
        return ledger.models()


def cancel(key: str) -> Run:
    """Cancel a run, on the endpoint too, and return it. Raises WishRefused where it is over."""
    return _request_now(key, RequestedAction.CANCEL)


def pause(key: str) -> Run:
    """Pause a run's job on the endpoint. Raises WishRefused where that can't be done."""
    return _request_now(key, RequestedAction.PAUSE)


def unpause(key: str) -> Run:
    """Let a paused job go on. Raises WishRefused where it is not paused."""
    return _request_now(key, RequestedAction.UNPAUSE)


# --- the parts that the commands use as well ----------------------------------------------------------------


def record(planned: Plan, ledger: Ledger, *, again: bool = False, also: Sequence[Also] = ()) -> Submitted:
    """Record the plan's run, or find the same one, and with it what is to follow it."""
    rng = random.SystemRandom()
    return record_run(planned, ledger.database, now=time.time(), rng=rng, again=again, also=also)


def find_same(planned: Plan, ledger: Ledger) -> Run | None:
    """The run that submitting the plan would find again, if there is one."""
    with ledger.database.read() as connection:
        return store.same(connection, planned.fingerprint, except_states=(State.FAILED, State.CANCELLED))


def start(ledger: Ledger, run: Run) -> Run:
    """Drive a run until its job exists on the endpoint, or it can't begin yet, and return it."""

    def is_started() -> bool:
        current = ledger.run(run.id)
        return current.job_id is not None or (current.state == State.PENDING and current.due_at is not None)

    run_blocking(lambda: drive(ledger.workspace, ledger.database, ids=[run.id], until=is_started))
    return ledger.run(run.id)


def follow_runs(
    ledger: Ledger,
    ids: Collection[str],
    listener: Listener | None = None,
    supervisors: Sequence[Supervisor] = (),
) -> None:
    """Drive these runs to their ends, and those that the attendants add."""
    run_blocking(
        lambda: drive(
            ledger.workspace,
            ledger.database,
            ids=ids,
            listener=listener,
            followed=ids,
            supervisors=supervisors,
        )
    )


def request_action(ledger: Ledger, key: str, requested: RequestedAction) -> Run:
    """Record a wish of a run. Raises NoSuchRun, AmbiguousRun, and WishRefused where it can't come true."""
    run = ledger.run(key)
    problem = _why_not(ledger, run, requested)
    if problem:
        raise ActionRefused(run=run.id, requested_action=requested.done, problem=problem)
    with ledger.database.write() as connection:
        store.request_action(connection, run.id, requested)
    return run


def charged_for_cancelling(ledger: Ledger, key: str) -> str | None:
    """The endpoint that would charge what this run has trained until now; None where nothing would be charged, or
    there is no such run."""
    try:
        run = ledger.run(key)
    except (NoSuchRun, AmbiguousRun):
        return None
    trains = run.state in (State.RUNNING, State.PAUSED) or (run.state in POLLED and _has_trained(ledger, run))
    capabilities = capabilities_of(ledger.workspace.endpoint(run.endpoint)) if trains else None
    return run.endpoint if capabilities and capabilities.cancelling_charges else None


def _has_trained(ledger: Ledger, run: Run) -> bool:
    """Whether steps are recorded: a job that was paused waits in the queue again."""
    with ledger.database.read() as connection:
        return bool(records.last_metrics(connection, [run.id]))


def grant(ledger: Ledger, run: Run, listener: Listener | None = None) -> Run:
    """Drive the endpoint until the recorded wish of the run is carried out, and return the run."""

    def is_carried_out() -> bool:
        return ledger.run(run.id).requested_action is None

    run_blocking(
        lambda: drive(ledger.workspace, ledger.database, ids=[run.id], listener=listener, until=is_carried_out)
    )
    return ledger.run(run.id)


def _request_now(key: str, requested: RequestedAction) -> Run:
    with open_ledger() as ledger:
        return grant(ledger, request_action(ledger, key, requested))


def _why_not(ledger: Ledger, run: Run, requested: RequestedAction) -> str | None:
    if run.is_over:
        return f"it is over ({run.state})"
    if requested is RequestedAction.CANCEL:
        return None
    if not capabilities_of(ledger.workspace.endpoint(run.endpoint)).pause:
        return f"{run.endpoint} can't pause jobs"
    if run.state in (State.PENDING, State.UPLOADING):
        return f"it is {run.state}: there is no job yet; ftorch cancel {run.id} ends it"
    if requested is RequestedAction.UNPAUSE and run.state != State.PAUSED:
        return f"it is {run.state}, not paused"
    if requested is RequestedAction.PAUSE and run.state == State.PAUSED:
        return "it is paused already"
    return None
