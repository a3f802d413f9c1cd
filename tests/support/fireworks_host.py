"""Fireworks' API of datasets, jobs, models and deployments, over the store and the trainer of our own server: its
jobs really train.

Paths, fields and words are those of the SDK fireworks-ai 1.2.30. A request with a field that it doesn't have is
refused, as a protobuf gateway does. A tuned model answers only through a deployment that is READY.
"""

from __future__ import annotations

import json
import re
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from orchestrator.server import bodies
from orchestrator.server.apierror import ApiError
from orchestrator.server.app import create_app, running
from orchestrator.server.context import Context, context
from orchestrator.server.dialect import Dialect
from orchestrator.server.jobrequest import JobSpec
from orchestrator.server.middleware import ApiMiddleware, KeyCheck
from orchestrator.server.requests import json_object
from orchestrator.server.routes import chat, jobs
from orchestrator.server.settings import PROFILES, Settings
from orchestrator.server.store.records import Job, JobStatus

Json = dict[str, Any]
ACCOUNT = "drone-team"
BASE = "accounts/fireworks/models/qwen3-8b"
SERVERLESS = "accounts/fireworks/models/gpt-oss-20b"
KEY = "fireworks-key-0123456789"
_ID = re.compile(r"[a-z]([a-z0-9-]{0,61}[a-z0-9])?")
_STATES: Mapping[JobStatus, str] = {
    JobStatus.VALIDATING_FILES: "JOB_STATE_VALIDATING",
    JobStatus.QUEUED: "JOB_STATE_PENDING",
    JobStatus.RUNNING: "JOB_STATE_RUNNING",
    JobStatus.PAUSED: "JOB_STATE_PAUSED",
    JobStatus.SUCCEEDED: "JOB_STATE_COMPLETED",
    JobStatus.FAILED: "JOB_STATE_FAILED",
    JobStatus.CANCELLED: "JOB_STATE_CANCELLED",
}
_TRAINING_FIELDS = frozenset(
    {
        *("baseModel", "batchSize", "batchSizeSamples", "epochs", "gradientAccumulationSteps", "jinjaTemplate"),
        *("learningRate", "learningRateWarmupSteps", "loraRank", "maxContextLength", "optimizerWeightDecay"),
        *("outputModel", "region", "samplerCheckpointSaveIntervalSteps", "warmStartFrom"),
    }
)
_JOB_FIELDS: Mapping[str, frozenset[str]] = {
    "supervisedFineTuningJobs": frozenset(
        {
            *_TRAINING_FIELDS,
            *("dataset", "displayName", "earlyStop", "evalAutoCarveout", "evaluationDataset", "isTurbo"),
            *("metricsFileSignedUrl", "nodes", "rendererHuggingFaceRepoId", "reservationTarget"),
            *("useReservation", "usePurpose", "wandbConfig", "awsS3Config", "azureBlobStorageConfig"),
        }
    ),
    "dpoJobs": frozenset(
        {
            *("dataset", "displayName", "lossConfig", "rendererHuggingFaceRepoId", "reservationTarget"),
            *("trainingConfig", "useReservation", "wandbConfig", "awsS3Config", "azureBlobStorageConfig"),
        }
    ),
}
_DEPLOYMENT_FIELDS = frozenset(
    {
        *("baseModel", "acceleratorCount", "acceleratorType", "autoscalingPolicy", "deploymentShape"),
        *("description", "displayName", "enableAddons", "maxReplicaCount", "minReplicaCount", "precision"),
    }
)
_DATASET_FIELDS = frozenset({"displayName", "exampleCount", "format", "userUploaded"})
_CODES: Mapping[int, tuple[int, str]] = {
    400: (3, "INVALID_ARGUMENT"),
    401: (16, "UNAUTHENTICATED"),
    403: (7, "PERMISSION_DENIED"),
    404: (5, "NOT_FOUND"),
    409: (6, "ALREADY_EXISTS"),
    429: (8, "RESOURCE_EXHAUSTED"),
}
_PAGE = 50


@dataclass
class Dataset:
    """Announced, and perhaps filled."""

    fields: Json
    created_at: float
    state: str = "UPLOADING"
    status: Json | None = None
    file_id: str | None = None
    """In the store, once it is filled."""


