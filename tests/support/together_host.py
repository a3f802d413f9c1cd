"""Together's API of files and jobs, over the store and the trainer of our own server: its jobs really train.

Paths, fields and words are those of Together's description and SDK. A request with a field that they don't have is
refused. A tuned model answers only while a dedicated endpoint serves it.
"""

from __future__ import annotations

import json
import socket
import threading
import uuid
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route, Router

from orchestrator.server.apierror import ApiError, bad_request, not_found
from orchestrator.server.app import create_app, running
from orchestrator.server.context import Context, context
from orchestrator.server.dialect import Dialect
from orchestrator.server.jobrequest import JobSpec
from orchestrator.server.middleware import ApiMiddleware, KeyCheck
from orchestrator.server.requests import json_object
from orchestrator.server.routes import chat, files, jobs
from orchestrator.server.settings import PROFILES, Settings
from orchestrator.server.store.records import Event, File, Job, JobStatus

Json = dict[str, Any]
BASE = "Qwen/Qwen3-8B"
_SERVERLESS = (BASE, "meta-llama/Meta-Llama-3.1-8B-Instruct-Reference")
ACCOUNT = "drone-team"
_CREATE_FIELDS = frozenset(
    {
        *("training_file", "validation_file", "packing", "max_seq_length", "model", "n_epochs", "n_checkpoints"),
        *("n_evals", "batch_size", "learning_rate", "lr_scheduler", "warmup_ratio", "max_grad_norm"),
        *("weight_decay", "random_seed", "suffix", "wandb_api_key", "wandb_base_url", "wandb_project_name"),
        *("wandb_name", "wandb_entity", "train_on_inputs", "training_method", "training_type"),
        *("multimodal_params", "from_checkpoint", "from_hf_model", "hf_model_revision", "hf_api_token"),
        "hf_output_repo_name",
    }
)
_PRICE_FIELDS = frozenset(
    {
        *("training_file", "validation_file", "model", "n_epochs", "n_evals", "training_method"),
        *("training_type", "from_checkpoint"),
    }
)
_LONGEST_SUFFIX = 40
_STATUSES: Mapping[JobStatus, str] = {
    JobStatus.VALIDATING_FILES: "pending",
    JobStatus.QUEUED: "queued",
    JobStatus.RUNNING: "running",
    JobStatus.PAUSED: "running",
    JobStatus.SUCCEEDED: "completed",
    JobStatus.FAILED: "error",
    JobStatus.CANCELLED: "cancelled",
}
_NANODOLLARS = 1_000_000_000


@dataclass
class TogetherState:
    """What a test sets, and what the host has kept beside the store."""

    dollars_per_million: float = 0.48
    limit_dollars: float = 100.0
    unvalidated: int = 0
    """So many looks at a file find it still being validated."""
    problem: str | None = None
    """Why the host finds every file invalid."""
    age: str = "new"
    """ "old": files say `Processed`, as in the description of April 2026; "new": `processing_status`."""
    echoes_suffix: bool = True
    echoes_seed: bool = True
    tokenize: Callable[[Json], Json] | None = None
    """Makes a row of a preview from a row of the file; None goes by words."""
    served: dict[str, str] = field(default_factory=dict)
    """Dedicated endpoints that somebody has started: the model of each name."""
    asked: dict[str, Json] = field(default_factory=dict)
    """What each job was asked for."""


