"""Comparing our records with an endpoint, and fixing the differences one by one, each only on request."""

from __future__ import annotations

import re
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from orchestrator.config import EndpointConfig
from orchestrator.endpoints import visit_endpoint
from orchestrator.endpoints.interface import TRAINING, Capabilities, Endpoint, RemoteFile, RemoteJob
from orchestrator.engine.worker import LEASE_SECONDS, is_abandoned
from orchestrator.errors import EndpointError, NoJobList, RequestRefused
from orchestrator.ledger import Ledger
from orchestrator.runs.adoption import adopt_jobs, all_jobs, seeker_of
from orchestrator.runs.jobs import TOKEN_KEY
from orchestrator.runs.marks import is_certain
from orchestrator.runs.reconcile import way_out
from orchestrator.runs.states import FINAL, POLLED, State, move, state_of
from orchestrator.store import endings, runs as store, uploads
from orchestrator.store.runs import RUNS, Run

_OUR_FILE = re.compile(r"ftorch-[0-9a-f]{16}-")
_OWNER = "doctor"
_OVER = (*FINAL, State.COLLECTING)
"""The statuses of a job that no longer needs its files."""


class Remedy(StrEnum):
    """What `doctor --fix` can do about a finding."""

    ADOPT = "adopt the job as a run"
    FAIL = "mark the run as failed"
    CANCEL = "cancel the surplus job"
    DELETE = "delete the file from the endpoint"
    FORGET = "forget the upload, so that it is made again when needed"


@dataclass(frozen=True)
class Finding:
    """One difference; `subject` is the id (of a job, a run or a file) that the remedy applies to."""

    sentence: str
    subject: str
    remedy: Remedy


async def examine(ledger: Ledger, config: EndpointConfig) -> list[Finding]:
    """The differences between our records and the endpoint. Records when it ends its models, and changes nothing
    else. Raises EndpointError."""
    async with visit_endpoint(config, ledger.workspace.home) as endpoint:
        try:
            jobs = await all_jobs(endpoint)
        except NoJobList as error:
            problem = f"{error.facts['problem']}{_unconfirmed(ledger, config)}"
            raise NoJobList(**{**error.facts, "problem": problem}) from error
        files = await endpoint.files()
        gone = await _gone_runs(ledger, config, endpoint, {job.id for job in jobs})
        capabilities = endpoint.capabilities
        await _record_endings(ledger, endpoint)
    return [*_job_findings(ledger, config, jobs, capabilities), *gone, *_file_findings(ledger, config, jobs, files)]


async def _record_endings(ledger: Ledger, endpoint: Endpoint) -> None:
    """A host that doesn't list its models says nothing about them."""
    try:
        listed = await endpoint.listed_models()
    except EndpointError:
        return
    if listed:
        said = {model.name: model.shutdown_date for model in listed}
        with ledger.database.write() as connection:
            endings.record(connection, endpoint.name, said, time.time())


async def mend(ledger: Ledger, config: EndpointConfig, finding: Finding) -> str:
    """Apply a finding's remedy; a sentence on what was done. Raises EndpointError."""
    if finding.remedy is Remedy.ADOPT:
        adopted = await adopt_jobs(ledger, config, [finding.subject])
        return f"adopted as run {adopted[0].run.id}" if adopted else "a run is looking for it: ftorch resume"
    if finding.remedy is Remedy.FAIL:
        return _fail(ledger, finding)
    if finding.remedy is Remedy.FORGET:
        with ledger.database.write() as connection:
            uploads.forget(connection, config.name, finding.subject)
        return "forgotten"
    async with visit_endpoint(config, ledger.workspace.home) as endpoint:
        if finding.remedy is Remedy.CANCEL:
            job = await endpoint.cancel(finding.subject)
            return f"the endpoint says {job.status}"
        await endpoint.delete_file(finding.subject)
    with ledger.database.write() as connection:
        uploads.forget(connection, config.name, finding.subject)
    return "deleted"


def _unconfirmed(ledger: Ledger, config: EndpointConfig) -> str:
    """What is known about runs whose job can't be looked for."""
    with ledger.database.read() as connection:
        jobless = store.without_job(connection, config.name)
    unknown = [run for run in jobless if run.state == State.UNKNOWN]
    return "".join(f"\nrun {run.id} may have a job there: {way_out(run)}" for run in unknown)


# --- Jobs --------------------------------------------------------------------------------------------------------


