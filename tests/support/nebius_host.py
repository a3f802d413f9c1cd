"""Nebius Token Factory's API of files, jobs and served models, over the store and the trainer of our own server:
its jobs really train.

Paths, fields and words are those of docs.tokenfactory.nebius.com (description 20260506-297d05704) and of answers
recorded in nebius/token-factory-cookbook. A request with a field that the description doesn't have is refused. A
checkpoint answers only as a served model that is active; each request to serve it makes another one.
"""

from __future__ import annotations

import itertools
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route, Router

from orchestrator.server import jobrequest, objects
from orchestrator.server.apierror import ApiError
from orchestrator.server.app import create_app, running
from orchestrator.server.context import context
from orchestrator.server.dialect import Dialect
from orchestrator.server.jobrequest import JobSpec
from orchestrator.server.middleware import ApiMiddleware, KeyCheck
from orchestrator.server.requests import json_object
from orchestrator.server.routes import chat, files, jobs
from orchestrator.server.settings import PROFILES, Settings
from orchestrator.server.store.records import Checkpoint, Event, Job

Json = dict[str, Any]
TRAINED, SERVED = "meta-llama/Llama-3.1-8B-Instruct", "meta-llama/Meta-Llama-3.1-8B-Instruct"
"""The base model's name in jobs, and where adapters of it are served."""
KEY = "nebius-key-0123456789"
JOB_FIELDS = frozenset(
    {
        *("model", "training_file", "validation_file", "from_checkpoint", "hyperparameters", "method"),
        *("integrations", "seed", "suffix", "tags", "extra_body"),
    }
)
HYPERPARAMETERS: Mapping[str, Any] = {
    "batch_size": 8,
    "learning_rate": 0.00001,
    "n_epochs": 3,
    "warmup_ratio": 0.0,
    "weight_decay": 0.0,
    "packing": True,
    "max_grad_norm": 1.0,
    "context_length": 8192,
    "lora": False,
    "lora_r": 8,
    "lora_alpha": 8,
    "lora_dropout": 0.0,
}
"""With their defaults."""
_SHARED = ("n_epochs", "batch_size")
"""Those that our own trainer has too."""
MODEL_FIELDS = frozenset({"name", "base_model", "source", "description"})


@dataclass
class NebiusState:
    """What a test sets, and what the host has kept beside the store."""

    servable: set[str] = field(default_factory=lambda: {SERVED})
    """The base models whose adapters are served."""
    validations: int = 1
    """So many looks at a new model find it still validating."""
    unlisted: int = 0
    """So many lists don't show a new model yet."""
    broken: str | None = None
    """Why no new model gets active."""
    listed_under_data: bool = False
    asked: dict[str, Json] = field(default_factory=dict)
    """The body of each job's create request, by the job's id."""
    served: dict[str, Json] = field(default_factory=dict)
    """The served models by name, those that were deleted too."""
    requests: list[Json] = field(default_factory=list)
    """The bodies of the requests to serve a model."""
    answered: set[str] = field(default_factory=set)
    """The models that were asked and answered."""
    pending: list[Json] = field(default_factory=list)

    @property
    def live(self) -> list[Json]:
        """The served models that were not deleted."""
        return [model for model in self.served.values() if model["status"] != "deleted"]


class NebiusDialect(Dialect):
    """Nebius' form of the endpoint's objects."""

    def __init__(self, state: NebiusState) -> None:
        super().__init__(PROFILES["nebius"], "")
        self.state = state

    def read_job(self, body: Mapping[str, Any]) -> JobSpec:
        numbers = body.get("hyperparameters") or {}
        _known("body", body, JOB_FIELDS)
        _known("hyperparameters", numbers, frozenset(HYPERPARAMETERS))
        shared = {name: value for name, value in numbers.items() if name in _SHARED}
        spec = jobrequest.read({**body, "hyperparameters": shared})
        self.state.pending.append(dict(body))
        return spec

    def names(self, base: str, suffix: str | None) -> tuple[str, str]:
        made, model = super().names(base, suffix)
        self.state.asked[made] = self.state.pending.pop()
        return made, model

    def job(self, job: Job) -> Json:
        """It names no model: the results are checkpoints."""
        shown = super().job(job)
        asked = self.state.asked[job.id]
        for key in ("fine_tuned_model", "metadata", "method", "result_files"):
            shown.pop(key)
        steps = None if job.fine_tuned_model is None else 1
        return {
            **shown,
            "hyperparameters": {**HYPERPARAMETERS, **(asked.get("hyperparameters") or {})},
            "result_files": [],
            "suffix": asked.get("suffix"),
            "trained_steps": steps or 0,
            "total_steps": steps,
        }

    def event(self, event: Event) -> Json:
        """Without an id, as the recorded ones are."""
        return {"created_at": event.created_at, "level": event.level, "message": event.message}

    def checkpoint(self, checkpoint: Checkpoint) -> Json:
        return {**super().checkpoint(checkpoint), "fine_tuned_model_checkpoint": "", "result_files": []}


