"""`submit` and `resume`: the two commands that drive runs to their end."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from orchestrator.cli.completion import complete_endpoint, complete_run
from orchestrator.cli.following import follow, print_endings

if TYPE_CHECKING:
    from orchestrator.runs.plan import Plan


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
    """Check the data, print the plan, train, follow, and print the model id.

    The same submission is found again, not paid again. Ctrl-C stops following, never the job.
    """
    if as_json and not dry_run:
        raise click.UsageError("--json goes with --dry-run; ftorch show RUN --json shows a submitted run")
    from orchestrator.runs import api
    from orchestrator.runs.ledger import open_ledger

    planned = api.plan(job_file, endpoint=endpoint)
    _print_plan(planned, as_json)
    if dry_run:
        return
    with open_ledger(job_file.parent, create=True) as ledger:
        known = None if again else api.find_same(planned, ledger)
        if known is None:
            _confirm(planned, yes)
        submitted = api.record(planned, ledger, again=again)
        _say_submitted(submitted.run.id, submitted.run.state, is_new=submitted.is_new)
        run = api.start(ledger, submitted.run) if detach else follow(ledger, [submitted.run])[0]
        if detach and not run.is_over:
            click.echo(f"run {run.id} is {run.state}; ftorch resume follows it", err=True)
        else:
            print_endings([run])


def _print_plan(plan: Plan, as_json: bool) -> None:
    from orchestrator.reports.console import stderr
    from orchestrator.reports.objects import plan_object
    from orchestrator.reports.plans import print_plan

    if as_json:
        from orchestrator.cli.records import print_json

        print_json(plan_object(plan))
    else:
        print_plan(plan, stderr())


def _confirm(plan: Plan, yes: bool) -> None:
    if yes or not plan.may_cost:
        return
    from orchestrator.errors import NotConfirmed

    if not sys.stdin.isatty():
        raise NotConfirmed
    click.confirm("Submit it?", abort=True, err=True)


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
    """Carry on from wherever the last process died: all runs, or those of a RUN id or name."""
    from orchestrator.runs.ledger import open_ledger

    with open_ledger() as ledger:
        active = [found for found in ledger.runs(run) if not found.is_over]
        if not active:
            click.echo("Nothing to resume: every run is over. See: ftorch status", err=True)
            return
        click.echo(f"resuming {len(active)} run{'s' if len(active) > 1 else ''}", err=True)
        if now:
            ledger.hasten(active)
        print_endings(follow(ledger, active))
