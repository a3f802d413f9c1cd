"""`sweep list`, `show`, `best`, `extend` and `stop`: what became of a sweep, and more or less of it."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

import click

from orchestrator.cli.completion import complete_endpoint, complete_sweep
from orchestrator.cli.records import print_json

if TYPE_CHECKING:
    from orchestrator.runs.ledger import Ledger
    from orchestrator.sweeps.overview import Overview

_name = click.argument("name", shell_complete=complete_sweep)
_endpoint = click.option(
    "--endpoint", metavar="NAME", shell_complete=complete_endpoint, help="The sweep of that name on this endpoint."
)


@click.group()
def sweep() -> None:
    """Sweeps: many runs from one job file, and which was best. ftorch submit begins one."""


@sweep.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print a list of objects.")
def list_sweeps(as_json: bool) -> None:
    """Every sweep, newest first, and where its trials are."""
    from orchestrator.reports.sweeplines import sweep_object, sweeps_table
    from orchestrator.runs.ledger import open_ledger

    with open_ledger() as ledger:
        standings = ledger.sweeps()
    if as_json:
        print_json([sweep_object(standing) for standing in standings])
    elif standings:
        from orchestrator.reports.console import stdout

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
    from orchestrator.runs.ledger import open_ledger
    from orchestrator.sweeps.overview import overview

    with open_ledger() as ledger:
        found = overview(ledger, name, endpoint)
        if as_json:
            from orchestrator.reports.sweepobjects import overview_object

            print_json(overview_object(found))
            return
        from orchestrator.reports.console import stdout
        from orchestrator.reports.sweepdetails import print_overview

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
    from orchestrator.runs.ledger import open_ledger
    from orchestrator.sweeps.overview import overview

    with open_ledger() as ledger:
        found = overview(ledger, name, endpoint)
    model = _best_model(found)
    if as_json:
        from orchestrator.reports.sweepobjects import best_object

        assert found.ranking.best is not None
        print_json(best_object(found.ranking.best))
    else:
        from orchestrator.reports.formats import printable

        click.echo(printable(model))


def _best_model(found: Overview) -> str:
    """Raises NoBestTrial, which says what to do instead."""
    from orchestrator.errors import NoBestTrial
    from orchestrator.reports.sweepdetails import standing

    trial = found.ranking.best
    if trial is not None and trial.score is not None and trial.score.model:
        return trial.score.model
    advice = f"To see why: ftorch sweep show {found.sweep.name}" if found.is_over else "To go on: ftorch resume"
    if found.is_over and not found.is_ranked:
        advice = f"It is not evaluated yet: ftorch resume {found.sweep.name}"
    raise NoBestTrial(name=found.sweep.name, standing=standing(found), advice=advice)


@sweep.command()
@_name
@_endpoint
@click.option("--trials", type=click.IntRange(min=1), required=True, help="How many combinations there are to be.")
@click.option("--yes", is_flag=True, help="Do not ask before what may cost money.")
def extend(name: str, endpoint: str | None, trials: int, yes: bool) -> None:
    """Draw more combinations of a random or tpe sweep, and follow them to their end.

    The drawing goes on where it ended. The job file stays as it is: write the new number into it as well.
    """
    from orchestrator.cli.sweeping import submit_plan
    from orchestrator.reports.checking import announced
    from orchestrator.runs.ledger import open_ledger
    from orchestrator.sweeps import api

    with open_ledger() as ledger:
        with announced() as announce:
            planned = api.extended(ledger, name, trials, endpoint=endpoint, announce=announce)
        click.echo(
            f"Write trials = {trials} into {planned.job.source} too, for when it is submitted again", err=True
        )
        submit_plan(ledger, planned, yes=yes)


@sweep.command()
@_name
@_endpoint
@click.option("--yes", is_flag=True, help="Do not ask.")
def stop(name: str, endpoint: str | None, yes: bool) -> None:
    """Cancel all trials of a sweep that are not over, on the endpoint too, and begin no more.

    What they have trained so far is lost there and may be charged. Trials that are over stay, and so does their
    ranking. Submitting the job file again takes the sweep up again.
    """
    from orchestrator.reports.sweepdetails import standing
    from orchestrator.runs.ledger import open_ledger
    from orchestrator.sweeps.overview import overview

    with open_ledger() as ledger:
        found = overview(ledger, name, endpoint)
        if found.is_over:
            click.echo(f"Nothing to stop: sweep {name} is over ({standing(found)})", err=True)
            return
        if not yes and sys.stdin.isatty():
            click.confirm(f"Stop sweep {name} ({standing(found)})?", abort=True, err=True)
        _stop(ledger, name, found.sweep.endpoint)


def _stop(ledger: Ledger, name: str, endpoint: str) -> None:
    from orchestrator.reports.console import stderr
    from orchestrator.reports.following import Lines
    from orchestrator.reports.sweepdetails import standing
    from orchestrator.sweeps import api

    found = api.stop(ledger, name, endpoint=endpoint, listener=Lines(stderr()))
    click.echo(f"sweep {found.sweep.name}: {standing(found)}", err=True)
