"""The tree-structured Parzen estimator: Optuna proposes points from the scores of earlier points.

Bergstra, Bardenet, Bengio, Kégl: Algorithms for Hyper-Parameter Optimization (NeurIPS 2011).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property
from math import ceil, sqrt
from typing import TYPE_CHECKING

from pydantic import ValidationError

from orchestrator.jobfile import Axis, JobFile, Point, Sweep, Value
from orchestrator.jobfile.sweep import Direction
from orchestrator.sweeps.effects import label
from orchestrator.sweeps.points import combinations, contains, draws, plain
from orchestrator.sweeps.results import PointResult, Ranking, TrialState
from orchestrator.sweeps.study import distributions, quiet, require_optuna
from orchestrator.sweeps.trials import Parameters, PointKey, all_parameters, point_key

if TYPE_CHECKING:
    from optuna import Study
    from optuna.distributions import BaseDistribution
    from optuna.samplers import BaseSampler
    from optuna.trial import FrozenTrial, Trial, TrialState as OptunaState


_ATTEMPTS = 30
"""How often another point is requested instead of one already tried; after that, one is drawn at random."""


@dataclass(frozen=True)
class Observation:
    """A point and its result: the mean score of its repeats, once it is no longer active."""

    parameters: Parameters
    state: TrialState
    value: float | None = None
    looks: Mapping[int, float] = field(default_factory=dict)
    """Of a pruned one: its last step, and its loss there."""

    @cached_property
    def key(self) -> PointKey:
        return point_key(self.parameters)


class TpeSampler:
    """Proposes points.

    Proposals depend only on the arguments and the observations, so that another process continues with the same
    points; keeping the study only saves reporting everything to Optuna each time.
    """

    def __init__(self, axes: Mapping[str, Axis], goal: Direction, seed: int) -> None:
        self._axes = axes
        self._goal = goal
        self._seed = seed
        self._distributions = distributions(axes)
        self._inside: dict[PointKey, bool] = {}
        self._forget()

    def propose(self, observations: Sequence[Observation], taken: Collection[PointKey] = ()) -> Parameters | None:
        """The next point: neither observed nor `taken`. None if the space has no other.

        `observations` are in the order in which they were proposed. Those outside the space are ignored.
        """
        seen = {each.key for each in observations}.union(taken)
        if self._is_exhausted(seen):
            return None
        inside = [each for each in observations if self._is_inside(each)]
        if not self._catch_up(inside):
            self._forget()
            self._catch_up(inside)
        return self._ask(len(observations), seen)

    def _forget(self) -> None:
        from optuna import create_study

        with quiet():
            self._study = create_study(direction=self._goal)
        self._told: list[_Told] = []
        self._asked: _Told | None = None

    def _is_exhausted(self, seen: Collection[PointKey]) -> bool:
        size = combinations(self._axes)
        return size is not None and size <= len(seen) and next(draws(self._axes, self._seed, seen), None) is None

    def _is_inside(self, observation: Observation) -> bool:
        if observation.key not in self._inside:
            given = observation.parameters
            self._inside[observation.key] = all(
                name in given and contains(axis, given[name]) for name, axis in self._axes.items()
            )
        return self._inside[observation.key]

    # --- the study that is kept ----------------------------------------------------------------------------

    def _catch_up(self, observations: Sequence[Observation]) -> bool:
        """Report what the study does not have yet; returns False if it can't be brought up to date."""
        if len(observations) < len(self._told):
            return False
        for told, observation in zip(self._told, observations, strict=False):
            if not self._tell(told, observation):
                return False
        for observation in observations[len(self._told) :]:
            asked, self._asked = self._asked, None
            if asked is not None and asked.observation.key == observation.key:
                self._told.append(asked)
                self._tell(asked, observation)
            else:
                self._drop(asked)
                self._told.append(self._add(observation))
        self._drop(self._asked)
        self._asked = None
        return True

    def _tell(self, told: _Told, observation: Observation) -> bool:
        """Update one trial of the study to its observation; returns whether that was possible."""
        before, told.observation = told.observation, observation
        if before is observation:
            return True
        if before.key != observation.key:
            return False
        if before.state is not TrialState.ACTIVE or observation.state is TrialState.ACTIVE:
            return before.state is observation.state and before.value == observation.value
        if observation.state is TrialState.PRUNED:
            if told.trial is None:
                return False
            for step, loss in observation.looks.items():
                told.trial.report(loss, step)
        ending = _ending(observation)
        self._study.tell(told.number, observation.value if ending.name == "COMPLETE" else None, state=ending)
        return True

    def _add(self, observation: Observation) -> _Told:
        from optuna.trial import create_trial

        state = _ending(observation)
        trial = create_trial(
            state=state,
            value=observation.value if state.name == "COMPLETE" else None,
            params={name: observation.parameters[name] for name in self._axes},
            distributions=self._distributions,
            intermediate_values=dict(observation.looks),
        )
        self._study.add_trial(trial)
        return _Told(len(self._study.get_trials(deepcopy=False)) - 1, observation)

    def _drop(self, asked: _Told | None) -> None:
        """Discard a proposal that was not used."""
        if asked is not None:
            self._study.tell(asked.number, state=_states().FAIL)

    def _ask(self, number: int, seen: Collection[PointKey]) -> Parameters:
        for attempt in range(_ATTEMPTS):
            self._study.sampler = _sampler(self._distributions, f"{self._seed}:{number}:{attempt}")
            trial = self._study.ask(self._distributions)
            self._study.tell(trial, state=_states().FAIL)  # only its proposal is needed
            parameters = {name: plain(axis, trial.params[name]) for name, axis in self._axes.items()}
            if point_key(parameters) not in seen:
                return self._take(parameters)
        return self._take(next(draws(self._axes, self._seed, seen)))

    def _take(self, parameters: Parameters) -> Parameters:
        """Make the study expect a result for these parameters."""
        from optuna.samplers import RandomSampler

        self._study.sampler = RandomSampler(self._seed)  # draws nothing: every parameter is given
        self._study.enqueue_trial(dict(parameters))
        trial = self._study.ask(self._distributions)
        self._asked = _Told(trial.number, Observation(parameters, TrialState.ACTIVE), trial)
        return parameters


