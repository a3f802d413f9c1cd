"""The axes of a search space: listing them, drawing from them, and checking values against them."""

from __future__ import annotations

import random
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from itertools import count, islice, product
from math import exp, isclose, log, prod
from operator import itemgetter

from orchestrator.dataset.basemodels import base_model
from orchestrator.jobfile import Axis, Choices, Range, Sweep, Value
from orchestrator.sweeps.trials import Parameters, PointKey, point_key


def grid(axes: Mapping[str, Axis]) -> Iterator[Parameters]:
    """Every combination; the first axis changes slowest. Each axis is a list, or a range with a step."""
    for values in product(*(walk(axis) for axis in axes.values())):
        yield dict(zip(axes, values, strict=True))


def combinations(axes: Mapping[str, Axis]) -> int | None:
    """The number of points in the space; None if they are not countable."""
    sizes = [axis.size for axis in axes.values()]
    counted = [size for size in sizes if size is not None]
    return prod(counted) if len(counted) == len(sizes) else None


def walk(axis: Axis) -> list[Value]:
    """The values of a countable axis, in order."""
    if isinstance(axis, Choices):
        return list(axis.values)
    assert axis.size is not None
    return [_stepped(axis, index) for index in range(axis.size)]


def at(axis: Axis, share: float) -> Value:
    """The value at this share (0 ≤ share < 1) of an axis, or of its logarithm if the axis is logarithmic."""
    if isinstance(axis, Choices):
        return axis.values[int(share * len(axis.values))]
    if axis.log:
        # A whole number covers half a step on either side, so that both ends are as likely.
        low, high = (axis.low - 0.5, axis.high + 0.5) if axis.whole else (axis.low, axis.high)
        return plain(axis, exp(log(low) + share * (log(high) - log(low))))
    if axis.size is not None:
        return _stepped(axis, int(share * axis.size))
    return plain(axis, axis.low + share * (axis.high - axis.low))


def plain(axis: Axis, value: Value) -> Value:
    """A drawn value as people write it: four significant digits, if it may be any number."""
    if isinstance(axis, Choices) or isinstance(value, str) or axis.step:
        return value
    rounded = round(value) if axis.whole else float(f"{value:.4g}")
    return min(max(rounded, axis.low), axis.high)


def contains(axis: Axis, value: Value) -> bool:
    """Whether the axis has this value."""
    if isinstance(axis, Choices):
        return value in axis.values
    if isinstance(value, str) or not axis.low <= value <= axis.high:
        return False
    step = axis.step or (1 if axis.whole else None)
    steps = 0.0 if step is None else (value - axis.low) / step
    return isclose(steps, round(steps), abs_tol=1e-9)


def _stepped(axis: Range, index: int) -> Value:
    if axis.whole:
        return int(axis.low + index * (axis.step or 1))
    return round(axis.low + index * (axis.step or 1.0), 12)  # 0.1 + 2 × 0.1 is 0.3, whatever binary says


# --- Recommended points ------------------------------------------------------------------------------------------
#
# From Microsoft's notes on fine-tuning in Azure AI Foundry (2026): fewer epochs the more examples there are, lower
# learning rates for small sets and for open-weight models, and one value to each side of the middle.


_OPEN_WEIGHT_FAMILIES = ("gpt-oss", "llama", "ministral", "mistral", "mixtral", "qwen", "phi", "gemma", "deepseek")


@dataclass(frozen=True)
class _Rates:
    middle: float
    low: float
    high: float


_USUAL = _Rates(1.0, 0.5, 1.5)
_SMALL_SET = _Rates(0.3, 0.1, 0.5)
_OPEN_WEIGHT = _Rates(0.35, 0.2, 0.5)


def recommended_points(examples: int, model: str) -> list[Parameters]:
    """The middle first, then one change at a time: the learning-rate multiplier, then the number of epochs."""
    rates = _rates(examples, model)
    middle, *others = _epochs(examples)
    pairs = [(middle, rates.middle), (middle, rates.low), (middle, rates.high)]
    pairs += [(epochs, rates.middle) for epochs in others]
    return [{"n_epochs": epochs, "learning_rate_multiplier": rate} for epochs, rate in pairs]


def is_open_weight(model: str) -> bool:
    """Whether a model's name, with or without its publisher before a slash, is that of an open-weight model."""
    return base_model(model).lower().rpartition("/")[2].startswith(_OPEN_WEIGHT_FAMILIES)


def _epochs(examples: int) -> tuple[int, ...]:
    """The middle, then other values worth a try."""
    if examples < 100:
        return (4, 5, 3)
    if examples < 500:
        return (2, 3, 1)
    return (2, 1) if examples < 2_000 else (1,)


def _rates(examples: int, model: str) -> _Rates:
    if is_open_weight(model):
        return _OPEN_WEIGHT
    return _SMALL_SET if examples < 100 else _USUAL


# --- Points known before anything is trained ---------------------------------------------------------------------


_LISTED = 100_000
"""A space with no more combinations than this is listed and shuffled; a larger one is sampled."""


def known_points(sweep: Sweep, *, examples: int, model: str) -> list[Parameters]:
    """The points picked by hand, then those of the strategy, each once. For tpe only the former: it draws later.

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
    """Combinations in a random order that depends on `seed` alone, none twice and none that is `taken`.

    The first ones do not depend on how many are drawn. Ends with the space. Only `Random.random` is used, which
    Python promises to keep the same in every version.
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