@dataclass
class FireworksState:
    """What a test sets, and what the host has kept beside the store."""

    accounts: list[str] = field(default_factory=lambda: [ACCOUNT])
    serverless: set[str] = field(default_factory=lambda: {SERVERLESS})
    shapes: list[tuple[str, str, int]] = field(
        default_factory=lambda: [("minimal", "NVIDIA_H200_141GB", 1), ("fast", "NVIDIA_H100_80GB", 2)]
    )
    """By name: the accelerators of a deployment. The first is the default."""
    unready: int = 0
    """So many looks at a filled dataset find it not ready yet."""
    dataset_problem: str | None = None
    """Why the host finds what was uploaded invalid."""
    deployment_problem: str | None = None
    largest_page: int = 200
    datasets: dict[str, Dataset] = field(default_factory=dict)
    asked: dict[str, Json] = field(default_factory=dict)
    """The body of each job's create request, by the job's id."""
    deployments: dict[str, Json] = field(default_factory=dict)
    models: dict[str, Json] = field(default_factory=dict)
    """Models that were not made by a job here."""
    storage: dict[str, bytes] = field(default_factory=dict)
    """What lies under signed addresses."""
    pending: list[tuple[str, str]] = field(default_factory=list)
    """The id and the model's name of the job that is being made."""
    address: str = "https://endpoint"
    """Where signed addresses lead."""


class FireworksDialect(Dialect):
    """Fireworks' form of the endpoint's objects."""

    def __init__(self, state: FireworksState) -> None:
        super().__init__(PROFILES["openai"], ACCOUNT)
        self.state = state

    def names(self, base: str, suffix: str | None) -> tuple[str, str]:
        return self.state.pending.pop()


# --- Datasets ----------------------------------------------------------------------------------------------------


async def _announce(request: Request) -> Response:
    """POST datasets."""
    body, at = await json_object(request), context(request)
    _known(body, frozenset({"dataset", "datasetId", "sourceDatasetId"}))
    fields, made = body.get("dataset") or {}, _usable_id(body.get("datasetId"), "dataset")
    _known(fields, _DATASET_FIELDS)
    state = _state(request)
    if made in state.datasets:
        raise _conflict(f"dataset {_name('datasets', made)} already exists")
    state.datasets[made] = Dataset(fields, at.now)
    return JSONResponse(_dataset(made, state.datasets[made]))


async def _fill(request: Request) -> Response:
    """POST datasets/ID:upload."""
    made = _announced(request)
    async with bodies.form(request, max_files=1, max_fields=5) as form:
        part = form.get("file")
        if not isinstance(part, UploadFile):
            raise _invalid("file is missing")
        at = context(request)
        blob = at.store.blobs.copy(part.file)
        _filled(
            request, made, at.store.files.add(part.filename or "file", "fine-tune", blob, at.now, None, None).id
        )
        size = part.size
    return JSONResponse({"id": made, "bytes": size, "filename": part.filename, "object": "file"})


async def _upload_addresses(request: Request) -> Response:
    """POST datasets/ID:getUploadEndpoint."""
    made, body = _announced(request), await json_object(request)
    _known(body, frozenset({"filenameToSize", "readMask"}))
    urls = {name: _signed(request, f"datasets/{made}/{name}") for name in body["filenameToSize"]}
    return JSONResponse({"filenameToSignedUrls": urls})


async def _validate(request: Request) -> Response:
    """POST datasets/ID:validateUpload."""
    made, at, state = _announced(request), context(request), _state(request)
    sent = [content for path, content in state.storage.items() if path.startswith(f"datasets/{made}/")]
    if not sent:
        raise _refused(HTTPStatus.BAD_REQUEST, "nothing was uploaded", 9)
    with (at.store.folder / f"{made}.jsonl").open("w+b") as file:
        file.write(sent[0])
        file.seek(0)
        blob = at.store.blobs.copy(file)
    fields = state.datasets[made].fields
    _filled(request, made, at.store.files.add(fields["displayName"], "fine-tune", blob, at.now, None, None).id)
    return JSONResponse({})


def _announced(request: Request) -> str:
    """The id of a dataset that waits to be filled."""
    made = request.path_params["id"]
    found = _existing(_state(request).datasets, made, "dataset")
    if found.state != "UPLOADING":
        raise _refused(HTTPStatus.BAD_REQUEST, f"dataset {made} is {found.state}", 9)
    return str(made)


