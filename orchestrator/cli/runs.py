"""`runs`: `runs adopt` records jobs that were created outside ftorch."""

from __future__ import annotations

import click

from orchestrator.cli.completion import complete_endpoint
from orchestrator.cli.groups import OrderedGroup
from orchestrator.cli.status import status


@click.group(cls=OrderedGroup, default="list")
def runs() -> None:
    """Record jobs that were created outside ftorch.

    `ftorch runs` alone is `ftorch status`.
    """


runs.add_command(
    click.Command("list", params=status.params, callback=status.callback, help=status.help, hidden=True)
)


@runs.command()
@click.argument("job_ids", nargs=-1, metavar="[JOB]...")
@click.option("--all", "adopt_all", is_flag=True, help="Record every job that the endpoint lists.")
@click.option(
    "--endpoint",
    metavar="NAME",
    default="local",
    show_default=True,
    shell_complete=complete_endpoint,
    help="The jobs' endpoint.",
)
def adopt(job_ids: tuple[str, ...], adopt_all: bool, endpoint: str) -> None:
    """Record jobs that were created outside ftorch.

    JOB is the endpoint's id of the job, such as ftjob-abc123. Its events, metrics, checkpoints and model id are
    recorded too. Recording a job twice changes nothing.
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
        click.echo(f"{endpoint} has no jobs to adopt.", err=True)
