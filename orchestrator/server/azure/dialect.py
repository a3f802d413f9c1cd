"""Azure's form of the endpoint's objects."""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, Field
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from orchestrator.dataset.files import open_as_sent
from orchestrator.dataset.jsontext import NotJson, parse_json
from orchestrator.dataset.lines import numbered_lines
from orchestrator.server import objects
from orchestrator.server.azure.catalogue import TRAINING_TYPES, find_model
from orchestrator.server.azure.errors import AzureError, quota_exceeded, refused
from orchestrator.server.azure.jobrules import AZURE
from orchestrator.server.azure.versions import ApiVersion
from orchestrator.server.dialect import Dialect
from orchestrator.server.jobrequest import (
    Dpo,
    DpoHyperparameters,
    Hyperparameters,
    JobBody,
    JobSpec,
    MethodBody,
    Supervised,
)
from orchestrator.server.objects import Json
from orchestrator.server.requests import AS_SENT, INVALID_TYPE, Text, parse, wrong
from orchestrator.server.settings import AzureSettings
from orchestrator.server.store import Store
from orchestrator.server.store.jobs import NoJobRoomError
from orchestrator.server.store.records import DialectName, Event, File, Job, Number

_PROCESSING = ("uploaded", "pending", "running")
_QUEUE_SECONDS = 60.0
"""The wait that a client gets when the queue of jobs is full."""


class AzureDialect(Dialect):
    """One API version of the data plane."""

    name: DialectName = "azure"
    untrained = AZURE.untrained

    def __init__(self, version: ApiVersion, settings: AzureSettings, organization: str) -> None:
        super().__init__(version.profile, organization)
        self.version = version
        self.settings = settings
        self.job_room = settings.room

    def read_job(self, body: Mapping[str, Any]) -> JobSpec:
        return read(body, self.version, self.settings.location, self.settings.ignored_hyperparameters)

    def names(self, base: str, suffix: str | None) -> tuple[str, str]:
        number = uuid.uuid4().hex
        return f"ftjob-{number}", f"{base}.ft-{number}" + (f"-{suffix}" if suffix else "")

    def check_upload(self, store: Store, size: int, now: float) -> None:
        most = self.settings
        if size > most.file_bytes:
            raise refused(
                f"The file has {size} bytes; at most {most.file_bytes} are accepted.", inner="file_too_large"
            )
        files, held = store.files.totals(now)
        if files >= most.files:
            raise quota_exceeded(400, f"This resource holds {files} files; its quota is {most.files}.")
        if held + size > most.all_bytes:
            raise quota_exceeded(400, f"The files of this resource would exceed {most.all_bytes} bytes.")

    def problem(self, path: Path, purpose: str) -> str | None:
        if purpose != "fine-tune":
            return None
        with open_as_sent(path) as stream:
            for number, line in numbered_lines(stream):
                if line is None or not _is_object(line):
                    return f"Line {number} is not a JSON object. Every line must hold one."
        return None

    def check_usable(self, file: File, param: str, now: float) -> None:
        status = self._file_status(file, now)
        if status == "error":
            raise refused(f"The {param} {file.id} can't be used: {file.problem}", inner="invalid_file")
        if status != "processed":
            message = f"The {param} {file.id} is {status}; a job needs it processed."
            raise AzureError(400, "unexpectedEntityState", message)

    def no_job_room(self, error: NoJobRoomError) -> Exception:
        room = self.settings.room
        if error.jobs >= room.jobs:
            message = f"This resource has {error.jobs} fine-tuning jobs; its quota is {room.jobs}. Delete some."
            return quota_exceeded(400, message)
        message = f"{error.waiting} fine-tuning jobs wait on this resource; its queue has room for {room.waiting}."
        return quota_exceeded(429, message, retry_after=_QUEUE_SECONDS)

    def file(self, file: File, now: float) -> Json:
        shown = {**super().file(file, now), "status": self._file_status(file, now)}
        return {**shown, "status_details": file.problem} if shown["status"] == "error" else shown

    def job(self, job: Job) -> Json:
        shown = {
            **objects.job_object(job, self.profile, self.organization),
            "status": self.version.statuses[job.status],
            "result_files": [job.result_file] if job.result_file else None,
            "error": _without_nulls(asdict(job.error)) if job.error else None,
            "suffix": job.suffix,
            "trainingType": job.training_type,
            "organization_id": None,
            "organisation_id": self.organization if self.version.is_dated else None,
            "integrations": None,
            **self._hyperparameters(job),
        }
        return _without_nulls(shown)

    def event(self, event: Event) -> Json:
        shown = super().event(event)
        return {**shown, "level": "warning" if event.level == "warn" else event.level}

    def created(self, request: Request, shown: Json) -> Response:
        if self.version.made == 200:
            return JSONResponse(shown)
        collection = request.url.path.rstrip("/").removesuffix("/import")
        place = request.url.replace(path=f"{collection}/{shown['id']}", query=f"api-version={self.version.name}")
        return JSONResponse(shown, self.version.made, {"location": str(place)})

    def _file_status(self, file: File, now: float) -> str:
        """Its times count from the upload, whatever the outcome; result files are there at once."""
        seconds = self.settings.file_seconds
        if file.purpose == "fine-tune" and now < file.created_at + seconds:
            return _PROCESSING[int(len(_PROCESSING) * max(0.0, now - file.created_at) / seconds)]
        return "error" if file.problem else "processed"

    def _hyperparameters(self, job: Job) -> Json:
        numbers = {
            "n_epochs": job.n_epochs,
            "batch_size": job.batch_size,
            "learning_rate_multiplier": job.learning_rate_multiplier,
        }
        numbers |= job.options
        hidden = self.settings.ignored_hyperparameters
        flat = {name: _as_number(number) for name, number in numbers.items() if name not in hidden}
        if self.version.method == "none":
            return {"hyperparameters": flat, "method": None}
        if self.version.method == "type":
            return {"hyperparameters": flat, "method": {"type": job.method}}
        beta = {"beta": _as_number(job.beta)} if job.beta is not None else {}
        return {
            "hyperparameters": flat,
            "method": {"type": job.method, job.method: {"hyperparameters": {**flat, **beta}}},
        }