def _filled(request: Request, made: str, file_id: str) -> None:
    state = _state(request)
    found = state.datasets[made]
    found.file_id = file_id
    if state.dataset_problem:
        found.status = {"code": "INVALID_ARGUMENT", "message": state.dataset_problem}
    elif not state.unready:
        found.state = "READY"


def _one_dataset(request: Request) -> Response:
    """GET datasets/ID."""
    state, made = _state(request), request.path_params["id"]
    found = _existing(state.datasets, made, "dataset")
    if found.file_id and found.state == "UPLOADING" and not found.status:
        state.unready = max(0, state.unready - 1)
        found.state = "UPLOADING" if state.unready else "READY"
    return JSONResponse(_dataset(made, found))


def _all_datasets(request: Request) -> Response:
    shown = [_dataset(made, found) for made, found in sorted(_state(request).datasets.items())]
    return _page(request, "datasets", shown)


def _delete_dataset(request: Request) -> Response:
    state, made = _state(request), request.path_params["id"]
    _existing(state.datasets, made, "dataset")
    del state.datasets[made]
    return JSONResponse({})


def _dataset(made: str, found: Dataset) -> Json:
    shown = {**found.fields, "name": _name("datasets", made), "state": found.state, "format": "CHAT"}
    status = found.status or {"code": "OK", "message": ""}
    return {**shown, "status": status, "createTime": _iso(found.created_at), "createdBy": "pilot@example.com"}


# --- Jobs --------------------------------------------------------------------------------------------------------


async def _create_job(request: Request) -> Response:
    """POST supervisedFineTuningJobs and dpoJobs."""
    collection, at, state = request.path_params["collection"], context(request), _state(request)
    body = await json_object(request)
    _known(body, _JOB_FIELDS[collection])
    key = "dpoJobId" if collection == "dpoJobs" else "supervisedFineTuningJobId"
    made = _usable_id(request.query_params.get(key), "job")
    if at.store.jobs.get(made) is not None:
        raise _conflict(f"job {_name(collection, made)} already exists")
    config = body["trainingConfig"] if collection == "dpoJobs" else body
    _known(config, _TRAINING_FIELDS if collection == "dpoJobs" else _JOB_FIELDS[collection])
    output = config.get("outputModel") or _name("models", made)
    _usable_id(output.rpartition("/")[2], "model")
    if at.store.models.get(output) or output in state.models:
        raise _conflict(f"model {output} already exists")
    training, validation = (_file_of(request, body.get(key)) for key in ("dataset", "evaluationDataset"))
    if training is None:
        raise _invalid("dataset is required")
    if bool(config.get("baseModel")) == bool(config.get("warmStartFrom")):
        raise _invalid("exactly one of base_model and warm_start_from must be specified")
    spec = JobSpec(
        model=config.get("baseModel") or config["warmStartFrom"],
        training_file=training,
        validation_file=validation,
        suffix=body.get("displayName"),
        seed=None,
        method="dpo" if collection == "dpoJobs" else "supervised",
        n_epochs=config.get("epochs", 1),
        batch_size="auto",
        learning_rate_multiplier="auto",
        beta="auto" if collection == "dpoJobs" else None,
        metadata=None,
    )
    state.pending.append((made, output))
    state.asked[made] = body
    job = jobs._create(at, spec)
    at.scheduler.wake()
    return JSONResponse(_job(request, job))


def _file_of(request: Request, dataset: str | None) -> str | None:
    """The store's file of a dataset's name."""
    if not dataset:
        return None
    found = _existing(_state(request).datasets, dataset.rpartition("/")[2], "dataset")
    if dataset != _name("datasets", dataset.rpartition("/")[2]) or found.state != "READY":
        raise _refused(HTTPStatus.BAD_REQUEST, f"dataset {dataset} is not ready", 9)
    return found.file_id


def _one_job(request: Request) -> Response:
    return JSONResponse(_job(request, _asked_job(request)))


def _all_jobs(request: Request) -> Response:
    collection, at = request.path_params["collection"], context(request)
    _state(request)
    found = at.store.jobs.page(after=None, limit=10_000) if request.path_params["account"] == ACCOUNT else []
    shown = [_job(request, job) for job in reversed(found) if _collection(job) == collection]
    return _page(request, collection, shown)


