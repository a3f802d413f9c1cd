"""The points that a sweep draws as it goes, and those that would be worth a try after it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import ceil, sqrt

from pydantic import ValidationError

from orchestrator.jobfile import JobFile, Point, Sweep, Value
from orchestrator.sweeps.effects import label
from orchestrator.sweeps.ranking import PointResult, Ranking
from orchestrator.sweeps.results import TrialState
from orchestrator.sweeps.strategies import draws
from orchestrator.sweeps.study import require_optuna
from orchestrator.sweeps.tpe import Observation, TpeSampler
from orchestrator.sweeps.trials import Parameters, PointKey, all_parameters, point_key


class Proposer:
    """The next points of a random or tpe sweep, by what its points so far came to."""

    def __init__(self, job: JobFile, sweep: Sweep) -> None:
        self._said = all_parameters(job, {})
        self._sweep = sweep
        self._observed: list[tuple[PointResult, Observation]] = []

    def propose(self, points: Sequence[PointResult], taken: Collection[PointKey] = ()) -> Parameters | None:
        """A point that is neither among `points`, which are in the order of their numbers, nor `taken`.

        None where the space has no other. Raises OptunaMissing where the strategy is tpe and Optuna is missing.
        """
        if self._sweep.strategy == "tpe":
            return self._sampler.propose(self._observations(points), taken)
        known = {*taken, *(point_key(point.parameters) for point in points)}
        return next(draws(self._sweep.space.axes, self._sweep.seed, known), None)

    @cached_property
    def _sampler(self) -> TpeSampler:
        require_optuna(self._sweep)
        return TpeSampler(self._sweep.space.axes, self._sweep.goal, self._sweep.seed)

    def _observations(self, points: Sequence[PointResult]) -> list[Observation]:
        """The points as observations; what is the same object as last time need not be read again."""
        known = self._observed
        self._observed = [
            known[place] if place < len(known) and known[place][0] is point else (point, self._observation(point))
            for place, point in enumerate(points)
        ]
        return [observation for _, observation in self._observed]

    def _observation(self, point: PointResult) -> Observation:
        parameters = {**self._said, **point.parameters}
        axes = {name: parameters[name] for name in self._sweep.space.axes if name in parameters}
        looks = next((result.looks for result in point.results if result.state is TrialState.PRUNED), {})
        return Observation(axes, point.state, point.mean, looks)


@dataclass(frozen=True)
class Suggestion:
    """A point that was not tried, and why it might be better."""

    parameters: Parameters
    reason: str


def suggestions(ranking: Ranking) -> list[Suggestion]:
    """What to try after a sweep: from its best point on, one parameter at a time, where no such point was tried."""
    if not ranking.ranked:
        return []
    best, tried = ranking.ranked[0], {point_key(point.parameters) for point in (*ranking.ranked, *ranking.others)}
    found: dict[PointKey, Suggestion] = {}
    for suggestion in _around(best, ranking):
        key = point_key(suggestion.parameters)
        if key not in tried and _is_allowed(suggestion.parameters):
            found.setdefault(key, suggestion)
    return list(found.values())


def _around(best: PointResult, ranking: Ranking) -> Iterator[Suggestion]:
    yield from _fewer_epochs(best, ranking)
    for name, value in best.parameters.items():
        tried = sorted({number for point in ranking.ranked if (number := _number(point, name)) is not None})
        if isinstance(value, str) or name == "seed" or len(tried) < 2:
            continue
        place = tried.index(value)
        if place in (0, len(tried) - 1):
            neighbour = tried[1] if place == 0 else tried[-2]
            end = "lowest" if place == 0 else "highest"
            yield _changed(best, name, _beyond(value, neighbour), f"the best was the {end} {name} tried")
        else:
            for neighbour in (tried[place - 1], tried[place + 1]):
                between = f"between the best and {label(neighbour)}, the next {name} tried"
                yield _changed(best, name, _middle(value, neighbour), between)


def _fewer_epochs(best: PointResult, ranking: Ranking) -> Iterator[Suggestion]:
    """Where an earlier checkpoint was better than the final model, the learning rate fell too late."""
    epochs, result = best.parameters.get("n_epochs"), ranking.best
    if not isinstance(epochs, int) or result is None or result.score is None:
        return
    step, last = result.score.step, result.final_step
    if step and last and step < last:
        fewer = ceil(epochs * step / last)
        yield _changed(best, "n_epochs", fewer, f"the best checkpoint was at step {step} of {last}")


def _number(point: PointResult, name: str) -> int | float | None:
    value = point.parameters.get(name)
    return None if isinstance(value, str) else value


def _beyond(value: int | float, neighbour: int | float) -> int | float:
    """As far again as the neighbour is on the other side: by difference for whole numbers, else by ratio."""
    if isinstance(value, int):
        return value + (value - int(neighbour))
    return float(f"{value * value / neighbour:.3g}")


def _middle(value: int | float, neighbour: int | float) -> int | float:
    if isinstance(value, int):
        return (value + int(neighbour)) // 2
    return float(f"{sqrt(value * neighbour):.3g}")


def _changed(best: PointResult, name: str, value: Value, reason: str) -> Suggestion:
    return Suggestion({**best.parameters, name: value}, reason)


def _is_allowed(parameters: Parameters) -> bool:
    try:
        Point.model_validate(dict(parameters))
    except ValidationError:
        return False
    return True
