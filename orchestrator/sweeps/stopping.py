"""Pruning clearly losing trials: Optuna's pruners judge validation losses at equal steps."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from math import ceil
from statistics import median
from typing import TYPE_CHECKING, Any

from orchestrator.dataset.pricing import assumed_epochs
from orchestrator.jobfile import Asha, Choices, JobFile, Median, Stop, Sweep
from orchestrator.runs.states import RequestedAction, State
from orchestrator.store import records, runs as run_store, sweeps as store
from orchestrator.store.database import Database
from orchestrator.store.records import Metric
from orchestrator.store.runs import Run
from orchestrator.store.sweeps import RecordedSweep, Standing
from orchestrator.sweeps.results import TrialState, looks
from orchestrator.sweeps.study import quiet, require_optuna
from orchestrator.sweeps.trials import Parameters, all_parameters

if TYPE_CHECKING:
    from optuna.pruners import BasePruner
    from optuna.trial import Trial


Looks = Mapping[int, float]
"""Validation losses by step, as returned by `results.looks`."""

_LOOKS = 20
"""The number of looks at the longest trial, if the job file does not say."""


def look_interval(stop: Stop, longest_steps: int) -> int:
    """The steps between two looks: the job file's, or a twentieth of the longest trial's steps."""
    return stop.interval_steps or max(1, ceil(longest_steps / _LOOKS))


class Judge:
    """Judges the active trials of one sweep against each other and against the finished ones.

    It keeps Optuna's study from look to look, and can be rebuilt at any time: `recall` reports the earlier
    looks to it.
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
        """The evidence, as a sentence, if this active trial should be stopped; None if it may continue."""
        if number in self._over:
            return None
        losing_at = self._tell(number, looks)
        return None if losing_at is None else self._evidence(number, losing_at)

    def recall(self, number: int, looks: Looks) -> None:
        """Report earlier looks, which were judged at the time."""
        if number not in self._over:
            self._tell(number, looks)

    def end(self, number: int, looks: Looks, state: TrialState) -> None:
        """Report the result of a trial; a second time changes nothing."""
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
        """Report the new looks; returns the step at which Optuna would stop the trial, if any.

        Halving judges at its rungs, each of which must be passed. The other rules judge the trial's present loss:
        one that has caught up since is not stopped for earlier losses.
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
            f"at step {step} its validation loss of {looks[step]:.3f} ranks {rank} of {len(others) + 1} "
            f"trials; the best 1 in {stop.reduction_factor} continue"
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


# --- Pruning -----------------------------------------------------------------------------------------------------


class Pruner:
    """The rule of one sweep, applied in one process.

    Its knowledge of trials comes from the database, so that it can be rebuilt after a crash. Earlier looks are only
    recalled: they were judged when they were new.
    """

    def __init__(self, job: JobFile, sweep: Sweep, stop: Stop, database: Database) -> None:
        self._job, self._sweep, self._stop = job, sweep, stop
        self._database = database
        self._judge: Judge | None = None
        self._interval = 0
        self._numbers: dict[str, int] = {}
        self._steps: dict[str, int] = {}
        self._over: set[str] = set()

    def sit(self, recorded: RecordedSweep, standings: Sequence[Standing]) -> None:
        """Judge the new looks, and request the cancellation of losing trials; the evidence is recorded with the
        request."""
        listed = [standing for standing in standings if standing.trial.listed]
        self._interval = recorded.spec["interval"] or self._fix_interval(recorded, listed)
        if not self._interval:
            return
        if self._judge is None:
            require_optuna(self._sweep)
            self._judge = Judge(self._stop, self._interval)
        for standing in (each for each in listed if each.is_over):
            self._end(self._judge, standing)
        for standing in (each for each in listed if not each.is_over and each.job_id):
            evidence = self._look(self._judge, standing)
            if evidence is not None:
                self._stop_trial(standing, evidence)

    def _end(self, judge: Judge, standing: Standing) -> None:
        run_id = standing.trial.run_id
        if run_id not in self._over:
            self._over.add(run_id)
            was_stopped = standing.trial.pruned and standing.state == State.CANCELLED
            state = TrialState.PRUNED if was_stopped else TrialState(standing.state)
            judge.end(self._number(run_id), looks(self._metrics(run_id), self._interval), state)

    def _look(self, judge: Judge, standing: Standing) -> str | None:
        """The evidence against an active trial, if its new looks are sufficient."""
        run_id = standing.trial.run_id
        seen, is_first = looks(self._metrics(run_id), self._interval), run_id not in self._steps
        if not seen or max(seen) == self._steps.get(run_id) or standing.trial.pruned:
            return None
        self._steps[run_id] = newest = max(seen)
        if is_first:
            judge.recall(self._number(run_id), {step: loss for step, loss in seen.items() if step < newest})
        return judge.judge(self._number(run_id), seen)

    def _stop_trial(self, standing: Standing, evidence: str) -> None:
        with self._database.write() as connection:
            is_pruned = store.prune(connection, standing.trial, evidence)
            if is_pruned:
                run_store.request_action(connection, standing.trial.run_id, RequestedAction.CANCEL)

    def _number(self, run_id: str) -> int:
        return self._numbers.setdefault(run_id, len(self._numbers))

    def _metrics(self, run_id: str) -> list[Metric]:
        with self._database.read() as connection:
            return records.metrics_of(connection, run_id)

    # --- the steps between two looks -----------------------------------------------------------------------

    def _fix_interval(self, recorded: RecordedSweep, listed: Sequence[Standing]) -> int:
        """Set once for all processes, as soon as one trial reports its number of steps; 0 until then."""
        ids = [standing.trial.run_id for standing in listed]
        with self._database.write() as connection:
            current = store.get(connection, recorded.id)
            if not current.spec["interval"]:
                measured = records.last_metrics(connection, ids)
                first = next((metric for metric in measured.values() if metric.total_steps), None)
                if first is None or first.total_steps is None:
                    return 0
                run = run_store.get(connection, first.run_id)
                points = [standing.trial.parameters for standing in listed]
                longest = first.total_steps * self._relative_length(run, points)
                interval = look_interval(self._stop, round(longest))
                current = replace(current, spec={**current.spec, "interval": interval})
                store.rewrite(connection, current)
        found: int = current.spec["interval"]
        return found

    def _relative_length(self, run: Run, points: Sequence[Parameters]) -> float:
        """How many times as many steps as this run the longest trial has, as far as known."""
        batch = run.resolved_hyperparameters.get("batch_size")
        usual = batch if isinstance(batch, int) and batch > 0 else 1
        examples = run.examples or 1
        own = _passes(run.hyperparameters, examples, usual)
        candidates = (all_parameters(self._job, point) for point in (*points, *self._longest_drawn()))
        return max(max(_passes(parameters, examples, usual) for parameters in candidates) / own, 1.0)

    def _longest_drawn(self) -> Iterator[dict[str, Any]]:
        """The longest point of the space, even if it is not drawn yet."""
        axes = self._sweep.space.axes
        found: dict[str, Any] = {}
        for name, pick in (("n_epochs", max), ("batch_size", min)):
            if axis := axes.get(name):
                values = axis.values if isinstance(axis, Choices) else (axis.low, axis.high)
                numbers = [value for value in values if not isinstance(value, str)]
                found |= {name: pick(numbers)} if numbers else {}
        if found:
            yield found


def _passes(parameters: Mapping[str, Any], examples: int, usual_batch: int) -> float:
    """Passes over the data, per example of a batch: proportional to the number of steps."""
    epochs, batch = parameters.get("n_epochs", "auto"), parameters.get("batch_size", "auto")
    epochs = assumed_epochs(examples) if epochs == "auto" else epochs
    return float(epochs) / float(usual_batch if batch == "auto" else batch)
