"""Reads the request that creates a fine-tuning job, with the limits of the official description."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from orchestrator.server.apierror import ApiError, bad_request
from orchestrator.server.requests import Fields
from orchestrator.server.store.records import Method, Number

KNOWN = frozenset(
    {
        "model",
        "training_file",
        "validation_file",
        "hyperparameters",
        "method",
        "suffix",
        "seed",
        "metadata",
        "integrations",
    }
)
METHODS = ("supervised", "dpo", "reinforcement")
MODEL_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/:@+-]*")
MODEL_LENGTH = 256
SUFFIX_LENGTH = 64
MAX_SEED = 2**31 - 1
MAX_EPOCHS = 50
MAX_BATCH = 256
MAX_BETA = 2
MAX_LEARNING_RATE = 1e6
METADATA_PAIRS, METADATA_KEY, METADATA_VALUE = 16, 64, 512


@dataclass(frozen=True)
class JobSpec:
    """What is asked for. `seed` is None where the endpoint has to choose one."""

    model: str
    training_file: str
    validation_file: str | None
    suffix: str | None
    seed: int | None
    method: Method
    n_epochs: Number
    batch_size: Number
    learning_rate_multiplier: Number
    beta: Number | None
    metadata: Mapping[str, str] | None
    training_type: str | None = None


def read(body: Mapping[str, Any]) -> JobSpec:
    """The job that a create request asks for; ApiError 400 names the parameter that is wrong or not offered."""
    fields = Fields(body)
    fields.only(KNOWN)
    fields.required("model", "training_file")
    _refuse_integrations(fields)
    method, hyperparameters = _method(fields)
    _check_names(method, hyperparameters)
    return JobSpec(
        model=_text(fields, "model"),
        training_file=_text(fields, "training_file"),
        validation_file=fields.text("validation_file"),
        suffix=_suffix(fields),
        seed=fields.integer("seed", 0, MAX_SEED),
        method=method,
        n_epochs=_number(hyperparameters, "n_epochs", MAX_EPOCHS),
        batch_size=_number(hyperparameters, "batch_size", MAX_BATCH),
        learning_rate_multiplier=_share(hyperparameters, "learning_rate_multiplier", MAX_LEARNING_RATE),
        beta=_beta(method, hyperparameters),
        metadata=read_metadata(fields),
    )


def check_model_name(name: str) -> None:
    """Refuse a name that no model can have (400)."""
    if len(name) > MODEL_LENGTH or not MODEL_NAME.fullmatch(name):
        problem = f"must be up to {MODEL_LENGTH} letters, digits and . _ / : @ + -"
        raise bad_request(f"Invalid value: 'model' {problem}.", "model", "invalid_value")


def _text(fields: Fields, key: str) -> str:
    value = fields.text(key) or ""
    if key == "model":
        check_model_name(value)
    return value


def _suffix(fields: Fields) -> str | None:
    suffix = fields.text("suffix", longest=SUFFIX_LENGTH)
    # The suffix becomes one part of the model's name, whose parts are set apart by colons.
    return None if suffix is None else re.sub(r"[^A-Za-z0-9._-]+", "-", suffix)


def _method(fields: Fields) -> tuple[Method, Fields]:
    """The method and its hyperparameters; the deprecated top-level ones where `method` has none."""
    flat = fields.table("hyperparameters") or Fields({}, "hyperparameters")
    table = fields.table("method")
    if table is None:
        return "supervised", flat
    table.required("type")
    table.only(("type", *METHODS))
    kind = table.choice("type", METHODS)
    if kind == "reinforcement":
        raise _not_offered(kind)
    method: Method = "dpo" if kind == "dpo" else "supervised"
    details = table.table(method) or Fields({}, f"method.{method}")
    details.only(("hyperparameters",))
    return method, details.table("hyperparameters") or flat


def _not_offered(kind: str) -> ApiError:
    message = f"The method '{kind}' is not available on the local endpoint: its trainer runs no grader."
    return bad_request(message, "method.type", "unsupported_value")


def _check_names(method: Method, hyperparameters: Fields) -> None:
    names = ("n_epochs", "batch_size", "learning_rate_multiplier")
    hyperparameters.only((*names, "beta") if method == "dpo" else names)


def _beta(method: Method, hyperparameters: Fields) -> Number | None:
    return _share(hyperparameters, "beta", MAX_BETA) if method == "dpo" else None


def _number(hyperparameters: Fields, key: str, highest: int) -> Number:
    if hyperparameters.raw(key) == "auto":
        return "auto"
    number = hyperparameters.integer(key, 1, highest)
    return "auto" if number is None else number


def _share(hyperparameters: Fields, key: str, highest: float) -> Number:
    if hyperparameters.raw(key) == "auto":
        return "auto"
    number = hyperparameters.number(key, 0, highest, above=True)
    return "auto" if number is None else number


def read_metadata(fields: Fields) -> Mapping[str, str] | None:
    """The pairs that an object is to carry (else 400)."""
    table = fields.table("metadata")
    if table is None:
        return None
    pairs = table.as_mapping()
    if len(pairs) > METADATA_PAIRS:
        raise fields.wrong("metadata", f"may have at most {METADATA_PAIRS} pairs, not {len(pairs)}")
    for key in pairs:
        if len(key) > METADATA_KEY:
            raise fields.wrong("metadata", f"has a key of more than {METADATA_KEY} characters")
        if not isinstance(pairs[key], str):
            raise table.wrong_type(key, "a string")
        if len(pairs[key]) > METADATA_VALUE:
            raise table.wrong(key, f"may have at most {METADATA_VALUE} characters", "string_too_long")
    return pairs


def _refuse_integrations(fields: Fields) -> None:
    if fields.items("integrations"):
        message = "Integrations are not available on the local endpoint: it sends nothing to other services."
        raise bad_request(message, "integrations", "unsupported_parameter")