def _cancel_job(request: Request) -> Response:
    job, at = _asked_job(request), context(request)
    if not at.store.jobs.cancel(job.id, at.now):
        raise _refused(HTTPStatus.BAD_REQUEST, f"job {job.id} is in state {_STATES[job.status]}", 9)
    at.store.stop_training(job.id)
    return JSONResponse({})


def _delete_job(request: Request) -> Response:
    job, at = _asked_job(request), context(request)
    at.store.jobs.delete(job.id, at.now)
    return JSONResponse({})


def _metrics_address(request: Request) -> Response:
    """GET dpoJobs/ID:getMetricsFileEndpoint."""
    return JSONResponse({"signedUrl": _signed(request, f"metrics/{_asked_job(request).id}")})


def _asked_job(request: Request) -> Job:
    made, collection = request.path_params["id"], request.path_params["collection"]
    _state(request)
    job = context(request).store.jobs.get(made) if request.path_params["account"] == ACCOUNT else None
    if job is None or _collection(job) != collection:
        raise _refused(HTTPStatus.NOT_FOUND, f"{collection} {made} not found")
    return job


def _collection(job: Job) -> str:
    return "dpoJobs" if job.method == "dpo" else "supervisedFineTuningJobs"


def _job(request: Request, job: Job) -> Json:
    asked, is_over = _state(request).asked[job.id], job.finished_at is not None
    steps = [event for event in _events_of(request, job) if event.kind == "metrics"]
    tokens = job.trained_tokens or 0
    own = {
        "name": _name(_collection(job), job.id),
        "createTime": _iso(job.created_at),
        "createdBy": "pilot@example.com",
        "state": _STATES[job.status],
        "status": {"code": "INVALID_ARGUMENT", "message": job.error.message}
        if job.error
        else {"code": "OK", "message": ""},
        **({"completedTime": _iso(job.finished_at)} if job.finished_at else {}),
    }
    if job.method == "dpo":
        return {**asked, **own}
    return {
        **asked,
        **own,
        "updateTime": _iso(job.finished_at or job.started_at or job.created_at),
        "jobProgress": {"percent": 100 if is_over else min(99, len(steps)), "epoch": 0},
        "estimatedCost": {"currencyCode": "USD", "units": "0", "nanos": tokens * 500},
        **({"metricsFileSignedUrl": _signed(request, f"metrics/{job.id}")} if steps else {}),
    }


def _events_of(request: Request, job: Job) -> Any:
    return context(request).store.jobs.events(job.id, after=None, limit=10_000, newest_first=False)


# --- Storage -----------------------------------------------------------------------------------------------------


async def _stored(request: Request) -> Response:
    """Signed addresses: no key may be sent there."""
    if "authorization" in request.headers:
        raise _refused(HTTPStatus.BAD_REQUEST, "a signed address needs no key")
    path, state = request.path_params["path"], _state(request)
    if request.method == "PUT":
        state.storage[path] = await request.body()
        return Response(status_code=200)
    kind, _, made = path.partition("/")
    job = context(request).store.jobs.get(made) if kind == "metrics" else None
    lines = (
        [_metric_line(event.data) for event in _events_of(request, job) if event.kind == "metrics"] if job else []
    )
    return Response("".join(lines)) if lines else Response(status_code=404)


def _metric_line(data: Mapping[str, Any]) -> str:
    names = {
        "train_loss": "train/loss",
        "train_accuracy": "train/mean_token_accuracy",
        "full_valid_loss": "eval/loss",
    }
    found = {theirs: data[ours] for ours, theirs in names.items() if data.get(ours) is not None}
    return json.dumps({"step": data["step"], "timestamp": _iso(1_800_000_000 + data["step"]), "data": found}) + "\n"


# --- Models and deployments --------------------------------------------------------------------------------------


def _one_model(request: Request) -> Response:
    owner, made = request.path_params["account"], request.path_params["id"]
    name, at, state = f"accounts/{owner}/models/{made}", context(request), _state(request)
    if owner == "fireworks":
        own = {"kind": "HF_BASE_MODEL", "supportsServerless": name in state.serverless, "tunable": True}
        return JSONResponse({"name": name, "state": "READY", "supportsTools": True, **own})
    if name in state.models:
        return JSONResponse(state.models[name])
    tuned = at.store.models.get(name)
    if tuned is None:
        raise _refused(HTTPStatus.NOT_FOUND, f"model {name} not found")
    return JSONResponse(_model(name, tuned.base))