def _without_nulls(shown: Json) -> Json:
    return {name: value for name, value in shown.items() if value is not None}


def _as_number(number: Number) -> float:
    return -1 if number == "auto" else number


def _is_object(line: bytes) -> bool:
    try:
        return isinstance(parse_json(line), dict)
    except NotJson:
        return False


# --- The request that creates a fine-tuning job, in one API version -------------------------------------------


_SUFFIX = re.compile(r"[A-Za-z0-9_-]{1,40}")
_NOT_TUNABLE = "The specified base model does not support fine-tuning."
_UNKNOWN = {"none": ("method", "metadata", "trainingType"), "type": ("metadata",), "whole": ()}
"""The parameters that a version lacks, by its form of the method."""


def _suffix(suffix: str | None) -> str | None:
    if suffix is not None and not _SUFFIX.fullmatch(suffix):
        raise wrong("may have up to 40 letters, digits, hyphens and underscores", code="invalid_suffix")
    return suffix


def _training_type(name: str | None) -> str | None:
    if name is not None and name.casefold() not in {each.casefold() for each in TRAINING_TYPES}:
        raise wrong(f"must be one of {', '.join(TRAINING_TYPES)}")
    return name


class _LossWeight(Hyperparameters):
    """As in Microsoft's page on the REST API."""

    prompt_loss_weight: Annotated[float | None, Field(ge=0, le=1), AS_SENT] = None

    @property
    def options(self) -> dict[str, Any]:
        return _given(prompt_loss_weight=self.prompt_loss_weight)


class _L2Multiplier(DpoHyperparameters):
    """As in Microsoft's notes on DPO."""

    l2_multiplier: Annotated[float | None, Field(ge=0), AS_SENT] = None

    @property
    def options(self) -> dict[str, Any]:
        return _given(l2_multiplier=self.l2_multiplier)


class _Flat(DpoHyperparameters, _LossWeight):
    """Those next to the method."""


class _Supervised(Supervised):
    hyperparameters: _LossWeight | None = None


class _Dpo(Dpo):
    hyperparameters: _L2Multiplier | None = None


class _Method(MethodBody):
    supervised: _Supervised | None = None
    dpo: _Dpo | None = None


def _given(**numbers: float | None) -> dict[str, Any]:
    return {name: number for name, number in numbers.items() if number is not None}


class AzureJobBody(JobBody):
    """POST /fine_tuning/jobs."""

    method: _Method | None = None
    hyperparameters: _Flat | None = None
    suffix: Annotated[Text | None, AfterValidator(_suffix)] = None
    trainingType: Annotated[Text | None, AfterValidator(_training_type)] = None  # noqa: N815


def read(body: Mapping[str, Any], version: ApiVersion, region: str, ignored: frozenset[str]) -> JobSpec:
    """The requested job; ApiError 400 if it is wrong, or the model can't be tuned there.

    Hyperparameters in `ignored` are left at "auto".
    """
    _check_version(body, version)
    asked = parse(AzureJobBody, body, context=lambda given: _numbers(given, version, ignored))
    spec = asked.spec()
    _check_model(spec.model, region, asked.trainingType or TRAINING_TYPES[0])
    return replace(spec, training_type=asked.trainingType)


def _check_version(body: Mapping[str, Any], version: ApiVersion) -> None:
    unknown = [name for name in body if name in _UNKNOWN[version.method]]
    method = body.get("method")
    flat = body.get("hyperparameters")
    if version.method == "none" and isinstance(flat, dict):
        unknown += [f"hyperparameters.{name}" for name in flat if name == "prompt_loss_weight"]
    if version.method == "type" and isinstance(method, dict):
        unknown += [f"method.{name}" for name in method if name != "type"]
    if unknown:
        raise refused(f"Unknown parameter: '{unknown[0]}'.", inner="unknown_parameter")


def _numbers(given: Mapping[str, Any], version: ApiVersion, ignored: frozenset[str]) -> dict[str, Any]:
    """The hyperparameters, with -1, which means "auto" in this API, replaced by it."""
    for name, value in given.items():
        if value == "auto" and not version.takes_auto:
            raise wrong("must be a number", name, code=INVALID_TYPE)
    kept = {name: value for name, value in given.items() if name not in ignored}
    return {name: "auto" if value == -1 else value for name, value in kept.items()}


def _check_model(name: str, region: str, training_type: str) -> None:
    model = find_model(name)
    if model is None or not model.trains_in(region, training_type):
        raise refused(_NOT_TUNABLE)