class TogetherDialect(Dialect):
    """Together's form of the endpoint's objects."""

    def __init__(self, state: TogetherState) -> None:
        super().__init__(PROFILES["openai"], ACCOUNT)
        self.state = state
        self._created: dict[str | None, Json] = {}

    def read_job(self, body: Mapping[str, Any]) -> JobSpec:
        _check_fields(body, _CREATE_FIELDS, ("training_file", "model"))
        method, suffix = body.get("training_method") or {"method": "sft"}, body.get("suffix")
        if suffix is not None and len(suffix) > _LONGEST_SUFFIX:
            raise _wrong(f"suffix must be at most {_LONGEST_SUFFIX} characters", "suffix")
        if body.get("n_evals") and not body.get("validation_file"):
            raise _wrong("n_evals needs a validation_file", "n_evals")
        spec = JobSpec(
            model=body["model"],
            training_file=body["training_file"],
            validation_file=body.get("validation_file"),
            suffix=suffix,
            seed=body.get("random_seed", 42),
            method="dpo" if method["method"] == "dpo" else "supervised",
            n_epochs=body.get("n_epochs", 1),
            batch_size=body["batch_size"] if isinstance(body.get("batch_size"), int) else "auto",
            learning_rate_multiplier="auto",
            beta=method.get("dpo_beta", "auto") if method["method"] == "dpo" else None,
            metadata=None,
        )
        self._created[suffix] = dict(body)
        return spec

    def names(self, base: str, suffix: str | None) -> tuple[str, str]:
        job_id = f"ft-{uuid.uuid4()}"
        self.state.asked[job_id] = self._created.pop(suffix)
        return job_id, f"{ACCOUNT}/{base}:{suffix or ''}:{job_id}"

    def check_usable(self, file: File, param: str, now: float) -> None:
        if self.state.problem:
            raise _wrong(f"{param} {file.id} is not valid: {self.state.problem}", param)

    def file(self, file: File, now: float) -> Json:
        shown = {
            "id": file.id,
            "object": "file",
            "created_at": file.created_at,
            "filename": file.filename,
            "bytes": file.bytes,
            "purpose": file.purpose,
            "FileType": "jsonl",
        }
        is_early, problem = self._is_early(), self.state.problem
        if self.state.age == "old":
            return {**shown, "Processed": not is_early}
        status = "RUNNING" if is_early else "INVALID_FORMAT" if problem else "COMPLETED"
        report = {
            "valid": problem is None,
            **({"error": problem, "error_type": "INVALID_FORMAT"} if problem else {}),
        }
        return {**shown, "processing_status": status, **({} if is_early else {"validation_report": report})}

    def _is_early(self) -> bool:
        self.state.unvalidated = max(0, self.state.unvalidated - 1)
        return self.state.unvalidated > 0

    def job(self, job: Job) -> Json:
        asked, state = self.state.asked.get(job.id, {}), self.state
        changed = job.finished_at or job.started_at or job.created_at
        tokens = job.trained_tokens or 0
        shown: Json = {
            "id": job.id,
            "status": _STATUSES[job.status],
            "created_at": _iso(job.created_at),
            "updated_at": _iso(changed),
            "user_id": "user-0123",
            "owner_address": "team@example.com",
            "total_price": round(tokens * state.dollars_per_million / 1e6 * _NANODOLLARS),
            "token_count": tokens,
            "events": [],
            "model": job.base,
            "model_output_name": job.model_name,
            "training_file": job.training_file,
            "packing": asked.get("packing", True),
            "n_epochs": asked.get("n_epochs", 1),
            "n_evals": asked.get("n_evals", 0),
            "n_checkpoints": asked.get("n_checkpoints", 1),
            "batch_size": asked.get("batch_size", 8) if asked.get("batch_size") != "max" else 8,
            "learning_rate": asked.get("learning_rate", 1e-5),
            "warmup_ratio": asked.get("warmup_ratio", 0.0),
            "training_method": asked.get("training_method", {"method": "sft", "train_on_inputs": "auto"}),
            "training_type": asked.get("training_type", {"type": "Lora", "lora_r": 16, "lora_alpha": 32}),
        }
        if job.validation_file:
            shown["validation_file"] = job.validation_file
        if job.suffix and state.echoes_suffix:
            shown["suffix"] = job.suffix
        if state.echoes_seed:
            shown["random_seed"] = job.seed
        return shown

    def event(self, event: Event) -> Json:
        return {
            "object": "fine-tune-event",
            "created_at": _iso(event.created_at),
            "level": {"info": "info", "warn": "warning", "error": "error"}[event.level],
            "message": event.message,
            "type": _event_type(event),
            "param_count": 0,
            "token_count": 0,
            "total_steps": 0,
            "wandb_url": "",
            "step": int(event.data.get("step", 0)),
            "checkpoint_path": "",
            "model_path": "",
            "training_offset": 0,
            "hash": "",
        }


