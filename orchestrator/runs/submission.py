"""From a plan to a recorded run. After this commit the run survives any crash."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from sqlalchemy import Connection

from orchestrator.config import EndpointConfig
from orchestrator.engine.crashpoints import crash_point
from orchestrator.errors import PlanOutdated
from orchestrator.ids import short_id
from orchestrator.jobfile import MAX_SEED
from orchestrator.runs.earlier import UNCOUNTED, Earlier, History
from orchestrator.runs.elsewhere import Elsewhere
from orchestrator.runs.limits import over_budget
from orchestrator.runs.plan import CheckedFile, Plan, Recipe
from orchestrator.runs.states import State
from orchestrator.store import datachecks, runs as store, submissions
from orchestrator.store.database import Database
from orchestrator.store.datachecks import DataCheck
from orchestrator.store.runs import Run
from orchestrator.store.submissions import Provenance


@dataclass(frozen=True)
class Submitted:
    """The run of a plan; `is_new` is False if the same was submitted before and neither failed nor was
    cancelled."""

    run: Run
    is_new: bool


@dataclass(frozen=True)
class Outlook:
    """What the records say about a plan before it is submitted."""

    same: Run | None
    """The run that would be found and followed."""
    earlier: tuple[Earlier, ...] = ()
    """If there is none: runs of the same content under other names."""
    elsewhere: Elsewhere | None = None
    """If there is neither: a job of the same content that is not recorded in this project."""
    not_looked: str | None = None
    """Why the endpoint could not be asked for such a job."""
    held: str | None = None
    """Why the budget would hold its run back."""
    is_raised: bool = False
    """The run that would be found has no job yet, and costs more, or may cost more, than was agreed to."""

    @property
    def before(self) -> tuple[Earlier | Elsewhere, ...]:
        """All earlier runs and jobs of the same content."""
        return *self.earlier, *([self.elsewhere] if self.elsewhere else [])

    def covers(self, other: Outlook) -> bool:
        """Whether agreeing to this also covers the other."""
        if other.elsewhere is not None and self.elsewhere != other.elsewhere:
            return False
        if other.same is not None:
            return self.same is None or self.is_raised or not other.is_raised
        known = {each.run.id for each in self.earlier}
        return self.same is None and known.issuperset(each.run.id for each in other.earlier)


def outlook_of(
    plan: Plan, connection: Connection, endpoints: Mapping[str, EndpointConfig], *, now: float
) -> Outlook:
    """What the records say about the plan; `endpoints` are the workspace's, by name."""
    same = store.same(connection, plan.fingerprint, except_states=UNCOUNTED)
    earlier = () if same else History(connection, endpoints).of(plan.recipe)
    run = same or new_run(plan.recipe, "", now, random.Random(0))
    if run.state not in WITHOUT_JOB:
        return Outlook(same, earlier)
    as_planned = replace(run, estimated_cost_usd=plan.cost.usd, max_cost_usd=plan.job.limits.max_cost_usd)
    return Outlook(
        same,
        earlier,
        held=over_budget(connection, as_planned, plan.config, now),
        is_raised=costs_more(run, as_planned),
    )


WITHOUT_JOB = (State.PENDING, State.UPLOADING)
"""States of a run that certainly has no job yet, so its terms can still change."""


def costs_more(before: Run, now: Run) -> bool:
    """Whether a run may cost more than agreed. None is an unknown cost, or no limit."""
    return _is_more(before.estimated_cost_usd, now.estimated_cost_usd) or _is_more(
        before.max_cost_usd, now.max_cost_usd
    )


def _is_more(before: float | None, now: float | None) -> bool:
    return before is not None and (now is None or now > before)


Also = Callable[[Connection, Run], None]
"""Records what follows a run, in the run's own transaction: a crash leaves both or neither."""


