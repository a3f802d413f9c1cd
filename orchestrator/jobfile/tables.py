"""The small tables of a job file: data, limits, polling, notes."""

from __future__ import annotations

import sys
from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PlainValidator
from pydantic_core import PydanticCustomError

MAX_METADATA_PAIRS, MAX_METADATA_KEY, MAX_METADATA_VALUE = 16, 64, 512
MOST_CAPACITY = 100_000
Sku = Literal["Standard", "GlobalStandard", "DataZoneStandard", "DeveloperTier"]
"""How Azure hosts a deployment."""
RESERVED_METADATA_KEYS = frozenset({"ftorch_token", "ftorch_run", "ftorch_content"})
_KEPT_FREE = 2
"""Pairs reserved for ftorch's marks; the content's kind is added if there is room."""


class Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Data(Table):
    """Paths relative to the job file."""

    training_file: str = Field(min_length=1)
    validation_file: str | None = Field(default=None, min_length=1)
    allow_leak: bool = False
    """Train even if half or more of a validation or evaluation file is in training."""


class Limits(Table):
    max_cost_usd: float | None = Field(default=None, gt=0, allow_inf_nan=False)


class Deployment(Table):
    """How to deploy a run's model on Azure. Hosting is then charged by the hour."""

    auto: bool = True
    """Deploy automatically when the run has succeeded; false: only `ftorch deploy` deploys, with these settings."""
    name: str | None = Field(default=None, min_length=2, max_length=64, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    sku: Sku | None = None
    capacity: int | None = Field(default=None, ge=1, le=MOST_CAPACITY)
    """Thousands of tokens per minute."""


class Poll(Table):
    seconds: float | None = Field(default=None, ge=0.05, le=3600)


def _check_metadata_key(key: str) -> str:
    if key in RESERVED_METADATA_KEYS:
        raise PydanticCustomError("metadata", "this key is reserved for ftorch; choose another")
    if len(key) > MAX_METADATA_KEY:
        facts = {"found": len(key), "most": MAX_METADATA_KEY}
        raise PydanticCustomError("metadata", "this key has {found} characters, at most {most} are allowed", facts)
    return key


def _check_metadata(metadata: dict[str, str]) -> dict[str, str]:
    """Two of the pairs that the API takes are reserved for ftorch's marker."""
    room = MAX_METADATA_PAIRS - _KEPT_FREE
    if len(metadata) > room:
        facts = {"found": len(metadata), "room": room}
        raise PydanticCustomError("metadata", "has {found} pairs, at most {room} fit", facts)
    return metadata


MetadataKey = Annotated[str, AfterValidator(_check_metadata_key)]
MetadataValue = Annotated[str, Field(max_length=MAX_METADATA_VALUE)]
Metadata = Annotated[dict[MetadataKey, MetadataValue], AfterValidator(_check_metadata)]


# --- [evaluation] ------------------------------------------------------------------------------------------------


MOST_SAMPLES = 100
MOST_AT_ONCE = 500

BASE, TUNED, CHECKPOINTS = "base", "tuned", "checkpoints"
"""Words for models whose names a job file can't know; everything else in `models` is a model name."""

Variant = Literal["full", "no-descriptions", "no-parameters", "no-tools"]
ScoreName = Literal[
    "accuracy",
    "call_accuracy",
    "tool_accuracy",
    "rejection_recall",
    "over_rejection",
    "schema_validity",
    "missed_calls",
    "unnecessary_calls",
    "argument_f1",
]


def _check_single(names: list[str]) -> list[str]:
    repeated = [name for number, name in enumerate(names) if name in names[:number]]
    if repeated:
        raise PydanticCustomError("repeated", "names {name} twice", {"name": f'"{repeated[0]}"'})
    return names


Name = Annotated[str, Field(min_length=1, max_length=256)]


class Gate(Table):
    """The value that the tuned model must reach; otherwise the command exits with status 3."""

    metric: ScoreName = "call_accuracy"
    min: float | None = Field(default=None, ge=0, le=1)
    """The minimum share, from 0 to 1; for over_rejection, where lower is better, the maximum."""
    no_regression: bool = False
    """The tuned model must not be significantly worse than the base."""
    required_for: Literal["candidate", "production"] | None = None
    """The stage that `ftorch models promote` gives only to models that meet the gate; one for candidates holds for
    production too."""


class Evaluation(Table):
    """How to measure a job's models. `file` is relative to the job file."""

    file: str = Field(min_length=1)
    models: Annotated[list[Name], AfterValidator(_check_single)] = Field(default=[BASE, TUNED], min_length=1)
    variants: Annotated[list[Variant], AfterValidator(_check_single), Field(min_length=1)] | None = None
    """The form of the tool definitions; by default as in the file."""
    samples: int = Field(default=1, ge=1, le=MOST_SAMPLES)
    """The number of times to ask each question."""
    temperature: float = Field(default=0.0, ge=0, le=2, allow_inf_nan=False)
    max_concurrency: int = Field(default=16, ge=1, le=MOST_AT_ONCE)
    """The number of questions to ask at the same time."""
    rejection_tools: Annotated[list[Name], AfterValidator(_check_single)] = Field(default=[])
    """Tools whose call rejects a request."""
    metric: ScoreName = "call_accuracy"
    """The metric of a sweep that ranks by evaluation."""
    auto: bool = False
    """Evaluate automatically when a run has succeeded."""
    allow_leak: bool = False
    """Evaluate even if cases are in the training file."""
    gate: Gate | None = None


# --- [method] ----------------------------------------------------------------------------------------------------


MAX_SEED = 2_147_483_647


@dataclass(frozen=True)
class Number:
    """A validator for a number or `"auto"`: one clear sentence instead of an error for each arm of a union."""

    kind: type[int] | type[float]
    rule: str
    allowed: Callable[[float], bool]
    may_be_auto: bool = True

    def __call__(self, value: Any) -> Any:
        is_number = isinstance(value, self.kind | int) and not isinstance(value, bool)
        if self.may_be_auto and value == "auto":
            return value
        if is_number and self.allowed(value):
            return self.kind(value)
        text = 'must be "auto" or {rule}' if self.may_be_auto else "must be {rule}"
        raise PydanticCustomError("number", text, {"rule": self.rule})


def _whole(low: int, high: int, *, may_be_auto: bool = True) -> Number:
    return Number(int, f"a whole number from {low} to {high}", lambda value: low <= value <= high, may_be_auto)


# Ranges from CreateFineTuningJobRequest and FineTune*Hyperparameters in OpenAI's API description 2.3.0.
EPOCHS = _whole(1, 50)
BATCH_SIZE = _whole(1, 256)
RATE_MULTIPLIER = Number(float, "a number above 0", lambda value: 0 < value <= sys.float_info.max)
BETA = Number(float, "a number above 0 and at most 2", lambda value: 0 < value <= 2)
COMPUTE_MULTIPLIER = Number(float, "a number above 0.00001 and at most 10", lambda value: 1e-5 < value <= 10)
INTERVAL = _whole(1, MAX_SEED)
SEED = _whole(0, MAX_SEED, may_be_auto=False)

# Of PEFT's LoraConfig (https://huggingface.co/docs/peft/package_reference/lora), with bounds that no use exceeds.
RANK = _whole(1, 1024, may_be_auto=False)
ALPHA = _whole(1, 10_000, may_be_auto=False)
DROPOUT = Number(float, "a number of at least 0 and below 1", lambda value: 0 <= value < 1, may_be_auto=False)
PROCESSES = _whole(1, 64, may_be_auto=False)
MAX_LENGTH = _whole(1, 10_000_000, may_be_auto=False)
_RATE = Number(float, "a number above 0 and at most 1", lambda value: 0 < value <= 1)
LEARNING_RATE = replace(_RATE, may_be_auto=False)

# Azure's own, by Microsoft's page on the REST API (prompt_loss_weight) and its notes on DPO (l2_multiplier), which
# name no bounds. A prompt counts at most as much as an answer.
LOSS_WEIGHT = Number(float, "a number from 0 to 1", lambda value: 0 <= value <= 1, may_be_auto=False)
L2_MULTIPLIER = Number(
    float, "a number of at least 0", lambda value: 0 <= value <= sys.float_info.max, may_be_auto=False
)
AZURE_HYPERPARAMETERS = ("prompt_loss_weight", "l2_multiplier")

Whole = int | Literal["auto"]
Real = float | Literal["auto"]
Effort = Literal["default", "low", "medium", "high"]


class _Method(Table):
    n_epochs: Annotated[Whole, PlainValidator(EPOCHS)] = "auto"
    batch_size: Annotated[Whole, PlainValidator(BATCH_SIZE)] = "auto"
    learning_rate_multiplier: Annotated[Real, PlainValidator(RATE_MULTIPLIER)] = "auto"
    learning_rate: Annotated[Real, PlainValidator(_RATE)] = "auto"
    """The rate itself, in place of a multiplier, on endpoints that take one."""

    @property
    def hyperparameters(self) -> dict[str, Any]:
        """The numbers and "auto"s by their API names; a rate is a multiplier unless it is given itself."""
        other = "learning_rate" if self.learning_rate == "auto" else "learning_rate_multiplier"
        return self.model_dump(exclude={"type", "grader", other})


class Supervised(_Method):
    type: Literal["supervised"] = "supervised"


class Preference(_Method):
    """Direct preference optimisation."""

    type: Literal["dpo"]
    beta: Annotated[Real, PlainValidator(BETA)] = "auto"


class Reinforcement(_Method):
    type: Literal["reinforcement"]
    reasoning_effort: Effort = "default"
    compute_multiplier: Annotated[Real, PlainValidator(COMPUTE_MULTIPLIER)] = "auto"
    eval_interval: Annotated[Whole, PlainValidator(INTERVAL)] = "auto"
    eval_samples: Annotated[Whole, PlainValidator(INTERVAL)] = "auto"
    grader: dict[str, Any]


# --- [azure] ---------------------------------------------------------------------------------------------------


class Azure(Table):
    """Settings for Azure endpoints; others ignore the table, so a job file works on any endpoint."""

    training_type: Literal["Standard", "GlobalStandard", "DataZoneStandard", "DeveloperTier"] | None = None
    prompt_loss_weight: Annotated[float | None, PlainValidator(LOSS_WEIGHT)] = None
    """How much a prompt's tokens count in the loss, beside an answer's at 1: of supervised training."""
    l2_multiplier: Annotated[float | None, PlainValidator(L2_MULTIPLIER)] = None
    """How strongly the weights are held near the base model's: of DPO."""
    deployment: Deployment | None = None

    @property
    def hyperparameters(self) -> dict[str, float]:
        """The given numbers by their API names."""
        return self.model_dump(include=set(AZURE_HYPERPARAMETERS), exclude_none=True)


# --- [lora] ------------------------------------------------------------------------------------------------------


ALL_LINEAR = "all-linear"
_MOST_TARGETS = 64


def _targets(value: Any) -> Any:
    is_list = isinstance(value, list) and 0 < len(value) <= _MOST_TARGETS
    if value == ALL_LINEAR or (is_list and all(isinstance(name, str) and name.isprintable() for name in value)):
        return value
    text = f'must be "{ALL_LINEAR}" or a list of module names, such as ["q_proj", "v_proj"]'
    raise PydanticCustomError("targets", text)


def _checkpointing(value: Any) -> Any:
    if isinstance(value, bool) or value == "auto":
        return value
    raise PydanticCustomError("checkpointing", 'must be "auto", true or false')


class Lora(Table):
    """How open-weights models are trained; what is left out is for the trainer to choose. Endpoints that train no
    open-weights models ignore the table, so a job file works on any endpoint."""

    rank: Annotated[int | None, PlainValidator(RANK)] = None
    alpha: Annotated[int | None, PlainValidator(ALPHA)] = None
    """Scales what is learned, by alpha / rank."""
    dropout: Annotated[float | None, PlainValidator(DROPOUT)] = None
    targets: Annotated[str | list[str] | None, PlainValidator(_targets)] = None
    """The modules that get an adapter."""
    max_length: Annotated[int | None, PlainValidator(MAX_LENGTH)] = None
    """The most tokens of one example."""
    packing: Annotated[bool | None, Field(strict=True)] = None
    """Several short examples in one sequence."""
    learning_rate: Annotated[Real | None, PlainValidator(_RATE)] = None
    """An older place of method.learning_rate, where loading puts it."""
    quantization: Literal["none", "nf4"] | None = None
    """How the base model is held in memory."""
    gradient_checkpointing: Annotated[bool | Literal["auto"] | None, PlainValidator(_checkpointing)] = None
    """Less memory for more time."""
    precision: Literal["auto", "bf16", "fp32"] | None = None
    """The numbers that the base model computes with; "auto" is bf16 where the processor or GPU has it."""
    num_processes: Annotated[int | None, PlainValidator(PROCESSES)] = None
    """How many train together, each on its own GPU: Accelerate's name for it."""

    @property
    def given(self) -> dict[str, Any]:
        """The given values by their keys here, without the learning rate, which is the method's."""
        return self.model_dump(exclude_none=True, exclude={"learning_rate"})

    @property
    def hyperparameters(self) -> dict[str, Any]:
        """The given values by their API names."""
        return self.taken(self.given)

    def taken(self, keys: Container[str]) -> dict[str, Any]:
        """Those of the given values that an endpoint with these keys takes, by their API names."""
        return {LORA_NAMES[key]: value for key, value in self.given.items() if key in keys}


LORA_NAMES: Mapping[str, str] = {
    key: f"lora_{key}" if key in ("rank", "alpha", "dropout", "targets") else key for key in Lora.model_fields
}
"""The API names of the keys of `[lora]`."""


Method = Annotated[Supervised | Preference | Reinforcement, Field(discriminator="type")]
METHODS: Mapping[str, type[_Method]] = {
    "supervised": Supervised,
    "dpo": Preference,
    "reinforcement": Reinforcement,
}
