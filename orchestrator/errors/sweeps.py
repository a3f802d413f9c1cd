"""Sweeps."""

from __future__ import annotations

from orchestrator.errors.base import FtorchError, UsageError


class JobFileIsSweep(UsageError):
    """{path} describes a sweep, not one run. In Python: orchestrator.sweep("{path}")"""


class JobFileHasNoSweep(UsageError):
    """{path} describes one run, not a sweep: it has no [sweep]. In Python: orchestrator.submit("{path}")"""


class SweepNameTaken(UsageError):
    """{path}: the name "{name}" is used by another job file, {other}. Nothing was recorded; give this one another
    name."""


class BudgetTooSmall(UsageError):
    """{path}: limits.max_cost_usd is {limit}, and the cheapest trial would cost about {cheapest}.
    Nothing was recorded; raise it, or train on fewer tokens."""


class SweepNotExtended(UsageError):
    """The sweep {name} can't be extended: {problem}."""


class NoSuchSweep(UsageError):
    """There is no sweep "{name}"{place}. {advice}"""


class NoBestTrial(FtorchError):
    """The sweep {name} has no model to name yet ({standing}). {advice}"""


class OptunaMissing(UsageError):
    """{what} needs Optuna, which is not installed. Run: pip install 'ftorch[optuna]'"""
