"""The package's functions for notebooks and scripts, with progress and values that a notebook can show.

`orchestrator` loads this when one of its names is first used.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from orchestrator.api import (
    actions,
    costs as spending,
    deployments as deploying,
    evaluation,
    export as exporting,
    generation as making,
    migration as migrating,
    promotion,
    rescue as rescuing,
    resume as resuming,
    runs,
    submit as api,
)
from orchestrator.api.chat import ask
from orchestrator.api.datapreview import preview_data
from orchestrator.api.evaluation import cost_of_ownership
from orchestrator.api.migration import MigrationOptions
from orchestrator.api.runs import check
from orchestrator.api.submit import Until
from orchestrator.bookkeeping.lineage import Lineage, lineage_of
from orchestrator.bookkeeping.stages import Promoted, Stage
from orchestrator.dataset.checking.filesets import Announce
from orchestrator.deployments.context import Listener as DeploymentListener
from orchestrator.deployments.recording import Terms
from orchestrator.evaluation.plan import EvaluationOptions, plan_evaluation
from orchestrator.generation.requests import Request, spec_for
from orchestrator.jobfile import ScoreName, load_job_file
from orchestrator.ledger import open_ledger
from orchestrator.notebook.host import Notebook
from orchestrator.notebook.values import (
    Costs,
    DataPreview,
    Exported,
    Generated,
    Migration,
    Plan,
    Rescued,
    Results,
    Run,
    Sweep,
    SweepPlan,
)
from orchestrator.reports.modelcard import model_card
from orchestrator.reports.rescue import index_page
from orchestrator.runs.context import Listener
from orchestrator.runs.states import RequestedAction
from orchestrator.store.batches import Batch
from orchestrator.store.deployments import Deployment
from orchestrator.store.generations import Generation
from orchestrator.store.promotions import Promotion
from orchestrator.store.records import Model
from orchestrator.store.runs import Run as RecordedRun

__all__ = [
    "Model",
    "Run",
    "ask",
    "cancel",
    "check",
    "cost",
    "cost_of_ownership",
    "deploy",
    "evaluate",
    "export_model",
    "generate",
    "in_stage",
    "lineage",
    "migrate",
    "models",
    "pause",
    "plan",
    "preview",
    "promote",
    "rescue",
    "resume",
    "status",
    "submit",
    "sweep",
    "undeploy",
    "unpause",
]


def plan(
    job_file: str | Path, *, endpoint: str | None = None, announce: Announce | None = None
) -> Plan | SweepPlan:
    """What submitting the job file would do and cost, with recorded runs of the same content in `trained_before`;
    nothing is recorded or sent.

    `announce` is called with each data file before it is checked. Raises JobFileNotFound, InvalidJobFile,
    InvalidData, UnknownEndpoint, EndpointNotUsable, DatabaseError, and SweepNameTaken.
    """
    path, host = Path(job_file), Notebook(announce=announce)
    if load_job_file(path).sweep is not None:
        return SweepPlan.with_changes(*api.plan_sweep(path, host, endpoint))
    planned = runs.plan(path, host, endpoint)
    with open_ledger(path.parent) as ledger:
        planned = runs.with_parents(planned, ledger)
        return Plan.with_outlook(planned, runs.outlook(planned, ledger))


def submit(
    job_file: str | Path,
    *,
    endpoint: str | None = None,
    follow: bool = True,
    again: bool = False,
    allow_outside: bool = False,
    listener: Listener | None = None,
) -> Run | Sweep:
    """Submit a job file, follow it to its end, and return the run; `run.fine_tuned_model` is the result. For a job
    file with `[sweep]` it returns the sweep, as `sweep` does.

    The same submission is found again, unless `again`. If training costs money and the same content was trained
    under another name, TrainedBefore is raised unless `again`. With `follow=False` the run is only recorded, and
    `resume` starts it. The model is deployed and evaluated afterwards if the job file says so. Files outside the
    job file's folder and project need `allow_outside`; otherwise FilesOutside is raised. There is no question about
    cost: look at `plan(job_file).cost` first.

    Raises the errors of `plan` and `evaluate`, EndpointError if the endpoint fails (the run stays recorded),
    DatabaseError, and KeyboardInterrupt if you stop it: nothing is lost, and `resume` continues.
    """
    until = Until.ENDED if follow else Until.RECORDED
    with Notebook(listener).raising() as host:
        done = api.submit(
            Path(job_file), host, endpoint=endpoint, until=until, again=again, allow_outside=allow_outside
        )
    return Run.of(done) if isinstance(done, RecordedRun) else Sweep.of(done)


def sweep(
    job_file: str | Path,
    *,
    endpoint: str | None = None,
    follow: bool = True,
    again: bool = False,
    allow_outside: bool = False,
    listener: Listener | None = None,
) -> Sweep:
    """Submit a job file with `[sweep]`, follow all its trials to their ends, and return the sweep:
    `found.ranking.best` is the best trial, and `found.best_model` its model id.

    Trials that were submitted before are found again. If trials cost money and other runs trained the same content,
    TrainedBefore is raised unless `again`. With `follow=False` they are only recorded, and `resume` starts them.
    There is no question about cost: look at `plan(job_file).cost_usd` first. Raises JobFileHasNoSweep,
    SweepNameTaken, and the errors of `submit`.
    """
    until = Until.ENDED if follow else Until.RECORDED
    with Notebook(listener).raising() as host:
        done = api.submit_sweep(
            Path(job_file), host, endpoint=endpoint, until=until, again=again, allow_outside=allow_outside
        )
    return Sweep.of(done)


def resume(key: str | None = None, *, listener: Listener | None = None) -> list[Run]:
    """Continue where the last process stopped: all runs, sweeps, deployments, evaluations and batches, or those of
    a name or a run id.

    Returns the runs in their final state. A failure does not stop the other work; the first error is raised at the
    end. Raises NoSuchRun, EndpointError if an endpoint fails, and the errors of `submit`.
    """
    with Notebook(listener).raising() as host, open_ledger() as ledger:
        found = resuming.resume(ledger, host, key)
    return [Run.of(run) for run in found]


def evaluate(
    *targets: str | Path,
    file: str | Path | None = None,
    endpoint: str | None = None,
    models: Sequence[str] | None = None,
    variants: Sequence[str] | None = None,
    samples: int | None = None,
    allow_leak: bool = False,
    batch: bool = False,
    allow_outside: bool = False,
) -> Results:
    """Ask models the cases of a file and return their metrics; recorded answers are not asked again.

    `targets` are a job file, ids or names of runs, or models. Options that are not given come from the job file. It
    asks at once, even if the endpoint charges; `batch` uses the endpoint's Batch API, which may take a day. Raises
    the errors of `plan_evaluation`, `ask_plan` and `answers_to_batches`.
    """
    names = [str(target) for target in targets]
    options = EvaluationOptions(
        file=Path(file) if file is not None else None,
        endpoint=endpoint,
        models=tuple(models) if models else None,
        variants=tuple(variants) if variants else None,
        samples=samples,
        allow_leak=allow_leak,
        in_batches=batch,
    )
    start = Path(names[0]).parent if names[0].endswith(".toml") else None
    with Notebook().raising() as host, open_ledger(start, create=True) as ledger:
        planned = plan_evaluation(ledger, names, options)
        return Results.of(evaluation.carry_out(ledger, planned, host, allow_outside=allow_outside))


def generate(
    source: str | Path,
    output: str | Path | None = None,
    *,
    offline: bool = False,
    batch: bool = False,
    append: bool = False,
    replace: bool = False,
    **settings: Any,
) -> Generated:
    """Generate training data from function definitions, and return the outcome.

    `source` is a file of tool definitions, an OpenAPI document, Python functions ("FILE.py", "module:function"), a
    training file, or a job file with `[generate]`. `settings` are the keys of that table. It asks the teacher at
    once; `offline` asks no model. `replace` replaces existing files. If the budget is reached, the result's `waits`
    says so. Raises the errors of `spec_for`, `plan_generation` and `drive`.
    """
    path = Path(output) if output is not None else None
    spec = spec_for(Request(str(source), path, settings, offline, batch, append, replace))
    with Notebook().raising() as host:
        if offline:
            return Generated.of(making.generate_offline(making.plan(None, spec), host))
        with open_ledger(spec.outputs.training.parent, create=True) as ledger:
            return Generated.of(making.generate(ledger, making.plan(ledger, spec), host))


def rescue(
    endpoint: str,
    folder: str | Path,
    *,
    evaluation: str | Path | None = None,
    exports: Sequence[str | Path] = (),
    answers: bool = False,
    budget_usd: float | None = None,
) -> Rescued:
    """Keep in `folder` what the endpoint has of jobs, files and models, record the jobs as runs, write a job file
    for each, and return what is and isn't there. The same call again continues.

    With `answers`, it then has the models that still answer asked the cases of `evaluation`, or of the files that
    are known, at once and for at most `budget_usd`. `exports` are files and folders with exported evals. Raises the
    errors of `api.rescue.rescue`, `plan_answers` and `evaluate`.
    """
    cases = Path(evaluation) if evaluation is not None else None
    with Notebook().raising() as host, open_ledger(create=True) as ledger:
        config = ledger.workspace.endpoint(endpoint)
        paths = [Path(each) for each in exports]
        kept = rescuing.rescue(
            ledger, config, Path(folder), host, exports=paths, evaluation=cases, describe=index_page
        )
        found = Rescued.of(kept)
        if answers:
            baseline = rescuing.plan_answers(ledger, kept, cases, budget_usd)
            results = tuple(rescuing.record_answers(ledger, baseline, host))
            found = replace(found, baseline=baseline, results=results)
    return found


def migrate(
    job_file: str | Path,
    to: str | Sequence[str],
    *,
    baseline: str | None = None,
    file: str | Path | None = None,
    metric: ScoreName | None = None,
    margin: float = 5,
    max_cost_usd: float | None = None,
    requests_per_day: Sequence[int] = (),
    life_days: int = 365,
    allow_outside: bool = False,
) -> Migration:
    """Train a successor of the job file's tuned model on each of `to` ("ENDPOINT" or "ENDPOINT:MODEL"), ask each
    the cases that the baseline answered, and return which are not worse by more than `margin` points.

    `baseline` is a model, a run or an evaluation; without it, the newest answers of the job's tuned model. What is
    recorded is neither trained nor asked again. There is no question about cost: `max_cost_usd` is the limit of all
    together. A problem of one successor stops no other: see `judged[…].reason`. Raises the errors of
    `api.migration.migrate`.
    """
    options = MigrationOptions(
        [to] if isinstance(to, str) else list(to),
        baseline,
        Path(file) if file is not None else None,
        metric,
        margin / 100,
        max_cost_usd,
        requests_per_day=tuple(requests_per_day),
        life_days=life_days,
        allow_outside=allow_outside,
    )
    path = Path(job_file)
    with Notebook().raising() as host, open_ledger(path.parent, create=True) as ledger:
        return Migration.of(migrating.migrate(ledger, path, host, options))


def cost(by: str = "month", *, since: float | None = None) -> Costs:
    """What training, evaluation, generation and hosting cost, and how much of the caps is used. `by` is "month",
    "endpoint", "model", "tag", "tag:KEY", "user", "run" or "kind"; `since` is in seconds since the epoch. Raises
    ValueError for another group, and PricesUnreadable."""
    name, _, key = by.partition(":")
    with open_ledger() as ledger:
        found = spending.costs(ledger, spending.Grouping(spending.By(name), key or None), since=since)
        return replace(Costs.of(found), caps=spending.caps(ledger, since=since))


def export_model(key: str | Path, folder: str | Path, *, merged: bool = False) -> Exported:
    """Write the weights of a model trained from open weights into the new folder `folder`: the adapter, or with
    `merged` the whole model. `key` is a job file, a run or a model. Raises the errors of `plan_export` and
    `write_export`."""
    start = Path(key).parent if str(key).endswith(".toml") else None
    with Notebook().raising() as host, open_ledger(start) as ledger:
        found = exporting.plan_export(ledger, str(key))
        card = model_card(found, merged=merged)
        return Exported.of(exporting.write_export(found, Path(folder), card, host, merged=merged))


def preview(source: str | Path, *, model: str | None = None, line: int | None = None) -> DataPreview:
    """A row of a data file as an open-weights model reads it, learned text apart from context, and the lengths of
    all rows. `source` is JSONL, or a job file whose training file and model are used. Raises the errors of
    `api.datapreview.preview_data`."""
    return DataPreview.of(preview_data(Path(source), model, line))


def deploy(
    target: str | Path,
    *,
    checkpoint: int | None = None,
    endpoint: str | None = None,
    name: str | None = None,
    sku: str | None = None,
    capacity: int | None = None,
    listener: DeploymentListener | None = None,
) -> Deployment:
    """Deploy a run's model, a job file's newest one, or a model by name; returns the deployment once it answers.

    There is no question about cost, and hosting is charged by the hour until `undeploy`. An existing deployment is
    found again. Raises DeploymentDiffers, DeploymentFailed, DeploymentNotReady, EndpointError.
    """
    with Notebook(deployments=listener).raising() as host:
        return deploying.deploy(target, Terms(name, sku, capacity), host, checkpoint=checkpoint, endpoint=endpoint)


def undeploy(
    key: str, *, endpoint: str | None = None, listener: DeploymentListener | None = None
) -> list[Deployment]:
    """Remove a deployment by name, or those of a run; returns them in their final state. A deployment created
    outside ftorch needs its exact name. Raises NoSuchDeployment, AmbiguousDeployment, DeploymentInUse and
    EndpointError."""
    with Notebook(deployments=listener).raising() as host:
        return deploying.undeploy(key, host, endpoint)


def status(key: str | None = None) -> list[Run]:
    """The recorded runs, newest first: all, those of a name, or the one whose id begins with `key`."""
    with open_ledger() as ledger:
        return [Run.of(run) for run in ledger.runs(key)]


def models() -> list[Model]:
    """The models of succeeded runs, newest first."""
    with open_ledger() as ledger:
        return ledger.models()


def promote(
    key: str,
    stage: Stage,
    *,
    name: str | None = None,
    endpoint: str | None = None,
    reason: str = "",
    force: bool = False,
) -> Promoted:
    """Make a model, or that of a run, a "candidate", put it into "production", or make it "retired"; returns what
    changed. A name's former production model is retired.

    Raises PromotionGated if the job file's gate is required for the stage and not met, unless `force` and a
    `reason` are given; and the errors of `api.promotion.promote`.
    """
    with open_ledger() as ledger:
        return promotion.promote(ledger, key, stage, name=name, endpoint=endpoint, reason=reason, force=force)


def in_stage(stage: Stage, *, name: str | None = None, endpoint: str | None = None) -> Promotion:
    """The model in production, or the newest candidate or retired model; its `model` is the id. Raises NoneInStage
    and SeveralInStage."""
    with open_ledger() as ledger:
        return promotion.in_stage(ledger, stage, name=name, endpoint=endpoint)


def lineage(key: str, *, endpoint: str | None = None) -> Lineage:
    """Where a model, or that of a run, comes from, and what was made of it. Raises ModelNotRecorded."""
    with open_ledger() as ledger:
        return lineage_of(ledger, key, endpoint)


def cancel(key: str) -> Run | Batch | Generation:
    """Cancel a run, on the endpoint too, or a batch of questions, and return it. Raises ActionRefused if it has
    finished."""
    return _carry_out(key, RequestedAction.CANCEL)


def pause(key: str) -> Run | Batch | Generation:
    """Pause a run's job on the endpoint. Raises ActionRefused if it can't be paused."""
    return _carry_out(key, RequestedAction.PAUSE)


def unpause(key: str) -> Run | Batch | Generation:
    """Continue a paused job. Raises ActionRefused if it is not paused."""
    return _carry_out(key, RequestedAction.UNPAUSE)


def _carry_out(key: str, requested: RequestedAction) -> Run | Batch | Generation:
    with Notebook().raising() as host, open_ledger() as ledger:
        done = actions.carry_out(ledger, key, requested, host)
    return Run.of(done) if isinstance(done, RecordedRun) else done
