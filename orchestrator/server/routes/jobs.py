"""Fine-tuning jobs: create, list, retrieve, cancel, pause, resume, events, checkpoints."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable
from typing import Literal

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from orchestrator.dataset.basemodels import is_fine_tuned
from orchestrator.server import jobrequest, objects, requests
from orchestrator.server.apierror import ApiError, bad_request, not_found
from orchestrator.server.basemodels import unknown_model
from orchestrator.server.context import Context, context
from orchestrator.server.jobrequest import JobSpec
from orchestrator.server.jobrules import requested_by
from orchestrator.server.store.jobs import NoJobRoomError
from orchestrator.server.store.records import Job, JobStatus

Change = Callable[[str, int], bool]

MAX_LIST = 1000
METADATA_KEY = re.compile(r"metadata\[(.*)\]", re.DOTALL)


async def create(request: Request) -> Response:
    """POST /fine_tuning/jobs."""
    at = context(request)
    spec = at.dialect.read_job(await requests.json_object(request))
    job = await run_in_threadpool(_create, at, spec)
    at.scheduler.wake()
    return at.dialect.created(request, at.dialect.job(job))


def list_all(request: Request) -> Response:
    """GET /fine_tuning/jobs."""
    at, query = context(request), request.query_params
    limit = requests.limit(request, default=20, highest=MAX_LIST)
    after = query.get("after") if at.profile.pages else None
    if after is not None and at.store.jobs.get(after) is None:
        raise _no_such("job", after)
    pairs = _metadata(query) if at.profile.metadata else {}
    without = at.profile.metadata and query.get("metadata") == "null"
    found = at.store.jobs.page(after=after, limit=limit + 1, metadata=pairs, without_metadata=without)
    shown = [at.dialect.job(job) for job in found[:limit]]
    return JSONResponse(objects.page(shown, len(found) > limit, at.profile))


def retrieve(request: Request) -> Response:
    """GET /fine_tuning/jobs/{id}."""
    return _answer(context(request), _job(request))


async def cancel(request: Request) -> Response:
    """POST /fine_tuning/jobs/{id}/cancel."""
    at = context(request)
    answer = await run_in_threadpool(_change, request, at.store.jobs.cancel, "cancelled")
    await run_in_threadpool(at.store.stop_training, request.path_params["job_id"])
    return answer


async def pause(request: Request) -> Response:
    """POST /fine_tuning/jobs/{id}/pause."""
    at = context(request)
    answer = await run_in_threadpool(_change, request, at.store.jobs.pause, "paused")
    await run_in_threadpool(at.store.stop_training, request.path_params["job_id"])
    return answer


async def resume(request: Request) -> Response:
    """POST /fine_tuning/jobs/{id}/resume."""
    at = context(request)
    answer = await run_in_threadpool(_change, request, at.store.jobs.resume, "resumed")
    at.scheduler.wake()
    return answer


def events(request: Request) -> Response:
    """GET /fine_tuning/jobs/{id}/events."""
    at, job = context(request), _job(request)
    limit = requests.limit(request, default=20, highest=MAX_LIST)
    after = _cursor(request, "event", job)
    newest_first = at.profile.events_newest_first
    found = at.store.jobs.events(job.id, after=after, limit=limit + 1, newest_first=newest_first)
    shown = [at.dialect.event(event) for event in found[:limit]]
    return JSONResponse(objects.page(shown, len(found) > limit, at.profile))


def checkpoints(request: Request) -> Response:
    """GET /fine_tuning/jobs/{id}/checkpoints."""
    at, job = context(request), _job(request)
    limit = requests.limit(request, default=10, highest=MAX_LIST)
    found = at.store.jobs.checkpoints(job.id, after=_cursor(request, "checkpoint", job), limit=limit + 1)
    shown = [at.dialect.checkpoint(checkpoint) for checkpoint in found[:limit]]
    return JSONResponse(objects.page(shown, len(found) > limit, at.profile, ends=True))


def delete(request: Request) -> Response:
    """DELETE /fine_tuning/jobs/{id}: an ended job; its model stays."""
    at, job = context(request), _job(request)
    if not at.store.jobs.delete(job.id, at.now):
        raise bad_request(f"The job {job.id} is {job.status} and cannot be deleted.", None, "invalid_job_status")
    return Response(status_code=204)


JOB = "/fine_tuning/jobs/{job_id}"
ROUTES = [
    Route("/fine_tuning/jobs", create, methods=["POST"]),
    Route("/fine_tuning/jobs", list_all, methods=["GET"]),
    Route(JOB, retrieve, methods=["GET"]),
    Route(f"{JOB}/cancel", cancel, methods=["POST"]),
    Route(f"{JOB}/pause", pause, methods=["POST"]),
    Route(f"{JOB}/resume", resume, methods=["POST"]),
    Route(f"{JOB}/events", events, methods=["GET"]),
    Route(f"{JOB}/checkpoints", checkpoints, methods=["GET"]),
]
DELETION = [Route(JOB, delete, methods=["DELETE"])]
"""For the APIs that have it; OpenAI's does not."""


