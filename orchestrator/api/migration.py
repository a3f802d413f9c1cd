"""Migrating: train successors of a tuned model from one job file, and show which of them are as good.

Only its runs and evaluations are recorded, and nothing else of a migration: the same command continues it after a
crash.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from orchestrator.api import runs
from orchestrator.api.doubts import require_known_models, require_own_files
from orchestrator.api.evaluation import carry_out
from orchestrator.api.host import Host
from orchestrator.api.stopping import before_anything
from orchestrator.dataset.basemodels import is_fine_tuned
from orchestrator.errors import (
    CasesDontFit,
    FtorchError,
    InvalidConfig,
    InvalidJobFile,
    MigratesOneRun,
    Stopped,
    SuccessorElsewhere,
)
from orchestrator.evaluation.leaks import files_of_parents
from orchestrator.evaluation.metrics import METRICS
from orchestrator.evaluation.plan import EvaluationOptions, Plan as EvaluationPlan, plan_subject
from orchestrator.evaluation.preview import compared, preview
from orchestrator.evaluation.scores import SCORING, conditions_of, rescoring
from orchestrator.evaluation.subjects import Subject
from orchestrator.evaluation.trained import unlike_training
from orchestrator.jobfile import JobFile, Override, ScoreName, load_job_file
from orchestrator.ledger import Ledger
from orchestrator.migration.baseline import Baseline, find_baseline
from orchestrator.migration.plan import (
    MigrationPlan,
    Successor,
    asked_like,
    left_out,
    left_to_the_endpoint,
    metric_of,
    require_another,
    require_model,
    too_few_cases,
    unknown_tools,
    within_budget,
    without_rate,
)
from orchestrator.migration.results import Migration, migration_of, unanswered
from orchestrator.migration.targets import Target, targets_of
from orchestrator.rescue.jobfiles import rescued_job
from orchestrator.runs.plan import CheckedFile, Plan
from orchestrator.runs.submission import Outlook
from orchestrator.store import evaluations as store
from orchestrator.store.evaluations import Evaluation
from orchestrator.store.runs import Run, owners_of_jobs


@dataclass(frozen=True)
class MigrationOptions:
    """Options of the command line; None keeps the job file's setting."""

    to: Sequence[str]
    """`ENDPOINT` or `ENDPOINT:MODEL`, one for each successor."""
    baseline: str | None = None
    """A model, a run, MODEL@VARIANT or an evaluation; None for the newest on the cases."""
    file: Path | None = None
    metric: ScoreName | None = None
    margin: float = 0.05
    """As a share."""
    max_cost_usd: float | None = None
    """For training and answers of all successors together."""
    overrides: Sequence[Override] = ()
    requests_per_day: Sequence[int] = ()
    life_days: int = 365
    allow_outside: bool = False


def migrate(ledger: Ledger, job_file: Path, host: Host, options: MigrationOptions) -> Migration:
    """Train the successors, ask each the baseline's cases, and judge them. What is recorded already is neither
    trained nor asked again; a problem of one successor doesn't stop the others.

    Raises what `plan_migration` raises, the problem of the first successor if none is possible, FilesOutside,
    NotConfirmed, NoBaseModel, PlanOutdated and Stopped.
    """
    with before_anything():
        plan = _looked_up(plan_migration(ledger, job_file, host, options), ledger)
        host.show_migration_plan(plan)
        plan.require_possible()
        if not options.allow_outside:
            require_own_files([plan.job], host)
        for each in plan.successors:
            if each.is_new and each.plan is not None:
                require_known_models(_to_look_up(each.plan), each.plan.config, ledger.workspace, host)
        if plan.may_cost:
            host.confirm("Train and evaluate them?")
    recorded = [_recorded(each, ledger) for each in plan.successors]
    trained = _trained(ledger, recorded, host, job_file)
    ended = [(each, _evaluated(ledger, each, plan.baseline, problem, host)) for each, problem in trained]
    plan = replace(plan, successors=tuple(each for each, _ in ended))
    return migration_of(ledger, plan, ended, options.requests_per_day, options.life_days)


def plan_migration(ledger: Ledger, job_file: Path, host: Host, options: MigrationOptions) -> MigrationPlan:
    """What `migrate` would do and cost; nothing is recorded or sent.

    Raises the errors of `load_job_file`, `targets_of`, `find_baseline` and `preview`, MigratesOneRun,
    SuccessorNeedsModel, SuccessorIsBaseline and CasesDontFit.
    """
    limit = options.max_cost_usd
    settings = [*options.overrides, *([] if limit is None else [_limit(limit)])]
    job = load_job_file(job_file, settings)
    if job.sweep is not None:
        raise MigratesOneRun(path=job_file, name=job.name)
    targets = targets_of(options.to, ledger.workspace)
    drafts = [_draft(target, job_file, job, settings, ledger, host) for target in targets]
    baseline = find_baseline(
        ledger,
        job,
        options.baseline,
        options.file,
        rescued=_rescued(ledger, job_file),
        without={each.plan.fingerprint for each in drafts if each.plan},
        leaving_for={each.endpoint for each in targets},
    )
    checked = [_checked(each, baseline, ledger) for each in drafts]
    metric, limit = metric_of(job, options.metric), limit if limit is not None else job.limits.max_cost_usd
    successors = tuple(within_budget(checked, limit))
    notes = (*_scored_otherwise(job, baseline), *_notes(baseline, successors, metric, options.margin))
    return MigrationPlan(job, baseline, successors, metric, options.margin, limit, notes)


