"""`models promote`, `models lineage`, and the stages of `models get`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from orchestrator.cli.completion import complete_endpoint, complete_run
from orchestrator.cli.output import print_json

if TYPE_CHECKING:
    from orchestrator.bookkeeping.stages import Stage

STAGES: tuple[Stage, ...] = ("candidate", "production", "retired")
"""The same as `bookkeeping.stages.STAGES`, which would load the database for help."""


@click.command()
@click.argument("key", metavar="RUN|MODEL", shell_complete=complete_run)
@click.argument("stage", type=click.Choice(STAGES), metavar="STAGE")
@click.option(
    "--name", metavar="NAME", help="Register the model under this name.  [default: the name of its run or sweep]"
)
@click.option(
    "--endpoint",
    metavar="NAME",
    shell_complete=complete_endpoint,
    help="The endpoint, if several have the model, or if no recorded run made it.",
)
@click.option("-m", "--reason", metavar="TEXT", default="", help="Record this reason.")
@click.option("--force", is_flag=True, help="Promote it although it does not meet the gate; needs a reason.")
@click.option("--json", "as_json", is_flag=True, help="Print what was recorded as a JSON object.")
def promote(
    key: str, stage: Stage, name: str | None, endpoint: str | None, reason: str, force: bool, as_json: bool
) -> None:
    """Make a model a candidate, put it into production, or retire it.

    \b
    ftorch models promote drone candidate
    ftorch models promote drone production -m "approved by the flight team"
    ftorch models get production --name drone

    A name has one model in production: promoting another retires it, and the output says how to go back. A job file
    with `required_for = "production"` in its gate demands an evaluation that meets the gate; otherwise the command
    exits with status 3. Stages are records of ftorch; nothing is sent.
    """
    from orchestrator.api import promotion
    from orchestrator.ledger import open_ledger
    from orchestrator.reports.stages import print_promoted, promoted_object
    from orchestrator.reports.text import stdout

    with open_ledger() as ledger:
        done = promotion.promote(ledger, key, stage, name=name, endpoint=endpoint, reason=reason, force=force)
    if as_json:
        print_json(promoted_object(done))
    else:
        print_promoted(done, stdout())


def print_in_stage(stage: Stage, name: str | None, endpoint: str | None, *, as_json: bool) -> None:
    """Print the id of the model in a stage, or all that is recorded about its stage as JSON."""
    from orchestrator.api.promotion import in_stage
    from orchestrator.ledger import open_ledger
    from orchestrator.reports.stages import promotion_object
    from orchestrator.reports.text import printable

    with open_ledger() as ledger:
        found = in_stage(ledger, stage, name=name, endpoint=endpoint)
    if as_json:
        print_json(promotion_object(found))
    else:
        click.echo(printable(found.model))


@click.command()
@click.argument("key", metavar="RUN|MODEL", shell_complete=complete_run)
@click.option(
    "--endpoint",
    metavar="NAME",
    shell_complete=complete_endpoint,
    help="The endpoint, if several have the model.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the lineage as a JSON object.")
def lineage(key: str, endpoint: str | None, as_json: bool) -> None:
    """Show where a model comes from and what was made of it.

    The tree goes from the base model through every run and its data to the model's checkpoints, deployments,
    evaluations and stage, and to the runs that were trained from it.
    """
    from orchestrator.bookkeeping.lineage import lineage_of
    from orchestrator.ledger import open_ledger
    from orchestrator.reports.lineage import lineage_object, print_lineage
    from orchestrator.reports.text import stdout

    with open_ledger() as ledger:
        found = lineage_of(ledger, key, endpoint)
    if as_json:
        print_json(lineage_object(found))
    else:
        print_lineage(found, stdout())
