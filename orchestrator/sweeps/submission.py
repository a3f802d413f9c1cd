"""From the plan of a sweep to recorded trials: known ones are found, new ones added, in one transaction."""

from __future__ import annotations

import random
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path

from sqlalchemy import Connection, select

from orchestrator.config import EndpointConfig
from orchestrator.engine.crashpoints import crash_point
from orchestrator.errors import PlanOutdated, SweepNameTaken
from orchestrator.runs.earlier import Earlier, History
from orchestrator.runs.elsewhere import Elsewhere
from orchestrator.runs.states import RequestedAction, State
from orchestrator.runs.submission import WITHOUT_JOB, costs_more, free_id, keep_checks, new_run
from orchestrator.store import labels, runs as run_store, submissions, sweeps as store
from orchestrator.store.database import Database
from orchestrator.store.runs import Run
from orchestrator.store.schema import runs
from orchestrator.store.submissions import Provenance
from orchestrator.store.sweeps import RecordedSweep, RecordedTrial, Standing
from orchestrator.sweeps.overview import trial_of
from orchestrator.sweeps.plan import SweepPlan
from orchestrator.sweeps.recipes import PlannedTrial, spec_of
from orchestrator.sweeps.trials import Parameters, PointKey, Trial

_APART = 1e-5
"""Seconds between the recorded creation times of two trials that are recorded together."""


@dataclass(frozen=True)
class Changes:
    """The changes that submitting a plan makes to the recorded trials."""

    new: tuple[PlannedTrial, ...]
    renewed: tuple[tuple[RecordedTrial, PlannedTrial], ...]
    """Those that failed, or that the user cancelled: they get another run."""
    found: tuple[RecordedTrial, ...]
    """Those that are kept as they are, and not submitted again."""
    removed: tuple[RecordedTrial, ...]
    """Those that the job file no longer asks for."""
    drawn: int
    """How many more tpe will draw."""
    earlier: tuple[tuple[PlannedTrial, Earlier], ...] = ()
    """For trials that would start, or may be drawn: runs of the same content outside those that are found."""

    elsewhere: tuple[tuple[PlannedTrial, Elsewhere], ...] = ()
    """For trials that would start: jobs of the same content that have no run in this database."""
    not_looked: str | None = None
    """Why the endpoint could not be asked for such jobs."""
    waiting: tuple[RecordedTrial, ...] = ()
    """Those of the found ones that certainly have no job yet."""
    is_raised: bool = False
    """Found trials without a job that cost more, or may cost more, than was agreed to."""

    @property
    def before(self) -> tuple[tuple[PlannedTrial, Earlier | Elsewhere], ...]:
        """All earlier runs and jobs of the same content."""
        return *self.earlier, *self.elsewhere

    @property
    def beginning(self) -> tuple[PlannedTrial, ...]:
        """The trials that would start."""
        return *self.new, *(planned for _, planned in self.renewed)

    @property
    def begun(self) -> frozenset[str]:
        """The fingerprints of the trials that would start."""
        return frozenset(each.fingerprint for each in self.beginning)

    def covers(self, other: Changes) -> bool:
        """Whether agreeing to this also covers the other."""
        known = {each.run.id for _, each in self.earlier}
        return (
            self.begun.issuperset(other.begun)
            and self.drawn >= other.drawn
            and known.issuperset(each.run.id for _, each in other.earlier)
            and (self.begins or self.is_raised or not other.is_raised)
        )

    @property
    def begins(self) -> bool:
        """Whether anything is trained that was not recorded before."""
        return bool(self.new or self.renewed or self.drawn)


@dataclass(frozen=True)
class SubmittedSweep:
    """The sweep of a plan as it is recorded now, and the runs of the trials that the job file asks for."""

    sweep: RecordedSweep
    changes: Changes
    run_ids: tuple[str, ...]