def _rescued(ledger: Ledger, job_file: Path) -> Run | None:
    """The run of the job that a rescue wrote this job file for."""
    if (written_for := rescued_job(job_file)) is None:
        return None
    endpoint, job_id = written_for
    with ledger.database.read() as connection:
        run_id = owners_of_jobs(connection, endpoint, [job_id]).get(job_id)
    return ledger.run(run_id) if run_id else None


def _limit(usd: float) -> Override:
    """Each run keeps to the limit on its own too, whatever else its name has used on its endpoint."""
    return Override(("limits", "max_cost_usd"), usd, f"--max-cost-usd {usd:g}")


# --- Planning one successor --------------------------------------------------------------------------------------


def _draft(
    target: Target, job_file: Path, job: JobFile, settings: Sequence[Override], ledger: Ledger, host: Host
) -> Successor:
    """The successor as far as it is known without the baseline."""
    require_model(target, job)
    config = ledger.workspace.endpoint(target.endpoint)
    overrides = [*settings, *target.overrides, *left_to_the_endpoint(job, config, target)]
    found = Successor(target, load_job_file(job_file, overrides), notes=tuple(without_rate(job, config)))
    try:
        plan = runs.plan(job_file, host, target.endpoint, overrides)
    except (InvalidJobFile, InvalidConfig):
        raise
    except FtorchError as error:
        return replace(found, problem=error)
    plan = runs.with_parents(plan, ledger, is_previewed=True)
    outlook = runs.outlook(plan, ledger)
    return replace(found, job=plan.job, plan=plan, outlook=outlook, run=_known(outlook, plan))


def _known(outlook: Outlook, plan: Plan) -> Run | None:
    """The run of the same content, under any name: its model is what a new run would make."""
    earlier = (each.run for each in outlook.earlier if not each.differs)
    usable = (run for run in earlier if run.endpoint == plan.config.name and run.deleted_at is None)
    return outlook.same or next(usable, None)


def _checked(found: Successor, baseline: Baseline, ledger: Ledger) -> Successor:
    """The successor with its questions checked and priced."""
    if found.plan is None:
        return found
    require_another(found, baseline)
    job = asked_like(found.job, baseline)
    training = found.plan.training
    paths = [training.file.path] if isinstance(training, CheckedFile) else []
    asked = preview(job, found.plan.config, paths)
    asked = compared(asked, files_of_parents(ledger, found.plan)) if asked else None
    notes = [*found.notes, *left_out(found.plan), *found.plan.notices, *(asked.notes if asked else ())]
    if isinstance(training, CheckedFile) and asked is not None:
        _require_fitting(training, asked.cases.tools, baseline)
        notes += unlike_training(training.file.path, training.variant, asked.variants, asked.cases.path)
        notes += _unknown(training, asked.cases.tools, baseline)
    found = replace(found, job=job, preview=asked, notes=tuple(dict.fromkeys(notes)))
    is_trained = found.run is not None and found.run.fine_tuned_model is not None
    unasked = _questions(ledger, found).missing if is_trained else None
    return replace(found, unasked=unasked, evaluated=_finished(ledger, found))


def _require_fitting(training: CheckedFile, named: frozenset[str], baseline: Baseline) -> None:
    """Raises CasesDontFit if the training file knows none of the cases' tools."""
    unknown = unknown_tools(named, training.report.survey.tools.functions)
    if unknown and len(unknown) == len(named):
        raise CasesDontFit(cases=baseline.file, tools=_some(unknown), training=training.file.path)


def _unknown(training: CheckedFile, named: frozenset[str], baseline: Baseline) -> Iterator[str]:
    if unknown := unknown_tools(named, training.report.survey.tools.functions):
        yield f"{baseline.file} names tools that {training.file.path} does not: {_some(unknown)}"


_MOST_NAMED = 5


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _MOST_NAMED:,} more" if len(names) > _MOST_NAMED else ""
    return f"{', '.join(names[:_MOST_NAMED])}{more}"


def _scored_otherwise(job: JobFile, baseline: Baseline) -> Iterator[str]:
    """A sentence if the job file names other rejection tools than the baseline was scored with."""
    scored = conditions_of(baseline.evaluation)
    named = tuple(sorted(job.evaluation.rejection_tools)) if job.evaluation else scored.rejection_tools
    if named != scored.rejection_tools:
        wanted = replace(scored, rejection_tools=named)
        tools = ", ".join(named) or "no tool"
        counted = ", ".join(scored.rejection_tools) or "no tool"
        yield (
            f"{job.place('evaluation', 'rejection_tools')}: calling {tools} rejects a request, but the baseline "
            f"was scored with {counted}, and its successors will be too. To score it again, without asking: "
            f"{rescoring(baseline.evaluation, baseline.model, [baseline.variant], wanted)} --models tuned"
        )


