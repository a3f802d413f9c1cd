"""Looking after sweeps while their runs are driven: judging trials, trying failed ones again, drawing new ones."""

from __future__ import annotations

import random
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from orchestrator.config import EndpointConfig
from orchestrator.runs.ledger import Ledger
from orchestrator.runs.states import State
from orchestrator.store import sweeps as store
from orchestrator.store.database import Database
from orchestrator.store.sweeps import RecordedSweep, Standing
from orchestrator.sweeps.drawing import Draw
from orchestrator.sweeps.judging import Court
from orchestrator.sweeps.overview import job_of, settings, trial_of
from orchestrator.sweeps.recipes import recipes_of
from orchestrator.sweeps.submission import add_run

_ENDPOINT_FAULTS = frozenset(
    {"servererror", "internalerror", "internalservererror", "serviceunavailable", "timeout", "overloaded"}
)
"""Codes with which a job fails by no fault of its data, in small letters and without what joins their words. No API
description lists them; these are the usual ones of services."""


def attendants(ledger: Ledger, name: str | None = None) -> list[SweepAttendant]:
    """One for each sweep that is not finished: of all, or of those of a name.

    Of all, those are left out whose endpoint is no longer configured, so that the others can go on. Raises
    UnknownEndpoint for a sweep that was named.
    """
    with ledger.database.read() as connection:
        sweeps, counts = store.newest(connection, name=name), store.counts(connection)
    if name is None:
        sweeps = [each for each in sweeps if each.endpoint in ledger.workspace.endpoints]
    found = [attendant_of(ledger, each) for each in sweeps if _may_be_unfinished(each, counts.get(each.id, {}))]
    return [attendant for attendant in found if attendant.has_work()]


def attendant_of(ledger: Ledger, sweep: RecordedSweep) -> SweepAttendant:
    config = ledger.workspace.endpoint(sweep.endpoint)
    return SweepAttendant(sweep, config, ledger.database, random.SystemRandom())


def _may_be_unfinished(sweep: RecordedSweep, counted: Mapping[str, int]) -> bool:
    """A first look that reads no job file: most sweeps are finished."""
    settled = sum(counted.get(state, 0) for state in ("succeeded", "cancelled", "pruned"))
    return sweep.stopped_at is None and settled < max(sweep.trials, sum(counted.values()))


def _orders(sweep: RecordedSweep) -> tuple[Any, Any]:
    """What its runs are made from: the job file, and the data files as they were checked."""
    return sweep.spec["document"], sweep.spec["files"]


class SweepAttendant:
    """Looks after one sweep on one endpoint.

    Whatever it decides is recorded before it takes effect, in a transaction that looks again at what it decided by:
    another process that looks after the same sweep finds it done.
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
        """Whether the sweep is not finished: trials are under way, to be tried again, or to be drawn."""
        recorded, standings = self._read()
        if recorded.stopped_at is not None:
            return False
        is_open = any(not each.is_over or self._is_to_be_tried_again(each) for each in standings)
        return is_open or (self._draw is not None and self._draw.is_wanted(recorded, standings))

    def attend(self, now: float) -> Collection[str]:
        """Judge, try again and draw; returns the ids of the sweep's runs that were not named before."""
        mark = self._mark()
        if mark == self._settled and self._court is None:
            return ()
        recorded, standings = self._read()
        while recorded.stopped_at is None and self._add(recorded, standings, now):
            mark = self._mark()  # before what it stands for is read, so that nothing is missed in between
            recorded, standings = self._read()
        if self._court and recorded.stopped_at is None:
            self._court.sit(recorded, standings)
        self._settled = mark
        new = [each.trial.run_id for each in standings if each.trial.run_id not in self._named]
        self._named.update(new)
        return new

    def is_done(self) -> bool:
        """Whether nothing of the sweep has moved since it was looked after."""
        return self._settled is not None and self._mark() == self._settled

    # --- what it goes by -----------------------------------------------------------------------------------

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
        self._draw = Draw(job, sweep, self._recipes, self._database) if sweep.strategy == "tpe" else None
        self._court = Court(job, sweep, sweep.stop, self._database) if sweep.stop else None

    # --- what it does --------------------------------------------------------------------------------------

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
        """Only where the endpoint took the job and failed: a refusal, or bad data, would be met again, and what was
        losing need not be trained anew."""
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