def _model(name: str, base: str) -> Json:
    details = {"baseModel": base, "r": 8, "targetModules": ["q_proj"]}
    return {"name": name, "state": "READY", "kind": "HF_PEFT_ADDON", "peftDetails": details}


def _all_models(request: Request) -> Response:
    made = [each for each in context(request).store.models.all() if ":" not in each.name]  # without checkpoints
    tuned = [_model(each.name, each.base) for each in made]
    return _page(request, "models", [*tuned, *_state(request).models.values()])


def _delete_model(request: Request) -> Response:
    name, at = f"accounts/{ACCOUNT}/models/{request.path_params['id']}", context(request)
    found = at.store.models.get(name)
    if found is None:
        raise _refused(HTTPStatus.NOT_FOUND, f"model {name} not found")
    at.store.models.delete(found)
    return JSONResponse({})


async def _deploy(request: Request) -> Response:
    """POST deployments."""
    body, state = await json_object(request), _state(request)
    _known(body, _DEPLOYMENT_FIELDS)
    shape = _shape(state, body.get("deploymentShape"))
    made = request.query_params.get("deploymentId", "drawn-by-the-host")
    if state.deployment_problem:
        raise _refused(HTTPStatus.BAD_REQUEST, state.deployment_problem, 9)
    shown = {
        **body,
        "name": _name("deployments", _usable_id(made, "deployment")),
        "deploymentShape": f"accounts/fireworks/deploymentShapes/{shape[0]}/versions/v1",
        "acceleratorType": shape[1],
        "acceleratorCount": shape[2],
        "state": "CREATING",
        "createTime": _iso(context(request).now),
        "status": {"code": "OK", "message": ""},
        "replicaCount": 0,
    }
    if request.query_params.get("validateOnly") == "true":
        return JSONResponse({**shown, "state": "STATE_UNSPECIFIED"})
    if made in state.deployments:  # one that was deleted softly keeps its name
        raise _conflict(f"deployment {made} already exists")
    state.deployments[made] = shown
    return JSONResponse(shown)


def _shape(state: FireworksState, asked: str | None) -> tuple[str, str, int]:
    if asked is None:
        raise _invalid("deployment_shape is required")
    if asked == "default":
        return state.shapes[0]
    found = next((each for each in state.shapes if f"/{each[0]}/" in f"{asked}/"), None)
    if found is None:
        raise _refused(HTTPStatus.NOT_FOUND, f"{asked} not found")
    return found


def _one_deployment(request: Request) -> Response:
    """GET deployments/ID: each look finds it a step further."""
    found = _existing(_state(request).deployments, request.path_params["id"], "deployment")
    if found["state"] == "DELETING" and found.pop("hard", False):
        del _state(request).deployments[request.path_params["id"]]
    found["state"] = {"CREATING": "READY", "DELETING": "DELETED"}.get(found["state"], found["state"])
    found["replicaCount"] = int(found["state"] == "READY")
    return JSONResponse(_shown_deployment(found))


def _all_deployments(request: Request) -> Response:
    return _page(request, "deployments", [_shown_deployment(each) for each in _state(request).deployments.values()])


def _shown_deployment(found: Json) -> Json:
    return {key: value for key, value in found.items() if key != "hard"}


def _delete_deployment(request: Request) -> Response:
    found = _existing(_state(request).deployments, request.path_params["id"], "deployment")
    found["state"] = "DELETED" if found["state"] == "DELETED" else "DELETING"
    if request.query_params.get("hard") == "true":
        found["hard"] = True
    return JSONResponse({})


async def _match_shapes(request: Request) -> Response:
    """POST deploymentShapeVersions:match."""
    body = await json_object(request)
    _known(body, frozenset({"createDeploymentRequest"}))
    base = body["createDeploymentRequest"]["deployment"]["baseModel"]
    shown = [
        {
            "name": f"accounts/fireworks/deploymentShapes/{name}/versions/v1",
            "latestValidated": True,
            "snapshot": {"baseModel": base, "acceleratorType": kind, "acceleratorCount": count},
        }
        for name, kind, count in _state(request).shapes
    ]
    return JSONResponse({"deploymentShapeVersions": shown, "totalSize": len(shown)})


