"""Looking after sweeps while their runs are driven: pruning trials, retrying failed ones, drawing new ones."""

from __future__ import annotations

import random
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection

from orchestrator.config import EndpointConfig
from orchestrator.jobfile import JobFile, Sweep
from orchestrator.ledger import Ledger
from orchestrator.runs.states import State
from orchestrator.store import records, runs as run_store, sweeps as store
from orchestrator.store.database import Database
from orchestrator.store.sweeps import RecordedSweep, RecordedTrial, Standing
from orchestrator.sweeps.overview import is_hopeless, job_of, result_of, settings, trial_of
from orchestrator.sweeps.recipes import Recipes, recipes_of
from orchestrator.sweeps.results import PointResult, TrialResult, TrialState
from orchestrator.sweeps.stopping import Pruner
from orchestrator.sweeps.submission import add_run, add_trial
from orchestrator.sweeps.tpe import Proposer
from orchestrator.sweeps.trials import Parameters, PointKey, Trial

_ENDPOINT_FAULTS = frozenset(
    {"servererror", "internalerror", "internalservererror", "serviceunavailable", "timeout", "overloaded"}
)
"""Error codes of failures that are not caused by the data, in lower case and without separators. No API description
lists them; these are the usual ones of services."""


def supervisors(ledger: Ledger, name: str | None = None) -> list[SweepSupervisor]:
    """One per unfinished sweep: of all, or of those of a name.

    Of all sweeps, those whose endpoint is no longer configured are left out, so that the others can continue.
    Raises UnknownEndpoint for a sweep that was named.
    """
    with ledger.database.read() as connection:
        sweeps, counts = store.newest(connection, name=name), store.counts(connection)
    if name is None:
        sweeps = [each for each in sweeps if each.endpoint in ledger.workspace.endpoints]
    found = [supervisor_of(ledger, each) for each in sweeps if _may_be_unfinished(each, counts.get(each.id, {}))]
    return [supervisor for supervisor in found if supervisor.has_work()]


def supervisor_of(ledger: Ledger, sweep: RecordedSweep) -> SweepSupervisor:
    config = ledger.workspace.endpoint(sweep.endpoint)
    return SweepSupervisor(sweep, config, ledger.database, random.SystemRandom())


def _may_be_unfinished(sweep: RecordedSweep, counted: Mapping[str, int]) -> bool:
    """A quick check that reads no job file: most sweeps have finished."""
    settled = sum(counted.get(state, 0) for state in ("succeeded", "cancelled", "pruned"))
    return sweep.stopped_at is None and settled < max(sweep.trials, sum(counted.values()))


def _orders(sweep: RecordedSweep) -> tuple[Any, Any, Any]:
    """What its runs are made from: the job file, and the data files and base models as checked."""
    return sweep.spec["document"], sweep.spec["files"], sweep.spec.get("bases")


