"""`show` and `logs`: the records of runs."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import click

from orchestrator.bookkeeping.endings import endings
from orchestrator.bookkeeping.lineage import lineage_of_run
from orchestrator.cli.completion import complete_run
from orchestrator.cli.output import print_json
from orchestrator.cli.terminal import Terminal
from orchestrator.errors import JobFileNotKept, NothingToDraw
from orchestrator.ledger import Ledger, RunDetails, open_ledger
from orchestrator.reports.bookkeeping import job_file_lines
from orchestrator.reports.lineage import lineage_object
from orchestrator.reports.progress import EventLines
from orchestrator.reports.rundetails import details_object, print_details
from orchestrator.reports.text import printable, stdout


@click.command()
@click.argument("run", shell_complete=complete_run)
@click.option(
    "--job-file", "job_file", is_flag=True, help="Print the job file as it was submitted, and nothing else."
)
@click.option(
    "--plot",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Also draw training and validation loss to FILE.svg or FILE.png.",
)
@click.option("--json", "as_json", is_flag=True, help="Print everything as a JSON object.")
def show(run: str, job_file: bool, plot: Path | None, as_json: bool) -> None:
    """Show everything recorded about a run.

    Includes its history, hyperparameters, files, losses and cost, who submitted it, its tags and notes, and how to
    call its model. Of a deleted run it shows what is kept.
    """
    if job_file and as_json:
        raise click.UsageError("--job-file and --json can't be combined")
    if plot is not None:
        from orchestrator.reports.documents.files import PICTURES, format_of

        format_of(plot, PICTURES)
    with open_ledger() as ledger:
        if job_file:
            _print_job_file(ledger, run)
            return
        details = ledger.details(run)
        if plot is not None:
            _plot(details, plot)
        lineage = lineage_of_run(ledger, details.run)
        ends = endings(ledger).of(details.run.endpoint, details.run.fine_tuned_model)
        if as_json:
            print_json({**details_object(details, ends), "lineage": lineage_object(lineage)})
            return
        print_details(details, ledger.workspace.endpoints.get(details.run.endpoint), stdout(), lineage, ends)
    if details.run.sweep_id is not None and run == details.run.name:
        click.echo(f"\nThis is one trial of a sweep. To see all of them: ftorch sweep show {run}", err=True)


def _plot(details: RunDetails, path: Path) -> None:
    """Raises NothingToDraw, MatplotlibMissing and OutputUnwritable."""
    from orchestrator.reports.charts.curves import loss_chart
    from orchestrator.reports.documents.files import write_chart

    chart = loss_chart(details.metrics, details.checkpoints)
    if chart.is_empty:
        raise NothingToDraw(what=f"run {details.run.id}")
    write_chart(replace(chart, title=f"Loss of {details.run.name} ({details.run.id})"), path)
    click.echo(f"wrote {path}", err=True)


def _print_job_file(ledger: Ledger, key: str) -> None:
    """As it was read, except on a terminal, which a file must not steer."""
    text = ledger.job_file(key)
    if text is None:
        run = ledger.run(key)
        raise JobFileNotKept(run=run.id, path=run.job_file or "none: the job was created outside ftorch")
    if sys.stdout.isatty():
        text = "".join(f"{line}\n" for line in job_file_lines(text))
    click.echo(text, nl=False)


@click.command()
@click.argument("run", shell_complete=complete_run)
@click.option(
    *("-f", "--follow", "keep_on"), is_flag=True, help="Follow the run and print its events until it has finished."
)
@click.option(
    "--tail",
    type=click.IntRange(min=0),
    metavar="N",
    help="Start with the last N events.  [default: with the first]",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per line.")
def logs(run: str, keep_on: bool, tail: int | None, as_json: bool) -> None:
    """Show the endpoint's events of a run, oldest first."""
    with open_ledger() as ledger:
        found = ledger.run(run)
        lines = EventLines(lambda: ledger.events(found.id), click.echo, as_json=as_json)
        lines.print_new(tail)
        if keep_on and not found.is_over:
            from orchestrator.api.runs import follow  # loads what drives runs

            follow(ledger, [found], Terminal(listener=lines))
            lines.print_new()
        elif not lines.count:
            standing = printable(f"{found.state}: {found.reason}")
            click.echo(f"No events are recorded for run {found.id} ({standing}).", err=True)
