"""Stopping what is clearly losing: Optuna's pruners judge validation losses at equal steps."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from math import ceil
from statistics import median
from typing import TYPE_CHECKING

from orchestrator.jobfile import Asha, Median, Stop
from orchestrator.sweeps.results import TrialState
from orchestrator.sweeps.study import quiet

if TYPE_CHECKING:
    from optuna.pruners import BasePruner
    from optuna.trial import Trial

Looks = Mapping[int, float]
"""Validation losses by step, as `results.looks` gives them."""

_LOOKS = 20
"""How often the longest trial is looked at, where the job file does not say."""


def look_interval(stop: Stop, longest_steps: int) -> int:
    """The steps between two looks: the job file's, or a twentieth of the longest trial's steps."""
    return stop.interval_steps or max(1, ceil(longest_steps / _LOOKS))


class Judge:
    """Judges the active trials of one sweep against each other and those that are over.

    It keeps Optuna's study from look to look, and can be made anew at any time: `recall` tells it what was looked
    at before.
    """

    def __init__(self, stop: Stop, interval: int) -> None:
        from optuna import create_study

        self._stop = stop
        with quiet():
            self._study = create_study(direction="minimize", pruner=_pruner(stop, interval))
        self._trials: dict[int, Trial] = {}
        self._looks: dict[int, dict[int, float]] = {}
        self._finished: set[int] = set()
        self._over: set[int] = set()

    def judge(self, number: int, looks: Looks) -> str | None:
        """The evidence, as a sentence, where this active trial is to be stopped; None where it may go on."""
        if number in self._over:
            return None
        losing_at = self._tell(number, looks)
        return None if losing_at is None else self._evidence(number, losing_at)

    def recall(self, number: int, looks: Looks) -> None:
        """Tell what was looked at before, and judged then."""
        if number not in self._over:
            self._tell(number, looks)

    def end(self, number: int, looks: Looks, state: TrialState) -> None:
        """Tell what became of a trial; a second time changes nothing."""
        from optuna.trial import TrialState as OptunaState

        if number in self._over:
            return
        self._tell(number, looks)
        self._over.add(number)
        known = self._looks[number]
        if state is TrialState.SUCCEEDED and known:
            self._finished.add(number)
            self._study.tell(self._trials[number], known[max(known)])
        else:
            ending = OptunaState.PRUNED if state is TrialState.PRUNED else OptunaState.FAIL
            self._study.tell(self._trials[number], state=ending)

    def _tell(self, number: int, looks: Looks) -> int | None:
        """Report the looks that are new; returns the step at which Optuna would stop the trial, if anywhere.

        Halving judges at its rungs, each of which must be passed. The other rules look at where the trial stands
        now: one that has caught up since is not stopped for what it was.
        """
        if number not in self._trials:
            self._trials[number], self._looks[number] = self._study.ask(), {}
        trial, known, losing_at = self._trials[number], self._looks[number], None
        new = sorted(looks.keys() - known.keys())
        for step in new:
            known[step] = looks[step]
            trial.report(looks[step], step)
            is_judged = isinstance(self._stop, Asha) or step == new[-1]
            if is_judged and trial.should_prune() and losing_at is None:
                losing_at = step
        return losing_at

    # --- the evidence --------------------------------------------------------------------------------------

    def _evidence(self, number: int, step: int) -> str:
        looks = {at: loss for at, loss in self._looks[number].items() if at <= step}
        if isinstance(self._stop, Median):
            return self._below_median(looks, step)
        if isinstance(self._stop, Asha):
            return self._behind(number, looks, step, self._stop)
        best = min(looks, key=lambda at: looks[at])
        since = min(loss for at, loss in looks.items() if at > best)
        return (
            f"its validation loss was best at step {best} ({looks[best]:.3f}), and {since:.3f} or higher at the "
            f"{sum(at > best for at in looks)} looks since, up to step {step}"
        )

    def _below_median(self, looks: Looks, step: int) -> str:
        others = [self._looks[other][step] for other in self._finished if step in self._looks[other]]
        return (
            f"up to step {step} its validation loss was {min(looks.values()):.3f} at best; the median of the "
            f"{len(others)} finished trials is {median(others):.3f} at that step"
        )

    def _behind(self, number: int, looks: Looks, step: int, stop: Asha) -> str:
        others = [known[step] for other, known in self._looks.items() if other != number and step in known]
        rank = 1 + sum(other < looks[step] for other in others)
        return (
            f"at step {step} its validation loss of {looks[step]:.3f} is number {rank} of {len(others) + 1} "
            f"trials; the best 1 in {stop.reduction_factor} go on"
        )


def _pruner(stop: Stop, interval: int) -> BasePruner:
    from optuna.exceptions import ExperimentalWarning
    from optuna.pruners import MedianPruner, PatientPruner, SuccessiveHalvingPruner

    if isinstance(stop, Median):
        return MedianPruner(stop.startup_trials, stop.warmup_steps, n_min_trials=stop.startup_trials)
    if isinstance(stop, Asha):
        return SuccessiveHalvingPruner(stop.warmup_steps or interval, stop.reduction_factor)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        return PatientPruner(None, stop.patience - 1, stop.min_delta)
