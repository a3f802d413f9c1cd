"""Reads the request that creates a fine-tuning job, with the limits of the official description."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo, model_validator

from orchestrator.server.apierror import bad_request
from orchestrator.server.requests import AS_SENT, INVALID_TYPE, WHOLE, Body, Text, parse, wrong
from orchestrator.server.store.records import Method, Number

MODEL_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/:@+-]*")
MODEL_LENGTH = 256
SUFFIX_LENGTH = 64
MAX_SEED = 2**31 - 1
MAX_EPOCHS = 50
MAX_BATCH = 256
MAX_BETA = 2
MAX_LEARNING_RATE = 1e6
MAX_RANK = 1024
MAX_ALPHA = 1e4
MAX_PROCESSES = 64
OPTIONS = (
    *("learning_rate", "lora_rank", "lora_alpha", "lora_dropout", "lora_targets"),
    *("quantization", "gradient_checkpointing", "precision", "num_processes"),
)
METADATA_PAIRS, METADATA_KEY, METADATA_VALUE = 16, 64, 512


@dataclass(frozen=True)
class JobSpec:
    """The contents of the request. `seed` is None if the endpoint chooses it."""

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
    options: Mapping[str, Any] = field(default_factory=dict)
    """The hyperparameters that only some trainers have."""


def read(body: Mapping[str, Any]) -> JobSpec:
    """The job in a create request; ApiError 400 names the parameter that is wrong or not supported."""
    return parse(JobBody, body).spec()


def check_model_name(name: str) -> None:
    """Refuse an invalid model name (400)."""
    if not _is_model_name(name):
        raise bad_request(f"Invalid value: 'model' {_MODEL_PROBLEM}.", "model", "invalid_value")


# --- Fields ---------------------------------------------------------------------------------------------------


_MODEL_PROBLEM = f"must be up to {MODEL_LENGTH} letters, digits and . _ / : @ + -"


def _is_model_name(name: str) -> bool:
    return len(name) <= MODEL_LENGTH and MODEL_NAME.fullmatch(name) is not None


def _model_name(name: str) -> str:
    if not _is_model_name(name):
        raise wrong(_MODEL_PROBLEM)
    return name


def _as_part_of_a_name(suffix: str | None) -> str | None:
    # It becomes one part of the model's name, whose parts are separated by colons.
    return None if suffix is None else re.sub(r"[^A-Za-z0-9._-]+", "-", suffix)


def _pairs(pairs: dict[str, Any]) -> dict[str, Any]:
    if len(pairs) > METADATA_PAIRS:
        raise wrong(f"may have at most {METADATA_PAIRS} pairs, not {len(pairs)}")
    for key, value in pairs.items():
        if len(key) > METADATA_KEY:
            raise wrong(f"has a key of more than {METADATA_KEY} characters")
        if not isinstance(value, str):
            raise wrong("must be a string", key, code=INVALID_TYPE)
        if len(value) > METADATA_VALUE:
            raise wrong(f"may have at most {METADATA_VALUE} characters", key, code="string_too_long")
    return pairs


Metadata = Annotated[dict[str, Any], AfterValidator(_pairs)]
"""Pairs of strings that an object carries."""
AUTO = BeforeValidator(lambda value: None if value == "auto" else value)
"""None means "auto", like leaving the field out."""


class Hyperparameters(Body):
    """The hyperparameters of every method. An API that writes them in another way passes a translation as
    `context`."""

    n_epochs: Annotated[int | None, Field(ge=1, le=MAX_EPOCHS), WHOLE, AUTO] = None
    batch_size: Annotated[int | None, Field(ge=1, le=MAX_BATCH), WHOLE, AUTO] = None
    learning_rate_multiplier: Annotated[float | None, Field(gt=0, le=MAX_LEARNING_RATE), AS_SENT, AUTO] = None

    # Those of open-weights base models; OpenAI's API has none of them.
    learning_rate: Annotated[float | None, Field(gt=0, le=MAX_LEARNING_RATE), AS_SENT, AUTO] = None
    lora_rank: Annotated[int | None, Field(ge=1, le=MAX_RANK), WHOLE, AUTO] = None
    lora_alpha: Annotated[float | None, Field(gt=0, le=MAX_ALPHA), AS_SENT, AUTO] = None
    lora_dropout: Annotated[float | None, Field(ge=0, lt=1), AS_SENT, AUTO] = None
    lora_targets: Annotated[str | list[Text] | None, AUTO] = None
    quantization: Annotated[Literal["none", "nf4"] | None, AUTO] = None
    gradient_checkpointing: Annotated[bool | None, AUTO] = None
    precision: Annotated[Literal["bf16", "fp32"] | None, AUTO] = None
    num_processes: Annotated[int | None, Field(ge=1, le=MAX_PROCESSES), WHOLE] = None

    @property
    def options(self) -> dict[str, Any]:
        """Those of open-weights base models that were set."""
        return {name: value for name in OPTIONS if (value := getattr(self, name)) is not None}

    @model_validator(mode="before")
    @classmethod
    def _in_our_words(cls, values: Any, info: ValidationInfo) -> Any:
        return info.context(values) if info.context is not None and isinstance(values, dict) else values


class DpoHyperparameters(Hyperparameters):
    """Those of DPO."""

    beta: Annotated[float | None, Field(gt=0, le=MAX_BETA), AS_SENT, AUTO] = None


class Supervised(Body):
    """The details of `supervised`."""

    hyperparameters: Hyperparameters | None = None


class Dpo(Body):
    """The details of `dpo`."""

    hyperparameters: DpoHyperparameters | None = None


def _offered(kind: str) -> str:
    if kind == "reinforcement":
        problem = "names a method that is not available on the local endpoint, whose trainer runs no grader"
        raise wrong(problem, code="unsupported_value")
    return kind


class MethodBody(Body):
    """The method, and the details of the one named by `type`."""

    type: Annotated[Literal["supervised", "dpo", "reinforcement"], AfterValidator(_offered)]
    supervised: Supervised | None = None
    dpo: Dpo | None = None
    reinforcement: Any = None


# --- The whole body -------------------------------------------------------------------------------------------


class JobBody(Body):
    """POST /fine_tuning/jobs."""

    model: Annotated[Text, AfterValidator(_model_name)]
    training_file: Text
    validation_file: Text | None = None
    suffix: Annotated[Text | None, Field(max_length=SUFFIX_LENGTH), AfterValidator(_as_part_of_a_name)] = None
    seed: Annotated[int | None, Field(ge=0, le=MAX_SEED), WHOLE] = None
    method: MethodBody | None = None
    hyperparameters: DpoHyperparameters | None = None
    """Deprecated: used if `method` has none."""
    metadata: Metadata | None = None
    integrations: list[Any] | None = None

    def spec(self) -> JobSpec:
        """The contents of the request."""
        numbers = self._numbers() or DpoHyperparameters()
        method: Method = "dpo" if self._is_dpo else "supervised"
        beta = numbers.beta if isinstance(numbers, DpoHyperparameters) else None
        return JobSpec(
            model=self.model,
            training_file=self.training_file,
            validation_file=self.validation_file,
            suffix=self.suffix,
            seed=self.seed,
            method=method,
            n_epochs=numbers.n_epochs or "auto",
            batch_size=numbers.batch_size or "auto",
            learning_rate_multiplier=numbers.learning_rate_multiplier or "auto",
            beta=(beta or "auto") if method == "dpo" else None,
            metadata=self.metadata,
            options=numbers.options,
        )

    @property
    def _is_dpo(self) -> bool:
        return self.method is not None and self.method.type == "dpo"

    def _numbers(self) -> Hyperparameters | None:
        details = None if self.method is None else self.method.dpo if self._is_dpo else self.method.supervised
        own = None if details is None else details.hyperparameters
        return self.hyperparameters if own is None else own

    @model_validator(mode="after")
    def _is_offered(self) -> JobBody:
        if self.integrations:
            problem = "is not available on the local endpoint, which sends nothing to other services"
            raise wrong(problem, "integrations", code="unsupported_parameter")
        flat = self.hyperparameters
        if flat is not None and "beta" in flat.model_fields_set and not self._is_dpo:
            raise wrong("", "hyperparameters", "beta", code="unknown_parameter")
        return self