def changes_of(
    plan: SweepPlan, connection: Connection, endpoints: Mapping[str, EndpointConfig] | None = None
) -> Changes:
    """The changes that submitting the plan makes; with the workspace's `endpoints` also earlier runs of its
    content.

    Raises SweepNameTaken.
    """
    _require_name(plan, connection)
    known = _find(plan, connection)
    standings = store.standings(connection, known.id) if known else []
    changes = _compare(plan, standings)
    changes = replace(changes, is_raised=any(costs_more(*each) for each in _waiting(connection, plan, changes)))
    if endpoints is None:
        return changes
    history, found = History(connection, endpoints), {trial.run_id for trial in changes.found}
    earlier = (*_earlier(changes, history, found), *_in_space(plan, changes, history, found))
    return replace(changes, earlier=earlier)


def record_sweep(
    plan: SweepPlan,
    database: Database,
    *,
    now: float,
    rng: random.Random,
    again: bool = False,
    agreed: Changes | None = None,
    endpoints: Mapping[str, EndpointConfig] | None = None,
    provenance: Provenance | None = None,
    tags: Mapping[str, str | None] | None = None,
) -> SubmittedSweep:
    """Record the plan's sweep, or update the one recorded before.

    Raises SweepNameTaken, and PlanOutdated if more would start than was `agreed` to. With `again`, trials start
    even if other runs have trained the same.

    Two processes that submit the same thing at once get the same trials: each is recorded once. The runs that start
    now, and those drawn or tried again later, have the sweep's last `provenance`, and the tags that all of its runs
    have; `tags` are set on all.
    """
    with database.write() as connection:
        changes = changes_of(plan, connection, None if again else endpoints)
        if agreed and not agreed.covers(changes):
            raise PlanOutdated(name=plan.job.name)
        for each in plan.plans:
            keep_checks(connection, each, now)
        sweep = _write_sweep(connection, plan, now, rng)
        if provenance is not None:
            submissions.record(connection, submissions.SWEEP, sweep.id, provenance, now)
        _write_trials(connection, sweep, changes, now, rng)
        listed = [standing.trial for standing in store.standings(connection, sweep.id) if standing.trial.listed]
        for _, run in _waiting(connection, plan, changes):
            run_store.set_estimate(connection, run.id, run.estimated_cost_usd)
        for trial in listed:
            run_store.set_limits(connection, trial.run_id, plan.job.limits.max_cost_usd, plan.job.poll.seconds)
        if changes.begins:
            labels.archive(connection, [], [sweep.id], None)  # what is under way is listed
        labels.set_tags(connection, [run.id for run in run_store.of_sweeps(connection, [sweep.id])], tags or {})
        crash_point("before-commit-submission")
    crash_point("after-commit-submission")
    return SubmittedSweep(sweep, changes, tuple(trial.run_id for trial in listed))


def add_trial(
    connection: Connection, sweep: RecordedSweep, planned: PlannedTrial, now: float, rng: random.Random
) -> str:
    """Record a trial and its first run; returns the run's id."""
    trial = planned.trial
    created_at = now + trial.number * _APART  # runs start in order of creation
    run = replace(_run_of(planned, connection, created_at, rng), sweep_id=sweep.id)
    _add_run(connection, run)
    store.add_trial(
        connection,
        RecordedTrial(sweep.id, trial.number, dict(trial.parameters), trial.repeat, planned.fingerprint, run.id),
    )
    return run.id


def add_run(
    connection: Connection,
    trial: RecordedTrial,
    planned: PlannedTrial,
    now: float,
    rng: random.Random,
    *,
    retries: int,
    reason: str,
) -> str | None:
    """Give a trial another run, with the training seed of the last one; None if it has got one meanwhile."""
    if store.last_run(connection, trial) != trial.run_id:
        return None
    seed = run_store.get(connection, trial.run_id).seed
    run = replace(_run_of(planned, connection, now, rng), sweep_id=trial.sweep_id, seed=seed, reason=reason)
    _add_run(connection, run)
    store.change_run(connection, trial, run.id, retries)
    return run.id


# --- Reading -----------------------------------------------------------------------------------------------------