class SweepSupervisor:
    """Looks after one sweep on one endpoint.

    Each decision is recorded before it takes effect, in a transaction that checks its basis again: another process
    that looks after the same sweep finds it done.
    """

    def __init__(
        self, sweep: RecordedSweep, config: EndpointConfig, database: Database, rng: random.Random
    ) -> None:
        self.endpoint = sweep.endpoint
        self._id = sweep.id
        self._config = config
        self._database = database
        self._rng = rng
        self._settled: tuple[Any, ...] | None = None
        self._named: set[str] = set()
        self._orders: object = None
        self._load(sweep)

    @property
    def run_ids(self) -> list[str]:
        """The last run of each trial that the job file asks for, by number."""
        return [standing.trial.run_id for standing in self._read()[1] if standing.trial.listed]

    @property
    def sweep_id(self) -> str:
        return self._id

    def has_work(self) -> bool:
        """Whether the sweep is unfinished: it has trials that are active, to be retried, or to be drawn."""
        recorded, standings = self._read()
        if recorded.stopped_at is not None:
            return False
        is_open = any(not each.is_over or self._is_to_be_tried_again(each) for each in standings)
        return is_open or (self._draw is not None and self._draw.is_wanted(recorded, standings))

    def attend(self, now: float) -> Collection[str]:
        """Prune, retry and draw; returns the ids of the sweep's runs that were not named before."""
        mark = self._mark()
        if mark == self._settled and self._court is None:
            return ()
        recorded, standings = self._read()
        while recorded.stopped_at is None and self._add(recorded, standings, now):
            mark = self._mark()  # read before the data it stands for, so that no change in between is missed
            recorded, standings = self._read()
        if self._court and recorded.stopped_at is None:
            self._court.sit(recorded, standings)
        self._settled = mark
        new = [each.trial.run_id for each in standings if each.trial.run_id not in self._named]
        self._named.update(new)
        return new

    def is_done(self) -> bool:
        """Whether nothing in the sweep has changed since it was looked after."""
        return self._settled is not None and self._mark() == self._settled

    # --- its data ------------------------------------------------------------------------------------------

    def _mark(self) -> tuple[Any, ...]:
        with self._database.read() as connection:
            return store.mark(connection, self._id)

    def _read(self) -> tuple[RecordedSweep, list[Standing]]:
        with self._database.read() as connection:
            recorded, standings = store.get(connection, self._id), store.standings(connection, self._id)
        if _orders(recorded) != self._orders:  # edited, and submitted again meanwhile
            self._load(recorded)
        return recorded, standings

    def _load(self, recorded: RecordedSweep) -> None:
        job = job_of(recorded)
        sweep = settings(job)
        self._orders = _orders(recorded)
        self._max_retries = sweep.max_retries
        self._recipes = recipes_of(recorded, job, self._config)
        self._draw = Sampler(job, sweep, self._recipes, self._database) if sweep.strategy == "tpe" else None
        self._court = Pruner(job, sweep, sweep.stop, self._database) if sweep.stop else None

    # --- its work ------------------------------------------------------------------------------------------

    def _add(self, recorded: RecordedSweep, standings: Sequence[Standing], now: float) -> bool:
        """Returns whether there may be more to do, since the sweep has changed."""
        failed = [each for each in standings if self._is_to_be_tried_again(each)]
        for standing in failed:
            self._try_again(standing, now)
        if failed:
            return True
        width = min(recorded.max_active or self._config.max_active, self._config.max_active)
        return self._draw is not None and self._draw.draw(recorded, standings, width, now, self._rng)

    def _is_to_be_tried_again(self, standing: Standing) -> bool:
        """Only if the endpoint accepted the job and failed: a refusal or bad data would fail again, and a losing
        trial need not be trained again."""
        code = "".join(filter(str.isalnum, standing.error_code or "")).lower()
        is_fault = standing.state == State.FAILED and standing.job_id is not None and code in _ENDPOINT_FAULTS
        trial = standing.trial
        return is_fault and trial.listed and not trial.pruned and trial.retries < self._max_retries

    def _try_again(self, standing: Standing, now: float) -> None:
        trial = standing.trial
        planned = self._recipes.plan(trial_of(trial))
        reason = f"tried again: run {trial.run_id} failed ({standing.error_code})"
        with self._database.write() as connection:
            if store.get(connection, self._id).stopped_at is None:
                add_run(connection, trial, planned, now, self._rng, retries=trial.retries + 1, reason=reason)


# --- Sampling the next points ------------------------------------------------------------------------------------


class Sampler:
    """The points of one tpe sweep, drawn in one process; each is recorded before it is used."""

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
        """Record the next point if one is missing and fewer than `width` trials are active.

        Returns whether the sweep has changed: a point was recorded, by this process or another, or the space turned
        out to have no more.
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
        """Whether the sweep has fewer trials than planned, and more of them may succeed."""
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
        """All repeats of a point; one that was recorded before, and dropped since, is resumed."""
        known = {trial.fingerprint: trial for trial in trials}
        first = max((trial.number for trial in trials), default=0) + 1
        for repeat in range(self._sweep.seeds):
            planned = self._recipes.plan(Trial(first + repeat, parameters, repeat))
            if before := known.get(planned.fingerprint):
                store.list_again(connection, before)
            else:
                add_trial(connection, recorded, planned, now, rng)

    def _by_point(self, recorded: RecordedSweep, listed: Sequence[Standing]) -> list[PointResult]:
        """The points by number; an unchanged one is the same object as last time."""
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
