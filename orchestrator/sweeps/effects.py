"""The effect of each parameter: the mean score at each of its values, and the share of variance it explains."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from itertools import pairwise
from statistics import fmean

from orchestrator.jobfile import Axis, Choices, Range, Value
from orchestrator.jobfile.sweep import Direction
from orchestrator.sweeps.results import PointResult
from orchestrator.sweeps.study import distributions, quiet

_MOST_LEVELS = 6
"""A parameter with more values than this is shown in ranges of about as many points each."""
_RANGES = 4
_ENOUGH_POINTS = 20
"""With fewer points, Optuna's importance (which compares the best tenth with all) is meaningless."""


@dataclass(frozen=True)
class Level:
    """The points at one value, or in one range of values, of a parameter."""

    label: str
    points: int
    mean: float
    """Mean of the points' mean scores."""


@dataclass(frozen=True)
class Effect:
    """One parameter that was varied."""

    parameter: str
    levels: tuple[Level, ...]
    share: float
    """The share of the variance between points that is between its levels (eta squared), 0..1. If the parameters
    were not crossed, as with points picked by hand, shares overlap."""
    importance: float | None
    """By Optuna (PED-ANOVA, 0..1, summing to 1 over all parameters); None if it is missing or the points too
    few."""

    @property
    def by_chance(self) -> float:
        """The expected share of a parameter without effect: few points in many levels explain a lot."""
        points = sum(level.points for level in self.levels)
        return (len(self.levels) - 1) / (points - 1)

    @property
    def beyond_chance(self) -> float:
        """The share less what chance explains (epsilon squared, Kelley 1935): about 0 without an effect."""
        chance = self.by_chance
        return (self.share - chance) / (1 - chance) if chance < 1 else 0.0

    @property
    def contrast(self) -> float:
        """The distance between its best and its worst level."""
        means = [level.mean for level in self.levels]
        return max(means) - min(means)


def effects(points: Sequence[PointResult], goal: Direction) -> list[Effect]:
    """The effects of all parameters that vary among these scored points, largest share first."""
    names = {name for point in points for name in point.parameters}
    varied = [name for name in sorted(names) if len(_values(points, name)) > 1]
    weights = _importances(points, varied, goal)
    found = [_effect(points, name, weights.get(name)) for name in varied]
    return sorted(found, key=lambda effect: -effect.share)


def _values(points: Sequence[PointResult], name: str) -> list[Value]:
    """The different values: numbers in order, then names in order."""
    found = {point.parameters[name] for point in points if name in point.parameters}
    return sorted(found, key=lambda value: (isinstance(value, str), value))


def _effect(points: Sequence[PointResult], name: str, importance: float | None) -> Effect:
    groups = [(label, scores) for label, scores in _groups(points, name) if scores]
    levels = tuple(Level(label, len(scores), fmean(scores)) for label, scores in groups)
    return Effect(name, levels, _share([scores for _, scores in groups]), importance)


def _groups(points: Sequence[PointResult], name: str) -> list[tuple[str, list[float]]]:
    values = _values(points, name)
    numbers = [value for value in values if not isinstance(value, str)]
    if len(numbers) <= _MOST_LEVELS:
        return [(label(value), _scores(points, name, (value,))) for value in values]
    bounds = [round(index * len(numbers) / _RANGES) for index in range(_RANGES + 1)]
    parts = [numbers[low:high] for low, high in pairwise(bounds)]
    ranges = [(f"{label(part[0])} to {label(part[-1])}", _scores(points, name, part)) for part in parts]
    words = [value for value in values if isinstance(value, str)]
    return ranges + [(label(value), _scores(points, name, (value,))) for value in words]


def _scores(points: Sequence[PointResult], name: str, values: Sequence[Value]) -> list[float]:
    return [fmean(point.scores) for point in points if point.parameters.get(name) in values]


def label(value: Value) -> str:
    """A value as shown: four significant digits."""
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _share(groups: Sequence[Sequence[float]]) -> float:
    everything = [score for scores in groups for score in scores]
    middle = fmean(everything)
    total = sum((score - middle) ** 2 for score in everything)
    between = sum(len(scores) * (fmean(scores) - middle) ** 2 for scores in groups)
    return between / total if total else 0.0


def _importances(points: Sequence[PointResult], names: Sequence[str], goal: Direction) -> Mapping[str, float]:
    """Optuna's importances; none if it is not installed, or the points are few or without differences."""
    complete = [point for point in points if all(name in point.parameters for name in names)]
    if len(names) < 2 or len(complete) < _ENOUGH_POINTS or find_spec("optuna") is None:
        return {}
    from optuna import create_study
    from optuna.importance import PedAnovaImportanceEvaluator
    from optuna.trial import create_trial

    space = distributions({name: _observed(_values(complete, name)) for name in names})
    with quiet():
        study = create_study(direction=goal)
    for point in complete:
        parameters = {name: point.parameters[name] for name in names}
        study.add_trial(create_trial(params=parameters, distributions=space, value=point.mean))
    found = PedAnovaImportanceEvaluator().evaluate(study)
    total = sum(found.values())
    return {name: value / total for name, value in found.items()} if total else {}


def _observed(values: Sequence[Value]) -> Axis:
    """The axis of these values: a range if they are many numbers."""
    numbers = [value for value in values if not isinstance(value, str)]
    if len(numbers) < len(values) or len(values) <= _MOST_LEVELS:
        return Choices(tuple(values))
    return Range(numbers[0], numbers[-1], whole=all(isinstance(number, int) for number in numbers))
