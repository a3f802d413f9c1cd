"""`show`, `logs` and `models`: what is recorded of runs."""

from __future__ import annotations

import time

import click

from orchestrator.cli.completion import complete_run
from orchestrator.cli.output import print_json
from orchestrator.cli.terminal import Terminal
from orchestrator.ledger import open_ledger
from orchestrator.reports.progress import EventLines
from orchestrator.reports.rundetails import details_object, print_details
from orchestrator.reports.runs import model_object, models_table
from orchestrator.reports.text import printable, stdout


@click.command()
@click.argument("run", shell_complete=complete_run)
@click.option("--json", "as_json", is_flag=True, help="Print one object.")
def show(run: str, as_json: bool) -> None:
    """Show everything recorded about a RUN. History, hyperparameters, files, losses, cost, and how to call it."""
    with open_ledger() as ledger:
        details = ledger.details(run)
        if as_json:
            print_json(details_object(details))
            return
        print_details(details, ledger.workspace.endpoints.get(details.run.endpoint), stdout())
    if details.run.sweep_id is not None and run == details.run.name:
        click.echo(f"\nThis is one trial of a sweep; all of them: ftorch sweep show {run}", err=True)


@click.command()
@click.argument("run", shell_complete=complete_run)
@click.option("--follow", "keep_on", is_flag=True, help="Drive the run on and print its events until it is over.")
@click.option("--json", "as_json", is_flag=True, help="Print one object a line.")
def logs(run: str, keep_on: bool, as_json: bool) -> None:
    """Show the endpoint's events of a RUN, oldest first."""
    with open_ledger() as ledger:
        found = ledger.run(run)
        lines = EventLines(lambda: ledger.events(found.id), click.echo, as_json=as_json)
        lines.print_new()
        if keep_on and not found.is_over:
            from orchestrator.api.runs import follow  # loads what drives runs

            follow(ledger, [found], Terminal(listener=lines))
            lines.print_new()
        elif not lines.count:
            standing = printable(f"{found.state}: {found.reason}")
            click.echo(f"No events are recorded for run {found.id} ({standing}).", err=True)


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print a list of objects.")
def models(as_json: bool) -> None:
    """List the model ids that runs have yielded. Newest first."""
    with open_ledger() as ledger:
        found = ledger.models()
    if as_json:
        print_json([model_object(model) for model in found])
    elif found:
        stdout().print(models_table(found, time.time()))
    else:
        click.echo("No models yet. Begin with: ftorch submit jobs/drone.toml", err=True)
