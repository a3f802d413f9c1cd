"""Recording fine-tuning jobs that were created elsewhere: by a script, in a web console, or by a lost ledger."""

from __future__ import annotations

import hashlib
import random
import re
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from orchestrator.config import EndpointConfig
from orchestrator.endpoints import visit_endpoint
from orchestrator.endpoints.interface import Capabilities, Endpoint, RemoteJob
from orchestrator.engine.worker import LEASE_SECONDS, is_abandoned
from orchestrator.errors import RequestRefused
from orchestrator.jobfile.tables import RESERVED_METADATA_KEYS
from orchestrator.ledger import Ledger
from orchestrator.runs.context import Listener
from orchestrator.runs.jobs import RUN_KEY, job_changes
from orchestrator.runs.marks import is_certain, is_likely
from orchestrator.runs.session import drive
from orchestrator.runs.states import POLLED, State, move, state_of
from orchestrator.runs.submission import free_id
from orchestrator.store import runs as store
from orchestrator.store.runs import RUNS, Run


@dataclass(frozen=True)
class Adopted:
    """A job on the endpoint and the run that records it; `is_new` is False if it was recorded already."""

    run: Run
    is_new: bool


@dataclass(frozen=True)
class JobData:
    """A data file of a job."""

    path: str
    """On this machine, or only the file's name on the endpoint."""
    sha256: str = ""
    """As it was sent; "" if its bytes are not known."""


async def adopt_jobs(
    ledger: Ledger,
    config: EndpointConfig,
    job_ids: Sequence[str] | None,
    listener: Listener | None = None,
) -> list[Adopted]:
    """Record these jobs of the endpoint, or all of them (None), with the results they have so far.

    Doing it twice changes nothing. Raises EndpointError, and RequestRefused for a job the endpoint does not know.
    """
    async with visit_endpoint(config, ledger.workspace.home) as endpoint:
        jobs = await all_jobs(endpoint) if job_ids is None else [await endpoint.job(each) for each in job_ids]
        files = {file_id: JobData(await _file_name(endpoint, file_id)) for file_id in _file_ids(jobs)}
        capabilities = endpoint.capabilities
    return await adopt_found(ledger, config, jobs, files, capabilities, listener, is_named=job_ids is not None)


async def adopt_found(
    ledger: Ledger,
    config: EndpointConfig,
    jobs: Sequence[RemoteJob],
    files: Mapping[str, JobData],
    capabilities: Capabilities,
    listener: Listener | None = None,
    *,
    is_named: bool = False,
) -> list[Adopted]:
    """The same for jobs that were just received, with their files by id. `is_named`: the user named these jobs."""
    found = [_record(ledger, config, job, files, capabilities, is_named=is_named) for job in jobs]
    adopted = [each for each in found if each is not None]
    new = [each.run.id for each in adopted if each.is_new or _is_behind(each.run)]

    def are_caught_up() -> bool:
        with ledger.database.read() as connection:
            found = store.by_ids(connection, new)
        return all(run.is_over or (run.state in POLLED and run.remote_job is not None) for run in found)

    if new:
        await drive(
            ledger.workspace,
            ledger.database,
            ids=new,
            listener=listener,
            followed=new,
            until=are_caught_up,
        )
    return [Adopted(ledger.run(each.run.id), each.is_new) for each in adopted]


def _is_behind(run: Run) -> bool:
    """Whether a process that adopted it was killed before it had recorded the results."""
    return not run.job_file and not run.is_over and (run.state == State.COLLECTING or run.remote_job is None)


async def all_jobs(endpoint: Endpoint) -> list[RemoteJob]:
    """Every fine-tuning job of the endpoint, newest first."""
    found: dict[str, RemoteJob] = {}
    async for page in job_pages(endpoint):
        found.update((job.id, job) for job in page)
    return list(found.values())


async def job_pages(endpoint: Endpoint) -> AsyncIterator[tuple[RemoteJob, ...]]:
    """The pages of the endpoint's list of jobs."""
    after: str | None = None
    while True:
        page = await endpoint.jobs(after=after)
        yield page.jobs
        if page.next is None or page.next == after:
            return
        after = page.next


def _file_ids(jobs: Sequence[RemoteJob]) -> set[str]:
    return {file for job in jobs for file in (job.training_file, job.validation_file) if file}


async def _file_name(endpoint: Endpoint, file_id: str) -> str:
    """The file's name; its id if the endpoint no longer has it."""
    try:
        return (await endpoint.file(file_id)).filename or file_id
    except RequestRefused:
        return file_id


