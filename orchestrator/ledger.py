"""Reading what is recorded. Loads the database and nothing else: no SDK, no server, no pydantic."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from sqlalchemy import Connection

from orchestrator import trust
from orchestrator.config import Workspace, find_workspace
from orchestrator.engine.worker import is_abandoned
from orchestrator.store import (
    batches,
    datachecks,
    deployments,
    evaluations,
    generations,
    labels,
    listing as listings,
    records,
    runs,
    submissions,
    sweeps,
)
from orchestrator.store.accounts import PAID_BATCHES, PAID_RUNS
from orchestrator.store.batches import Batch
from orchestrator.store.database import Database
from orchestrator.store.datachecks import DataCheck
from orchestrator.store.deployments import Deployment
from orchestrator.store.evaluations import Evaluation
from orchestrator.store.generations import Generation
from orchestrator.store.labels import Note
from orchestrator.store.listing import Listing
from orchestrator.store.migrate import open_database
from orchestrator.store.records import Checkpoint, Event, Metric, Model
from orchestrator.store.runs import Run, RunSummary, Transition
from orchestrator.store.submissions import Submission
from orchestrator.store.sweeps import RecordedSweep, RecordedTrial

EVERY_RUN = Listing()
"""Every run that is neither archived nor deleted, newest first."""
SINGLE_RUNS = Listing(outside_sweeps=True)
"""Of those, the ones outside sweeps."""
_PAGE = 2_000
"""How many runs are read at once when all are listed."""
_EVENTS = 500
"""The same for a run's events; the first ones must show without a wait."""


@dataclass(frozen=True)
class RunDetails:
    """Everything recorded about one run except its events, which can be very many."""

    run: Run
    history: list[Transition]
    metrics: list[Metric]
    checkpoints: list[Checkpoint]
    data_checks: Mapping[str, DataCheck] = field(default_factory=dict)
    """The last check of its training file and of its validation file, if recorded."""
    deployment: Deployment | None = None
    """The deployment that serves its model, if recorded."""
    submission: Submission | None = None
    """Who submitted it, and from where; None for runs of older versions."""
    tags: Mapping[str, str] = field(default_factory=dict)
    notes: Sequence[Note] = ()
    """Oldest first."""


@dataclass(frozen=True)
class SweepStanding:
    """A sweep and the number of its trials in each state, including "pruned"."""

    sweep: RecordedSweep
    counts: Mapping[str, int]


def is_followed(run: Run, now: float) -> bool:
    """Whether some process is driving this run now."""
    if run.lease_owner is None or (run.lease_expires_at or 0.0) <= now:
        return False
    return not is_abandoned(run.lease_owner)


