"""A job file's `[sweep]`: which combinations to try, how to rank them, and when to stop a losing one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from functools import partial
from math import floor
from typing import Annotated, Any, Literal, get_args

from pydantic import Field, PlainValidator
from pydantic_core import PydanticCustomError

from orchestrator.jobfile.tables import (
    ALPHA,
    BATCH_SIZE,
    BETA,
    COMPUTE_MULTIPLIER,
    DROPOUT,
    EPOCHS,
    INTERVAL,
    LEARNING_RATE,
    MAX_SEED,
    RANK,
    RATE_MULTIPLIER,
    SEED,
    Effort,
    Number,
    Table,
)

# --- The search space --------------------------------------------------------------------------------------------


Value = int | float | str
"""The value of a trial's parameter: a number, "auto", or a name."""


@dataclass(frozen=True)
class Choices:
    """An axis with exactly these values."""

    values: tuple[Value, ...]

    @property
    def size(self) -> int:
        return len(self.values)


@dataclass(frozen=True)
class Range:
    """An axis from `low` to `high`, both included; logarithmic with `log`, in steps with `step`."""

    low: float
    high: float
    log: bool = False
    step: float | None = None
    whole: bool = False

    @property
    def size(self) -> int | None:
        """The number of values; None for real numbers without a step."""
        step = self.step or (1 if self.whole else None)
        return None if step is None else floor((self.high - self.low) / step + 1e-9) + 1

    @property
    def top(self) -> float:
        """The highest value: `high`, or the last step before it."""
        if self.size is None or not self.step:
            return self.high
        return self.low + (self.size - 1) * self.step


Axis = Choices | Range


def _error(text: str, **facts: Any) -> PydanticCustomError:
    return PydanticCustomError("axis", text, facts)


def _axis(check: Callable[[Any], Value], value: Any) -> Axis:
    """A validator: a list of values that pass `check`, or for numbers a range as a table."""
    if isinstance(value, list):
        return _choices(check, value)
    if isinstance(value, dict) and isinstance(check, Number):
        return _range(check, value)
    if isinstance(check, Number):
        raise _error("must be a list of values, or a table such as {example}", example="{ low = 1, high = 4 }")
    raise _error("must be a list of values")


def _choices(check: Callable[[Any], Value], values: list[Any]) -> Choices:
    if not values:
        raise _error("must not be empty")
    checked: list[Value] = []
    for value in values:
        try:
            found = check(value)
        except PydanticCustomError as error:
            raise _error("must contain only allowed values: each {rule}", rule=error.message()) from error
        if found in checked:
            raise _error("must not repeat a value")
        checked.append(found)
    return Choices(tuple(checked))


_RANGE_KEYS = tuple(field.name for field in fields(Range) if field.name != "whole")


def _range(check: Number, table: Mapping[str, Any]) -> Range:
    if unknown := sorted(set(table) - set(_RANGE_KEYS)):
        named = " or ".join(unknown)
        raise _error("must have only the keys low, high, log and step, and no {unknown}", unknown=named)
    if missing := [key for key in ("low", "high") if key not in table]:
        raise _error("must have both low and high; {missing} is missing", missing=missing[0])
    log, step = table.get("log", False), table.get("step")
    if not isinstance(log, bool):
        raise _error("must have log = true or false")
    if log and _is_number(table["low"]) and table["low"] <= 0:
        raise _error("needs low above 0, since log is true")
    low, high = (_end(check, key, table[key]) for key in ("low", "high"))
    if low >= high:
        raise _error("needs low below high")
    if step is not None:
        _check_step(check, step, high - low, log)
    return Range(low, high, log, None if step is None else check.kind(step), check.kind is int)


def _end(check: Number, key: str, value: Any) -> float:
    if value == "auto":
        raise _error("needs numbers as low and high")
    try:
        return float(check(value)) if check.kind is float else int(check(value))
    except PydanticCustomError as error:
        raise _error("needs {key} to be {rule}", key=key, rule=check.rule) from error


def _check_step(check: Number, step: Any, width: float, log: bool) -> None:
    if log:
        raise _error("can't have both log and step: log multiplies, step adds")
    if not _is_number(step) or not 0 < step <= width or (check.kind is int and not isinstance(step, int)):
        kind = "a whole number" if check.kind is int else "a number"
        raise _error("needs step to be {kind} above 0 that fits between low and high", kind=kind)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _name(value: Any) -> str:
    if not isinstance(value, str) or not value or any(c.isspace() or not c.isprintable() for c in value):
        raise PydanticCustomError("name", "must be a name in quotes, without spaces")
    return value