def _require_name(plan: SweepPlan, connection: Connection) -> None:
    """The budget, `status` and `sweep show` use the name. A job file that was moved keeps its name."""
    job = plan.job
    used = select(runs.c.job_file).where(runs.c.name == job.name, runs.c.job_file != "").distinct()
    others = {*connection.execute(used).scalars()}
    others |= {sweep.job_file for sweep in store.newest(connection, name=job.name)}
    for other in sorted(others):
        if Path(other).exists() and job.source.exists() and not job.source.samefile(other):
            raise SweepNameTaken(path=job.source, name=job.name, other=other)


def _find(plan: SweepPlan, connection: Connection) -> RecordedSweep | None:
    found = store.newest(connection, name=plan.job.name, endpoint=plan.config.name)
    return found[0] if found else None


def _compare(plan: SweepPlan, standings: Sequence[Standing]) -> Changes:
    known = {standing.trial.fingerprint: standing for standing in standings}
    new, renewed, found, waiting = [], [], [], []
    drawn = _drawn_before(plan, known)
    for planned in (*plan.trials, *drawn):
        standing = known.pop(planned.fingerprint, None)
        if standing is None:
            new.append(planned)
        elif _is_to_be_tried_again(standing):
            renewed.append((standing.trial, planned))
        else:
            found.append(standing.trial)
            waiting += [standing.trial] if standing.state in WITHOUT_JOB else []
    removed = tuple(standing.trial for standing in known.values() if standing.trial.listed)
    left = plan.drawn - len(drawn)
    return Changes(tuple(new), tuple(renewed), tuple(found), removed, left, waiting=tuple(waiting))


def _waiting(connection: Connection, plan: SweepPlan, changes: Changes) -> list[tuple[Run, Run]]:
    """The runs of the found trials without a job: as recorded, and as the plan would have them."""
    planned = {each.fingerprint: each for each in plan.trials}
    costs = {trial.run_id: _cost_of(trial, planned, plan) for trial in changes.waiting}
    cap = plan.job.limits.max_cost_usd
    waiting = run_store.by_ids(connection, [*costs])
    return [(run, replace(run, estimated_cost_usd=costs[run.id], max_cost_usd=cap)) for run in waiting]


def _cost_of(trial: RecordedTrial, planned: Mapping[str, PlannedTrial], plan: SweepPlan) -> float | None:
    known = planned.get(trial.fingerprint) or plan.recipes.plan(trial_of(trial))
    return known.cost.usd


def _earlier(changes: Changes, history: History, found: Collection[str]) -> Iterator[tuple[PlannedTrial, Earlier]]:
    """Repeats of a point train the same content on purpose, so the runs of found trials are left out."""
    for planned in (*changes.new, *(planned for _, planned in changes.renewed)):
        yield from ((planned, each) for each in history.of(planned.recipe, without=found))


def _in_space(
    plan: SweepPlan, changes: Changes, history: History, found: Collection[str]
) -> Iterator[tuple[PlannedTrial, Earlier]]:
    """Runs of other job files that tpe may still draw; such a trial has no number."""
    seen = set(found)
    for corner in plan.corners if changes.drawn else ():
        for run in history.on_data_of(corner.recipe):
            parameters = _parameters_of(run, corner.trial.parameters, plan.settings.space.axes)
            if run.id in seen or not plan.may_draw(parameters):
                continue
            planned = plan.recipes.plan(Trial(0, parameters))
            if each := history.match(run, planned.recipe):
                seen.add(run.id)
                yield planned, each


def _parameters_of(run: Run, corner: Parameters, axes: Collection[str]) -> Parameters:
    """The point of a space for this run, which was trained on the data of a corner."""
    said = {**corner, **run.hyperparameters, "model": run.model, "seed": run.seed}
    return {name: said[name] for name in axes if name in said}


