"""`runs`: tags, notes, the archive, deletion, and jobs that were created outside ftorch."""

from __future__ import annotations

import click

from orchestrator.cli.completion import complete_endpoint, complete_run
from orchestrator.cli.deletion import delete
from orchestrator.cli.export import export
from orchestrator.cli.groups import OrderedGroup
from orchestrator.cli.status import status


@click.group(cls=OrderedGroup, default="list")
def runs() -> None:
    """Tag, note, archive, delete, export and adopt runs.

    RUN is the id of a run, or a name: of a sweep for all of its runs, else of the newest run of that name.
    `ftorch runs` alone is `ftorch status`.
    """


runs.add_command(
    click.Command("list", params=status.params, callback=status.callback, help=status.help, hidden=True)
)


@runs.command()
@click.argument("arguments", nargs=-1, required=True, metavar="RUN... [KEY=VALUE]...", shell_complete=complete_run)
@click.option("--remove", "removed", multiple=True, metavar="KEY", help="Remove this tag.")
def tag(arguments: tuple[str, ...], removed: tuple[str, ...]) -> None:
    """Tag runs, at any time.

    A tag has a key and a value, such as team=flight. Setting it again replaces the value. Tags are no part of what
    makes two runs the same. ftorch show prints them.
    """
    keys = [each for each in arguments if "=" not in each]
    settings = [each for each in arguments if "=" in each]
    if not keys or not (settings or removed):
        raise click.UsageError("give one or more runs, and tags as KEY=VALUE or --remove KEY")
    from orchestrator.api import bookkeeping
    from orchestrator.bookkeeping.labels import tags_from
    from orchestrator.ledger import open_ledger
    from orchestrator.reports.bookkeeping import named

    changes = {**dict.fromkeys(removed), **tags_from(settings)}
    with open_ledger() as ledger:
        found = bookkeeping.tag(ledger, keys, changes)
    click.echo(f"Tagged {named(found)}", err=True)


@runs.command()
@click.argument("run", shell_complete=complete_run)
@click.argument("text")
def note(run: str, text: str) -> None:
    """Add a note to a run, at any time.

    It is kept with your name and the time, after the notes before it. ftorch show prints them.
    """
    from orchestrator.api import bookkeeping
    from orchestrator.ledger import open_ledger
    from orchestrator.reports.bookkeeping import named

    with open_ledger() as ledger:
        found = bookkeeping.note(ledger, run, text)
    click.echo(f"Noted on {named(found)}", err=True)


@runs.command()
@click.argument("keys", nargs=-1, required=True, metavar="RUN|SWEEP...", shell_complete=complete_run)
def archive(keys: tuple[str, ...]) -> None:
    """Leave finished runs and sweeps out of lists.

    They are kept, found by id and name, and counted in ftorch cost. ftorch runs unarchive lists them again.
    """
    from orchestrator.api import bookkeeping
    from orchestrator.ledger import open_ledger
    from orchestrator.reports.bookkeeping import named

    with open_ledger() as ledger:
        found = bookkeeping.archive(ledger, keys)
    click.echo(f"Archived {named(found)}", err=True)


@runs.command()
@click.argument("keys", nargs=-1, required=True, metavar="RUN|SWEEP...", shell_complete=complete_run)
def unarchive(keys: tuple[str, ...]) -> None:
    """List archived runs and sweeps again."""
    from orchestrator.api import bookkeeping
    from orchestrator.ledger import open_ledger
    from orchestrator.reports.bookkeeping import named

    with open_ledger() as ledger:
        found = bookkeeping.unarchive(ledger, keys)
    click.echo(f"Listed again: {named(found)}", err=True)


runs.add_command(delete)
runs.add_command(export)


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
