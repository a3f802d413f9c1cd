"""What a user can do with sweeps: the functions behind the commands, and those that a notebook imports."""

from __future__ import annotations

import random
import time
from collections.abc import Collection
from pathlib import Path

from orchestrator.api.runs import follow_runs
from orchestrator.config import find_workspace
from orchestrator.dataset.checking.filesets import Announce
from orchestrator.engine.worker import run_blocking
from orchestrator.errors import JobFileHasNoSweep, SweepNotExtended
from orchestrator.jobfile import JobFile, job_from_document, load_job_file
from orchestrator.jobfile.sweep import MAX_TRIALS
from orchestrator.ledger import Ledger, open_ledger
from orchestrator.runs.context import Listener
from orchestrator.runs.session import drive
from orchestrator.runs.states import RequestedAction, State
from orchestrator.store import runs as run_store, sweeps as store
from orchestrator.store.runs import Run
from orchestrator.store.sweeps import RecordedSweep
from orchestrator.sweeps.overview import Overview, find, job_of, overview, overview_by_id, settings
from orchestrator.sweeps.plan import SweepPlan, plan_sweep
from orchestrator.sweeps.points import combinations
from orchestrator.sweeps.submission import Changes, SubmittedSweep, changes_of, record_sweep
from orchestrator.sweeps.supervisor import SweepSupervisor, supervisor_of, supervisors


def sweep(
    job_file: str | Path,
    *,
    endpoint: str | None = None,
    follow: bool = True,
    listener: Listener | None = None,
) -> Overview:
    """Submit a job file with `[sweep]`, follow all its trials to their ends, and return what they came to:
    `found.ranking.best` is the best trial, and its `score.model` the model id.

    Trials that were submitted before are found again, not paid again. With `follow=False` they are only recorded,
    and `resume` begins them. Nobody is asked about cost: look at `plan(job_file).cost_usd` of this module first.
    Raises what `plan` raises, SweepNameTaken, EndpointError where the endpoint can't go on (the trials stay), and
    DatabaseError.
    """
    planned = plan(job_file, endpoint=endpoint)
    with open_ledger(Path(job_file).parent, create=True) as ledger:
        submitted = record(planned, ledger)
        if follow:
            follow_runs(ledger, submitted.run_ids, listener, [supervisor_of(ledger, submitted.sweep)])
            _evaluate(ledger, submitted.sweep)
        return overview_by_id(ledger, submitted.sweep.id)


def resume(key: str | None = None, *, listener: Listener | None = None) -> list[Run]:
    """Carry on from wherever the last process died: all runs and sweeps, or those of a name, or the run of an id.
    Those that are to be evaluated by themselves are.

    Returns the runs as they are then. Raises EndpointError where an endpoint can't go on, and NoSuchRun.
    """
    with open_ledger() as ledger:
        ids = [run.id for run in ledger.runs(key, only_active=True) if not run.is_over]
        looking_after = supervisors(ledger, key)
        follow_runs(ledger, ids, listener, looking_after)
        added = {run_id for each in looking_after for run_id in each.run_ids}
        _evaluate_due(ledger, {*ids} - added, [each.sweep_id for each in looking_after])
        with ledger.database.read() as connection:
            return run_store.by_ids(connection, sorted({*ids, *added}))


# --- the parts that the commands use as well ----------------------------------------------------------------


def plan(job_file: str | Path, *, endpoint: str | None = None, announce: Announce | None = None) -> SweepPlan:
    """What submitting the job file would do and cost; nothing is recorded or sent.

    `announce` is told of each data file before it is checked. Raises JobFileNotFound, InvalidJobFile,
    JobFileHasNoSweep, and what `plan_sweep` raises.
    """
    path = Path(job_file)
    job = load_job_file(path)
    if job.sweep is None:
        raise JobFileHasNoSweep(path=path)
    return plan_sweep(job, find_workspace(path.parent), endpoint, announce=announce)


def changes(planned: SweepPlan, ledger: Ledger) -> Changes:
    """What submitting the plan would change. Raises SweepNameTaken."""
    with ledger.database.read() as connection:
        return changes_of(planned, connection)


