"""`sweep list`, `show`, `best`, `extend` and `stop`: what became of a sweep, and more or less of it."""

from __future__ import annotations

import sys
import time

import click

from orchestrator.cli.completion import complete_endpoint, complete_sweep
from orchestrator.cli.output import print_json
from orchestrator.cli.terminal import ask, terminal
from orchestrator.errors import NoBestTrial
from orchestrator.ledger import open_ledger
from orchestrator.reports.sweepdetails import best_object, overview_object, print_overview, standing
from orchestrator.reports.sweeptables import sweep_object, sweeps_table
from orchestrator.reports.text import printable, stdout
from orchestrator.sweeps.overview import Overview, overview

_name = click.argument("name", shell_complete=complete_sweep)
_endpoint = click.option(
    "--endpoint", metavar="NAME", shell_complete=complete_endpoint, help="The sweep of that name on this endpoint."
)


@click.group()
def sweep() -> None:
    """List sweeps, show and extend them, find the best model. `ftorch submit` begins one."""


@sweep.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print a list of objects.")
def list_sweeps(as_json: bool) -> None:
    """Every sweep, newest first, and where its trials are."""
    with open_ledger() as ledger:
        standings = ledger.sweeps()
    if as_json:
        print_json([sweep_object(standing) for standing in standings])
    elif standings:
        console = stdout()
        console.print(sweeps_table(standings, time.time(), console.width))
    else:
        click.echo("No sweeps yet. Begin with: ftorch submit jobs/drone-sweep.toml", err=True)


@sweep.command()
@_name
@_endpoint
@click.option("--all", "show_all", is_flag=True, help="Every point and trial, not only one screen of them.")
@click.option("--json", "as_json", is_flag=True, help="Print one object.")
def show(name: str, endpoint: str | None, show_all: bool, as_json: bool) -> None:
    """The ranking of a sweep, what each hyperparameter did, what was stopped, and what to try next."""
    with open_ledger() as ledger:
        found = overview(ledger, name, endpoint)
        if as_json:
            print_json(overview_object(found))
            return
        config = ledger.workspace.endpoints.get(found.sweep.endpoint)
        print_overview(found, config, stdout(), show_all=show_all)


@sweep.command()
@_name
@_endpoint
@click.option("--json", "as_json", is_flag=True, help="Print one object.")
def best(name: str, endpoint: str | None, as_json: bool) -> None:
    """The model id of the best trial, or of its better checkpoint, alone on stdout.

    While trials are under way it is the best so far.
    """
    with open_ledger() as ledger:
        found = overview(ledger, name, endpoint)
    model = _best_model(found)
    if as_json:
        assert found.ranking.best is not None
        print_json(best_object(found.ranking.best))
    else:
        click.echo(printable(model))


def _best_model(found: Overview) -> str:
    """Raises NoBestTrial, which says what to do instead."""
    if found.best_model:
        return found.best_model
    advice = f"To see why: ftorch sweep show {found.sweep.name}" if found.is_over else "To go on: ftorch resume"
    if found.is_over and not found.is_ranked:
        advice = f"It is not evaluated yet: ftorch resume {found.sweep.name}"
    raise NoBestTrial(name=found.sweep.name, standing=standing(found), advice=advice)


@sweep.command()
@_name
@_endpoint
@click.option("--trials", type=click.IntRange(min=1), required=True, help="How many combinations there are to be.")
@click.option("--yes", is_flag=True, help="Do not ask before what may cost money.")
@click.option("--again", is_flag=True, help="Train once more what was trained before by other runs.")
def extend(name: str, endpoint: str | None, trials: int, yes: bool, again: bool) -> None:
    """Draw more combinations of a random or tpe sweep, and follow them to their end.

    The drawing goes on where it ended. The job file stays as it is: write the new number into it as well.
    """
    from orchestrator.api import submit, sweeps  # what drives runs loads much that the other commands do not need

    with terminal(yes=yes) as host, open_ledger() as ledger:
        planned = sweeps.extended(ledger, name, trials, host, endpoint)
        host.say(f"Write trials = {trials} into {planned.job.source} too, for when it is submitted again")
        submit.submit_sweep_plan(ledger, planned, host, again=again)


@sweep.command()
@_name
@_endpoint
@click.option("--yes", is_flag=True, help="Do not ask.")
def stop(name: str, endpoint: str | None, yes: bool) -> None:
    """Cancel all trials of a sweep that are not over, on the endpoint too, and begin no more.

    What they have trained so far is lost there and may be charged. Trials that are over stay, and so does their
    ranking. Submitting the job file again takes the sweep up again.
    """
    from orchestrator.api import sweeps

    with terminal() as host, open_ledger() as ledger:
        found = overview(ledger, name, endpoint)
        if found.is_over:
            click.echo(f"Nothing to stop: sweep {name} is over ({standing(found)})", err=True)
            return
        if not yes and sys.stdin.isatty():
            ask(f"Stop sweep {name} ({standing(found)})?")
        stopped = sweeps.stop(ledger, name, host, found.sweep.endpoint)
        host.say(f"sweep {stopped.sweep.name}: {standing(stopped)}")
