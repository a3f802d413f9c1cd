"""Judging the active trials of a sweep by what is recorded of them, and ending those that are clearly losing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from orchestrator.dataset.pricing import assumed_epochs
from orchestrator.jobfile import Choices, JobFile, Stop, Sweep
from orchestrator.runs.states import State, Wish
from orchestrator.store import records, runs as run_store, sweeps as store
from orchestrator.store.database import Database
from orchestrator.store.records import Metric
from orchestrator.store.runs import Run
from orchestrator.store.sweeps import RecordedSweep, Standing
from orchestrator.sweeps.results import TrialState, looks
from orchestrator.sweeps.stopping import Judge, look_interval
from orchestrator.sweeps.study import require_optuna
from orchestrator.sweeps.trials import Parameters, all_parameters


class Court:
    """The rule of one sweep, applied in one process.

    What it knows of trials is read from the database, so that it can be made anew after a crash: looks that were
    there before are only recalled, since they were judged when they came.
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
        """Look at what is new, and have the trials cancelled that lose; the evidence is recorded with the wish."""
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
        """The evidence against an active trial, if what is new of it is enough."""
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
                run_store.set_wish(connection, standing.trial.run_id, Wish.CANCEL)

    def _number(self, run_id: str) -> int:
        return self._numbers.setdefault(run_id, len(self._numbers))

    def _metrics(self, run_id: str) -> list[Metric]:
        with self._database.read() as connection:
            return records.metrics_of(connection, run_id)

    # --- the steps between two looks -----------------------------------------------------------------------

    def _fix_interval(self, recorded: RecordedSweep, listed: Sequence[Standing]) -> int:
        """Decide it once for all processes, as soon as one trial tells how many steps it has; 0 until then."""
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
        """How many times as many steps the longest trial has as this run, as far as that can be known."""
        batch = run.resolved_hyperparameters.get("batch_size")
        usual = batch if isinstance(batch, int) and batch > 0 else 1
        examples = run.examples or 1
        own = _passes(run.hyperparameters, examples, usual)
        candidates = (all_parameters(self._job, point) for point in (*points, *self._longest_drawn()))
        return max(max(_passes(parameters, examples, usual) for parameters in candidates) / own, 1.0)

    def _longest_drawn(self) -> Iterator[dict[str, Any]]:
        """The longest point of the space, which may not be drawn yet."""
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
    """Passes over the data, for each example of a batch: what the number of steps is proportional to."""
    epochs, batch = parameters.get("n_epochs", "auto"), parameters.get("batch_size", "auto")
    epochs = assumed_epochs(examples) if epochs == "auto" else epochs
    return float(epochs) / float(usual_batch if batch == "auto" else batch)
