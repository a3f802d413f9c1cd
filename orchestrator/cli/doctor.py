"""`adopt` and `doctor`: what the endpoint has and we don't, and the other way round."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from orchestrator.cli.completion import complete_endpoint

if TYPE_CHECKING:
    from orchestrator.config import EndpointConfig
    from orchestrator.ledger import Ledger
    from orchestrator.runs.doctor import Finding


@click.command()
@click.argument("job_ids", nargs=-1, metavar="[FTJOB-ID]...")
@click.option("--all", "adopt_all", is_flag=True, help="Every job of the endpoint.")
@click.option("--endpoint", default="local", show_default=True, shell_complete=complete_endpoint)
def adopt(job_ids: tuple[str, ...], adopt_all: bool, endpoint: str) -> None:
    """Record jobs that were created elsewhere. By a script, say, or in a web console.

    Their events, metrics, checkpoints and model ids are recorded too. Doing it twice changes nothing.
    """
    if bool(job_ids) == adopt_all:
        raise click.UsageError("give one or more job ids, or --all")
    from orchestrator.engine.worker import run_blocking
    from orchestrator.ledger import open_ledger
    from orchestrator.reports.text import printable
    from orchestrator.runs.adoption import adopt_jobs

    with open_ledger(create=True) as ledger:
        config = ledger.workspace.endpoint(endpoint)
        wanted = None if adopt_all else list(job_ids)
        adopted = run_blocking(lambda: adopt_jobs(ledger, config, wanted))
    for each in adopted:
        run = each.run
        word = "adopted as" if each.is_new else "is already"
        line = f"{run.job_id} {word} run {run.id}: {run.state}, {run.fine_tuned_model or run.reason}"
        click.echo(printable(line))
    if not adopted:
        click.echo(f"{endpoint} has no jobs to adopt", err=True)


@click.command()
@click.argument("endpoint", default="local", shell_complete=complete_endpoint)
@click.option("--fix", is_flag=True, help="Offer a remedy for each finding; nothing is done without a yes.")
def doctor(endpoint: str, fix: bool) -> None:
    """Compare the records with an ENDPOINT. Names jobs and files unknown here, runs whose job is gone, duplicates.

    Leaves with 1 where something is left to mend.
    """
    from orchestrator.engine.worker import run_blocking
    from orchestrator.ledger import open_ledger
    from orchestrator.reports.text import printable
    from orchestrator.runs.doctor import examine

    with open_ledger(create=fix) as ledger:
        config = ledger.workspace.endpoint(endpoint)
        findings = run_blocking(lambda: examine(ledger, config))
        if not findings:
            click.echo(f"{endpoint} and the records agree", err=True)
            return
        left = 0
        for finding in findings:
            click.echo(printable(finding.sentence))
            left += not (fix and _mend(ledger, config, finding))
        if left:
            hint = "" if fix else "; ftorch doctor --fix offers a remedy for each"
            click.echo(f"{left} finding{'s' if left > 1 else ''} left{hint}", err=True)
            click.get_current_context().exit(1)


def _mend(ledger: Ledger, config: EndpointConfig, finding: Finding) -> bool:
    """Ask, and do it only after a yes; returns whether it was done."""
    from orchestrator.engine.worker import run_blocking
    from orchestrator.reports.text import printable
    from orchestrator.runs.doctor import mend

    remedy = printable(finding.remedy)
    if not sys.stdin.isatty():
        click.echo(f"  could {remedy}, but there is no terminal to ask at", err=True)
        return False
    if not click.confirm(f"  {remedy}?", err=True):
        return False
    click.echo("  " + printable(run_blocking(lambda: mend(ledger, config, finding))), err=True)
    return True
