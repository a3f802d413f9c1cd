"""`cancel`, `pause` and `unpause`: wishes, recorded first, then carried out."""

from __future__ import annotations

import sys

import click

from orchestrator.cli.batches import cancel_batch
from orchestrator.cli.completion import complete_run


@click.command()
@click.argument("run", shell_complete=complete_run)
@click.option("--yes", is_flag=True, help="Do not ask.")
def cancel(run: str, yes: bool) -> None:
    """Cancel a RUN, on the endpoint too. What it has trained so far is lost there and may be charged.

    The id of a batch of questions cancels that; what is answered by then is recorded.
    """
    if not yes:
        _ask_before_cancelling(run)
    _carry_out(run, "cancel")


def _ask_before_cancelling(key: str) -> None:
    """Without a terminal only a cancelling that costs something needs to be confirmed."""
    from orchestrator.api import runs
    from orchestrator.errors import CancelNotConfirmed
    from orchestrator.ledger import open_ledger

    with open_ledger() as ledger:
        charged_by = runs.charged_for_cancelling(ledger, key)
    if sys.stdin.isatty():
        told = f"{charged_by} charges what the job has trained until now. " if charged_by else ""
        click.confirm(f"{told}Cancel {key}?", abort=True, err=True)
    elif charged_by:
        raise CancelNotConfirmed(run=key, endpoint=charged_by)


@click.command()
@click.argument("run", shell_complete=complete_run)
def pause(run: str) -> None:
    """Pause a RUN's job on the endpoint."""
    _carry_out(run, "pause")


@click.command()
@click.argument("run", shell_complete=complete_run)
def unpause(run: str) -> None:
    """Let a paused RUN go on."""
    _carry_out(run, "unpause")


def _carry_out(key: str, requested_action: str) -> None:
    from orchestrator.api import runs
    from orchestrator.errors import NoSuchRun
    from orchestrator.ledger import open_ledger
    from orchestrator.reports.live import Lines
    from orchestrator.reports.text import printable, stderr
    from orchestrator.runs.states import RequestedAction

    with open_ledger() as ledger:
        try:
            requested = runs.request_action(ledger, key, RequestedAction(requested_action))
        except NoSuchRun:
            if requested_action != RequestedAction.CANCEL or not cancel_batch(ledger, key):
                raise
            return
        run = runs.grant(ledger, requested, Lines(stderr()))
        click.echo(f"run {run.id} is {run.state}: {printable(run.reason)}", err=True)
