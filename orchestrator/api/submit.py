"""Submitting a job file: plan, confirm the cost, record, follow, and start the follow-ups."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import Enum, auto
from pathlib import Path

from orchestrator.api import followups, runs, sweeps
from orchestrator.api.doubts import require_known_models, require_own_files
from orchestrator.api.host import FAILED, WAITS, Host
from orchestrator.api.observing import observed
from orchestrator.api.stopping import before_anything, outlives_us
from orchestrator.config import find_workspace
from orchestrator.dataset.basemodels import is_fine_tuned
from orchestrator.errors import TrainedBefore
from orchestrator.evaluation.preview import Preview
from orchestrator.jobfile import Override, load_job_file
from orchestrator.ledger import Ledger, open_ledger
from orchestrator.runs.plan import Plan
from orchestrator.runs.states import State
from orchestrator.runs.submission import Outlook, Submitted
from orchestrator.store.runs import Run
from orchestrator.sweeps.overview import Overview, overview_by_id
from orchestrator.sweeps.plan import SweepPlan
from orchestrator.sweeps.submission import Changes, SubmittedSweep
from orchestrator.sweeps.supervisor import supervisor_of


class Until(Enum):
    """How long a submission waits."""

    RECORDED = auto()
    """`resume` starts it."""
    STARTED = auto()
    """Until its job exists on the endpoint."""
    ENDED = auto()


def submit(
    job_file: Path,
    host: Host,
    *,
    endpoint: str | None = None,
    until: Until = Until.ENDED,
    again: bool = False,
    allow_outside: bool = False,
    overrides: Sequence[Override] = (),
    tags: Mapping[str, str | None] | None = None,
) -> Run | Overview:
    """Submit a job file; returns the run or the sweep as it is then. The same submission is found again, not paid
    again, unless `again`. Files outside the job file's folder and project need a yes, or `allow_outside`.
    `overrides` replace settings of the job file; `tags` are set on the run, or on every trial of the sweep.

    Raises LabelUnusable, FilesOutside, what `plan`, `preview` and `record` raise, UsageError, Stopped, and
    EndpointError if the endpoint can't continue (the records stay).
    """
    carry_out = submit_run if load_job_file(job_file, overrides).sweep is None else submit_sweep
    return carry_out(
        job_file,
        host,
        endpoint=endpoint,
        until=until,
        again=again,
        allow_outside=allow_outside,
        overrides=overrides,
        tags=tags,
    )


def plan_run(
    job_file: Path, host: Host, endpoint: str | None = None, overrides: Sequence[Override] = ()
) -> tuple[Plan, Preview | None, Outlook]:
    """What submitting a job file without `[sweep]` would do and cost, the evaluation that follows, and what the
    records say; nothing is recorded, and no data is sent. Raises what `runs.plan` and `preview` raise."""
    plan = runs.plan(job_file, host, endpoint, overrides)
    with open_ledger(job_file.parent) as ledger:
        plan = runs.with_price(runs.with_parents(plan, ledger), ledger)
        return plan, runs.preview_of(plan, ledger), runs.outlook(plan, ledger)


def plan_sweep(
    job_file: Path, host: Host, endpoint: str | None = None, overrides: Sequence[Override] = ()
) -> tuple[SweepPlan, Changes]:
    """What submitting a job file with `[sweep]` would do, cost and change; nothing is recorded or sent. Raises what
    `sweeps.plan` raises, and SweepNameTaken."""
    plan = sweeps.plan(job_file, host, endpoint, overrides)
    with open_ledger(job_file.parent) as ledger:
        return plan, sweeps.changes(plan, ledger)


def submit_run(
    job_file: Path,
    host: Host,
    *,
    endpoint: str | None = None,
    until: Until = Until.ENDED,
    again: bool = False,
    allow_outside: bool = False,
    overrides: Sequence[Override] = (),
    tags: Mapping[str, str | None] | None = None,
) -> Run:
    """Submit a job file without `[sweep]`, as `submit` does. Raises JobFileIsSweep too."""
    with before_anything():
        plan, preview, outlook = plan_run(job_file, host, endpoint, overrides)
        plan.config.require_usable()
        outlook = outlook if again else runs.with_jobs_elsewhere(plan, outlook, job_file.parent)
        host.show_plan(plan, preview, outlook)
        if not allow_outside:
            require_own_files([plan.job], host)
        if again or outlook.same is None:
            require_known_models(_to_look_up([plan]), plan.config, find_workspace(job_file.parent), host)
        _agree(plan, outlook, host, again)
    with open_ledger(job_file.parent, create=True) as ledger:
        submitted = runs.record(plan, ledger, outlook, again=again, also=followups.requested_by(plan), tags=tags)
        host.say(_run_said(submitted, plan.may_cost))
        with observed(ledger, host):
            _stay_with_run(ledger, submitted.run, host, until)
        return ledger.run(submitted.run.id)


def submit_sweep(
    job_file: Path,
    host: Host,
    *,
    endpoint: str | None = None,
    until: Until = Until.ENDED,
    again: bool = False,
    allow_outside: bool = False,
    overrides: Sequence[Override] = (),
    tags: Mapping[str, str | None] | None = None,
) -> Overview:
    """Submit a job file with `[sweep]`, as `submit` does. Raises JobFileHasNoSweep and SweepNameTaken too."""
    with before_anything():
        plan = sweeps.plan(job_file, host, endpoint, overrides)
        plan.config.require_usable()
        if not allow_outside:
            require_own_files([each.job for each in plan.plans], host)
    with open_ledger(job_file.parent, create=True) as ledger:
        return submit_sweep_plan(ledger, plan, host, until, again=again, tags=tags)


def submit_sweep_plan(
    ledger: Ledger,
    plan: SweepPlan,
    host: Host,
    until: Until = Until.ENDED,
    *,
    again: bool = False,
    tags: Mapping[str, str | None] | None = None,
) -> Overview:
    """Submit a planned sweep. Its own trials are found again in any case; with `again` trials start even if other
    runs have trained the same. Raises SweepNameTaken, TrainedBefore and PlanOutdated."""
    with before_anything():
        plan.config.require_usable()
        changes = sweeps.changes(plan, ledger)
        changes = changes if again else sweeps.with_jobs_elsewhere(plan, changes, ledger)
        host.show_sweep_plan(plan, changes)
        if again or changes.begins:
            require_known_models(_to_look_up(plan.plans), plan.config, ledger.workspace, host)
        _agree_to_sweep(plan, changes, host, again)
    submitted = sweeps.record(plan, ledger, changes, again=again, tags=tags)
    host.say(_sweep_said(submitted))
    supervisor = supervisor_of(ledger, submitted.sweep)
    with observed(ledger, host):
        if until is Until.STARTED:
            _say_begun(plan.job.name, sweeps.start(ledger, supervisor, host), host)
        elif until is Until.ENDED:
            sweeps.follow(ledger, [supervisor], host)
    return overview_by_id(ledger, submitted.sweep.id)


def _to_look_up(plans: Sequence[Plan]) -> list[str]:
    """The models whose names may be wrong; that of a folder on this machine is not."""
    return [plan.job.model for plan in plans if plan.weights is None or is_fine_tuned(plan.job.model)]


def _agree(plan: Plan, outlook: Outlook, host: Host, again: bool) -> None:
    """Ask before anything is paid. Raises TrainedBefore if the same content was trained, and `again` is not
    confirmed."""
    if not plan.may_cost:
        return
    if outlook.before and not again:
        said = f"The same content was {outlook.before[0].sentence}"
        host.confirm_again("Train it again, and pay again?", TrainedBefore(said=said))
    elif again or outlook.same is None:
        host.confirm("Submit it?")
    elif outlook.is_raised:
        host.confirm("It may cost more than when it was submitted. Continue?")


def _agree_to_sweep(plan: SweepPlan, changes: Changes, host: Host, again: bool) -> None:
    """Ask before anything is paid. Raises TrainedBefore as for a run."""
    if not plan.may_cost:
        return
    if changes.before and not again:
        trials = len({planned.fingerprint for planned, _ in changes.before})
        planned, earlier = changes.before[0]
        said = f"The same content as {planned.name} was {earlier.sentence}"
        more = f" ({trials} trials were trained before in all)" if trials > 1 else ""
        host.confirm_again("Train them again, and pay again?", TrainedBefore(said=f"{said}{more}"))
    elif changes.begins:
        host.confirm("Submit it?")
    elif changes.is_raised:
        host.confirm("It may cost more than when it was submitted. Continue?")


def _stay_with_run(ledger: Ledger, run: Run, host: Host, until: Until) -> None:
    if until is Until.RECORDED:
        return
    run = runs.start(ledger, run, host) if until is Until.STARTED else runs.follow(ledger, [run], host)[0]
    if until is Until.STARTED and not run.is_over:
        _say_detached(ledger, run, host)
        return
    runs.conclude([run], host)
    followups.after(ledger, host, [run.id])
    if run.fine_tuned_model is None:
        host.failed(FAILED if run.is_over else WAITS)


def _say_detached(ledger: Ledger, run: Run, host: Host) -> None:
    if run.job_id and not outlives_us(ledger.workspace, run):
        host.say(f"run {run.id} pauses until ftorch runs again; continue with: ftorch resume {run.id}")
    elif run.job_id:
        host.say(f"run {run.id} is {run.state}; ftorch resume follows it")
    else:
        host.say(f"run {run.id} has no job yet: {run.reason}; continue with: ftorch resume {run.id}")
        host.failed(WAITS)


def _say_begun(name: str, trials: Sequence[Run], host: Host) -> None:
    """For a sweep that is left to `resume`: whether any of its trials has a job."""
    waiting = [run for run in trials if not run.is_over]
    if any(run.job_id and run.state not in (State.FAILED, State.CANCELLED) for run in trials):
        host.say(f"sweep {name} has started; ftorch resume {name} follows it")
    elif waiting:
        host.say(f"sweep {name} has no job yet: {waiting[0].reason}; continue with: ftorch resume {name}")
        host.failed(WAITS)
    else:
        reasons = [run.reason for run in trials]
        host.say(f"Error: sweep {name} has no job{f': {reasons[0]}' if reasons else ''}")
        host.failed()


def _run_said(submitted: Submitted, may_cost: bool) -> str:
    run = submitted.run
    if submitted.is_new:
        return f"run {run.id} submitted"
    paid = ", not paid again" if may_cost and run.job_id else ""
    return f"already submitted as run {run.id} ({run.state}){paid}; to train it again, add --again"


def _sweep_said(submitted: SubmittedSweep) -> str:
    changes = submitted.changes
    counted = [
        (len(changes.new) + len(changes.renewed), "submitted"),
        (changes.drawn, "still to be drawn"),
        (len(changes.found), "recorded already, not submitted again"),
    ]
    parts = ", ".join(f"{number} trial{'s' if number > 1 else ''} {what}" for number, what in counted if number)
    return f"sweep {submitted.sweep.name}: {parts}"