def _path(value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise PydanticCustomError("path", "must be a path in quotes")
    return value


def _effort(value: Any) -> str:
    known = get_args(Effort)
    if value not in known:
        raise PydanticCustomError("effort", "must be one of {known}", {"known": ", ".join(known)})
    return str(value)


def _of(check: Callable[[Any], Value]) -> PlainValidator:
    return PlainValidator(partial(_axis, check))


LORA_AXES: Mapping[str, str] = {f"lora_{key}": key for key in ("rank", "alpha", "dropout")}
"""The parameters of `[lora]`, and their keys there."""


class Space(Table):
    """The axes of a sweep. Other parameters keep their value in the rest of the job file."""

    n_epochs: Annotated[Axis | None, _of(EPOCHS)] = None
    batch_size: Annotated[Axis | None, _of(BATCH_SIZE)] = None
    learning_rate_multiplier: Annotated[Axis | None, _of(RATE_MULTIPLIER)] = None
    beta: Annotated[Axis | None, _of(BETA)] = None
    reasoning_effort: Annotated[Axis | None, _of(_effort)] = None
    compute_multiplier: Annotated[Axis | None, _of(COMPUTE_MULTIPLIER)] = None
    eval_interval: Annotated[Axis | None, _of(INTERVAL)] = None
    eval_samples: Annotated[Axis | None, _of(INTERVAL)] = None
    lora_rank: Annotated[Axis | None, _of(RANK)] = None
    lora_alpha: Annotated[Axis | None, _of(ALPHA)] = None
    lora_dropout: Annotated[Axis | None, _of(DROPOUT)] = None
    learning_rate: Annotated[Axis | None, _of(LEARNING_RATE)] = None
    seed: Annotated[Axis | None, _of(SEED)] = None
    model: Annotated[Axis | None, _of(_name)] = None
    training_file: Annotated[Axis | None, _of(_path)] = None
    validation_file: Annotated[Axis | None, _of(_path)] = None

    @property
    def axes(self) -> dict[str, Axis]:
        """The given axes by parameter, in a fixed order."""
        return {name: axis for name in Space.model_fields if (axis := getattr(self, name)) is not None}


class Point(Table):
    """One combination chosen by hand, of any parameters that a space may have."""

    n_epochs: Annotated[Value | None, PlainValidator(EPOCHS)] = None
    batch_size: Annotated[Value | None, PlainValidator(BATCH_SIZE)] = None
    learning_rate_multiplier: Annotated[Value | None, PlainValidator(RATE_MULTIPLIER)] = None
    beta: Annotated[Value | None, PlainValidator(BETA)] = None
    reasoning_effort: Annotated[Value | None, PlainValidator(_effort)] = None
    compute_multiplier: Annotated[Value | None, PlainValidator(COMPUTE_MULTIPLIER)] = None
    eval_interval: Annotated[Value | None, PlainValidator(INTERVAL)] = None
    eval_samples: Annotated[Value | None, PlainValidator(INTERVAL)] = None
    lora_rank: Annotated[Value | None, PlainValidator(RANK)] = None
    lora_alpha: Annotated[Value | None, PlainValidator(ALPHA)] = None
    lora_dropout: Annotated[Value | None, PlainValidator(DROPOUT)] = None
    learning_rate: Annotated[Value | None, PlainValidator(LEARNING_RATE)] = None
    seed: Annotated[Value | None, PlainValidator(SEED)] = None
    model: Annotated[Value | None, PlainValidator(_name)] = None
    training_file: Annotated[Value | None, PlainValidator(_path)] = None
    validation_file: Annotated[Value | None, PlainValidator(_path)] = None

    @property
    def parameters(self) -> dict[str, Value]:
        """The given parameters, in a fixed order."""
        return {name: value for name in Point.model_fields if (value := getattr(self, name)) is not None}


# --- [sweep] -----------------------------------------------------------------------------------------------------


MAX_TRIALS = 10_000

Strategy = Literal["grid", "random", "tpe", "recommended"]
MetricName = Literal["valid_loss", "valid_accuracy", "evaluation"]
Direction = Literal["minimize", "maximize"]

DIRECTIONS: Mapping[MetricName, Direction] = {
    "valid_loss": "minimize",
    "valid_accuracy": "maximize",
    "evaluation": "maximize",
}
"""The better direction of each metric."""


class _Stop(Table):
    interval_steps: int | None = Field(default=None, ge=1)
    """Steps between two checks of a trial; each check takes the mean loss since the last one."""


class Median(_Stop):
    """Stop a trial that is worse than the median of the finished trials at the same step."""

    rule: Literal["median"]
    startup_trials: int = Field(default=4, ge=1)
    warmup_steps: int = Field(default=0, ge=0)


class Asha(_Stop):
    """Asynchronous successive halving: at each rung only the best of `reduction_factor` trials continues."""

    rule: Literal["asha"]
    reduction_factor: int = Field(default=3, ge=2)
    warmup_steps: int | None = Field(default=None, ge=1)
    """The first rung; by default, the first check."""


class Patience(_Stop):
    """Stop a trial that was worse than its best by more than `min_delta` for `patience` checks."""

    rule: Literal["patience"]
    patience: int = Field(default=3, ge=1)
    min_delta: float = Field(default=0.0, ge=0, allow_inf_nan=False)


Stop = Annotated[Median | Asha | Patience, Field(discriminator="rule")]
STOPS: Mapping[str, type[_Stop]] = {"median": Median, "asha": Asha, "patience": Patience}


class Sweep(Table):
    """Many runs from one job file. Other settings come from the rest of the job file."""

    strategy: Strategy = "grid"
    trials: int | None = Field(default=None, ge=1, le=MAX_TRIALS)
    """The combinations that random and tpe draw, in addition to the `points`."""
    seed: int = Field(default=0, ge=0, le=MAX_SEED)
    """The seed of the drawing; training has a separate one."""
    seeds: int = Field(default=1, ge=1, le=100)
    """The runs of each combination, each with another training seed."""
    metric: MetricName = "valid_loss"
    """The ranking metric; "evaluation" is the metric of `[evaluation]`, measured when all trials have finished."""
    checkpoint: Literal["best", "final"] = "best"
    """Rank a trial by its best checkpoint or by its final model."""
    direction: Direction | None = None
    max_active: int | None = Field(default=None, ge=1)
    max_retries: int = Field(default=1, ge=0, le=10)
    """Retries of a trial that failed because of the endpoint."""
    points: list[Point] = Field(default=[])
    space: Space = Space()
    stop: Stop | None = None

    @property
    def goal(self) -> Direction:
        """The better direction."""
        return self.direction or DIRECTIONS[self.metric]

    @property
    def by_evaluation(self) -> bool:
        """Whether trials are ranked by their answers rather than by training metrics."""
        return self.metric == "evaluation"
