"""Which points a sweep tries, as far as that is known before any of them has been trained."""

from __future__ import annotations

import random
from collections.abc import Collection, Iterator, Mapping
from itertools import count, islice
from operator import itemgetter

from orchestrator.jobfile import Axis, Sweep
from orchestrator.sweeps.axes import at, combinations, grid
from orchestrator.sweeps.recommended import recommended_points
from orchestrator.sweeps.trials import Parameters, PointKey, point_key

_LISTED = 100_000
"""A space with no more combinations than this is listed and shuffled; a larger one is drawn from."""


def known_points(sweep: Sweep, *, examples: int, model: str) -> list[Parameters]:
    """The points picked by hand, then those of the strategy, each once. Of tpe the former only: it asks as it goes.

    `examples` is the size of the training file; with the base model it decides what is recommended.
    """
    points: dict[PointKey, Parameters] = {}
    for chosen in sweep.points:
        points.setdefault(point_key(chosen.parameters), chosen.parameters)
    for parameters in _of_strategy(sweep, examples, model, set(points)):
        points.setdefault(point_key(parameters), parameters)
    return list(points.values())


def _of_strategy(sweep: Sweep, examples: int, model: str, taken: Collection[PointKey]) -> Iterator[Parameters]:
    axes = sweep.space.axes
    if sweep.strategy == "recommended":
        return iter(recommended_points(examples, model))
    if sweep.strategy == "grid":
        return grid(axes) if axes else iter(())
    if sweep.strategy == "random":
        return islice(draws(axes, sweep.seed, taken), sweep.trials)
    return iter(())


def draws(axes: Mapping[str, Axis], seed: int, taken: Collection[PointKey] = ()) -> Iterator[Parameters]:
    """Combinations in a random order that `seed` alone decides, none twice and none that is `taken`.

    The first ones do not depend on how many are drawn. Ends where the space does. Only `Random.random` is used,
    which Python promises to keep the same in every version.
    """
    seen = set(taken)
    size = combinations(axes)
    is_listed = size is not None and size <= _LISTED
    for parameters in _shuffled(axes, seed) if is_listed else _drawn(axes, seed):
        if (key := point_key(parameters)) not in seen:
            seen.add(key)
            yield parameters


def _shuffled(axes: Mapping[str, Axis], seed: int) -> Iterator[Parameters]:
    rng = random.Random(str(seed))
    keyed = [(rng.random(), parameters) for parameters in grid(axes)]
    return (parameters for _, parameters in sorted(keyed, key=itemgetter(0)))


def _drawn(axes: Mapping[str, Axis], seed: int) -> Iterator[Parameters]:
    for number in count():
        rng = random.Random(f"{seed}:{number}")
        yield {name: at(axis, rng.random()) for name, axis in axes.items()}
