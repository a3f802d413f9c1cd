"""Drawing the next points of a tpe sweep from what its trials came to, and recording them."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace

from sqlalchemy import Connection

from orchestrator.jobfile import JobFile, Sweep
from orchestrator.store import records, runs as run_store, sweeps as store
from orchestrator.store.database import Database
from orchestrator.store.sweeps import RecordedSweep, RecordedTrial, Standing
from orchestrator.sweeps.overview import is_hopeless, result_of, trial_of
from orchestrator.sweeps.proposals import Proposer
from orchestrator.sweeps.ranking import PointResult
from orchestrator.sweeps.recipes import Recipes
from orchestrator.sweeps.results import TrialResult, TrialState
from orchestrator.sweeps.submission import add_trial
from orchestrator.sweeps.trials import Parameters, PointKey, Trial


class Draw:
    """The points of one tpe sweep, drawn in one process; each is recorded before anything is done with it."""

    def __init__(self, job: JobFile, sweep: Sweep, recipes: Recipes, database: Database) -> None:
        self._sweep = sweep
        self._recipes = recipes
        self._database = database
        self._proposer = Proposer(job, sweep)
        self._results: dict[str, TrialResult] = {}
        self._points: dict[PointKey, PointResult] = {}

    def draw(
        self, recorded: RecordedSweep, standings: Sequence[Standing], width: int, now: float, rng: random.Random
    ) -> bool:
        """Record the next point where one is missing and fewer than `width` trials are under way.

        Returns whether the sweep has changed: a point was recorded, by this process or another, or it was found
        that the space has no more.
        """
        listed = [standing for standing in standings if standing.trial.listed]
        under_way = sum(not standing.is_over for standing in listed)
        if under_way >= width or not self.is_wanted(recorded, standings):
            return False
        parameters = self._proposer.propose(self._by_point(recorded, listed))
        with self._database.write() as connection:
            current = store.trials_of(connection, recorded.id)
            as_read = store.get(connection, recorded.id) == recorded
            if not as_read or current != [standing.trial for standing in standings]:
                return True  # another process was first, or the user has stopped or edited the sweep
            if parameters is not None:
                self._record(connection, recorded, current, parameters, now, rng)
            else:
                store.rewrite(connection, replace(recorded, trials=len(listed)))
        return True

    def is_wanted(self, recorded: RecordedSweep, standings: Sequence[Standing]) -> bool:
        """Whether the sweep has fewer trials than it is to have, and more of them may succeed."""
        listed = [standing for standing in standings if standing.trial.listed]
        return len(listed) < recorded.trials and not is_hopeless(listed)

    def _record(
        self,
        connection: Connection,
        recorded: RecordedSweep,
        trials: Sequence[RecordedTrial],
        parameters: Parameters,
        now: float,
        rng: random.Random,
    ) -> None:
        """All repeats of a point; one that was recorded before, and left since, is taken up again."""
        known = {trial.fingerprint: trial for trial in trials}
        first = max((trial.number for trial in trials), default=0) + 1
        for repeat in range(self._sweep.seeds):
            planned = self._recipes.plan(Trial(first + repeat, parameters, repeat))
            if before := known.get(planned.fingerprint):
                store.list_again(connection, before)
            else:
                add_trial(connection, recorded, planned, now, rng)

    def _by_point(self, recorded: RecordedSweep, listed: Sequence[Standing]) -> list[PointResult]:
        """The points by number; one that has not changed is the same object as last time."""
        groups: dict[PointKey, list[TrialResult]] = {}
        for standing in listed:
            result = self._result(recorded, standing)
            groups.setdefault(result.trial.key, []).append(result)
        for key, results in groups.items():
            before = self._points.get(key)
            if before is None or before.results != tuple(results):
                self._points[key] = PointResult(results[0].trial.parameters, tuple(results))
        return [self._points[key] for key in groups]

    def _result(self, recorded: RecordedSweep, standing: Standing) -> TrialResult:
        trial = standing.trial
        if not standing.is_over:
            return TrialResult(trial_of(trial), TrialState.ACTIVE, trial.run_id)
        if trial.run_id not in self._results:
            self._results[trial.run_id] = self._judged(recorded, trial)
        return self._results[trial.run_id]

    def _judged(self, recorded: RecordedSweep, trial: RecordedTrial) -> TrialResult:
        with self._database.read() as connection:
            run = run_store.get(connection, trial.run_id)
            metrics = records.metrics_of(connection, run.id)
            checkpoints = records.checkpoints_of(connection, run.id)
        return result_of(self._sweep, trial, run, metrics, checkpoints, recorded.spec["interval"])
