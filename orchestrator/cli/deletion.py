"""`runs delete`: show what is deleted, ask, delete."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from orchestrator.cli.completion import complete_run

if TYPE_CHECKING:
    from orchestrator.bookkeeping.deletion import Deletion, Kind


@click.command()
@click.argument("keys", nargs=-1, required=True, metavar="RUN|SWEEP...", shell_complete=complete_run)
@click.option("--remote", is_flag=True, help="Also delete their models and files on the endpoint.")
@click.option("--yes", is_flag=True, help="Delete without asking.")
def delete(keys: tuple[str, ...], remote: bool, yes: bool) -> None:
    """Delete the records of finished runs and sweeps.

    Of each run its job, its model's name, its cost and the hashes of its data are kept, so that the same content is
    not paid for again unnoticed. Its events, losses, checkpoints, evaluations, answers, tags and notes are deleted.

    --remote also deletes its models and its data and result files on the endpoint, and asks for each kind. What
    another run or a deployment uses is kept. If the endpoint refuses, the records stay.

    A run can't be deleted while its model is deployed, in production, or the base of another run.
    """
    from orchestrator.api import deletion
    from orchestrator.cli.terminal import ask, terminal
    from orchestrator.errors import DeletionNotConfirmed
    from orchestrator.ledger import open_ledger
    from orchestrator.reports.bookkeeping import named
    from orchestrator.reports.deletion import print_deletion, records_question
    from orchestrator.reports.text import stderr

    with terminal(yes=yes) as host, open_ledger() as ledger:
        found = deletion.plan(ledger, keys)
        print_deletion(found, stderr(), remote=remote)
        if not yes and not sys.stdin.isatty():
            raise DeletionNotConfirmed
        if not yes:
            ask(records_question(found))
        deletion.delete(ledger, found, host, _kinds(found, yes) if remote else ())
    click.echo(f"Deleted {named(found.subjects)}", err=True)


def _kinds(found: Deletion, yes: bool) -> list[Kind]:
    """The kinds to delete on the endpoints: each is a separate question."""
    from orchestrator.bookkeeping.deletion import Kind
    from orchestrator.cli.terminal import confirmed
    from orchestrator.reports.deletion import kind_question

    there = [kind for kind in Kind if found.of_kind(kind)]
    return [kind for kind in there if yes or confirmed(kind_question(found.of_kind(kind)))]
