"""A job file's `[evaluation]`: which questions are asked of which models, and what must come out."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from orchestrator.jobfile.tables import Table

MOST_SAMPLES = 100
MOST_AT_ONCE = 500

BASE, TUNED, CHECKPOINTS = "base", "tuned", "checkpoints"
"""Words for models that a job file can't know by name; everything else in `models` is a model's own name."""

Variant = Literal["full", "no-descriptions", "no-parameters", "no-tools"]
ScoreName = Literal[
    "accuracy",
    "call_accuracy",
    "tool_accuracy",
    "rejection_recall",
    "over_rejection",
    "schema_validity",
    "argument_f1",
]


def _check_single(names: list[str]) -> list[str]:
    repeated = [name for number, name in enumerate(names) if name in names[:number]]
    if repeated:
        raise PydanticCustomError("repeated", "names {name} twice", {"name": f'"{repeated[0]}"'})
    return names


Name = Annotated[str, Field(min_length=1, max_length=256)]


class Gate(Table):
    """What the tuned model must reach; else the command ends with exit code 3."""

    metric: ScoreName = "call_accuracy"
    min: float | None = Field(default=None, ge=0, le=1)
    """The least share, from 0 to 1; of over_rejection, which is better low, the most."""
    no_regression: bool = False
    """The tuned model must not be worse than the base by an established difference."""


class Evaluation(Table):
    """How a job's models are measured. `file` is relative to the job file."""

    file: str = Field(min_length=1)
    models: Annotated[list[Name], AfterValidator(_check_single)] = Field(default=[BASE, TUNED], min_length=1)
    variants: Annotated[list[Variant], AfterValidator(_check_single), Field(min_length=1)] | None = None
    """How the tools are defined; without it, as the file defines them."""
    samples: int = Field(default=1, ge=1, le=MOST_SAMPLES)
    """How often each question is asked."""
    temperature: float = Field(default=0.0, ge=0, le=2, allow_inf_nan=False)
    max_concurrency: int = Field(default=16, ge=1, le=MOST_AT_ONCE)
    """How many questions are under way at a time."""
    rejection_tools: Annotated[list[Name], AfterValidator(_check_single)] = Field(default=[])
    """Tools whose call means that a request is rejected."""
    metric: ScoreName = "call_accuracy"
    """What a sweep ranks by where it ranks by evaluation."""
    auto: bool = False
    """Evaluate by itself when a run has succeeded."""
    allow_leak: bool = False
    """Evaluate although cases stand in the training file."""
    gate: Gate | None = None
