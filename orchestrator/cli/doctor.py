"""`endpoints doctor`: find differences between an endpoint and the records."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from orchestrator.cli.completion import complete_endpoint
from orchestrator.cli.terminal import confirmed

if TYPE_CHECKING:
    from orchestrator.config import EndpointConfig
    from orchestrator.ledger import Ledger
    from orchestrator.runs.doctor import Finding


@click.command()
@click.argument("endpoint", default="local", shell_complete=complete_endpoint)
@click.option("--fix", is_flag=True, help="Offer a fix for each finding and apply it if you agree.")
def doctor(endpoint: str, fix: bool) -> None:
    """Compare the records with the jobs and files of an endpoint.

    Reports jobs and files without a recorded run, runs whose job is gone, and duplicates. Records the days on which
    the endpoint ends its models. Exits with status 1 if anything is left to fix.
    """
    from orchestrator.engine.worker import run_blocking
    from orchestrator.ledger import open_ledger
    from orchestrator.reports.text import printable
    from orchestrator.runs.doctor import examine

    with open_ledger(create=fix) as ledger:
        config = ledger.workspace.endpoint(endpoint)
        findings = run_blocking(lambda: examine(ledger, config))
        if not findings:
            click.echo(f"The records agree with {endpoint}.", err=True)
            return
        left = 0
        for finding in findings:
            click.echo(printable(finding.sentence))
            left += not (fix and _fix(ledger, config, finding))
        if left:
            hint = "" if fix else f"; to fix them one by one: ftorch endpoints doctor {endpoint} --fix"
            click.echo(f"{left} finding{'s' if left > 1 else ''} left{hint}", err=True)
            click.get_current_context().exit(1)


def _fix(ledger: Ledger, config: EndpointConfig, finding: Finding) -> bool:
    """Ask, and apply the fix after a yes; returns whether it was applied."""
    from orchestrator.engine.worker import run_blocking
    from orchestrator.reports.text import printable
    from orchestrator.runs.doctor import mend

    remedy = printable(finding.remedy)
    if not sys.stdin.isatty():
        click.echo(f"  fix: {remedy} (not done: there is no terminal to ask at)", err=True)
        return False
    if not confirmed(f"  {remedy}?"):
        return False
    click.echo("  " + printable(run_blocking(lambda: mend(ledger, config, finding))), err=True)
    return True