def _event_type(event: Event) -> str:
    said = event.message.lower()
    if event.level == "error":
        return "job_error"
    if "created" in said:
        return "job_pending"
    if "completed" in said or "success" in said:
        return "job_complete"
    return "training_start" if "started" in said else "warning" if event.level == "warn" else "epoch_complete"


# --- Routes ------------------------------------------------------------------------------------------------------


async def _upload(request: Request) -> Response:
    """POST /files/upload: like /files, with the name as a field of its own."""
    async with files.file_form(request, files.MAX_BYTES, max_fields=20) as form:
        _check_fields(form, frozenset({"purpose", "file_name", "file_type", "file"}), ("purpose", "file_name"))
        upload = files._part(form)
        at = context(request)
        blob = at.store.blobs.copy(upload.file)
        file = at.store.files.add(str(form["file_name"]), str(form["purpose"]), blob, at.now, None, None)
    return JSONResponse(at.dialect.file(file, at.now))


def _files(request: Request) -> Response:
    """GET /files: all of them, whatever their purpose."""
    at = context(request)
    found = at.store.files.page(at.now, purpose=None, after=None, limit=10_000, newest_first=False)
    shown = [at.dialect.file(file, at.now) for file in found if file.purpose == "fine-tune"]
    return JSONResponse({"data": shown})


def _deleted_file(request: Request) -> Response:
    file = files._file(request)
    context(request).store.files.delete(file)
    return JSONResponse({"id": file.id, "deleted": True})


def _jobs(request: Request) -> Response:
    """GET /fine-tunes: all of them, oldest first."""
    at = context(request)
    found = at.store.jobs.page(after=None, limit=10_000)
    return JSONResponse({"data": [at.dialect.job(job) for job in reversed(found)]})


def _events(request: Request) -> Response:
    at, job = context(request), jobs._job(request)
    found = at.store.jobs.events(job.id, after=None, limit=10_000, newest_first=False)
    shown = [at.dialect.event(event) for event in found if event.kind != "metrics"]
    return JSONResponse({"data": shown})


def _metrics(request: Request) -> Response:
    at, job = context(request), jobs._job(request)
    found = at.store.jobs.events(job.id, after=None, limit=10_000, newest_first=False)
    rows = [_metric_row(event.data) for event in found if event.kind == "metrics"]
    return JSONResponse({"metrics": rows})


def _metric_row(data: Mapping[str, Any]) -> Json:
    names = {"train/loss": "train_loss", "train/global_step": "step", "eval/loss": "full_valid_loss"}
    return {name: float(data[key]) for name, key in names.items() if data.get(key) is not None}


def _checkpoints(request: Request) -> Response:
    at, job = context(request), jobs._job(request)
    found = at.store.jobs.checkpoints(job.id, after=None, limit=1000)
    shown = [
        {
            "step": each.step,
            "created_at": _iso(each.created_at),
            "path": f"s3://together-weights/{job.id}/{each.step}",
            "checkpoint_type": f"Intermediate (step {each.step})",
        }
        for each in found
    ]
    return JSONResponse({"data": shown})


def _supported(request: Request) -> Response:
    return JSONResponse({"models": [*_SERVERLESS]})


def _models(request: Request) -> Response:
    """GET /models: an array, without the tuned ones."""
    return JSONResponse([{"id": BASE, "object": "model", "created": 1_700_000_000, "type": "chat"}])


# --- Prices and previews -----------------------------------------------------------------------------------------


