"""Access to Optuna: an extra, loaded only when it samples, prunes, or computes importances."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING

from orchestrator.errors import OptunaMissing
from orchestrator.jobfile import Axis, Choices, Sweep

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution


def require_optuna(sweep: Sweep) -> None:
    """Raises OptunaMissing if the sweep needs Optuna and it is not installed; loads nothing."""
    if find_spec("optuna") is None:
        if sweep.strategy == "tpe":
            raise OptunaMissing(what='sweep.strategy "tpe"')
        if sweep.stop is not None:
            raise OptunaMissing(what=f'sweep.stop.rule "{sweep.stop.rule}"')


@contextmanager
def quiet() -> Iterator[None]:
    """Without Optuna's log lines on stderr, and without changing its log level for others."""
    from optuna import logging

    before = logging.get_verbosity()
    logging.set_verbosity(logging.ERROR)
    try:
        yield
    finally:
        logging.set_verbosity(before)


def distributions(axes: Mapping[str, Axis]) -> dict[str, BaseDistribution]:
    """The axes as Optuna distributions."""
    return {name: _distribution(axis) for name, axis in axes.items()}


def _distribution(axis: Axis) -> BaseDistribution:
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if isinstance(axis, Choices):
        return CategoricalDistribution(axis.values)
    if axis.whole:
        return IntDistribution(int(axis.low), int(axis.top), log=axis.log, step=int(axis.step or 1))
    return FloatDistribution(axis.low, axis.top, log=axis.log, step=axis.step)
