"""Sweeps: planning one, recording it, driving its trials to their ends, and evaluating their models."""

from __future__ import annotations

import random
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from orchestrator.api import runs
from orchestrator.api.evaluation import carry_out_wanted, judge
from orchestrator.api.host import WAITS, Host
from orchestrator.api.observing import observed
from orchestrator.bookkeeping.labels import kept_tags
from orchestrator.bookkeeping.provenance import provenance_of
from orchestrator.config import find_workspace
from orchestrator.endpoints import capabilities_of
from orchestrator.endpoints.openweights import keep
from orchestrator.engine.worker import run_blocking
from orchestrator.errors import JobFileHasNoSweep, SweepNotExtended
from orchestrator.evaluation.leaks import files_of_parents
from orchestrator.evaluation.plan import Plan
from orchestrator.evaluation.preview import compared
from orchestrator.evaluation.results import Results
from orchestrator.jobfile import JobFile, Override, job_from_document, load_job_file
from orchestrator.jobfile.sweep import MAX_TRIALS
from orchestrator.ledger import Ledger, open_ledger
from orchestrator.runs.elsewhere import look_elsewhere
from orchestrator.runs.jobs import content_of
from orchestrator.runs.session import drive
from orchestrator.runs.states import RequestedAction, State
from orchestrator.runs.submission import new_run
from orchestrator.store import evaluations, runs as run_store, submissions, sweeps as store
from orchestrator.store.runs import Run
from orchestrator.store.submissions import Provenance
from orchestrator.sweeps.evaluation import due, plan_wanted, want
from orchestrator.sweeps.overview import Overview, find, job_of, overview, overview_by_id, settings
from orchestrator.sweeps.plan import SweepPlan, plan_sweep
from orchestrator.sweeps.points import combinations
from orchestrator.sweeps.results import TrialState
from orchestrator.sweeps.submission import Changes, SubmittedSweep, changes_of, record_sweep
from orchestrator.sweeps.supervisor import SweepSupervisor


def plan(job_file: Path, host: Host, endpoint: str | None = None, overrides: Sequence[Override] = ()) -> SweepPlan:
    """What submitting the job file would do and cost, with these settings replaced; nothing is recorded or sent.

    Raises JobFileNotFound, InvalidJobFile, JobFileHasNoSweep, and what `plan_sweep` raises.
    """
    job = load_job_file(job_file, overrides)
    if job.sweep is None:
        raise JobFileHasNoSweep(path=job_file)
    with host.checking() as announce:
        found = plan_sweep(job, find_workspace(job_file.parent), endpoint, announce=announce)
    with open_ledger(job_file.parent) as ledger:
        return _with_parents(found, ledger)


def _with_parents(found: SweepPlan, ledger: Ledger) -> SweepPlan:
    """The plan with its files and cases compared with those that the base models were trained on. Raises
    CasesInTraining."""
    is_previewed = found.evaluation is not None
    plans = tuple(runs.with_parents(each, ledger, is_previewed=is_previewed) for each in found.plans)
    parents = dict.fromkeys(file for each in plans for file in files_of_parents(ledger, each))
    evaluation = compared(found.evaluation, list(parents)) if found.evaluation else None
    return replace(found, plans=plans, evaluation=evaluation)


def changes(planned: SweepPlan, ledger: Ledger) -> Changes:
    """What submitting the plan would change. Raises SweepNameTaken."""
    with ledger.database.read() as connection:
        return changes_of(planned, connection, ledger.workspace.endpoints)


def with_jobs_elsewhere(planned: SweepPlan, found: Changes, ledger: Ledger) -> Changes:
    """The changes with one look at the endpoint for jobs of the same content that have no run in this database, as
    for a run. Trials that tpe has not drawn yet are not looked up."""
    if found.earlier or not planned.may_cost or not capabilities_of(planned.config).metadata:
        return found
    contents = {content_of(new_run(each.recipe, "", 0.0, random.Random(0))): each for each in found.beginning}
    if not contents:
        return found
    look = run_blocking(lambda: look_elsewhere(planned.config, ledger.workspace.home, ledger.database, contents))
    elsewhere = tuple((each, look.found[content]) for content, each in contents.items() if content in look.found)
    return replace(found, elsewhere=elsewhere, not_looked=look.problem)