async def _chat(request: Request) -> Response:
    """POST /inference/v1/chat/completions."""
    body, state = await json_object(request), _state(request)
    model = str(body["model"])
    deployed = state.deployments.get(model.rpartition("/")[2]) if "/deployments/" in model else None
    if deployed is not None and deployed["state"] == "READY":
        return _completion(await chat.respond(request, {**body, "model": deployed["baseModel"]}), model)
    if model in state.serverless:
        return _completion(await chat.respond(request, body), model)
    message = "Model not found, inaccessible, and/or not deployed"
    error = {"object": "error", "type": "invalid_request_error", "code": "NOT_FOUND", "message": message}
    return JSONResponse({"error": error}, 404)


def _completion(answer: Response, model: str) -> Response:
    """Without the fields that only OpenAI's completions have."""
    whole = json.loads(bytes(answer.body))
    choices = [
        {**each, "message": {key: value for key, value in each["message"].items() if key not in _OPENAI_ONLY}}
        for each in whole["choices"]
    ]
    usage = {key: value for key, value in whole["usage"].items() if not key.endswith("_details")}
    kept = {key: whole[key] for key in ("id", "object", "created")}
    return JSONResponse({**kept, "model": model, "choices": choices, "usage": usage})


_OPENAI_ONLY = ("refusal", "annotations", "audio")


def _accounts(request: Request) -> Response:
    shown = [{"name": f"accounts/{each}", "email": "a@b.c", "state": "READY"} for each in _state(request).accounts]
    return _page(request, "accounts", shown)


# --- Parts of answers --------------------------------------------------------------------------------------------


def _page(request: Request, key: str, items: list[Json]) -> Response:
    size = min(int(request.query_params.get("pageSize", _PAGE)), _state(request).largest_page)
    begin = int(request.query_params.get("pageToken") or 0)
    end = begin + size
    following = {"nextPageToken": str(end)} if end < len(items) else {"nextPageToken": ""}
    return JSONResponse({key: items[begin:end], **following, "totalSize": len(items)})


def _name(kind: str, made: str) -> str:
    return f"accounts/{ACCOUNT}/{kind}/{made}"


def _signed(request: Request, path: str) -> str:
    return f"{_state(request).address}/storage/{path}?X-Goog-Signature={context(request).now}"