def record_run(
    plan: Plan,
    database: Database,
    *,
    now: float,
    rng: random.Random,
    again: bool = False,
    also: Sequence[Also] = (),
    agreed: Outlook | None = None,
    endpoints: Mapping[str, EndpointConfig] | None = None,
    provenance: Provenance | None = None,
) -> Submitted:
    """Record the plan's run, or find the same one recorded before: submitting twice never pays twice.

    `again` records a new run in any case. Two processes that submit the same thing at once get the same run. Each
    of `also` is called with the run, new or found; a found one keeps its first `provenance`. Raises PlanOutdated if
    the outlook, for these `endpoints`, is no longer covered by the one `agreed` to.
    """
    with database.write() as connection:
        keep_checks(connection, plan, now)
        if agreed and not again and not agreed.covers(outlook_of(plan, connection, endpoints or {}, now=now)):
            raise PlanOutdated(name=plan.job.name)
        known = None if again else store.same(connection, plan.fingerprint, except_states=UNCOUNTED)
        if known is not None:
            job = plan.job
            store.set_limits(connection, known.id, job.limits.max_cost_usd, job.poll.seconds)
            if known.state in WITHOUT_JOB:
                store.set_estimate(connection, known.id, plan.cost.usd)
        run = known or new_run(plan.recipe, free_id(connection, rng), now, rng)
        if known is None:
            store.add(connection, run, run.reason)
            if provenance is not None:
                submissions.record(connection, submissions.RUN, run.id, provenance, now)
        for record in also:
            record(connection, run)
        crash_point("before-commit-submission")
    crash_point("after-commit-submission")
    return Submitted(run, is_new=known is None)


def free_id(connection: Connection, rng: random.Random) -> str:
    """A run id that is not taken: short, and random enough that its first letters usually suffice."""
    while True:
        run_id = short_id(rng)
        if not store.exists(connection, run_id):
            return run_id


def _data_check(checked: CheckedFile, now: float) -> DataCheck:
    report = checked.report
    return DataCheck(
        sha256=checked.file.sha256,
        purpose=checked.role,
        method=report.method,
        examples=report.examples,
        tokens=report.tokens,
        variant=checked.variant,
        findings=report.counts,
        checked_at=now,
    )


def keep_checks(connection: Connection, plan: Plan, now: float) -> None:
    """Record what the checks found in the plan's data files."""
    for checked in plan.files:
        datachecks.keep(connection, _data_check(checked, now))


def new_run(recipe: Recipe, run_id: str, now: float, rng: random.Random) -> Run:
    """A pending run, as first recorded; if the job file has no seed, one is drawn."""
    job, training, validation = recipe.job, recipe.training, recipe.validation
    method = {"type": job.method.type, "hyperparameters": recipe.hyperparameters}
    base = {"folder": str(recipe.weights.folder), "mark": recipe.weights.mark} if recipe.weights else None
    parts = {"grader": getattr(job.method, "grader", None), "training_type": recipe.training_type, "base": base}
    return Run(
        id=run_id,
        name=job.name,
        sweep_id=None,
        fingerprint=recipe.fingerprint,
        job_file=str(job.source.absolute()),
        endpoint=recipe.config.name,
        endpoint_type=recipe.config.type,
        model=job.model,
        suffix=job.suffix,
        method={**method, **{name: part for name, part in parts.items() if part is not None}},
        seed=rng.randrange(MAX_SEED + 1) if job.seed is None else job.seed,
        seed_given=job.seed is not None,
        metadata=job.metadata,
        training_path=str(training.path),
        training_sha256=training.sha256,
        validation_path=str(validation.path) if validation else None,
        validation_sha256=validation.sha256 if validation else None,
        examples=training.examples,
        tokens_per_epoch=training.tokens,
        estimated_cost_usd=recipe.cost_usd,
        max_cost_usd=job.limits.max_cost_usd,
        poll_seconds=job.poll.seconds,
        state=State.PENDING,
        reason="submitted",
        version=1,
        created_at=now,
        updated_at=now,
    )
