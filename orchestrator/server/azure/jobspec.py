"""Reads the request that creates a fine-tuning job, in the words of one API version."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from orchestrator.server import jobspec
from orchestrator.server.azure.catalogue import TRAINING_TYPES, find_model
from orchestrator.server.azure.errors import refused
from orchestrator.server.azure.versions import ApiVersion
from orchestrator.server.fields import Fields
from orchestrator.server.jobspec import JobSpec

_SUFFIX = re.compile(r"[A-Za-z0-9_-]{1,40}")
_KNOWN = frozenset(
    {
        "model",
        "training_file",
        "validation_file",
        "hyperparameters",
        "suffix",
        "seed",
        "integrations",
    }
)
_NOT_TUNABLE = "The specified base model does not support fine-tuning."


def read(body: Mapping[str, Any], version: ApiVersion, region: str, ignored: frozenset[str]) -> JobSpec:
    """The job that is asked for; ApiError 400 where it is wrong, or the model can't be tuned there.

    Hyperparameters in `ignored` are left at "auto".
    """
    fields = Fields(body)
    fields.only(_known(version))
    _check_suffix(fields)
    training_type = _training_type(fields)
    spec = jobspec.read(_as_openai(body, version, fields, ignored))
    _check_model(spec.model, region, training_type or TRAINING_TYPES[0])
    return replace(spec, training_type=training_type)


def _known(version: ApiVersion) -> frozenset[str]:
    extra = {"none": set(), "type": {"method", "trainingType"}, "whole": {"method", "metadata", "trainingType"}}
    return _KNOWN | extra[version.method]


def _check_suffix(fields: Fields) -> None:
    suffix = fields.text("suffix")
    if suffix is not None and not _SUFFIX.fullmatch(suffix):
        raise refused(
            "The suffix may have up to 40 letters, digits, hyphens and underscores.", inner="invalid_suffix"
        )


def _training_type(fields: Fields) -> str | None:
    wanted = fields.text("trainingType")
    if wanted is not None and wanted.casefold() not in {each.casefold() for each in TRAINING_TYPES}:
        raise fields.wrong("trainingType", f"must be one of {', '.join(TRAINING_TYPES)}")
    return wanted


def _as_openai(
    body: Mapping[str, Any], version: ApiVersion, fields: Fields, ignored: frozenset[str]
) -> dict[str, Any]:
    """The same request as OpenAI takes it."""
    wanted = {key: value for key, value in body.items() if key != "trainingType"}
    numbers = fields.table("hyperparameters")
    if numbers is not None:
        wanted["hyperparameters"] = _numbers(numbers, version, ignored)
    method = fields.table("method")
    if method is not None:
        method.required("type")
        if version.method == "type":
            method.only(("type",))
        wanted["method"] = _method(method, version, ignored)
    return wanted


def _method(method: Fields, version: ApiVersion, ignored: frozenset[str]) -> dict[str, Any]:
    kind = method.text("type") or ""
    details = method.table(kind)
    if details is None or details.table("hyperparameters") is None:
        return dict(method.as_mapping())
    numbers = _numbers(details.table("hyperparameters") or Fields({}), version, ignored)
    return {**method.as_mapping(), kind: {**details.as_mapping(), "hyperparameters": numbers}}


def _numbers(given: Fields, version: ApiVersion, ignored: frozenset[str]) -> dict[str, Any]:
    """The hyperparameters with -1, which means "auto" here, written as that."""
    for name, value in given.as_mapping().items():
        if value == "auto" and not version.takes_auto:
            raise given.wrong_type(name, "a number")
    kept = {name: value for name, value in given.as_mapping().items() if name not in ignored}
    return {name: "auto" if value == -1 else value for name, value in kept.items()}


def _check_model(name: str, region: str, training_type: str) -> None:
    model = find_model(name)
    if model is None or not model.trains_in(region, training_type):
        raise refused(_NOT_TUNABLE)
