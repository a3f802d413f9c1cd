"""`status`: the state of everything."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import click

from orchestrator.cli.completion import complete_run
from orchestrator.cli.output import print_json_list

if TYPE_CHECKING:
    from rich.console import RenderableType

    from orchestrator.ledger import Ledger, SweepStanding
    from orchestrator.store.runs import Run

_ONE_SCREEN = 20


@click.command()
@click.argument("run", required=False, metavar="[NAME|RUN]", shell_complete=complete_run)
@click.option("--watch", is_flag=True, help="Update the table until you press Ctrl-C.")
@click.option("--all", "show_all", is_flag=True, help="Show every run, not only one screen of them.")
@click.option(
    "-v", "--verbose", is_flag=True, help="Print the project, database and settings first, as ftorch where does."
)
@click.option("--json", "as_json", is_flag=True, help="Print the list as JSON.")
def status(run: str | None, watch: bool, show_all: bool, verbose: bool, as_json: bool) -> None:
    """Show the state of all runs and sweeps, newest first.

    A sweep takes one line; give its name to see its trials. Give the id or name of a run to see only that run.
    """
    from orchestrator.ledger import open_ledger

    if verbose and not (as_json or watch):
        from orchestrator.cli.where import facts, print_facts

        print_facts(facts())
        click.echo()
    with open_ledger() as ledger:
        if as_json:
            from orchestrator.ledger import EVERY_RUN
            from orchestrator.reports.runs import run_object

            listing = EVERY_RUN if run is None else ledger.listing_of(run)
            print_json_list(run_object(each, last) for each, last in ledger.summaries(listing))
        elif watch:
            _watch_status(ledger, run, show_all)
        else:
            from orchestrator.reports.text import stdout

            console = stdout()
            console.print(_status(ledger, run, show_all, console.width))
            _warn_of_hosting(ledger)


def _status(ledger: Ledger, key: str | None, show_all: bool, width: int) -> RenderableType:
    sweeps = ledger.sweeps(key)
    if key is None:
        return _everything(ledger, sweeps, show_all, width)
    if sweeps:
        return _unfolded(ledger, sweeps, show_all, width)
    runs = ledger.runs(key, limit=None if show_all else _ONE_SCREEN)
    return _runs_table(ledger, runs, width)


def _everything(ledger: Ledger, sweeps: list[SweepStanding], show_all: bool, width: int) -> RenderableType:
    """A line for each sweep, then one for each run outside sweeps."""
    from rich.console import Group

    from orchestrator.ledger import SINGLE_RUNS
    from orchestrator.reports.runs import summary
    from orchestrator.reports.sweeptables import sweeps_summary, sweeps_table

    runs = ledger.listed(SINGLE_RUNS, limit=None if show_all else _ONE_SCREEN)
    shown = sweeps if show_all else sweeps[:_ONE_SCREEN]
    parts: list[RenderableType] = []
    if shown:
        parts += [sweeps_table(shown, time.time(), width), sweeps_summary(len(sweeps), len(shown))]
    if runs:
        parts += [
            *([""] if parts else []),
            _runs_table(ledger, runs, width),
            summary(ledger.counts(SINGLE_RUNS), len(runs)),
        ]
    if batches := ledger.batches():
        from orchestrator.reports.progress import batches_under_way

        parts += [*([""] if parts else []), batches_under_way(batches)]
    if generations := ledger.generations():
        from orchestrator.reports.progress import generations_under_way

        parts += [*([""] if parts else []), generations_under_way(generations)]
    return Group(*parts) if parts else f"No runs yet in {ledger.workspace.home}. Start with: ftorch init DATA.jsonl"


def _unfolded(ledger: Ledger, sweeps: list[SweepStanding], show_all: bool, width: int) -> RenderableType:
    """These sweeps with their trials."""
    from rich.console import Group

    from orchestrator.reports.sweeptables import sweeps_table, trials_table

    limit = None if show_all else _ONE_SCREEN
    now = time.time()
    parts: list[RenderableType] = []
    for standing in sweeps:
        trials = ledger.trials(standing.sweep.id)
        last = ledger.progress([run.id for _, run in trials])
        parts += [sweeps_table([standing], now, width), "", trials_table(trials, last, now, width, limit)]
    return Group(*parts)


def _runs_table(ledger: Ledger, runs: list[Run], width: int) -> RenderableType:
    from orchestrator.reports.runs import status_table

    return status_table(runs, ledger.progress([run.id for run in runs]), time.time(), width)


def _watch_status(ledger: Ledger, key: str | None, show_all: bool) -> None:
    from rich.live import Live

    from orchestrator.reports.text import stdout

    console = stdout()
    with Live(console=console, auto_refresh=False) as live:
        while True:
            live.update(_status(ledger, key, show_all, console.width), refresh=True)
            time.sleep(1)


def _warn_of_hosting(ledger: Ledger) -> None:
    """One line on stderr if hosting is charged and ftorch has not used it for a day, from the records only."""
    if not ledger.has_deployments():
        return
    from orchestrator.deployments.account import recorded_standings
    from orchestrator.reports.deployments import hosting_warning

    if warning := hosting_warning(recorded_standings(ledger), time.time()):
        click.echo(warning, err=True)
