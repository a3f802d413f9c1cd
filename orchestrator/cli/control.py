"""`cancel`, `pause` and `unpause`: requested first, in the database, and then carried out."""

from __future__ import annotations

import sys

import click

from orchestrator.api.actions import carry_out, charged_for_cancelling, doubtful_job
from orchestrator.cli.completion import complete_run
from orchestrator.cli.terminal import ask, terminal
from orchestrator.errors import CancelNotConfirmed
from orchestrator.ledger import open_ledger
from orchestrator.runs.marks import NO_MARK
from orchestrator.runs.states import RequestedAction


@click.command()
@click.argument("run", shell_complete=complete_run)
@click.option("--yes", is_flag=True, help="Do not ask.")
def cancel(run: str, yes: bool) -> None:
    """Cancel a RUN, on the endpoint too. What it has trained so far is lost there and may be charged.

    Exits with 0 only where the run is known to be cancelled.

    The id of a batch of questions, or of a generation, cancels that; what is answered by then is recorded.
    """
    if not yes:
        _ask_before_cancelling(run)
    _carry_out(run, RequestedAction.CANCEL)


def _ask_before_cancelling(key: str) -> None:
    """Without a terminal only a cancelling needs to be confirmed that costs something, or may hit another's job."""
    with open_ledger() as ledger:
        charged_by, job_id = charged_for_cancelling(ledger, key), doubtful_job(ledger, key)
    concerns = [f"{charged_by} charges what the job has trained until now"] if charged_by else []
    concerns += [f"job {job_id} fits and {NO_MARK}: it may be somebody else's"] if job_id else []
    if sys.stdin.isatty():
        ask("".join(f"{concern}. " for concern in concerns) + f"Cancel {key}?")
    elif concerns:
        raise CancelNotConfirmed(run=key, concerns="; ".join(concerns))


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
