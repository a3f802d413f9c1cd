from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from statistics import median

import pytest

from orchestrator.jobfile import Axis, Choices, Range
from orchestrator.sweeps.results import TrialState
from orchestrator.sweeps.tpe import Observation, TpeSampler
from orchestrator.sweeps.trials import Parameters, point_key

pytest.importorskip("optuna")

AXES: dict[str, Axis] = {
    "n_epochs": Range(1, 10, whole=True),
    "batch_size": Choices(("auto", 4, 8)),
    "learning_rate_multiplier": Range(0.1, 2.0, log=True),
}
SMALL: dict[str, Axis] = {"n_epochs": Choices((1, 2, 3)), "learning_rate_multiplier": Choices((0.5, 1.0))}


def loss(parameters: Parameters) -> float:
    rate, epochs = float(parameters["learning_rate_multiplier"]), int(parameters["n_epochs"])
    return (rate - 0.7) ** 2 + (epochs - 4) ** 2 / 50 + (parameters["batch_size"] != 4) / 10


def ended(observation: Observation, number: int) -> Observation:
    """What becomes of the proposals: most succeed, each fifth is pruned, each seventh fails."""
    if number % 5 == 4:
        return replace(observation, state=TrialState.PRUNED, looks={20: 0.9, 40: loss(observation.parameters)})
    if number % 7 == 6:
        return replace(observation, state=TrialState.FAILED)
    return replace(observation, state=TrialState.SUCCEEDED, value=loss(observation.parameters))


def sweep(sampler: TpeSampler, points: int, at_once: int = 3, *, renewed: bool = False) -> list[Observation]:
    """A whole sweep: `at_once` trials are active, and end in an order of their own. `renewed`: every proposal comes
    from a sampler that knows nothing but the observations, as after a crash."""
    rng, observations = random.Random(1), list[Observation]()
    while any(each.state is TrialState.ACTIVE for each in observations) or len(observations) < points:
        active = [i for i, each in enumerate(observations) if each.state is TrialState.ACTIVE]
        if len(active) < at_once and len(observations) < points:
            proposing = TpeSampler(AXES, "minimize", 7) if renewed else sampler
            proposed = proposing.propose(observations)
            assert proposed is not None
            observations.append(Observation(proposed, TrialState.ACTIVE))
        else:
            number = rng.choice(active)
            observations[number] = ended(observations[number], number)
    return observations


def points(observations: Sequence[Observation]) -> list[Parameters]:
    return [observation.parameters for observation in observations]


def test_another_process_goes_on_with_the_same_points() -> None:
    kept = sweep(TpeSampler(AXES, "minimize", 7), 30)
    assert points(kept) == points(sweep(TpeSampler(AXES, "minimize", 7), 30, renewed=True))
    assert points(kept) != points(sweep(TpeSampler(AXES, "minimize", 8), 30))


def test_where_nothing_else_is_known_the_pruned_teach_by_their_losses() -> None:
    """The live study is told of each one's end; the other is made of all that is known."""
    sampler, pruned = TpeSampler(AXES, "minimize", 7), list[Observation]()
    for number in range(14):
        proposed = sampler.propose(pruned)
        assert proposed is not None
        active = Observation(proposed, TrialState.ACTIVE)
        sampler.propose([*pruned, active])
        pruned.append(replace(active, state=TrialState.PRUNED, looks={20: 0.5, 40: 14.0 - number}))
    next_point = sampler.propose(pruned)
    assert next_point == TpeSampler(AXES, "minimize", 7).propose(pruned)
    blind = [replace(each, looks={}) for each in pruned]
    assert next_point != TpeSampler(AXES, "minimize", 7).propose(blind)


def test_a_proposal_that_nobody_recorded_comes_again() -> None:
    sampler = TpeSampler(AXES, "minimize", 7)
    observations = sweep(sampler, 15)
    first = sampler.propose(observations)
    assert sampler.propose(observations) == first
    assert TpeSampler(AXES, "minimize", 7).propose(observations) == first


def test_observations_that_changed_are_told_anew() -> None:
    sampler = TpeSampler(AXES, "minimize", 7)
    observations = sweep(sampler, 20)
    sampler.propose(observations)
    others = [replace(each, value=None if each.value is None else -each.value) for each in observations]
    assert sampler.propose(others) == TpeSampler(AXES, "minimize", 7).propose(others)
    assert sampler.propose(observations[:12]) == TpeSampler(AXES, "minimize", 7).propose(observations[:12])


def test_it_learns_where_the_loss_is_low() -> None:
    early, late = list[float](), list[float]()
    for seed in (1, 2, 3):
        found = [loss(each.parameters) for each in sweep(TpeSampler(AXES, "minimize", seed), 40, at_once=1)]
        early, late = early + found[:10], late + found[-10:]
    assert median(late) < median(early) / 2


def test_it_can_look_for_a_maximum() -> None:
    observations = list[Observation]()
    sampler = TpeSampler({"x": Range(0.0, 1.0)}, "maximize", 1)
    for _ in range(30):
        proposed = sampler.propose(observations)
        assert proposed is not None
        observations.append(Observation(proposed, TrialState.SUCCEEDED, -((float(proposed["x"]) - 0.9) ** 2)))
    assert sum(abs(float(each.parameters["x"]) - 0.9) < 0.1 for each in observations[-10:]) >= 5


def test_no_point_comes_twice_and_the_space_has_an_end() -> None:
    taken = {point_key({"n_epochs": 1, "learning_rate_multiplier": 0.5})}
    sampler, observations = TpeSampler(SMALL, "minimize", 3), list[Observation]()
    while (proposed := sampler.propose(observations, taken)) is not None:
        observations.append(Observation(proposed, TrialState.SUCCEEDED, float(len(observations))))
    keys = {point_key(each.parameters) for each in observations}
    assert len(keys) == len(observations) == 5
    assert not keys & taken


def test_points_outside_the_space_teach_nothing_and_do_no_harm() -> None:
    outside = [
        Observation({"n_epochs": 50, "batch_size": 4, "learning_rate_multiplier": 1.0}, TrialState.SUCCEEDED, 0.0),
        Observation({"n_epochs": 5}, TrialState.SUCCEEDED, 0.0),
        Observation({"n_epochs": 5, "batch_size": 5, "learning_rate_multiplier": "auto"}, TrialState.FAILED),
    ]
    assert TpeSampler(AXES, "minimize", 7).propose(outside) is not None
    stepped: dict[str, Axis] = {"learning_rate_multiplier": Range(0.1, 1.05, step=0.1)}
    observations = [Observation({"learning_rate_multiplier": 0.3}, TrialState.SUCCEEDED, 0.0)] * 12
    found = TpeSampler(stepped, "minimize", 7).propose(observations)
    assert found is not None
    assert round(float(found["learning_rate_multiplier"]) * 10, 9).is_integer()
