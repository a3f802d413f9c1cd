"""`cancel`, `pause` and `unpause`: the request is recorded first, then carried out."""

from __future__ import annotations

import sys

import click

from orchestrator.api.actions import Cancellation, cancellation, carry_out
from orchestrator.cli.completion import complete_run
from orchestrator.cli.terminal import ask, terminal
from orchestrator.errors import CancelNotConfirmed, NoSuchRun
from orchestrator.ledger import open_ledger
from orchestrator.runs.states import RequestedAction
from orchestrator.store.runs import Run
from orchestrator.store.sweeps import RecordedSweep


@click.command()
@click.argument("run", metavar="RUN|SWEEP", shell_complete=complete_run)
@click.option("--yes", is_flag=True, help="Cancel it without asking.")
def cancel(run: str, yes: bool) -> None:
    """Cancel a run or a sweep, on the endpoint too.

    At a terminal it first shows what it will cancel and what is lost, and asks. The name of a sweep cancels its
    unfinished trials, as ftorch sweep stop does. If several unfinished runs have the name, none is cancelled: give
    an id. The id of an evaluation batch or a data generation cancels that; answers received by then are kept.

    Exits with status 0 only if the run is known to be cancelled.
    """
    with terminal() as host, open_ledger() as ledger:
        try:
            found = cancellation(ledger, run)
        except NoSuchRun:
            if not yes and sys.stdin.isatty():
                ask(f"Cancel the batch or generation {run}?")
            carry_out(ledger, run, RequestedAction.CANCEL, host)
            return
        if not yes:
            _ask_before_cancelling(found)
        if isinstance(found.subject, RecordedSweep):
            from orchestrator.cli.sweep import stop_sweep  # loads what sweeps need

            stop_sweep(ledger, found.subject, host)
        else:
            carry_out(ledger, found.subject.id, RequestedAction.CANCEL, host)


def _ask_before_cancelling(found: Cancellation) -> None:
    """Without a terminal, only a cancel that costs money or may affect another user's job needs a yes."""
    from orchestrator.reports.cancellation import cancellation_lines, concerns

    subject = found.subject
    if sys.stdin.isatty():
        for line in cancellation_lines(found):
            click.echo(line, err=True)
        ask(f"Cancel {f'run {subject.id}' if isinstance(subject, Run) else f'sweep {subject.name}'}?")
    elif because := concerns(found):
        key = subject.id if isinstance(subject, Run) else subject.name
        raise CancelNotConfirmed(run=key, concerns="; ".join(because))


@click.command()
@click.argument("run", shell_complete=complete_run)
def pause(run: str) -> None:
    """Pause a run's job on the endpoint."""
    _carry_out(run, RequestedAction.PAUSE)


@click.command()
@click.argument("run", shell_complete=complete_run)
def unpause(run: str) -> None:
    """Let a paused job continue.

    The API calls this resume. ftorch resume is something else: it continues everything that ftorch follows.
    """
    _carry_out(run, RequestedAction.UNPAUSE)


def _carry_out(key: str, requested: RequestedAction) -> None:
    with terminal() as host, open_ledger() as ledger:
        carry_out(ledger, key, requested, host)