def _record(
    ledger: Ledger,
    config: EndpointConfig,
    job: RemoteJob,
    files: Mapping[str, JobData],
    capabilities: Capabilities,
    *,
    is_named: bool,
) -> Adopted | None:
    """The run that has the job now; None if a run is looking for it: `resume` finds it. A run with an unconfirmed
    create gets the job if a mark is certain, or if it fits and the user named it."""
    with ledger.database.write() as connection:
        owner = store.owners_of_jobs(connection, config.name, [job.id]).get(job.id)
        if owner is not None:
            return Adopted(store.get(connection, owner), is_new=False)
        seeker = seeker_of(connection, config.name, job, capabilities)
        if seeker is not None:
            may_have_it = seeker.state == State.UNKNOWN and (is_certain(job, seeker) or is_named)
            settled = _settled(connection, seeker, job) if may_have_it else None
            return None if settled is None else Adopted(settled, is_new=True)
        run = _run_of(connection, config, job, files)
        store.add(connection, run, run.reason)
    return Adopted(run, is_new=True)


def seeker_of(connection: Connection, endpoint: str, job: RemoteJob, capabilities: Capabilities) -> Run | None:
    """The run with an unconfirmed create whose job this is, or may be. It must not be recorded as another run, or
    the request for it would be sent again."""
    seekers = [run for run in store.without_job(connection, endpoint) if not run.is_over]
    certain = [run for run in seekers if is_certain(job, run)]
    likely = [run for run in seekers if is_likely(job, run, capabilities)]
    return next(iter([*certain, *likely]), None)


def _settled(connection: Connection, run: Run, job: RemoteJob) -> Run | None:
    """Give its job to a run whose create could not be confirmed; None if another process works on it."""
    now = time.time()
    dead = [run.lease_owner] if run.lease_owner and is_abandoned(run.lease_owner) else []
    if not RUNS.claim(connection, _OWNER, now + LEASE_SECONDS, now, ids=[run.id], abandoned=dead):
        return None
    changes = {**job_changes(job), "creation_open": False}
    reason = f"adopted job {job.id}: the endpoint says {job.status}"
    leased = store.get(connection, run.id)
    moved = move(connection, leased, State.QUEUED, reason, owner=_OWNER, now=now, changes=changes)
    RUNS.release(connection, _OWNER)
    return moved


_OWNER = "adopt"


def _run_of(connection: Connection, config: EndpointConfig, job: RemoteJob, files: Mapping[str, JobData]) -> Run:
    """A run in the state of its job; polling and collecting bring it up to date."""
    now = time.time()
    state = State.COLLECTING if state_of(job) is State.COLLECTING else State.QUEUED
    training, validation = (
        files.get(file_id, JobData(file_id)) if file_id else None
        for file_id in (job.training_file, job.validation_file)
    )
    return Run(
        id=_run_id(connection, job),
        name=_name(job),
        sweep_id=None,
        fingerprint=hashlib.sha256(f"adopted {config.name} {job.id}".encode()).hexdigest(),
        job_file="",
        endpoint=config.name,
        endpoint_type=config.type,
        model=job.model or "unknown",
        suffix=job.suffix,
        method=_method(job),
        seed=job.seed or 0,
        seed_given=True,
        metadata={key: value for key, value in job.metadata.items() if key not in RESERVED_METADATA_KEYS},
        training_path=training.path if training else "",
        training_sha256=training.sha256 if training else "",
        validation_path=validation.path if validation else None,
        validation_sha256=validation.sha256 if validation else None,
        examples=None,
        tokens_per_epoch=None,
        estimated_cost_usd=None,
        max_cost_usd=None,
        poll_seconds=None,
        state=state,
        reason=f"adopted from {config.name}: {job.id}, {job.status}",
        version=1,
        created_at=job.created_at or now,
        updated_at=now,
        training_file_id=job.training_file,
        validation_file_id=job.validation_file,
        job_id=job.id,
        remote_status=job.status,
    )


def _run_id(connection: Connection, job: RemoteJob) -> str:
    """The run's old id, if the job carries it and the database that knew it is lost."""
    known = job.metadata.get(RUN_KEY, "")
    if re.fullmatch(r"[0-9a-z]{8}", known) and not store.exists(connection, known):
        return known
    return free_id(connection, random.SystemRandom())


def suffix_of(job: RemoteJob) -> str:
    """The suffix, even if only the model id shows it (`ft:base:organisation:suffix:id`); "" if it has none."""
    parts = (job.fine_tuned_model or "").split(":")
    return job.suffix or (parts[3] if len(parts) > 4 and parts[0] == "ft" else "")


def _name(job: RemoteJob) -> str:
    return re.sub(r"[^A-Za-z0-9._-]", "-", suffix_of(job))[:64].lstrip("._-") or "adopted"


def _method(job: RemoteJob) -> dict[str, object]:
    method = job.raw.get("method") or {}
    kind = str(method.get("type") or "supervised")
    inner = method.get(kind) or {}
    return {"type": kind, "hyperparameters": inner.get("hyperparameters") or job.raw.get("hyperparameters") or {}}