def _drawn_before(plan: SweepPlan, known: Mapping[str, Standing]) -> list[PlannedTrial]:
    """The trials of the points that tpe drew earlier, if the present job file could have drawn them.

    All repeats of a point are kept together, even those that were not requested when it was drawn.
    """
    fixed = {planned.fingerprint for planned in plan.trials}
    points: dict[PointKey, Trial] = {}
    for fingerprint, standing in known.items():
        trial = trial_of(standing.trial)
        if not plan.may_draw(trial.parameters) or plan.recipes.plan(trial).fingerprint != fingerprint:
            continue
        first = replace(trial, repeat=0)
        if plan.recipes.plan(first).fingerprint not in fixed:
            points.setdefault(trial.key, first)
    repeats = [replace(point, repeat=repeat) for point in points.values() for repeat in range(plan.settings.seeds)]
    return [plan.recipes.plan(trial) for trial in repeats[: plan.drawn]]


def _is_to_be_tried_again(standing: Standing) -> bool:
    """Except those pruned by the sweep's rule."""
    return standing.state == State.FAILED or (standing.state == State.CANCELLED and not standing.trial.pruned)


# --- Writing -----------------------------------------------------------------------------------------------------


def _write_sweep(connection: Connection, plan: SweepPlan, now: float, rng: random.Random) -> RecordedSweep:
    known, stop = _find(plan, connection), plan.settings.stop
    interval = stop.interval_steps if stop else None
    if stop and interval is None and known is not None:
        interval = known.spec["interval"]
    sweep = RecordedSweep(
        id=known.id if known else free_id(connection, rng),
        name=plan.job.name,
        endpoint=plan.config.name,
        job_file=str(plan.job.source.absolute()),
        spec=spec_of(plan.recipes, interval),
        trials=len(plan.trials) + plan.drawn,
        max_active=plan.settings.max_active,
        created_at=known.created_at if known else now,
    )
    (store.rewrite if known else store.add)(connection, sweep)
    return sweep


def _write_trials(
    connection: Connection, sweep: RecordedSweep, changes: Changes, now: float, rng: random.Random
) -> None:
    kept = [*changes.found, *(trial for trial, _ in changes.renewed)]
    store.list_only(connection, sweep.id, [trial.number for trial in kept])
    for trial in changes.found:
        _take_up_again(connection, trial)
    for trial in changes.removed:
        _leave(connection, trial)
    for trial, planned in changes.renewed:
        add_run(connection, trial, planned, now, rng, retries=0, reason="submitted again")
    for number, planned in zip(_free_numbers(connection, sweep), changes.new, strict=False):
        numbered = replace(planned, trial=replace(planned.trial, number=number))
        add_trial(connection, sweep, numbered, now, rng)


def _take_up_again(connection: Connection, trial: RecordedTrial) -> None:
    """A trial that was removed or stopped is requested again before that was carried out."""
    if trial.pruned is None:
        run_store.withdraw(connection, trial.run_id, RequestedAction.CANCEL)


def _leave(connection: Connection, trial: RecordedTrial) -> None:
    """A trial that may have a job continues; one that has none is not started."""
    if run_store.get(connection, trial.run_id).state in (State.PENDING, State.UPLOADING):
        run_store.request_action(connection, trial.run_id, RequestedAction.CANCEL)


def _free_numbers(connection: Connection, sweep: RecordedSweep) -> Iterator[int]:
    used = [trial.number for trial in store.trials_of(connection, sweep.id)]
    return count(max(used, default=0) + 1)


def _add_run(connection: Connection, run: Run) -> None:
    run_store.add(connection, run, run.reason)
    labels.inherit(connection, run.id, str(run.sweep_id))
    item, origin = (submissions.RUN, run.id), (submissions.SWEEP, str(run.sweep_id))
    submissions.inherit(connection, item, of=origin, at=run.created_at)


def _run_of(planned: PlannedTrial, connection: Connection, now: float, rng: random.Random) -> Run:
    run = new_run(planned.recipe, free_id(connection, rng), now, rng)
    return replace(run, fingerprint=planned.fingerprint)
