"""`cancel`, `pause` and `unpause`: wishes, recorded first, then carried out."""

from __future__ import annotations

import sys

import click

from orchestrator.cli.completion import complete_run


@click.command()
@click.argument("run", shell_complete=complete_run)
@click.option("--yes", is_flag=True, help="Do not ask.")
def cancel(run: str, yes: bool) -> None:
    """Cancel a RUN, on the endpoint too. What it has trained so far is lost there and may be charged."""
    if not yes and sys.stdin.isatty():
        click.confirm(f"Cancel run {run}?", abort=True, err=True)
    _carry_out(run, "cancel")


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


def _carry_out(key: str, wish: str) -> None:
    from orchestrator.reports.console import stderr
    from orchestrator.reports.following import Lines
    from orchestrator.reports.formats import printable
    from orchestrator.runs import api
    from orchestrator.runs.ledger import open_ledger
    from orchestrator.runs.states import Wish

    with open_ledger() as ledger:
        wished = api.wish(ledger, key, Wish(wish))
        run = api.grant(ledger, wished, Lines(stderr()))
        click.echo(f"run {run.id} is {run.state}: {printable(run.reason)}", err=True)