def record(
    planned: SweepPlan,
    ledger: Ledger,
    agreed: Changes,
    *,
    again: bool = False,
    tags: Mapping[str, str | None] | None = None,
) -> SubmittedSweep:
    """Record the plan's trials, or find those recorded before, and record the evaluation if the job file has one.
    Raises LabelUnusable, SweepNameTaken, PlanOutdated and BaseNameNotKept."""
    kept = kept_tags(tags)
    for weights in planned.recipes.bases.values():
        keep(weights, ledger.workspace.home)
    submitted = record_sweep(
        planned,
        ledger.database,
        now=time.time(),
        rng=random.SystemRandom(),
        again=again,
        agreed=agreed,
        endpoints=ledger.workspace.endpoints,
        provenance=_provenance(planned, ledger),
        tags=kept,
    )
    if planned.job.evaluation is not None:
        want(ledger, submitted.sweep)
    return submitted


def _provenance(planned: SweepPlan, ledger: Ledger) -> Provenance:
    """An extended sweep comes from its records, and so does the text of its job file."""
    found = provenance_of(planned.job)
    if found.job_file is not None:
        return found
    with ledger.database.read() as connection:
        known = store.newest(connection, name=planned.job.name, endpoint=planned.config.name)
        text = submissions.job_file_of(connection, submissions.SWEEP, known[0].id) if known else None
    extended = f"\n# Extended: ftorch sweep extend {planned.job.name} --trials {planned.settings.trials}\n"
    return replace(found, job_file=text and text + extended)


def start(ledger: Ledger, supervisor: SweepSupervisor, host: Host) -> list[Run]:
    """Drive a sweep until each of its trials has a job on the endpoint, has finished, or waits for its turn.

    Returns the last run of each trial as it is then. Raises Stopped.
    """

    def trials() -> list[Run]:
        return runs.by_ids(ledger, supervisor.run_ids)

    def is_started() -> bool:
        return all(
            run.is_over or run.job_id or (run.state == State.PENDING and run.due_at is not None) for run in trials()
        )

    ids = supervisor.run_ids
    with runs.saying_what_is_left(ledger, lambda: supervisor.run_ids):
        _, is_stopped = host.run(
            lambda stop: drive(
                ledger.workspace, ledger.database, ids=ids, until=is_started, supervisors=[supervisor], stop=stop
            )
        )
        if is_stopped and not is_started():
            raise KeyboardInterrupt
    return trials()


def follow(ledger: Ledger, supervisors: Sequence[SweepSupervisor], host: Host, others: Sequence[Run] = ()) -> None:
    """Drive the trials of these sweeps, and other runs, to their ends, and conclude them. Raises Stopped."""
    trials = runs.by_ids(ledger, [run_id for each in supervisors for run_id in each.run_ids])
    ended = runs.follow(ledger, [*others, *trials], host, supervisors)
    conclude(ledger, [each.sweep_id for each in supervisors], host, ended[: len(others)])


def conclude(ledger: Ledger, sweep_ids: Sequence[str], host: Host, others: Sequence[Run] = ()) -> None:
    """Carry out the pending evaluations of these sweeps, and show how each sweep and the other runs ended.

    A sweep without any result is a failure, and so is one whose best trial does not meet the gate. A sweep with
    trials that wait for a person is left to that person.
    """
    found = [overview_by_id(ledger, sweep_id) for sweep_id in sweep_ids]
    for each in found:
        if each.job.evaluation is not None:
            want(ledger, each.sweep)  # a crash right after the submission may have left it unrecorded
    # An evaluation that ranks a sweep comes before the sweep's result is shown; any other comes after.
    results = _evaluate(ledger, [each.sweep.id for each in found if each.settings.by_evaluation], host)
    endings = {each.sweep.id: overview_by_id(ledger, each.sweep.id) for each in found}
    for ending in endings.values():
        host.show_sweep(ending)
    runs.conclude(others, host)
    results |= _evaluate(ledger, [each.sweep.id for each in found if not each.settings.by_evaluation], host)
    for sweep_id, (plan, result) in results.items():
        if model := endings[sweep_id].best_model:
            _judge_best(plan, result, model, host)
    if not all(each.best_model or _is_under_way(each) for each in endings.values()):
        host.failed()
    if any(_waits(each) for each in endings.values()):
        host.failed(WAITS)


def evaluate_due(ledger: Ledger, host: Host, key: str | None, concluded: Collection[str]) -> bool:
    """Carry out the pending evaluations of sweeps, of all or of a name, except those `concluded` before; returns
    whether there were any."""
    with ledger.database.read() as connection:
        wanted = {str(each.sweep_id) for each in evaluations.of_sweeps(connection, evaluations.WANTED)}
        named = store.newest(connection, name=key)  # archived ones too
    found = [each.id for each in named if each.id in wanted - {*concluded}]
    if found:
        conclude(ledger, found, host)
    return bool(found)


