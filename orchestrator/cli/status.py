"""`status`: the state of everything."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import click

from orchestrator.cli.completion import complete_run
from orchestrator.cli.groups import SectionedCommand
from orchestrator.cli.listingoptions import (
    FILTERS,
    WINDOW,
    Filters,
    Window,
    filter_options,
    state_option,
    window_options,
)
from orchestrator.cli.output import print_json_list

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

    from orchestrator.ledger import Ledger, SweepStanding
    from orchestrator.store.listing import Listing
    from orchestrator.store.runs import Run

_SECTIONS = {
    "Which runs, and in what order": ("--state", *FILTERS),
    "What is shown": (*WINDOW, "--json", "--watch"),
}
COLUMNS = (
    *("run", "name", "state", "step", "endpoint", "base", "loss", "valid", "cost"),
    *("created", "updated", "finished", "duration", "job", "ends", "model"),
)
"""The same as `reports.runtable.RUN_COLUMNS`, which would load the database."""


@click.command(cls=SectionedCommand, sections=_SECTIONS)
@click.argument("run", required=False, metavar="[NAME|RUN]", shell_complete=complete_run)
@state_option
@filter_options
@window_options(COLUMNS, "runs")
@click.option("--watch", is_flag=True, help="Update the table until you press Ctrl-C.")
@click.option(
    "-v", "--verbose", is_flag=True, help="Print the project, database and settings first, as ftorch where does."
)
@click.option("--json", "as_json", is_flag=True, help="Print the list as JSON.")
def status(run: str | None, filters: Filters, window: Window, watch: bool, verbose: bool, as_json: bool) -> None:
    """Show the state of all runs and sweeps, newest first.

    A sweep takes one line; give its name to see its trials. Give the id or name of a run to see only that run.

    \b
    ftorch status --state failed --since 7d
    ftorch status --tag team=flight --mine --sort cost
    ftorch status --columns run,name,state,cost,model

    With a filter or an order, the list is of single runs, including the trials of sweeps. Each order begins with
    what is mostly looked for: the newest, the dearest, the longest, the lowest loss.
    """
    from orchestrator.ledger import open_ledger

    if watch and (as_json or window.only_ids):
        raise click.UsageError("--watch is for the table: give it without --ids and --json")
    if verbose and not (as_json or watch or window.only_ids):
        from orchestrator.cli.where import facts, print_facts

        print_facts(facts())
        click.echo()
    with open_ledger() as ledger:
        if as_json or window.only_ids:
            _print_for_programs(ledger, _listing(ledger, run, filters), window, as_json)
            return
        from orchestrator.reports.text import stdout

        console = stdout()

        def shown() -> RenderableType:
            if filters.is_any:
                return _chosen(ledger, run, filters, window, console)
            return _status(ledger, run, window, console)

        if watch:
            _watch(shown, console)
        else:
            console.print(shown())
            _warn_of_hosting(ledger)


def _listing(ledger: Ledger, key: str | None, filters: Filters) -> Listing:
    """The chosen runs, or those of them that have this name or id."""
    return filters.listing() if key is None else ledger.listing_of(key, filters.listing())


def _print_for_programs(ledger: Ledger, listing: Listing, window: Window, as_json: bool) -> None:
    found = ledger.summaries(listing, limit=window.limit_for_programs)
    if as_json:
        from orchestrator.bookkeeping.endings import endings
        from orchestrator.reports.runs import run_object

        ends = endings(ledger).of
        print_json_list(
            run_object(each, last, tags, ends(each.endpoint, each.fine_tuned_model)) for each, last, tags in found
        )
    else:
        for each, *_ in found:
            click.echo(each.id)


# --- For people ------------------------------------------------------------------------------------------------


def _chosen(ledger: Ledger, key: str | None, filters: Filters, window: Window, console: Console) -> RenderableType:
    """The runs that match the filters, in the requested order, and their number."""
    from rich.console import Group

    from orchestrator.reports.runs import summary

    listing = _listing(ledger, key, filters)
    runs = ledger.listed(listing, limit=window.limit)
    if not runs:
        return _nothing(ledger, key, filters)
    is_newest = listing.sort == "created" and not listing.is_reversed
    counted = summary(ledger.counts(listing), len(runs), "the newest" if is_newest else "the first")
    return Group(_runs_table(ledger, runs, window, console), counted)


def _status(ledger: Ledger, key: str | None, window: Window, console: Console) -> RenderableType:
    sweeps = ledger.sweeps(key)
    if key is None:
        return _everything(ledger, sweeps, window, console)
    if sweeps:
        return _unfolded(ledger, sweeps, window, console)
    runs = ledger.listed(ledger.listing_of(key), limit=window.limit)
    return _runs_table(ledger, runs, window, console) if runs else _nothing(ledger, key, Filters({}, False))


def _everything(ledger: Ledger, sweeps: list[SweepStanding], window: Window, console: Console) -> RenderableType:
    """A line for each sweep, then one for each run outside sweeps."""
    from rich.console import Group

    from orchestrator.ledger import SINGLE_RUNS
    from orchestrator.reports.runs import summary
    from orchestrator.reports.sweeptables import sweeps_summary, sweeps_table

    runs = ledger.listed(SINGLE_RUNS, limit=window.limit)
    shown = sweeps[: window.limit]
    parts: list[RenderableType] = []
    if shown:
        parts += [sweeps_table(shown, time.time(), console.width), sweeps_summary(len(sweeps), len(shown))]
    if runs:
        counted = summary(ledger.counts(SINGLE_RUNS), len(runs))
        parts += [*([""] if parts else []), _runs_table(ledger, runs, window, console), counted]
    if batches := ledger.batches():
        from orchestrator.reports.progress import batches_under_way

        parts += [*([""] if parts else []), batches_under_way(batches)]
    if generations := ledger.generations():
        from orchestrator.reports.progress import generations_under_way

        parts += [*([""] if parts else []), generations_under_way(generations)]
    return Group(*parts) if parts else _nothing(ledger, None, Filters({}, False))


def _unfolded(ledger: Ledger, sweeps: list[SweepStanding], window: Window, console: Console) -> RenderableType:
    """These sweeps with their trials."""
    from rich.console import Group

    from orchestrator.reports.sweeptables import sweeps_table, trials_table

    now = time.time()
    parts: list[RenderableType] = []
    for standing in sweeps:
        trials = ledger.trials(standing.sweep.id)
        last = ledger.progress([run.id for _, run in trials])
        width = console.width
        parts += [sweeps_table([standing], now, width), "", trials_table(trials, last, now, width, window.limit)]
    return Group(*parts)


def _runs_table(ledger: Ledger, runs: list[Run], window: Window, console: Console) -> RenderableType:
    from orchestrator.bookkeeping.endings import endings
    from orchestrator.reports.runtable import status_table

    last = ledger.progress([run.id for run in runs])
    known = endings(ledger)
    ends = {run.id: day for run in runs if (day := known.of(run.endpoint, run.fine_tuned_model))}
    table = status_table(runs, last, time.time(), console.width, window.columns, ends)
    if window.columns:
        console.width = max(console.width, table.width)  # what the user asked for is shown whole
    return table


def _nothing(ledger: Ledger, key: str | None, filters: Filters) -> str:
    """Why nothing is listed, and how to see something."""
    from orchestrator.ledger import EVERY_RUN
    from orchestrator.reports.text import plural

    every = EVERY_RUN if key is None else ledger.listing_of(key)
    command = "ftorch status" if key is None else f"ftorch status {key}"
    total, archived = ledger.count(every), ledger.count(replace(every, archived="only"))
    if filters.is_any and total:
        return f"No run matches. Without filters: {command} ({plural(total, 'run')})"
    if archived:
        return f"Nothing but {plural(archived, 'archived run')}: {command} --archived"
    if every.run_id is not None:
        return f"Run {every.run_id} is deleted. To see what is left of it: ftorch show {every.run_id}"
    if key is not None:
        return f"No run of {key} is recorded yet."
    return f"No runs yet in {ledger.workspace.home}. Start with: ftorch init DATA.jsonl"


def _watch(shown: Callable[[], RenderableType], console: Console) -> None:
    from rich.live import Live

    with Live(console=console, auto_refresh=False) as live:
        while True:
            live.update(shown(), refresh=True)
            time.sleep(1)


def _warn_of_hosting(ledger: Ledger) -> None:
    """One line on stderr if hosting is charged and ftorch has not used it for a day, from the records only."""
    if not ledger.has_deployments():
        return
    from orchestrator.deployments.account import recorded_standings
    from orchestrator.reports.deployments import hosting_warning

    if warning := hosting_warning(recorded_standings(ledger), time.time()):
        click.echo(warning, err=True)
