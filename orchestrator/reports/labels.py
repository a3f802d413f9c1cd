"""Which trial of a sweep a run is, for displays that hear of runs only."""

from __future__ import annotations

from collections.abc import Iterable

from orchestrator.reports.parameters import short
from orchestrator.store import sweeps as store
from orchestrator.store.database import Database
from orchestrator.store.runs import Run
from orchestrator.store.sweeps import RecordedSweep, RecordedTrial


class Labels:
    """The sweeps that these runs belong to, and their trials; read again where a run is new, or was cancelled."""

    def __init__(self, database: Database, runs: Iterable[Run]) -> None:
        self._database = database
        self._trials: dict[str, RecordedTrial] = {}
        """By run id."""
        self._asked: set[tuple[str, str]] = set()
        self.sweeps: dict[str, RecordedSweep] = {}
        """By id."""
        for sweep_id in dict.fromkeys(run.sweep_id for run in runs if run.sweep_id):
            self._read(sweep_id)

    def trial(self, run: Run) -> RecordedTrial | None:
        """The trial that this run is the last one of."""
        if run.sweep_id is None:
            return None
        if self._may_have_changed(run):
            self._asked.add((run.id, run.state))
            self._read(run.sweep_id)
        return self._trials.get(run.id)

    def state(self, run: Run) -> str:
        """The run's state, or "pruned" where the sweep's rule cancelled it."""
        trial = self.trial(run) if run.state == "cancelled" else None
        return "pruned" if trial and trial.pruned else run.state

    def label(self, run: Run) -> str:
        """The parameters in short; "" for a run outside sweeps."""
        trial = self.trial(run)
        return "" if trial is None else short(trial.parameters, trial.repeat)

    def _may_have_changed(self, run: Run) -> bool:
        known = self._trials.get(run.id)
        is_news = known is None or (run.state == "cancelled" and known.pruned is None)
        return is_news and (run.id, run.state) not in self._asked

    def _read(self, sweep_id: str) -> None:
        with self._database.read() as connection:
            self.sweeps[sweep_id] = store.get(connection, sweep_id)
            trials = store.trials_of(connection, sweep_id)
        others = {run_id: trial for run_id, trial in self._trials.items() if trial.sweep_id != sweep_id}
        self._trials = others | {trial.run_id: trial for trial in trials}