def evaluate_ended(ledger: Ledger, host: Host) -> bool:
    """Carry out the pending evaluations of the sweeps whose trials have ended, and of no others; returns whether
    there were any."""
    with ledger.database.read() as connection:
        wanted = {str(each.sweep_id) for each in evaluations.of_sweeps(connection, evaluations.WANTED)}
    results = _evaluate(ledger, sorted(wanted), host) if wanted else {}
    for sweep_id, (plan, result) in results.items():
        if model := overview_by_id(ledger, sweep_id).best_model:
            _judge_best(plan, result, model, host)
    return bool(results)


def extended(ledger: Ledger, name: str, trials: int, host: Host, endpoint: str | None = None) -> SweepPlan:
    """The plan of a recorded random or tpe sweep with `trials` combinations in total, for review and recording.

    The job file itself is not changed. Raises NoSuchSweep, SweepNotExtended, and what `plan_sweep` raises.
    """
    with ledger.database.read() as connection:
        recorded = find(connection, name, endpoint)
    job = job_of(recorded)
    if problem := _why_not_extended(job, trials):
        raise SweepNotExtended(name=name, problem=problem)
    longer = {**job.document, "sweep": {**job.document["sweep"], "trials": trials}}
    with host.checking() as announce:
        planned = plan_sweep(
            job_from_document(longer, job.source), ledger.workspace, recorded.endpoint, announce=announce
        )
    for path, facts in planned.recipes.files.items():
        known = recorded.spec["files"].get(path)
        if known and known["sha256"] != facts.sha256:
            problem = f"{path} has changed since it was submitted; submit {job.source} again instead"
            raise SweepNotExtended(name=name, problem=problem)
    return planned


def stop(ledger: Ledger, name: str, host: Host, endpoint: str | None = None) -> Overview:
    """Cancel all unfinished trials of a sweep, on the endpoint too, and start no more.

    Submitting its job file again resumes it. Raises NoSuchSweep, and EndpointError if the endpoint can't be asked
    now (the request stays).
    """
    with ledger.database.write() as connection:
        recorded = find(connection, name, endpoint)
        store.stop(connection, recorded.id, time.time())
        ids = store.unfinished_runs(connection, recorded.id)
        for run_id in ids:
            run_store.request_action(connection, run_id, RequestedAction.CANCEL)
    listener = host.changes()
    with observed(ledger, host):
        run_blocking(lambda: drive(ledger.workspace, ledger.database, ids=ids, listener=listener))
    return overview(ledger, name, recorded.endpoint)


def _evaluate(ledger: Ledger, sweep_ids: Sequence[str], host: Host) -> dict[str, tuple[Plan, Results]]:
    """Carry out the pending evaluations of these sweeps if their trials have finished; returns their results."""
    with ledger.database.read() as connection:
        if not evaluations.of_sweeps(connection, evaluations.WANTED, sweep_ids):
            return {}
    found = {}
    for wanted in due(ledger, sweep_ids):
        host.say(f"evaluating sweep {wanted.name}")
        with host.going_on():
            plan = plan_wanted(ledger, wanted)
            found[str(wanted.sweep_id)] = plan, carry_out_wanted(ledger, plan, wanted, host)
    return found


def _judge_best(plan: Plan, results: Results, best: str, host: Host) -> None:
    """By the gate, which only the best trial has to meet."""
    judged = [series for series in results.series if series.is_base or series.model == best]
    judge(plan, replace(results, series=judged), host)


def _is_under_way(found: Overview) -> bool:
    return any(record.result.state is TrialState.ACTIVE for record in found.trials)


def _waits(found: Overview) -> bool:
    """Whether trials of a sweep that is no longer driven wait for a person."""
    waiting = [each.run for each in found.trials if each.result.state is TrialState.ACTIVE]
    return any(run.state != State.PAUSED for run in waiting) or (bool(waiting) and found.best_model is None)


def _why_not_extended(job: JobFile, trials: int) -> str | None:
    said = settings(job)
    if said.strategy not in ("random", "tpe"):
        return (
            f'its strategy is "{said.strategy}", whose number of trials is fixed; add to the space or the '
            f"points in {job.source}, and submit it again"
        )
    if trials <= (said.trials or 0):
        return f"it already has {said.trials} trials; give a higher number"
    size = combinations(said.space.axes)
    if size is not None and trials > size:
        return f"its space has only {size} combinations; give at most that many, or widen the space"
    if (trials + len(said.points)) * said.seeds > MAX_TRIALS:
        return f"that would be more than {MAX_TRIALS:,} trials; give a lower number"
    return None