@dataclass(frozen=True)
class Ledger:
    """A workspace and its open database."""

    workspace: Workspace
    database: Database

    def runs(self, key: str | None = None, *, limit: int | None = None, only_active: bool = False) -> list[Run]:
        """Runs, newest first: all, those of a name, or the one whose id starts with `key`. Raises NoSuchRun."""
        with self.database.read() as connection:
            if key is None:
                return runs.newest(connection, limit=limit, only_active=only_active)
            named = runs.newest(connection, name=key, limit=limit, only_active=only_active)
            is_sweep = not named and bool(sweeps.newest(connection, name=key))  # tpe may not have drawn a trial yet
            return named if named or is_sweep else [runs.find(connection, key)]

    def listed(self, listing: Listing, *, limit: int | None = None, offset: int = 0) -> list[Run]:
        """At most `limit` of the listed runs (None: all), after the first `offset`."""
        with self.database.read() as connection:
            return listings.page(connection, listing, limit=limit, offset=offset)

    def summaries(
        self, listing: Listing, *, limit: int | None = None
    ) -> Iterator[tuple[RunSummary, Metric | None, Mapping[str, str]]]:
        """Like `listed`, each with its last measured step and its tags. Read in parts, so that any number takes
        little memory and no read transaction stays open between parts."""
        with self.database.read() as connection:
            ids = listings.ids(connection, listing, limit=limit)
        for start in range(0, len(ids), _PAGE):
            part = ids[start : start + _PAGE]
            with self.database.read() as connection:
                found = {each.id: each for each in runs.summaries(connection, part)}
                last = records.last_metrics(connection, part)
                tags = labels.tags_of(connection, part)
            yield from ((found[each], last.get(each), tags.get(each, {})) for each in part if each in found)

    def listing_of(self, key: str, among: Listing = EVERY_RUN) -> Listing:
        """The listed runs of a name, or the one whose id starts with `key`. Raises NoSuchRun and AmbiguousRun."""
        with self.database.read() as connection:
            is_name = runs.newest(connection, name=key, limit=1) or sweeps.newest(connection, name=key)
            if is_name:
                return replace(among, name=key)
            return replace(among, run_id=runs.find(connection, key).id, archived="shown")

    def count(self, listing: Listing) -> int:
        """How many runs are listed."""
        with self.database.read() as connection:
            return listings.count(connection, listing)

    def sweeps(self, name: str | None = None) -> list[SweepStanding]:
        """All sweeps that are not archived, or those of a name (one per endpoint), newest first, with the states of
        their trials."""
        with self.database.read() as connection:
            counts = sweeps.counts(connection)
            found = sweeps.newest(connection, name=name, archived=name is not None)
            return [SweepStanding(each, counts.get(each.id, {})) for each in found]

    def sweep(self, sweep_id: str) -> tuple[RecordedSweep, list[RecordedTrial]]:
        """A sweep with all its trials, including those that its job file no longer asks for."""
        with self.database.read() as connection:
            return sweeps.get(connection, sweep_id), sweeps.trials_of(connection, sweep_id)

    def evaluations(self, limit: int | None = None) -> list[Evaluation]:
        """At most `limit` evaluations, newest first: finished, under way, and waiting for their run."""
        known = (evaluations.DONE, evaluations.ASKING, evaluations.WANTED)
        with self.database.read() as connection:
            return evaluations.newest(connection, states=known, limit=limit)

    def trials(self, sweep_id: str) -> list[tuple[RecordedTrial, Run]]:
        """The trials of a sweep that its job file asks for, by number, each with its last run."""
        with self.database.read() as connection:
            last = sweeps.runs_of(connection, sweep_id)
            trials = sweeps.trials_of(connection, sweep_id)
        return [(trial, last[trial.run_id]) for trial in trials if trial.listed]

    def run(self, key: str) -> Run:
        """The run whose id starts with `key`, or the newest of that name. Raises NoSuchRun and AmbiguousRun."""
        with self.database.read() as connection:
            return runs.find(connection, key)

    def details(self, key: str) -> RunDetails:
        """Raises NoSuchRun and AmbiguousRun."""
        with self.database.read() as connection:
            run = runs.find(connection, key)
            return RunDetails(
                run=run,
                history=runs.history(connection, run.id),
                metrics=records.metrics_of(connection, run.id),
                checkpoints=records.checkpoints_of(connection, run.id),
                data_checks=_data_checks(connection, run),
                deployment=deployments.answering(connection, run.endpoint, run.fine_tuned_model or ""),
                submission=submissions.find(connection, submissions.RUN, run.id),
                tags=labels.tags_of(connection, [run.id]).get(run.id, {}),
                notes=labels.notes_of(connection, run.id),
            )

    def job_file(self, key: str) -> str | None:
        """The text of a run's job file as it was submitted, if recorded. Raises NoSuchRun and AmbiguousRun."""
        with self.database.read() as connection:
            return submissions.job_file_of(connection, submissions.RUN, runs.find(connection, key).id)

    def tags(self, run_ids: Sequence[str]) -> dict[str, dict[str, str]]:
        """The tags of each of these runs that has some."""
        with self.database.read() as connection:
            return labels.tags_of(connection, run_ids)

    def counts(self, listing: Listing) -> dict[str, int]:
        """How many of the listed runs there are in each state."""
        with self.database.read() as connection:
            return listings.count_by_state(connection, listing)

    def progress(self, run_ids: list[str]) -> dict[str, Metric]:
        """The last measured step of each run that has one."""
        with self.database.read() as connection:
            return records.last_metrics(connection, run_ids)

    def metrics(self, run_id: str) -> list[Metric]:
        """All measured steps of a run, in order."""
        with self.database.read() as connection:
            return records.metrics_of(connection, run_id)

    def events(self, run_id: str) -> Iterator[Event]:
        """The endpoint's events of a run, oldest first. No read transaction stays open between pages: the caller
        may be slow."""
        below = None
        while True:
            with self.database.read() as connection:
                page, below = records.events_page(connection, run_id, below=below, limit=_EVENTS)
            yield from page
            if below is None:
                return

    def last_events(self, run_id: str, limit: int) -> tuple[list[Event], int]:
        """The endpoint's last events of a run, oldest first, and how many there are in total."""
        with self.database.read() as connection:
            return records.last_events(connection, run_id, limit)

    def hasten(self, waiting: Collection[Run]) -> None:
        """Make these runs due now, whatever they wait for."""
        with self.database.write() as connection:
            runs.hasten(connection, [run.id for run in waiting])

    def forget_account(self, held: Collection[Run], batches: Collection[Batch] = ()) -> None:
        """Record the user's word that these belong to the account of the current key."""
        with self.database.write() as connection:
            PAID_RUNS.forget(connection, [run.id for run in held])
            PAID_BATCHES.forget(connection, [batch.id for batch in batches])

    def generations(self) -> list[Generation]:
        """The unfinished generations of training data, oldest first."""
        with self.database.read() as connection:
            return generations.unfinished(connection)

    def batches(self) -> list[Batch]:
        """The unfinished batches of questions, oldest first."""
        with self.database.read() as connection:
            return batches.unfinished(connection)

    def has_deployments(self) -> bool:
        """Whether an unfinished deployment is recorded."""
        with self.database.read() as connection:
            return bool(deployments.newest(connection, only_active=True, limit=1))

    def models(
        self, limit: int | None = None, *, model: str | None = None, run_ids: Collection[str] | None = None
    ) -> list[Model]:
        """The model ids of succeeded runs, newest first: all, those equal to `model`, or those of these runs."""
        with self.database.read() as connection:
            return records.models_newest(connection, limit, model=model, run_ids=run_ids)


def _data_checks(connection: Connection, run: Run) -> dict[str, DataCheck]:
    hashes = {"training": run.training_sha256, "validation": run.validation_sha256}
    found = {purpose: datachecks.find(connection, sha256, purpose) for purpose, sha256 in hashes.items() if sha256}
    return {purpose: check for purpose, check in found.items() if check}


@contextmanager
def open_ledger(start: Path | None = None, *, create: bool = False) -> Iterator[Ledger]:
    """Open the workspace around `start` (default: the current directory), migrating its database if needed.

    Without `create`, a workspace that has no database yet reads as empty and stays unchanged. Raises InvalidConfig,
    StateNotAllowed and DatabaseError.
    """
    workspace = find_workspace(start)
    if create or workspace.home.exists():
        trust.use_state(workspace.home)
    database = open_database(workspace.database_url, create=create)
    try:
        yield Ledger(workspace, database)
    finally:
        database.close()