def _known(what: str, given: Mapping[str, Any], known: frozenset[str]) -> None:
    for name in given:
        if name not in known:
            raise _invalid(what, name, "Extra inputs are not permitted")


def _invalid(what: str, name: str, message: str) -> HTTPException:
    """As FastAPI answers."""
    return HTTPException(422, [{"loc": ["body", what, name], "msg": message, "type": "value_error"}])  # type: ignore[arg-type]


# --- Checkpoints -------------------------------------------------------------------------------------------------


def _checkpoints(request: Request) -> Response:
    """GET /v1/fine_tuning/jobs/ID/checkpoints."""
    at = context(request)
    job = at.store.jobs.get(request.path_params["job_id"])
    if job is None:
        raise HTTPException(404, "Job not found")
    shown = [at.dialect.checkpoint(each) for each in _checkpoints_of(request, job)]
    return JSONResponse(objects.page(shown, False, at.profile, ends=True))


def _checkpoints_of(request: Request, job: Job) -> list[Checkpoint]:
    """Oldest first; of a job that was ended without a trainer, the weights that it ended with."""
    found = list(context(request).store.jobs.checkpoints(job.id, after=None, limit=100))[::-1]
    if found or job.fine_tuned_model is None:
        return found
    made = f"ftckpt_{job.id.removeprefix('ftjob-')}"
    at = int(job.finished_at or job.created_at)
    return [Checkpoint(made, job.id, at, 1, job.fine_tuned_model, {"step": 1, "train_loss": 0.5}, "")]


# --- Served models -----------------------------------------------------------------------------------------------


_numbers = itertools.count()
_LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"