@dataclass
class _Told:
    """A trial of the study: its observation, and what has been reported."""

    number: int
    observation: Observation
    trial: Trial | None = None


def _states() -> type[OptunaState]:
    from optuna.trial import TrialState as OptunaState

    return OptunaState


def _ending(observation: Observation) -> OptunaState:
    """Optuna's state for it; a success without a score is reported as a failure, which teaches nothing."""
    states = _states()
    if observation.state is TrialState.SUCCEEDED and observation.value is not None:
        return states.COMPLETE
    others = {TrialState.ACTIVE: states.RUNNING, TrialState.PRUNED: states.PRUNED}
    return others.get(observation.state, states.FAIL)


def _sampler(space: dict[str, BaseDistribution], seed: str) -> BaseSampler:
    number = int.from_bytes(hashlib.sha256(seed.encode()).digest()[:4], "big")
    return _sampler_class()(space, number)


@cache
def _sampler_class() -> Callable[[dict[str, BaseDistribution], int], BaseSampler]:
    from optuna.samplers import TPESampler

    class KnownSpace(TPESampler):
        """Gets its space; a new sampler would otherwise compute it from every trial, each time."""

        def __init__(self, space: dict[str, BaseDistribution], seed: int) -> None:
            super().__init__(seed=seed)
            self._space = {name: axis for name, axis in space.items() if not axis.single()}

        def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
            return self._space

    return KnownSpace


# --- Proposals ---------------------------------------------------------------------------------------------------


class Proposer:
    """The next points of a random or tpe sweep, based on its points so far."""

    def __init__(self, job: JobFile, sweep: Sweep) -> None:
        self._said = all_parameters(job, {})
        self._sweep = sweep
        self._observed: list[tuple[PointResult, Observation]] = []

    def propose(self, points: Sequence[PointResult], taken: Collection[PointKey] = ()) -> Parameters | None:
        """A point that is neither among `points`, which are in the order of their numbers, nor `taken`.

        None if the space has no other. Raises OptunaMissing if the strategy is tpe and Optuna is missing.
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
        """The points as observations; an object that is the same as last time need not be read again."""
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
    """What to try after a sweep: one parameter of its best point changed at a time, to points not tried yet."""
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
    """If an earlier checkpoint was better than the final model, the learning rate fell too late."""
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
    """The neighbour's distance on the other side: by difference for whole numbers, by ratio otherwise."""
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