def record(planned: SweepPlan, ledger: Ledger) -> SubmittedSweep:
    """Record the plan's trials, or find those recorded before, and that they are to be evaluated where the job file
    says so. Raises SweepNameTaken."""
    submitted = record_sweep(planned, ledger.database, now=time.time(), rng=random.SystemRandom())
    if planned.job.evaluation is not None:
        from orchestrator.sweeps.evaluation import want

        want(ledger, submitted.sweep)
    return submitted


def start(ledger: Ledger, supervisor: SweepSupervisor) -> None:
    """Drive a sweep until each of its trials has a job on the endpoint, is over, or waits for its turn."""

    def is_started() -> bool:
        with ledger.database.read() as connection:
            trials = run_store.by_ids(connection, supervisor.run_ids)
        return all(
            run.is_over or run.job_id or (run.state == State.PENDING and run.due_at is not None) for run in trials
        )

    ids = supervisor.run_ids
    run_blocking(
        lambda: drive(ledger.workspace, ledger.database, ids=ids, until=is_started, supervisors=[supervisor])
    )


def extended(
    ledger: Ledger, name: str, trials: int, *, endpoint: str | None = None, announce: Announce | None = None
) -> SweepPlan:
    """The plan of a recorded random or tpe sweep with `trials` combinations in all, to be looked at and recorded.

    The job file itself stays as it is. Raises NoSuchSweep, SweepNotExtended, and what `plan_sweep` raises.
    """
    with ledger.database.read() as connection:
        recorded = find(connection, name, endpoint)
    job = job_of(recorded)
    if problem := _why_not_extended(job, trials):
        raise SweepNotExtended(name=name, problem=problem)
    longer = {**job.document, "sweep": {**job.document["sweep"], "trials": trials}}
    planned = plan_sweep(
        job_from_document(longer, job.source), ledger.workspace, recorded.endpoint, announce=announce
    )
    for path, facts in planned.recipes.files.items():
        known = recorded.spec["files"].get(path)
        if known and known["sha256"] != facts.sha256:
            problem = f"{path} has changed since it was submitted; submit {job.source} again instead"
            raise SweepNotExtended(name=name, problem=problem)
    return planned


def stop(ledger: Ledger, name: str, *, endpoint: str | None = None, listener: Listener | None = None) -> Overview:
    """Cancel all trials of a sweep that are not over, on the endpoint too, and begin no more.

    Submitting its job file again takes it up again. Raises NoSuchSweep, and EndpointError where the endpoint can't
    be asked now (the wish stays).
    """
    with ledger.database.write() as connection:
        recorded = find(connection, name, endpoint)
        store.stop(connection, recorded.id, time.time())
        ids = store.unfinished_runs(connection, recorded.id)
        for run_id in ids:
            run_store.request_action(connection, run_id, RequestedAction.CANCEL)
    run_blocking(lambda: drive(ledger.workspace, ledger.database, ids=ids, listener=listener))
    return overview(ledger, name, recorded.endpoint)


def _evaluate(ledger: Ledger, sweep: RecordedSweep) -> None:
    if job_of(sweep).evaluation is not None:
        _evaluate_due(ledger, (), [sweep.id])


def _evaluate_due(ledger: Ledger, run_ids: Collection[str], sweep_ids: Collection[str]) -> None:
    from orchestrator.evaluation.unattended import carry_out_due
    from orchestrator.sweeps.evaluation import carry_out, due

    for wanted in due(ledger, sweep_ids):
        carry_out(ledger, wanted)
    carry_out_due(ledger, run_ids)


def _why_not_extended(job: JobFile, trials: int) -> str | None:
    said = settings(job)
    if said.strategy not in ("random", "tpe"):
        return (
            f'its strategy is "{said.strategy}", which has as many trials as it has; add to the space or the '
            f"points in {job.source}, and submit it again"
        )
    if trials <= (said.trials or 0):
        return f"it has {said.trials} trials already; give a higher number"
    size = combinations(said.space.axes)
    if size is not None and trials > size:
        return f"its space has only {size} combinations; give at most that many, or widen the space"
    if (trials + len(said.points)) * said.seeds > MAX_TRIALS:
        return f"that would be more than {MAX_TRIALS:,} trials; give a lower number"
    return None
