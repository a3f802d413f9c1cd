"""`sweep list`, `show`, `best`, `extend` and `stop`: the results of a sweep, and its number of trials."""

from __future__ import annotations

import sys
import time

import click

from orchestrator.api.host import WAITS, Host
from orchestrator.cli.completion import complete_endpoint, complete_sweep
from orchestrator.cli.groups import OrderedGroup
from orchestrator.cli.output import print_json
from orchestrator.cli.terminal import ask, terminal
from orchestrator.errors import NoBestTrial
from orchestrator.ledger import Ledger, open_ledger
from orchestrator.reports.sweepdetails import best_object, overview_object, print_overview, standing
from orchestrator.reports.sweeptables import sweep_object, sweeps_table
from orchestrator.reports.text import printable, stdout
from orchestrator.store.sweeps import RecordedSweep
from orchestrator.sweeps.overview import Overview, overview

_name = click.argument("name", shell_complete=complete_sweep)
_endpoint = click.option(
    "--endpoint",
    metavar="NAME",
    shell_complete=complete_endpoint,
    help="Choose the sweep on this endpoint if several have the name.",
)


@click.group(cls=OrderedGroup, default="list")
def sweep() -> None:
    """List, show, extend and stop sweeps; find the best model.

    `ftorch submit` starts a sweep. `ftorch sweep` alone is `ftorch sweep list`.
    """


@sweep.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print the list as JSON.")
def list_sweeps(as_json: bool) -> None:
    """List all sweeps, newest first, with the states of their trials."""
    with open_ledger() as ledger:
        standings = ledger.sweeps()
    if as_json:
        print_json([sweep_object(standing) for standing in standings])
    elif standings:
        console = stdout()
        console.print(sweeps_table(standings, time.time(), console.width))
    else:
        click.echo("No sweeps yet. Add [sweep] to a job file, then: ftorch submit JOB.toml", err=True)


@sweep.command()
@_name
@_endpoint
@click.option("--all", "show_all", is_flag=True, help="Show every point and trial, not only one screen of them.")
@click.option("--json", "as_json", is_flag=True, help="Print the sweep as a JSON object.")
def show(name: str, endpoint: str | None, show_all: bool, as_json: bool) -> None:
    """Show the ranking of a sweep and the effect of each setting.

    Also shows which trials were stopped early, and what to try next.
    """
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
@click.option("--json", "as_json", is_flag=True, help="Print the best trial as a JSON object.")
def best(name: str, endpoint: str | None, as_json: bool) -> None:
    """Print only the model id of the best trial on stdout.

    This is a checkpoint's id if the checkpoint is better than the trial's final model. While trials are running, it
    is the best so far.
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
    """Raises NoBestTrial, with the next step."""
    if found.best_model:
        return found.best_model
    advice = f"To see why: ftorch sweep show {found.sweep.name}" if found.is_over else "To continue: ftorch resume"
    if found.is_over and not found.is_ranked:
        advice = f"It is not evaluated yet: ftorch resume {found.sweep.name}"
    raise NoBestTrial(name=found.sweep.name, standing=standing(found), advice=advice)


@sweep.command()
@_name
@_endpoint
@click.option(
    "--trials",
    type=click.IntRange(min=1),
    metavar="N",
    required=True,
    help="Extend the sweep to this many trials in total.",
)
@click.option("--yes", is_flag=True, help="Do not ask before anything that may cost money.")
@click.option("--again", is_flag=True, help="Train combinations again that other runs have trained.")
def extend(name: str, endpoint: str | None, trials: int, yes: bool, again: bool) -> None:
    """Add trials to a random or tpe sweep and follow them.

    Drawing continues where it ended. The job file does not change: write the new number into it too.
    """
    from orchestrator.api import submit, sweeps  # driving runs loads modules that the other commands do not need

    with terminal(yes=yes) as host, open_ledger() as ledger:
        planned = sweeps.extended(ledger, name, trials, host, endpoint)
        host.say(f"Also write trials = {trials} into {planned.job.source}, in case you submit it again.")
        submit.submit_sweep_plan(ledger, planned, host, again=again)


@sweep.command()
@_name
@_endpoint
@click.option("--yes", is_flag=True, help="Stop the sweep without asking.")
def stop(name: str, endpoint: str | None, yes: bool) -> None:
    """Cancel all unfinished trials, on the endpoint too.

    No further trial is started. The training of cancelled trials is lost and may be charged. Finished trials and
    their ranking stay. Submitting the job file again continues the sweep.
    """
    with terminal() as host, open_ledger() as ledger:
        found = overview(ledger, name, endpoint)
        if found.is_over:
            click.echo(f"Nothing to stop: sweep {name} has finished ({standing(found)}).", err=True)
            return
        if not yes and sys.stdin.isatty():
            ask(f"Stop sweep {name} ({standing(found)})?")
        stop_sweep(ledger, found.sweep, host)


def stop_sweep(ledger: Ledger, recorded: RecordedSweep, host: Host) -> None:
    """Cancel its unfinished trials, and fail if one is not known to be cancelled."""
    from orchestrator.api import sweeps

    stopped = sweeps.stop(ledger, recorded.name, host, recorded.endpoint)
    host.say(f"sweep {stopped.sweep.name}: {standing(stopped)}")
    if not stopped.is_over:
        host.say("the request is recorded; ftorch resume carries it out")
        host.failed(WAITS)