def _notes(baseline: Baseline, successors: Sequence[Successor], metric: ScoreName, margin: float) -> Iterator[str]:
    counted = METRICS[metric].of(baseline.series.all)
    judged = sum(each.is_possible for each in successors)
    if not counted.count:
        yield f"no case counts for {METRICS[metric].title}, so nothing can be shown; choose another --metric"
    elif warning := too_few_cases(counted.clusters, margin, max(1, judged)):
        yield warning
    if errors := baseline.series.all.api_errors:
        yield f"{errors:,} questions of the baseline have no answer and are left out of the comparison"


def _looked_up(plan: MigrationPlan, ledger: Ledger) -> MigrationPlan:
    """The plan after a look at the endpoints: keys that are missing, and jobs of the same content that no record
    here knows."""
    return replace(plan, successors=tuple(_looked_up_one(each, ledger) for each in plan.successors))


def _looked_up_one(found: Successor, ledger: Ledger) -> Successor:
    if not found.is_possible or found.plan is None or found.outlook is None:
        return found
    try:
        found.plan.config.require_usable()
        if not found.is_new:
            return found
        outlook = runs.with_jobs_elsewhere(found.plan, found.outlook, found.job.source.parent)
        if outlook.elsewhere:
            raise SuccessorElsewhere(said=f"The same content was {outlook.elsewhere.sentence}")
    except FtorchError as error:
        return replace(found, problem=error)
    return replace(found, outlook=outlook)


def _to_look_up(plan: Plan) -> list[str]:
    """The base model's name, which may be wrong; that of a folder on this machine is not."""
    return [plan.job.model] if plan.weights is None or is_fine_tuned(plan.job.model) else []


# --- Training ----------------------------------------------------------------------------------------------------


def _recorded(found: Successor, ledger: Ledger) -> Successor:
    """The successor with its run. Raises PlanOutdated and BaseNameNotKept."""
    if not found.is_new or found.plan is None or found.outlook is None:
        return found
    return replace(found, run=runs.record(found.plan, ledger, found.outlook).run)


def _trained(
    ledger: Ledger, recorded: Sequence[Successor], host: Host, job_file: Path
) -> list[tuple[Successor, FtorchError | None]]:
    """The successors with their runs as they ended, and why one has no model. Raises Stopped."""
    waiting = [each.run for each in recorded if each.is_possible and each.run and not each.run.is_over]
    problem = None
    if waiting:
        try:
            runs.follow(ledger, waiting, host)
        except FtorchError as error:
            host.show_error(error)
            problem = error
        except Stopped as error:
            raise Stopped(f"{error}; to judge the successors, run the same command again") from None
    for run in waiting:
        host.show_trial(ledger.run(run.id))
    return [_as_ended(each, ledger, problem) for each in recorded]


def _as_ended(
    found: Successor, ledger: Ledger, problem: FtorchError | None
) -> tuple[Successor, FtorchError | None]:
    if found.run is None or not found.is_possible:
        return found, found.problem
    run = ledger.run(found.run.id)
    is_its = problem is not None and problem.facts.get("endpoint") in (None, run.endpoint)
    return replace(found, run=run), problem if is_its and not run.is_over else None


# --- Evaluating --------------------------------------------------------------------------------------------------


def _evaluated(
    ledger: Ledger, found: Successor, baseline: Baseline, problem: FtorchError | None, host: Host
) -> Evaluation | FtorchError | None:
    """The successor's evaluation on the baseline's cases; or why there is none, if its run doesn't say it."""
    if problem is not None or found.run is None or found.run.fine_tuned_model is None:
        return problem
    try:
        if done := _finished(ledger, found):
            return done
        host.say(f"evaluating {found.label}")
        plan = _questions(ledger, found)
        return carry_out(ledger, plan, host, allow_outside=True, is_agreed=True).evaluation
    except FtorchError as error:
        host.show_error(error)
        return error


def _questions(ledger: Ledger, found: Successor) -> EvaluationPlan:
    run = found.run
    assert run is not None
    subject = Subject(run.name, run.endpoint, found.job, (run.model,), (run,), ())
    return plan_subject(ledger, subject, EvaluationOptions())


def _finished(ledger: Ledger, found: Successor) -> Evaluation | None:
    """The finished evaluation that scored an answer to each of these questions by the current rules."""
    if found.run is None or found.run.fine_tuned_model is None:
        return None
    plan = _questions(ledger, found)
    if plan.missing or plan.under_way:
        return None
    with ledger.database.read() as connection:
        done = store.newest(connection, name=plan.subject.name, file_sha256=plan.cases.sha256)
    settings = plan.recorded_settings
    same = (
        each
        for each in done
        if (each.endpoint, each.scored_with) == (plan.config.name, SCORING) and each.settings == settings
    )
    # One whose questions failed was scored without the answers that another evaluation got since.
    return next((each for each in same if not unanswered(ledger, each)), None)