def _create(at: Context, spec: JobSpec) -> Job:
    _check_file(at, spec.training_file, "training_file")
    if spec.validation_file is not None:
        _check_file(at, spec.validation_file, "validation_file")
    job = _new_job(at, spec)
    _check_hyperparameters(at, job)
    messages = [
        f"Created fine-tuning job: {job.id}",
        _said_of_trainer(job),
        f"Validating training file: {job.training_file}"
        + (f" and validation file: {job.validation_file}" if job.validation_file else ""),
    ]
    try:
        at.store.jobs.add(job, messages, at.dialect.job_room)
    except NoJobRoomError as error:
        raise at.dialect.no_job_room(error) from error
    return job


def _said_of_trainer(job: Job) -> str:
    if job.base_folder is not None:
        return f"local: {job.trainer} trains {job.base} from {job.base_folder}"
    return f"local: {job.trainer} trains in place of {job.base}; its metrics say nothing about the real model"


def _check_hyperparameters(at: Context, job: Job) -> None:
    """Refuse what the job's trainer doesn't have (400)."""
    try:
        at.models.trainer(job.trainer).resolve(1, job.method, requested_by(job, at.dialect.untrained))
    except ValueError as error:
        raise bad_request(f"{error}.", "hyperparameters", "unsupported_parameter") from error


def _check_file(at: Context, file_id: str, param: str) -> None:
    file = at.store.files.get(file_id, at.now)
    if file is None:
        raise bad_request(f"There is no file {file_id[:200]}.", param, "file_not_found")
    if file.purpose != "fine-tune":
        message = f"The file {file_id} was uploaded for '{file.purpose}'; a job needs files for 'fine-tune'."
        raise bad_request(message, param, "invalid_file_purpose")
    at.dialect.check_usable(file, param, at.now)


def _new_job(at: Context, spec: JobSpec) -> Job:
    base, trainer, base_folder = _origin(at, spec.model)
    job_id, model_name = at.dialect.names(base, spec.suffix)
    return Job(
        id=job_id,
        created_at=at.now,
        started_at=None,
        finished_at=None,
        estimated_finish=None,
        status=JobStatus.VALIDATING_FILES,
        validated=False,
        trainer=trainer,
        model=spec.model,
        base=base,
        model_name=model_name,
        suffix=spec.suffix,
        seed=secrets.randbelow(jobrequest.MAX_SEED + 1) if spec.seed is None else spec.seed,
        training_file=spec.training_file,
        validation_file=spec.validation_file,
        method=spec.method,
        n_epochs=spec.n_epochs,
        batch_size=spec.batch_size,
        learning_rate_multiplier=spec.learning_rate_multiplier,
        beta=spec.beta,
        metadata=spec.metadata,
        training_tokens=None,
        trained_tokens=None,
        fine_tuned_model=None,
        result_file=None,
        error=None,
        dialect=at.dialect.name,
        training_type=spec.training_type,
        options=spec.options,
        base_folder=base_folder,
    )


def _origin(at: Context, model: str) -> tuple[str, str, str | None]:
    """The base model from which the job's model was tuned, the trainer that can continue it, and the folder of the
    base model's weights."""
    if not is_fine_tuned(model):
        origin = at.base_models.origin(model)
        return model, origin.trainer, origin.folder
    parent = at.store.models.get(model)
    if parent is None:
        raise unknown_model(model)
    return parent.base, parent.trainer, at.base_models.folder(parent.base, parent.base_folder)


def _change(request: Request, change: Change, done: str) -> Response:
    at, job = context(request), _job(request)
    if not change(job.id, at.now):
        status = _job(request).status
        raise bad_request(f"The job {job.id} is {status} and cannot be {done}.", None, "invalid_job_status")
    return _answer(at, _job(request))


def _metadata(query: QueryParams) -> dict[str, str]:
    found = ((METADATA_KEY.fullmatch(name), value) for name, value in query.multi_items())
    return {match.group(1): value for match, value in found if match}


def _cursor(request: Request, kind: Literal["event", "checkpoint"], job: Job) -> str | None:
    after = request.query_params.get("after")
    if after is None or not context(request).profile.pages:
        return None
    if not context(request).store.jobs.has(f"{kind}s", after, job.id):
        raise _no_such(kind, after)
    return after


def _job(request: Request) -> Job:
    job_id = request.path_params["job_id"]
    job = context(request).store.jobs.get(job_id)
    if job is None:
        message = f"Could not find fine tune: {job_id[:200]}"
        raise not_found(message, "fine_tune_id", "fine_tune_not_found")
    return job


def _no_such(kind: str, after: str) -> ApiError:
    return bad_request(f"No such {kind}: {after[:200]}", "after", "invalid_value")


def _answer(at: Context, job: Job) -> Response:
    return JSONResponse(at.dialect.job(job))
