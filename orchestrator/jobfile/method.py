"""How a model is trained: the methods and the ranges of their hyperparameters."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import Field, PlainValidator
from pydantic_core import PydanticCustomError

from orchestrator.jobfile.tables import Table

MAX_SEED = 2_147_483_647


@dataclass(frozen=True)
class Number:
    """A validator for a number, or `"auto"`: one clear sentence instead of one error for each arm of a union."""

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


# The ranges are those of CreateFineTuningJobRequest and FineTune*Hyperparameters in OpenAI's API description 2.3.0.
EPOCHS = _whole(1, 50)
BATCH_SIZE = _whole(1, 256)
RATE_MULTIPLIER = Number(float, "a number above 0", lambda value: 0 < value <= sys.float_info.max)
BETA = Number(float, "a number above 0 and at most 2", lambda value: 0 < value <= 2)
COMPUTE_MULTIPLIER = Number(float, "a number above 0.00001 and at most 10", lambda value: 1e-5 < value <= 10)
INTERVAL = _whole(1, MAX_SEED)
SEED = _whole(0, MAX_SEED, may_be_auto=False)

Whole = int | Literal["auto"]
Real = float | Literal["auto"]
Effort = Literal["default", "low", "medium", "high"]


class _Method(Table):
    n_epochs: Annotated[Whole, PlainValidator(EPOCHS)] = "auto"
    batch_size: Annotated[Whole, PlainValidator(BATCH_SIZE)] = "auto"
    learning_rate_multiplier: Annotated[Real, PlainValidator(RATE_MULTIPLIER)] = "auto"

    @property
    def hyperparameters(self) -> dict[str, Any]:
        """The numbers and "auto"s by their API names."""
        return self.model_dump(exclude={"type", "grader"})


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


Method = Annotated[Supervised | Preference | Reinforcement, Field(discriminator="type")]
METHODS: Mapping[str, type[_Method]] = {
    "supervised": Supervised,
    "dpo": Preference,
    "reinforcement": Reinforcement,
}