async def _serve(request: Request) -> Response:
    """POST /v0/models."""
    state, body = _state(request), await json_object(request)
    _known("model", body, MODEL_FIELDS)
    for key in ("name", "base_model", "source"):
        if not isinstance(body.get(key), str):
            raise _invalid("model", key, "Field required")
    state.requests.append(dict(body))
    if body["base_model"] not in state.servable:
        raise HTTPException(400, f"Base model {body['base_model']} does not support LoRA adapters")
    job_id, _, checkpoint_id = body["source"].partition(":")
    weights = _weights(request, job_id, checkpoint_id)
    number = next(_numbers)
    token = "".join(_LETTERS[number // len(_LETTERS) ** place % len(_LETTERS)] for place in (3, 2, 1, 0))
    name = f"{body['base_model'].removesuffix('-fast')}-LoRa:{body['name']}-{token}"
    state.served[name] = {
        **{key: body.get(key) for key in ("base_model", "source", "description")},
        "created_at": int(context(request).now),
        "status": "validating",
        "job_id": job_id,
        "checkpoint_id": checkpoint_id,
        "weights": weights,
        "looks": 0,
    }
    return JSONResponse(_made(name, state.served[name]))


def _weights(request: Request, job_id: str, checkpoint_id: str) -> str:
    """The name that answers in the store."""
    job = context(request).store.jobs.get(job_id)
    found = [] if job is None else [each for each in _checkpoints_of(request, job) if each.id == checkpoint_id]
    if not found:
        raise HTTPException(404, f"Checkpoint {job_id}:{checkpoint_id} not found")
    return found[0].model


def _made(name: str, model: Mapping[str, Any]) -> Json:
    """As creating and deleting answer."""
    keys = ("base_model", "source", "description", "created_at", "status")
    return {"name": name, **{key: model[key] for key in keys}}


def _seen(name: str, model: Json, state: NebiusState) -> Json:
    """As the list shows it; each look takes it on in its life."""
    model["looks"] += 1
    if model["status"] == "validating" and model["looks"] > state.validations:
        model["status"] = "error" if state.broken else "active"
    return {
        "type": "text2text",
        "name": name,
        "status": model["status"],
        "status_reason": state.broken if model["status"] == "error" else None,
        "checkpoint_id": model["checkpoint_id"],
        "job_id": model["job_id"],
        "file_id": None,
        "url": None,
        "created_at": model["created_at"],
        "description": model["description"],
        "vendor": "meta",
        "tags": ["128K context", "small", "JSON mode", "lora"],
        "use_cases": ["lora"],
        "quality": 73,
        "context_window_k": 128,
        "size_b": 8.03,
        "flavors": [],
    }


def _all_served(request: Request) -> Response:
    """GET /v0/models."""
    state = _state(request)
    shown = [_seen(name, model, state) for name, model in state.served.items() if model["status"] != "deleted"]
    shown = [each for each in shown if state.served[each["name"]]["looks"] > state.unlisted]
    return JSONResponse({"data": shown} if state.listed_under_data else shown)


def _one_served(request: Request) -> Response:
    """GET /v0/models/NAME."""
    name, model = _existing(request)
    return JSONResponse(_seen(name, model, _state(request)))


def _delete_served(request: Request) -> Response:
    """DELETE /v0/models/NAME."""
    name, model = _existing(request)
    model["status"] = "deleted"
    return JSONResponse(_made(name, model))


def _existing(request: Request) -> tuple[str, Json]:
    """By the whole name, or by the part of it behind the colon."""
    asked = request.path_params["name"]
    for name, model in _state(request).served.items():
        if asked in (name, name.rpartition(":")[2]) and model["status"] != "deleted":
            return name, model
    raise HTTPException(404, f"Model {asked} not found")


async def _chat(request: Request) -> Response:
    """POST /v1/chat/completions."""
    body, state = await json_object(request), _state(request)
    if body.get("model") in state.servable:
        state.answered.add(body["model"])
        return await chat.respond(request, body)
    model = state.served.get(str(body.get("model")))
    if model is None or model["status"] != "active":
        raise HTTPException(404, f"The model {body.get('model')} does not exist")
    answer = await chat.respond(request, {**body, "model": model["weights"]})
    state.answered.add(str(body["model"]))
    return Response(
        bytes(answer.body).replace(model["weights"].encode(), str(body["model"]).encode()),
        media_type="application/json",
    )


# --- The app -----------------------------------------------------------------------------------------------------


def _state(request: Request) -> NebiusState:
    dialect = context(request).dialect
    assert isinstance(dialect, NebiusDialect)
    return dialect.state


async def _refused(_request: Request, error: Exception) -> Response:
    assert isinstance(error, ApiError)
    return JSONResponse({"detail": error.message}, error.status, error.headers)


async def _unroutable(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return JSONResponse({"detail": error.detail}, error.status_code)


_JOBS = "/fine_tuning/jobs"
_MISSING = (f"{_JOBS}/{{job_id}}/pause", f"{_JOBS}/{{job_id}}/resume", f"{_JOBS}/{{job_id}}/checkpoints")
_V1 = [
    Route(f"{_JOBS}/{{job_id}}/checkpoints", _checkpoints, methods=["GET"]),
    *files.ROUTES,
    *(route for route in jobs.ROUTES if route.path not in _MISSING),
    Route("/chat/completions", _chat, methods=["POST"]),
]
_V0 = [
    Route("/models", _serve, methods=["POST"]),
    Route("/models", _all_served, methods=["GET"]),
    Route("/models/{name:path}", _one_served, methods=["GET"]),
    Route("/models/{name:path}", _delete_served, methods=["DELETE"]),
]
_OPEN = Settings()


def nebius_app(folder: Path, state: NebiusState | None = None, settings: Settings = _OPEN) -> Starlette:
    """The host over the store in this folder."""
    inner = create_app(folder, settings=settings)
    dialect = NebiusDialect(state or NebiusState())
    check = KeyCheck(settings.api_key, "/v1/", "/v0/")
    app = Starlette(
        routes=[
            Mount("/v1", Router(_V1, redirect_slashes=False)),
            Mount("/v0", Router(_V0, redirect_slashes=False)),
        ],
        middleware=[Middleware(ApiMiddleware, check=check, body=lambda error: {"detail": error.message})],
        exception_handlers={ApiError: _refused, HTTPException: _unroutable},
        lifespan=running,
    )
    app.state.context = replace(inner.state.context, dialect=dialect)
    app.state.nebius = dialect.state
    return app


@dataclass(frozen=True)
class NebiusHost:
    """Where it is, and what a test may set."""

    address: str
    state: NebiusState
    app: Starlette

    @property
    def table(self) -> str:
        """Its table in ftorch.toml."""
        return (
            f'[endpoints.nebius]\ntype = "nebius"\nbase_url = "{self.address}/v1"\n'
            "poll_seconds = 0.05\nsettling_seconds = 0.2\n"
        )

    @property
    def jobs(self) -> list[Job]:
        """The jobs on the host, newest first."""
        return list(self.app.state.context.store.jobs.page(after=None, limit=1000))


@contextmanager
def nebius_host(folder: Path, state: NebiusState | None = None) -> Iterator[NebiusHost]:
    """Serve one for as long as the block lasts, with KEY as its key."""
    kept = state or NebiusState()
    app = nebius_app(folder, kept, Settings(api_key=KEY, max_training=1))
    listener = socket.create_server(("127.0.0.1", 0))
    address = f"http://127.0.0.1:{listener.getsockname()[1]}"
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", access_log=False))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        yield NebiusHost(address, kept, app)
    finally:
        server.should_exit = True
        thread.join()
        listener.close()
