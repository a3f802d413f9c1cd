"""What a notebook or a script imports: the functions of the package, with progress and values for notebooks.

`orchestrator` loads this when one of its names is first used.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from orchestrator.api import (
    actions,
    deployments as deploying,
    evaluation,
    generation as making,
    resume as resuming,
    runs,
    submit as api,
)
from orchestrator.api.chat import ask
from orchestrator.api.evaluation import cost_of_ownership
from orchestrator.api.runs import check
from orchestrator.api.submit import Until
from orchestrator.dataset.checking.filesets import Announce
from orchestrator.deployments.context import Listener as DeploymentListener
from orchestrator.deployments.recording import Terms
from orchestrator.evaluation.plan import EvaluationOptions, plan_evaluation
from orchestrator.generation.requests import Request, spec_for
from orchestrator.jobfile import load_job_file
from orchestrator.ledger import open_ledger
from orchestrator.notebook.host import Notebook
from orchestrator.notebook.values import Generated, Plan, Results, Run, Sweep, SweepPlan
from orchestrator.runs.context import Listener
from orchestrator.runs.states import RequestedAction
from orchestrator.store.batches import Batch
from orchestrator.store.deployments import Deployment
from orchestrator.store.generations import Generation
from orchestrator.store.records import Model
from orchestrator.store.runs import Run as RecordedRun

__all__ = [
    "Model",
    "Run",
    "ask",
    "cancel",
    "check",
    "cost_of_ownership",
    "deploy",
    "evaluate",
    "generate",
    "models",
    "pause",
    "plan",
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
    """What submitting the job file would do and cost, and in `trained_before` the recorded runs that were given the
    same content; nothing is recorded or sent.

    `announce` is called with each data file before it is checked. Raises JobFileNotFound, InvalidJobFile,
    InvalidData, UnknownEndpoint, EndpointNotUsable, DatabaseError, and SweepNameTaken.
    """
    path, host = Path(job_file), Notebook(announce=announce)
    if load_job_file(path).sweep is not None:
        return SweepPlan.with_changes(*api.plan_sweep(path, host, endpoint))
    planned = runs.plan(path, host, endpoint)
    with open_ledger(path.parent) as ledger:
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
    """Submit a job file, follow it to its end, and return the run; `run.fine_tuned_model` is the result. Of a job
    file with `[sweep]` it returns the sweep, as `sweep` does.

    The same submission is found again, unless `again`. Where training costs, and the same content was trained under
    another name, TrainedBefore is raised unless `again`. With `follow=False` the run is only
    recorded, and `resume` begins it. The model is deployed and evaluated afterwards where the job file says so.
    Files outside the job file's folder and project are used with `allow_outside` only, and else FilesOutside is
    raised. Nobody is asked about cost: look at `plan(job_file).cost` first.

    Raises what `plan` and `evaluate` raise, EndpointError where the endpoint can't go on (the run stays),
    DatabaseError, and KeyboardInterrupt where you stop it: nothing is lost, and `resume` goes on.
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
    """Submit a job file with `[sweep]`, follow all its trials to their ends, and return what they came to:
    `found.ranking.best` is the best trial, and `found.best_model` its model id.

    Trials that were submitted before are found again. Where trials cost, and the same content was trained by other
    runs, TrainedBefore is raised unless `again`. With `follow=False` they are only recorded,
    and `resume` begins them. Nobody is asked about cost: look at `plan(job_file).cost_usd` first. Raises
    JobFileHasNoSweep, SweepNameTaken, and what `submit` raises.
    """
    until = Until.ENDED if follow else Until.RECORDED
    with Notebook(listener).raising() as host:
        done = api.submit_sweep(
            Path(job_file), host, endpoint=endpoint, until=until, again=again, allow_outside=allow_outside
        )
    return Sweep.of(done)


def resume(key: str | None = None, *, listener: Listener | None = None) -> list[Run]:
    """Carry on from wherever the last process died: all runs, sweeps, deployments, evaluations and batches, or
    those of a name, or of the run of an id.

    Returns the runs as they are then. One failure keeps nothing after it from being done; the first error is raised
    at the end. Raises NoSuchRun, EndpointError where an endpoint can't go on, and what `submit` raises.
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
    """Ask models the cases of a file and return their metrics; what was answered before is not asked again.

    `targets` are a job file, ids or names of runs, or models. What is not given is what the job file says. It asks
    at once, also where the endpoint charges; with `batch` through the endpoint's Batch API, which may take a day.
    Raises what `plan_evaluation`, `ask_plan` and `answers_to_batches` raise.
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
    """Make training data from function definitions, and return what was written.

    `source` is a file of tool definitions, an OpenAPI document, Python functions ("FILE.py", "module:function"), a
    training file, or a job file with `[generate]`. The keys of that table are the `settings`. It asks the teacher
    at once; `offline` asks nobody. `replace` replaces files of these names. Where the budget is reached, `waits` of
    the result says so. Raises what `spec_for`, `plan_generation` and `drive` raise.
    """
    path = Path(output) if output is not None else None
    spec = spec_for(Request(str(source), path, settings, offline, batch, append, replace))
    with Notebook().raising() as host:
        if offline:
            return Generated.of(making.generate_offline(making.plan(None, spec), host))
        with open_ledger(spec.outputs.training.parent, create=True) as ledger:
            return Generated.of(making.generate(ledger, making.plan(ledger, spec), host))


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
    """Make a run's model, a job file's newest one, or a model by its name answer; returns the deployment then.

    Nobody is asked about cost, and hosting is charged by the hour until `undeploy`. What is deployed already is
    found again. Raises DeploymentDiffers, DeploymentFailed, DeploymentNotReady, EndpointError.
    """
    with Notebook(deployments=listener).raising() as host:
        return deploying.deploy(target, Terms(name, sku, capacity), host, checkpoint=checkpoint, endpoint=endpoint)


def undeploy(
    key: str, *, endpoint: str | None = None, listener: DeploymentListener | None = None
) -> list[Deployment]:
    """Remove a deployment by its name, or those of a run; returns them as they ended. What was made elsewhere goes
    only by its exact name. Raises NoSuchDeployment, AmbiguousDeployment, DeploymentInUse and EndpointError."""
    with Notebook(deployments=listener).raising() as host:
        return deploying.undeploy(key, host, endpoint)


def status(key: str | None = None) -> list[Run]:
    """The recorded runs, newest first: all, those of a name, or the one whose id begins with `key`."""
    with open_ledger() as ledger:
        return [Run.of(run) for run in ledger.runs(key)]


def models() -> list[Model]:
    """The model ids that succeeded runs yielded, newest first."""
    with open_ledger() as ledger:
        return ledger.models()


def cancel(key: str) -> Run | Batch | Generation:
    """Cancel a run, on the endpoint too, or a batch of questions, and return it. Raises ActionRefused where it is
    over."""
    return _carry_out(key, RequestedAction.CANCEL)


def pause(key: str) -> Run | Batch | Generation:
    """Pause a run's job on the endpoint. Raises ActionRefused where that can't be done."""
    return _carry_out(key, RequestedAction.PAUSE)


def unpause(key: str) -> Run | Batch | Generation:
    """Let a paused job go on. Raises ActionRefused where it is not paused."""
    return _carry_out(key, RequestedAction.UNPAUSE)


def _carry_out(key: str, requested: RequestedAction) -> Run | Batch | Generation:
    with Notebook().raising() as host, open_ledger() as ledger:
        done = actions.carry_out(ledger, key, requested, host)
    return Run.of(done) if isinstance(done, RecordedRun) else done
