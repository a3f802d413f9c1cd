"""The shares that a gate may ask for, that a sweep ranks by, and that two models are compared by."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from orchestrator.evaluation.figures import Figures
from orchestrator.evaluation.shares import Proportion
from orchestrator.evaluation.verdicts import Decision, Level, Verdict
from orchestrator.jobfile import ScoreName


@dataclass(frozen=True)
class Measure:
    """One share of answers."""

    title: str
    of: Callable[[Figures], Proportion]
    counts: Callable[[Verdict], bool | None]
    """Whether an answer counts for it; None where it is not asked of such an answer, and for API errors."""
    better_low: bool = False


def _of_calls(is_so: Callable[[Verdict], bool]) -> Callable[[Verdict], bool | None]:
    return lambda verdict: is_so(verdict) if verdict.expects == "call" and not verdict.is_api_error else None


def _right(verdict: Verdict) -> bool | None:
    return None if verdict.is_api_error else verdict.right()


def _rejected(verdict: Verdict) -> bool | None:
    return verdict.rejected if verdict.expects == "rejection" and not verdict.is_api_error else None


def _keeps_to_schema(verdict: Verdict) -> bool | None:
    made = verdict.calls
    return made.valid == made.declared if made.declared and not verdict.is_api_error else None


MEASURES: Mapping[ScoreName, Measure] = {
    "accuracy": Measure("all answers right", lambda found: found.accuracy[Level.TYPED], _right),
    "call_accuracy": Measure(
        "calls right", lambda found: found.call_accuracy[Level.TYPED], _of_calls(lambda verdict: verdict.right())
    ),
    "tool_accuracy": Measure(
        "right tool",
        lambda found: found.tool_accuracy,
        _of_calls(lambda verdict: verdict.decision is Decision.RIGHT_TOOL),
    ),
    "rejection_recall": Measure("rightly rejected", lambda found: found.rejection_recall, _rejected),
    "over_rejection": Measure(
        "wrongly rejected",
        lambda found: found.over_rejection,
        _of_calls(lambda verdict: verdict.rejected),
        better_low=True,
    ),
    "schema_validity": Measure("keeps to schema", lambda found: found.schema_validity, _keeps_to_schema),
}
"""In the order of tables. `argument_f1` is no share of answers, so it is not among them."""


def value_of(name: ScoreName, figures: Figures) -> float | None:
    """The value of a metric, from 0 to 1; None where nothing was counted."""
    return figures.arguments.f1 if name == "argument_f1" else MEASURES[name].of(figures).value