async def _price(request: Request) -> Response:
    """POST /fine-tunes/estimate-price: four letters count as a token here."""
    body, at = await json_object(request), context(request)
    _check_fields(body, _PRICE_FIELDS, ("training_file",))
    state = _state(at)
    training = _size(at, body["training_file"]) * body.get("n_epochs", 1)
    validation = _size(at, body["validation_file"]) * body.get("n_evals", 0) if body.get("validation_file") else 0
    if state.unvalidated > 1:
        return JSONResponse({"estimation_available": False, "unavailable_reason": "train_file_not_validated"})
    if state.problem:
        return JSONResponse({"estimation_available": False, "unavailable_reason": "train_file_invalid"})
    dollars = (training + validation) * state.dollars_per_million / 1e6
    answer = {
        "estimated_total_price": dollars,
        "allowed_to_proceed": dollars <= state.limit_dollars,
        "user_limit": state.limit_dollars,
        "estimated_train_token_count": training,
        "estimated_eval_token_count": validation,
    }
    return JSONResponse({"estimation_available": True, **answer} if state.age == "new" else answer)


async def _preview(request: Request) -> Response:
    """POST /fine-tunes/preview: words are tokens here, unless the test has put rows of its own."""
    body, at = await json_object(request), context(request)
    fields = ("model", "training_file", "top_k", "train_on_inputs", "training_method")
    _check_fields(body, frozenset(fields), ("model", "training_file"))
    _file(at, body["training_file"])
    rows = at.store.blobs.path(_file(at, body["training_file"]).blob).read_text(encoding="utf-8").splitlines()
    top = body.get("top_k", 5)
    if not 1 <= top <= 50:
        raise _wrong("top_k must be from 1 to 50", "top_k")
    return JSONResponse(
        {
            "model": body["model"],
            "dataset_format": "conversation",
            "max_seq_length": 32768,
            "train_on_inputs": bool(body.get("train_on_inputs", False)),
            "rows": [(_state(at).tokenize or _by_words)(json.loads(row)) for row in rows[:top] if row.strip()],
        }
    )


def _by_words(row: Json) -> Json:
    """A row's messages by words; those of the assistant are learned."""
    words = [
        (word, message["role"] == "assistant" and message.get("weight") != 0)
        for message in row["messages"]
        for word in (message.get("content") or "").split()
    ]
    return tokenized([(zlib.crc32(word.encode()) % 50_000, word, learned) for word, learned in words])


def tokenized(tokens: list[tuple[int, str, bool]]) -> Json:
    """A row of a preview from ids, texts, and whether each is learned."""
    learned = [is_learned for _, _, is_learned in tokens]
    edges = [
        n for n in range(len(tokens) + 1) if (learned[n - 1] if n else False) != (n < len(tokens) and learned[n])
    ]
    return {
        "input_ids": [token for token, _, _ in tokens],
        "tokens": [text for _, text, _ in tokens],
        "labels": [token if is_learned else -100 for token, _, is_learned in tokens],
        "num_tokens": len(tokens),
        "num_trained_tokens": sum(learned),
        "trained_spans": [list(pair) for pair in zip(edges[::2], edges[1::2], strict=True)],
        "truncated": False,
    }


def _size(at: Context, file_id: str) -> int:
    return _file(at, file_id).bytes // 4


def _file(at: Context, file_id: str) -> File:
    found = at.store.files.get(file_id, at.now)
    if found is None:
        raise not_found(f"File {file_id} not found", "training_file", "not_found")
    return found


# --- Chat --------------------------------------------------------------------------------------------------------


async def _chat(request: Request) -> Response:
    """POST /chat/completions: serverless models answer; others only where the test has a dedicated endpoint."""
    body, state = await json_object(request), _state(context(request))
    model = state.served.get(body["model"], body["model"])
    if model == body["model"] and model not in _SERVERLESS:
        raise bad_request(
            f"Unable to access non-serverless model {model}. Please create and start a dedicated endpoint for it.",
            "model",
            "model_not_available",
        )
    answer = await chat.respond(request, {**body, "model": model})
    said = json.loads(bytes(answer.body))
    choices = [{key: value for key, value in each.items() if value is not None} for each in said["choices"]]
    return JSONResponse({**said, "prompt": [], "choices": choices})


_OPEN = Settings()


# --- The app -----------------------------------------------------------------------------------------------------


