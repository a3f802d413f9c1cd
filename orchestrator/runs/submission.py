"""From a plan to a recorded run. After this commit the run survives any crash."""

from __future__ import annotations

import random
from dataclasses import dataclass

from sqlalchemy import Connection

from orchestrator.jobfile import MAX_SEED
from orchestrator.runs.crashpoints import crash_point
from orchestrator.runs.plan import Plan
from orchestrator.runs.states import State
from orchestrator.store import runs as store
from orchestrator.store.database import Database
from orchestrator.store.runs import Run

_ID_LETTERS = "0123456789abcdefghjkmnpqrstvwxyz"
_ID_LENGTH = 8


@dataclass(frozen=True)
class Submitted:
    """The run of a plan; `is_new` is False where the same was submitted before and is not failed or cancelled."""

    run: Run
    is_new: bool


def record_run(plan: Plan, database: Database, *, now: float, rng: random.Random, again: bool = False) -> Submitted:
    """Record the plan's run, or find the same one recorded before: submitting twice never pays twice.

    `again` records a new run in any case. Two processes that submit the same at once get the same run.
    """
    with database.write() as connection:
        ends = (State.FAILED, State.CANCELLED)
        known = None if again else store.same(connection, plan.fingerprint, except_states=ends)
        if known is not None:
            job = plan.job
            store.set_limits(connection, known.id, job.limits.max_cost_usd, job.poll.seconds)
            return Submitted(known, is_new=False)
        run = _new_run(plan, free_id(connection, rng), now, rng)
        store.add(connection, run, run.reason)
        crash_point("before-commit-submission")
    crash_point("after-commit-submission")
    return Submitted(run, is_new=True)


def free_id(connection: Connection, rng: random.Random) -> str:
    """A run id that is not taken: short, and so random that its first letters mostly suffice."""
    while True:
        run_id = "".join(rng.choice(_ID_LETTERS) for _ in range(_ID_LENGTH))
        if not store.exists(connection, run_id):
            return run_id


def _new_run(plan: Plan, run_id: str, now: float, rng: random.Random) -> Run:
    job, validation = plan.job, plan.validation
    method = {"type": job.method.type, "hyperparameters": job.method.hyperparameters}
    grader = getattr(job.method, "grader", None)
    return Run(
        id=run_id,
        name=job.name,
        sweep_id=None,
        fingerprint=plan.fingerprint,
        job_file=str(job.source.absolute()),
        endpoint=plan.config.name,
        endpoint_type=plan.config.type,
        model=job.model,
        suffix=job.suffix,
        method=method if grader is None else {**method, "grader": grader},
        seed=rng.randrange(MAX_SEED + 1) if job.seed is None else job.seed,
        seed_given=job.seed is not None,
        metadata=job.metadata,
        training_path=str(plan.training.file.path.absolute()),
        training_sha256=plan.training.file.sha256,
        validation_path=str(validation.file.path.absolute()) if validation else None,
        validation_sha256=validation.file.sha256 if validation else None,
        examples=plan.training.report.examples,
        tokens_per_epoch=plan.training.report.tokens,
        estimated_cost_usd=plan.cost.usd,
        max_cost_usd=job.limits.max_cost_usd,
        poll_seconds=job.poll.seconds,
        state=State.PENDING,
        reason="submitted",
        version=1,
        created_at=now,
        updated_at=now,
    )