def _job_findings(
    ledger: Ledger, config: EndpointConfig, jobs: Sequence[RemoteJob], capabilities: Capabilities
) -> list[Finding]:
    with ledger.database.read() as connection:
        owners = store.owners_of_jobs(connection, config.name, [job.id for job in jobs])
        jobless = store.without_job(connection, config.name)
        found = []
        for job in jobs:
            if job.id in owners:
                continue
            token = job.metadata.get(TOKEN_KEY)
            run = store.by_token(connection, token) if token else None
            run = run or next((each for each in jobless if is_certain(job, each)), None)
            run = run or seeker_of(connection, config.name, job, capabilities)
            if run is None:
                found.append(_unknown(job, config))
            elif run.job_id is not None or run.is_over:
                found += _surplus(job, run, config)
            elif run.state == State.UNKNOWN:
                sentence = f"{config.name} has job {job.id} ({job.status}), which looks like that of run {run.id}"
                found.append(Finding(f"{sentence}, whose create could not be confirmed", job.id, Remedy.ADOPT))
    return found


def _unknown(job: RemoteJob, config: EndpointConfig) -> Finding:
    sentence = f"{config.name} has job {job.id} ({job.model}, {job.status}), which is not recorded in this project"
    return Finding(sentence, job.id, Remedy.ADOPT)


def _surplus(job: RemoteJob, run: Run, config: EndpointConfig) -> list[Finding]:
    """A job with the token of a run that follows another job, or has finished: it is paid for without use."""
    if state_of(job) in _OVER:
        return []
    beside = f"which follows {run.job_id}" if run.job_id else f"which is {run.state} without one"
    sentence = f"{config.name} has job {job.id} ({job.status}) for run {run.id}, {beside}"
    return [Finding(sentence, job.id, Remedy.CANCEL)]


async def _gone_runs(ledger: Ledger, config: EndpointConfig, endpoint: Endpoint, listed: set[str]) -> list[Finding]:
    with ledger.database.read() as connection:
        active = [run for run in store.newest(connection, only_active=True) if run.endpoint == config.name]
    found = []
    for run in active:
        if run.state not in (*POLLED, State.UNKNOWN) or run.job_id is None or run.job_id in listed:
            continue
        if await _is_gone(endpoint, run.job_id):
            sentence = f"run {run.id} ({run.state}) follows job {run.job_id}, which {config.name} no longer knows"
            found.append(Finding(sentence, run.id, Remedy.FAIL))
    return found


async def _is_gone(endpoint: Endpoint, job_id: str) -> bool:
    try:
        await endpoint.job(job_id)
    except RequestRefused as error:
        if error.facts["status"] == 404:
            return True
        raise
    return False


def _fail(ledger: Ledger, finding: Finding) -> str:
    now = time.time()
    with ledger.database.write() as connection:
        run = store.get(connection, finding.subject)
        dead = [run.lease_owner] if run.lease_owner and is_abandoned(run.lease_owner) else []
        claimed = RUNS.claim(
            connection,
            _OWNER,
            now + LEASE_SECONDS,
            now,
            endpoint=run.endpoint,
            states=[run.state],
            ids=[run.id],
            abandoned=dead,
        )
        if not claimed:
            return "another process follows the run, and will notice"
        leased = store.get(connection, run.id)
        changes = {"error_code": "job_gone", "error_message": finding.sentence}
        move(connection, leased, State.FAILED, finding.sentence, owner=_OWNER, now=now, changes=changes)
        RUNS.release(connection, _OWNER)
    return "marked as failed"


# --- Files -------------------------------------------------------------------------------------------------------


def _file_findings(
    ledger: Ledger, config: EndpointConfig, jobs: Sequence[RemoteJob], files: Sequence[RemoteFile]
) -> list[Finding]:
    with ledger.database.read() as connection:
        recorded = {upload.file_id: upload for upload in uploads.recorded(connection, config.name)}
        needed = store.needed_files(connection, config.name)
    in_use = needed | {
        file
        for job in jobs
        for file in (job.training_file, job.validation_file)
        if file and state_of(job) not in _OVER
    }
    present = {file.id for file in files}
    found = [
        Finding(
            f"the upload {upload.sent_name} ({file_id}) is recorded, but {config.name} no longer has it",
            file_id or "",
            Remedy.FORGET,
        )
        for file_id, upload in recorded.items()
        if file_id not in present and upload.purpose == TRAINING
    ]
    return found + _orphans(files, set(recorded), in_use, config)


def _orphans(
    files: Sequence[RemoteFile], recorded: set[str | None], in_use: set[str], config: EndpointConfig
) -> list[Finding]:
    """Files that ftorch uploaded and that no record and no job needs any more."""
    by_name: dict[str, list[RemoteFile]] = defaultdict(list)
    for file in files:
        if _OUR_FILE.match(file.filename or ""):
            by_name[file.filename or ""].append(file)
    found = []
    for name, same in by_name.items():
        for file in same:
            if file.id in recorded or file.id in in_use:
                continue
            twice = " a second time" if len(same) > 1 else ""
            sentence = f"{config.name} holds {name} ({file.id}){twice}, and no record needs it"
            found.append(Finding(sentence, file.id, Remedy.DELETE))
    return found
