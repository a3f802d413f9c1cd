"""`show`, `logs` and `models`: the records of runs."""

from __future__ import annotations

import time

import click

from orchestrator.cli.completion import complete_run
from orchestrator.cli.groups import OrderedGroup
from orchestrator.cli.output import print_json
from orchestrator.cli.terminal import Terminal
from orchestrator.errors import NoModelYet, SeveralModels
from orchestrator.ledger import Ledger, open_ledger
from orchestrator.reports.progress import EventLines
from orchestrator.reports.rundetails import details_object, print_details
from orchestrator.reports.runs import model_object, models_table
from orchestrator.reports.text import printable, stdout
from orchestrator.store.records import Model


@click.command()
@click.argument("run", shell_complete=complete_run)
@click.option("--json", "as_json", is_flag=True, help="Print everything as a JSON object.")
def show(run: str, as_json: bool) -> None:
    """Show everything recorded about a run.

    Includes its history, hyperparameters, files, losses and cost, and how to call its model.
    """
    with open_ledger() as ledger:
        details = ledger.details(run)
        if as_json:
            print_json(details_object(details))
            return
        print_details(details, ledger.workspace.endpoints.get(details.run.endpoint), stdout())
    if details.run.sweep_id is not None and run == details.run.name:
        click.echo(f"\nThis is one trial of a sweep. To see all of them: ftorch sweep show {run}", err=True)


@click.command()
@click.argument("run", shell_complete=complete_run)
@click.option(
    "--follow", "keep_on", is_flag=True, help="Follow the run and print its events until it has finished."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per line.")
def logs(run: str, keep_on: bool, as_json: bool) -> None:
    """Show the endpoint's events of a run, oldest first."""
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


@click.group(cls=OrderedGroup, default="list")
def models() -> None:
    """List the tuned models, or print the model id of a run.

    `ftorch models` alone is `ftorch models list`.
    """


@models.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print the list as JSON.")
def list_models(as_json: bool) -> None:
    """List the tuned models of all runs, newest first."""
    with open_ledger() as ledger:
        found = ledger.models()
    if as_json:
        print_json([model_object(model) for model in found])
    elif found:
        stdout().print(models_table(found, time.time()))
    else:
        click.echo("No models yet. To train one: ftorch submit JOBFILE", err=True)


@models.command("get")
@click.argument("key", metavar="RUN|MODEL", shell_complete=complete_run)
@click.option("--json", "as_json", is_flag=True, help="Print the model, its run, endpoint and base model as JSON.")
def get_model(key: str, as_json: bool) -> None:
    """Print only the model id of a run on stdout.

    If several runs have the name, it is the newest run's model.
    """
    with open_ledger() as ledger:
        found = model_of(ledger, key)
    if as_json:
        print_json(model_object(found))
    else:
        click.echo(printable(found.model))


def model_of(ledger: Ledger, key: str) -> Model:
    """The recorded model with that id, or the run's model. Raises NoSuchRun, AmbiguousRun, SeveralModels and
    NoModelYet."""
    known = ledger.models()
    named = next((each for each in known if each.model == key), None)
    if named is not None:
        return named
    trials = [run.id for run in ledger.runs(key) if run.sweep_id is not None and run.name == key]
    if trials:
        raise SeveralModels(key=key, count=sum(each.run_id in trials for each in known))
    run = ledger.run(key)
    found = next((each for each in known if each.run_id == run.id), None)
    if found is None:
        raise NoModelYet(run=run.id, state=run.state, reason=run.reason)
    return found
