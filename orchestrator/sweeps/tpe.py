"""The tree-structured Parzen estimator: Optuna proposes points, from what the points so far came to.

Bergstra, Bardenet, Bengio, Kégl: Algorithms for Hyper-Parameter Optimization (NeurIPS 2011).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property
from typing import TYPE_CHECKING

from orchestrator.jobfile import Axis
from orchestrator.jobfile.sweep import Direction
from orchestrator.sweeps.axes import combinations, contains, plain
from orchestrator.sweeps.results import TrialState
from orchestrator.sweeps.strategies import draws
from orchestrator.sweeps.study import distributions, quiet
from orchestrator.sweeps.trials import Parameters, PointKey, point_key

if TYPE_CHECKING:
    from optuna import Study
    from optuna.distributions import BaseDistribution
    from optuna.samplers import BaseSampler
    from optuna.trial import FrozenTrial, Trial, TrialState as OptunaState

_ATTEMPTS = 30
"""How often a point that was tried before is asked for anew; after that, one is drawn at random."""


@dataclass(frozen=True)
class Observation:
    """A point and what it came to: the mean score of its repeats, once it is not active."""

    parameters: Parameters
    state: TrialState
    value: float | None = None
    looks: Mapping[int, float] = field(default_factory=dict)
    """Of a pruned one: how far it came, and how well it did."""

    @cached_property
    def key(self) -> PointKey:
        return point_key(self.parameters)


class TpeSampler:
    """Proposes points.

    What it proposes depends on its arguments and the observations alone, so that another process goes on with the
    same points; the study it keeps only saves telling Optuna everything anew each time.
    """

    def __init__(self, axes: Mapping[str, Axis], goal: Direction, seed: int) -> None:
        self._axes = axes
        self._goal = goal
        self._seed = seed
        self._distributions = distributions(axes)
        self._inside: dict[PointKey, bool] = {}
        self._forget()

    def propose(self, observations: Sequence[Observation], taken: Collection[PointKey] = ()) -> Parameters | None:
        """The next point: neither observed nor `taken`. None where the space has no other.

        `observations` are in the order in which they were proposed. Those outside the space teach nothing.
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
        """Tell the study what it does not know yet; returns False where it can't be brought to it."""
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
        """Bring one trial of the study up to its observation; returns whether that could be done."""
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
        """Forget a proposal that nobody followed."""
        if asked is not None:
            self._study.tell(asked.number, state=_states().FAIL)

    def _ask(self, number: int, seen: Collection[PointKey]) -> Parameters:
        for attempt in range(_ATTEMPTS):
            self._study.sampler = _sampler(self._distributions, f"{self._seed}:{number}:{attempt}")
            trial = self._study.ask(self._distributions)
            self._study.tell(trial, state=_states().FAIL)  # only what it proposes is wanted
            parameters = {name: plain(axis, trial.params[name]) for name, axis in self._axes.items()}
            if point_key(parameters) not in seen:
                return self._take(parameters)
        return self._take(next(draws(self._axes, self._seed, seen)))

    def _take(self, parameters: Parameters) -> Parameters:
        """Have the study await what becomes of these parameters."""
        from optuna.samplers import RandomSampler

        self._study.sampler = RandomSampler(self._seed)  # decides nothing: every parameter is given
        self._study.enqueue_trial(dict(parameters))
        trial = self._study.ask(self._distributions)
        self._asked = _Told(trial.number, Observation(parameters, TrialState.ACTIVE), trial)
        return parameters


@dataclass
class _Told:
    """A trial of the study: which it is, and what it has been told."""

    number: int
    observation: Observation
    trial: Trial | None = None


def _states() -> type[OptunaState]:
    from optuna.trial import TrialState as OptunaState

    return OptunaState


def _ending(observation: Observation) -> OptunaState:
    """Optuna's state for it; a success without a score is told as a failure, which teaches nothing."""
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
        """Told its space; a new sampler would else gather it from every trial, each time."""

        def __init__(self, space: dict[str, BaseDistribution], seed: int) -> None:
            super().__init__(seed=seed)
            self._space = {name: axis for name, axis in space.items() if not axis.single()}

        def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
            return self._space

    return KnownSpace