def together_app(folder: Path, state: TogetherState | None = None, settings: Settings = _OPEN) -> Starlette:
    """The host over the store in this folder."""
    inner = create_app(folder, settings=settings)
    dialect = TogetherDialect(state or TogetherState())
    app = Starlette(
        routes=[Mount("/v1", Router(_ROUTES, redirect_slashes=False))],
        middleware=[Middleware(ApiMiddleware, check=KeyCheck(settings.api_key, "/v1/"))],
        exception_handlers={ApiError: _refused, HTTPException: _unroutable},
        lifespan=running,
    )
    app.state.context = replace(inner.state.context, dialect=dialect)
    return app


@dataclass(frozen=True)
class TogetherHost:
    """Where it is, and what a test may set."""

    address: str
    state: TogetherState
    app: Starlette

    @property
    def table(self) -> str:
        """Its table in ftorch.toml."""
        return (
            f'[endpoints.together]\ntype = "together"\nbase_url = "{self.address}/v1"\n'
            "poll_seconds = 0.05\nsettling_seconds = 0.2\n"
        )

    @property
    def jobs(self) -> list[Job]:
        """The jobs on the host, newest first."""
        return list(self.app.state.context.store.jobs.page(after=None, limit=1000))

    @property
    def files(self) -> list[str]:
        """The names of its training files."""
        at: Context = self.app.state.context
        found = at.store.files.page(at.now, purpose="fine-tune", after=None, limit=1000, newest_first=True)
        return [file.filename for file in found]


KEY = "together-key-0123456789"


@contextmanager
def together_host(folder: Path, state: TogetherState | None = None) -> Iterator[TogetherHost]:
    """Serve one for as long as the block lasts, with KEY as its key."""
    kept = state or TogetherState()
    app = together_app(folder, kept, Settings(api_key=KEY, max_training=1))
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", access_log=False))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        yield TogetherHost(f"http://127.0.0.1:{listener.getsockname()[1]}", kept, app)
    finally:
        server.should_exit = True
        thread.join()
        listener.close()


def _state(at: Context) -> TogetherState:
    assert isinstance(at.dialect, TogetherDialect)
    return at.dialect.state


def _check_fields(given: Mapping[str, Any], known: frozenset[str], needed: tuple[str, ...]) -> None:
    for name in given:
        if name not in known:
            raise _wrong(f"unknown field {name}", name)
    for name in needed:
        if not given.get(name):
            raise _wrong(f"{name} is required", name)


def _wrong(message: str, param: str) -> ApiError:
    return bad_request(message, param, "invalid_request")


def _refused(_request: Request, error: Exception) -> Response:
    assert isinstance(error, ApiError)
    facts = {"message": error.message, "type": "invalid_request_error", "param": error.param, "code": error.code}
    return JSONResponse({"error": facts}, error.status)


def _unroutable(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    facts = {"message": error.detail, "type": "not_found", "param": None, "code": None}
    return JSONResponse({"error": facts}, error.status_code)


def _iso(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


_ROUTES = [
    Route("/files/upload", _upload, methods=["POST"]),
    Route("/files", _files, methods=["GET"]),
    Route("/files/{file_id}", files.retrieve, methods=["GET"]),
    Route("/files/{file_id}", _deleted_file, methods=["DELETE"]),
    Route("/files/{file_id}/content", files.content, methods=["GET"]),
    Route("/fine-tunes", jobs.create, methods=["POST"]),
    Route("/fine-tunes", _jobs, methods=["GET"]),
    Route("/fine-tunes/estimate-price", _price, methods=["POST"]),
    Route("/fine-tunes/preview", _preview, methods=["POST"]),
    Route("/fine-tunes/models/supported", _supported, methods=["GET"]),
    Route("/fine-tunes/{job_id}", jobs.retrieve, methods=["GET"]),
    Route("/fine-tunes/{job_id}/cancel", jobs.cancel, methods=["POST"]),
    Route("/fine-tunes/{job_id}/events", _events, methods=["GET"]),
    Route("/fine-tunes/{job_id}/metrics", _metrics, methods=["GET"]),
    Route("/fine-tunes/{job_id}/checkpoints", _checkpoints, methods=["GET"]),
    Route("/models", _models, methods=["GET"]),
    Route("/chat/completions", _chat, methods=["POST"]),
]
