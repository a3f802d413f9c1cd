"""A job file's `[sweep]`: which combinations are tried, how they are judged, and when a losing one is stopped."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field

from orchestrator.jobfile.method import MAX_SEED
from orchestrator.jobfile.space import Point, Space
from orchestrator.jobfile.tables import Table

MAX_TRIALS = 10_000

Strategy = Literal["grid", "random", "tpe", "recommended"]
MetricName = Literal["valid_loss", "valid_accuracy", "evaluation"]
Direction = Literal["minimize", "maximize"]

DIRECTIONS: Mapping[MetricName, Direction] = {
    "valid_loss": "minimize",
    "valid_accuracy": "maximize",
    "evaluation": "maximize",
}
"""Which way each metric is better."""


class _Stop(Table):
    interval_steps: int | None = Field(default=None, ge=1)
    """How many steps lie between two looks at a trial; each look takes the mean of the loss since the last one."""


class Median(_Stop):
    """Stop what is worse than the median of the finished trials at the same step."""

    rule: Literal["median"]
    startup_trials: int = Field(default=4, ge=1)
    warmup_steps: int = Field(default=0, ge=0)


class Asha(_Stop):
    """Asynchronous successive halving: only the best one of `reduction_factor` goes on at each rung."""

    rule: Literal["asha"]
    reduction_factor: int = Field(default=3, ge=2)
    warmup_steps: int | None = Field(default=None, ge=1)
    """The first rung; without it, the first look."""


class Patience(_Stop):
    """Stop what has been worse than its best, by more than `min_delta`, for `patience` looks."""

    rule: Literal["patience"]
    patience: int = Field(default=3, ge=1)
    min_delta: float = Field(default=0.0, ge=0, allow_inf_nan=False)


Stop = Annotated[Median | Asha | Patience, Field(discriminator="rule")]
STOPS: Mapping[str, type[_Stop]] = {"median": Median, "asha": Asha, "patience": Patience}


class Sweep(Table):
    """Many runs from one job file. What it does not vary is what the rest of the job file says."""

    strategy: Strategy = "grid"
    trials: int | None = Field(default=None, ge=1, le=MAX_TRIALS)
    """How many combinations random and tpe draw, besides the `points`."""
    seed: int = Field(default=0, ge=0, le=MAX_SEED)
    """Of the drawing; the training has its own."""
    seeds: int = Field(default=1, ge=1, le=100)
    """How often each combination is trained, each time with another training seed."""
    metric: MetricName = "valid_loss"
    """What trials are ranked by; "evaluation" is the metric of `[evaluation]`, measured when all are over."""
    checkpoint: Literal["best", "final"] = "best"
    """Whether a trial counts as its best checkpoint or as its final model."""
    direction: Direction | None = None
    max_active: int | None = Field(default=None, ge=1)
    max_retries: int = Field(default=1, ge=0, le=10)
    """How often a trial that failed by the endpoint's fault is tried again."""
    points: list[Point] = Field(default=[])
    space: Space = Space()
    stop: Stop | None = None

    @property
    def goal(self) -> Direction:
        """Which way is better."""
        return self.direction or DIRECTIONS[self.metric]

    @property
    def by_evaluation(self) -> bool:
        """Whether trials are ranked by what they answer, not by what was measured while they trained."""
        return self.metric == "evaluation"