def _iso(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def _known(given: Mapping[str, Any], known: frozenset[str]) -> None:
    for name in given:
        if name not in known:
            raise _invalid(f'proto: unknown field "{name}"')


def _usable_id(given: str | None, kind: str) -> str:
    if given is None or not _ID.fullmatch(given):
        raise _invalid(f"invalid {kind} id: {given}")
    return given


def _existing(found: Mapping[str, Any], made: str, kind: str) -> Any:
    if made not in found:
        raise _refused(HTTPStatus.NOT_FOUND, f"{kind} {made} not found")
    return found[made]


def _invalid(message: str) -> ApiError:
    return _refused(HTTPStatus.BAD_REQUEST, message)


def _conflict(message: str) -> ApiError:
    return _refused(HTTPStatus.CONFLICT, message)


def _refused(status: int, message: str, code: int | None = None) -> ApiError:
    return ApiError(status, message, code=str(code) if code else None)


def _error_body(error: ApiError) -> Json:
    """As a gRPC gateway answers."""
    code = int(error.code) if error.code and error.code.isdigit() else _CODES.get(error.status, (2, "UNKNOWN"))[0]
    return {"code": code, "message": error.message, "details": []}


def _answer_refusal(_request: Request, error: Exception) -> Response:
    assert isinstance(error, ApiError)
    return JSONResponse(_error_body(error), error.status)


def _unroutable(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return JSONResponse({"code": 5, "message": f"Not Found: {request.url.path}", "details": []}, error.status_code)


def _state(request: Request) -> FireworksState:
    at: Context = context(request)
    assert isinstance(at.dialect, FireworksDialect)
    account = request.path_params.get("account", "fireworks")
    if account not in (*at.dialect.state.accounts, "fireworks"):
        raise _refused(HTTPStatus.FORBIDDEN, f"no permission for the account {account}")
    return at.dialect.state


# --- The app -----------------------------------------------------------------------------------------------------


_HOME = "/v1/accounts/{account}"
_ROUTES = [
    Route("/v1/accounts", _accounts, methods=["GET"]),
    Route(f"{_HOME}/datasets", _announce, methods=["POST"]),
    Route(f"{_HOME}/datasets", _all_datasets, methods=["GET"]),
    Route(f"{_HOME}/datasets/{{id}}:upload", _fill, methods=["POST"]),
    Route(f"{_HOME}/datasets/{{id}}:getUploadEndpoint", _upload_addresses, methods=["POST"]),
    Route(f"{_HOME}/datasets/{{id}}:validateUpload", _validate, methods=["POST"]),
    Route(f"{_HOME}/datasets/{{id}}", _one_dataset, methods=["GET"]),
    Route(f"{_HOME}/datasets/{{id}}", _delete_dataset, methods=["DELETE"]),
    Route(f"{_HOME}/models", _all_models, methods=["GET"]),
    Route(f"{_HOME}/models/{{id}}", _one_model, methods=["GET"]),
    Route(f"{_HOME}/models/{{id}}", _delete_model, methods=["DELETE"]),
    Route(f"{_HOME}/deployments", _deploy, methods=["POST"]),
    Route(f"{_HOME}/deployments", _all_deployments, methods=["GET"]),
    Route(f"{_HOME}/deployments/{{id}}", _one_deployment, methods=["GET"]),
    Route(f"{_HOME}/deployments/{{id}}", _delete_deployment, methods=["DELETE"]),
    Route(f"{_HOME}/deploymentShapeVersions:match", _match_shapes, methods=["POST"]),
    *(
        Route(f"{_HOME}/{{collection}}{rest}", answer, methods=[method])
        for method, rest, answer in (
            ("POST", "", _create_job),
            ("GET", "", _all_jobs),
            ("POST", "/{id}:cancel", _cancel_job),
            ("GET", "/{id}:getMetricsFileEndpoint", _metrics_address),
            ("GET", "/{id}", _one_job),
            ("DELETE", "/{id}", _delete_job),
        )
    ),
    Route("/inference/v1/chat/completions", _chat, methods=["POST"]),
    Route("/storage/{path:path}", _stored, methods=["GET", "PUT"]),
]
_OPEN = Settings()


def fireworks_app(folder: Path, state: FireworksState | None = None, settings: Settings = _OPEN) -> Starlette:
    """The host over the store in this folder."""
    inner = create_app(folder, settings=settings)
    dialect = FireworksDialect(state or FireworksState())
    check = KeyCheck(settings.api_key, "/v1/", "/inference/")
    app = Starlette(
        routes=_ROUTES,
        middleware=[Middleware(ApiMiddleware, check=check, body=_error_body)],
        exception_handlers={ApiError: _answer_refusal, HTTPException: _unroutable},
        lifespan=running,
    )
    app.state.context = replace(inner.state.context, dialect=dialect)
    return app


@dataclass(frozen=True)
class FireworksHost:
    """Where it is, and what a test may set."""

    address: str
    state: FireworksState
    app: Starlette

    @property
    def table(self) -> str:
        """Its table in ftorch.toml."""
        return (
            f'[endpoints.fireworks]\ntype = "fireworks"\nbase_url = "{self.address}"\n'
            "poll_seconds = 0.05\nsettling_seconds = 0.2\n"
        )

    @property
    def jobs(self) -> list[Job]:
        """The jobs on the host, newest first."""
        return list(self.app.state.context.store.jobs.page(after=None, limit=1000))

    def has_model(self, name: str) -> bool:
        """Whether the account has this tuned model."""
        return self.app.state.context.store.models.get(name) is not None


@contextmanager
def fireworks_host(folder: Path, state: FireworksState | None = None) -> Iterator[FireworksHost]:
    """Serve one for as long as the block lasts, with KEY as its key."""
    kept = state or FireworksState()
    app = fireworks_app(folder, kept, Settings(api_key=KEY, max_training=1))
    listener = socket.create_server(("127.0.0.1", 0))
    kept.address = f"http://127.0.0.1:{listener.getsockname()[1]}"
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", access_log=False))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        yield FireworksHost(kept.address, kept, app)
    finally:
        server.should_exit = True
        thread.join()
        listener.close()
