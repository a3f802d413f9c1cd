"""`submit` and `resume`: the two commands that drive runs to their end."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from orchestrator.cli.autodeployment import deploy_due, deployment_request, finish_deployments, remove_leftovers
from orchestrator.cli.autoevaluation import evaluate_due, evaluated_afterwards
from orchestrator.cli.batches import resume_batches
from orchestrator.cli.completion import complete_endpoint, complete_run
from orchestrator.cli.leaving import Leaving
from orchestrator.cli.sweep import drive_sweeps, submit_sweep, tell_sweeps
from orchestrator.cli.terminal import confirm_cost, follow, print_endings

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from orchestrator.evaluation.preview import Preview
    from orchestrator.ledger import Ledger
    from orchestrator.runs.plan import Plan
    from orchestrator.runs.submission import Also
    from orchestrator.sweeps.supervisor import SweepSupervisor


@click.command()
@click.argument("job_file", type=click.Path(path_type=Path))
@click.option("--endpoint", metavar="NAME", shell_complete=complete_endpoint, help="Use this endpoint instead.")
@click.option("--detach", is_flag=True, help="Create the job, then leave; ftorch resume follows it.")
@click.option("--dry-run", is_flag=True, help="Check the data and print the plan; record and send nothing.")
@click.option("--yes", is_flag=True, help="Do not ask before what may cost money.")
@click.option("--again", is_flag=True, help="Train once more what was submitted before.")
@click.option("--json", "as_json", is_flag=True, help="With --dry-run: print the plan as JSON.")
def submit(
    job_file: Path, endpoint: str | None, detach: bool, dry_run: bool, yes: bool, again: bool, as_json: bool
) -> None:
    """Check the data, print the plan, train, follow, and print the model id; of a sweep, that of the best trial.

    The same submission is found again, not paid again. Ctrl-C stops following, never the job. The cost is estimated
    from a dated table of prices; `prices` of an endpoint in ftorch.toml names one of your own.
    """
    if as_json and not dry_run:
        raise click.UsageError("--json goes with --dry-run; ftorch show RUN --json shows a submitted run")
    from orchestrator.jobfile import load_job_file

    if load_job_file(job_file).sweep is not None:
        if again:
            raise click.UsageError("--again is for single runs; sweep.seeds repeats each point of a sweep")
        submit_sweep(job_file, endpoint, detach=detach, dry_run=dry_run, yes=yes, as_json=as_json)
    else:
        _submit_run(job_file, endpoint, detach=detach, dry_run=dry_run, yes=yes, again=again, as_json=as_json)


def _submit_run(
    job_file: Path, endpoint: str | None, *, detach: bool, dry_run: bool, yes: bool, again: bool, as_json: bool
) -> None:
    from orchestrator.api import runs as api
    from orchestrator.ledger import open_ledger
    from orchestrator.reports.progress import announced

    with announced() as announce:
        planned = api.plan(job_file, endpoint=endpoint, announce=announce)
    _print_plan(planned, _previewed(planned), as_json)
    if dry_run:
        return
    with open_ledger(job_file.parent, create=True) as ledger:
        known = None if again else api.find_same(planned, ledger)
        if known is None:
            confirm_cost(planned.may_cost, yes)
        submitted = api.record(planned, ledger, again=again, also=_wishes(planned))
        _say_submitted(submitted.run.id, submitted.run.state, is_new=submitted.is_new)
        run = api.start(ledger, submitted.run) if detach else follow(ledger, [submitted.run])[0]
        if detach and not run.is_over:
            click.echo(f"run {run.id} is {run.state}; ftorch resume follows it", err=True)
        else:
            with evaluated_afterwards(ledger, [run]):
                print_endings([run])


def _wishes(plan: Plan) -> list[Also]:
    """What is to follow the run by itself."""
    options = [deployment_request(plan.config, plan.job)]
    if plan.job.evaluation is not None:
        from orchestrator.evaluation.wanted import evaluation_request

        options.append(evaluation_request(plan.job))
    return [requested_action for requested_action in options if requested_action is not None]


def _previewed(plan: Plan) -> Preview | None:
    """What will be asked of the model by itself, checked before anything is paid."""
    if plan.job.evaluation is None:
        return None
    from orchestrator.evaluation.preview import preview

    return preview(plan.job, plan.config, [file.file.path for file in plan.files if file.role == "training"])


def _print_plan(plan: Plan, evaluation: Preview | None, as_json: bool) -> None:
    from orchestrator.reports.plans import plan_object, print_plan
    from orchestrator.reports.text import stderr

    if as_json:
        from orchestrator.cli.status import print_json

        print_json(plan_object(plan, evaluation))
    else:
        print_plan(plan, stderr(), evaluation)


def _say_submitted(run_id: str, state: str, *, is_new: bool) -> None:
    if is_new:
        click.echo(f"run {run_id} submitted", err=True)
    else:
        click.echo(
            f"run {run_id} is this same submission ({state}): found again, not paid again; "
            "--again would train it once more",
            err=True,
        )


@click.command()
@click.argument("run", required=False, shell_complete=complete_run)
@click.option("--now", is_flag=True, help="Look again at once at what waits; the settling window stays as it is.")
def resume(run: str | None, now: bool) -> None:
    """Carry on from wherever the last process died: all runs, sweeps, batches, or those of a RUN id or a name."""
    from orchestrator.ledger import open_ledger

    with open_ledger() as ledger:
        leaving, sweeps = Leaving(), _unfinished_sweeps(ledger, run)
        trials = {run_id for each in sweeps for run_id in each.run_ids}
        active = [found for found in ledger.runs(run, only_active=True) if not found.is_over]
        others = [found for found in active if found.id not in trials]
        if sweeps or others:
            click.echo(f"resuming {_said(len(others), len(sweeps))}", err=True)
            if now:
                ledger.hasten(active)
            with leaving.later():
                remove_leftovers(ledger, _ids_of(ledger, run))
            with leaving.later():
                drive_sweeps(ledger, sweeps, others)
        begun = _resume_what_follows(ledger, run, {each.sweep_id for each in sweeps}, leaving)
        if not (sweeps or others or begun):
            click.echo("Nothing to resume: every run is over. See: ftorch status", err=True)
        leaving.leave()


def _resume_what_follows(ledger: Ledger, key: str | None, told: Collection[str], leaving: Leaving) -> bool:
    """Carry on with what follows runs, of all or of a name, but for the sweeps that were `told` of; returns whether
    there was anything. Batches come last: they may take a day."""
    ids = _ids_of(ledger, key)
    steps: list[Callable[[], bool]] = [
        lambda: deploy_due(ledger, ids),
        lambda: _evaluate_due_sweeps(ledger, key, told),
        lambda: evaluate_due(ledger, ids),
        lambda: finish_deployments(ledger, ids),
        lambda: key is None and resume_batches(ledger),
    ]
    begun = False
    for step in steps:
        found = True  # what fails was there
        with leaving.later():
            found = step()
        begun = begun or found
    return begun


def _ids_of(ledger: Ledger, key: str | None) -> list[str] | None:
    return None if key is None else [found.id for found in ledger.runs(key)]


def _evaluate_due_sweeps(ledger: Ledger, key: str | None, told: Collection[str]) -> bool:
    """Carry out the evaluations that sweeps still want, of all or of a name; whether there were any."""
    from orchestrator.store import evaluations

    with ledger.database.read() as connection:
        wanted = {str(each.sweep_id) for each in evaluations.of_sweeps(connection, evaluations.WANTED)}
    sweeps = [each.sweep.id for each in ledger.sweeps(key) if each.sweep.id in wanted - {*told}]
    if sweeps:
        tell_sweeps(ledger, sweeps)
    return bool(sweeps)


def _unfinished_sweeps(ledger: Ledger, name: str | None) -> list[SweepSupervisor]:
    if not ledger.sweeps(name):
        return []
    from orchestrator.sweeps.supervisor import supervisors

    return supervisors(ledger, name)


def _said(runs: int, sweeps: int) -> str:
    counted = [(runs, "run"), (sweeps, "sweep")]
    return " and ".join(f"{number} {what}{'s' if number > 1 else ''}" for number, what in counted if number)
