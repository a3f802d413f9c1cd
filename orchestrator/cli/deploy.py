"""`deploy`, `undeploy` and `deployments`: what makes a fine-tuned model answer on Azure, and what that costs."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence

import click

from orchestrator.api import deployments as api
from orchestrator.cli.completion import complete_endpoint, complete_run
from orchestrator.cli.output import print_json
from orchestrator.cli.terminal import Terminal, terminal
from orchestrator.deployments.account import Standing, Survey
from orchestrator.deployments.recording import Terms
from orchestrator.errors import NotConfirmed
from orchestrator.ledger import Ledger, open_ledger
from orchestrator.reports.deployments import print_standings, print_troubles, survey_object
from orchestrator.reports.text import stderr, stdout

SKUS = ("Standard", "GlobalStandard", "DeveloperTier")
_UNITS = {"h": 3600.0, "d": 86_400.0}


def _parse_span(text: str) -> float:
    """A time such as 24h or 3d, in seconds."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([hd])", text.strip().lower())
    if found is None:
        raise click.BadParameter(f'"{text}" is no time such as 24h or 3d')
    return float(found[1]) * _UNITS[found[2]]


@click.command()
@click.argument("target", metavar="RUN|MODEL|JOBFILE", shell_complete=complete_run)
@click.option(
    "--checkpoint", type=click.IntRange(1), metavar="STEP", help="The run's checkpoint of this step instead."
)
@click.option("--name", help="What it is called. [default: after the run]")
@click.option("--sku", type=click.Choice(SKUS, case_sensitive=False), help="How it is hosted. [default: Standard]")
@click.option("--capacity", type=click.IntRange(1), help="Thousands of tokens a minute. [default: 50]")
@click.option("--endpoint", metavar="NAME", shell_complete=complete_endpoint, help="Where the model is.")
@click.option("--wait/--no-wait", default=True, show_default=True, help="Wait until it answers.")
@click.option("--yes", is_flag=True, help="Do not ask before what costs money.")
def deploy(
    target: str,
    checkpoint: int | None,
    name: str | None,
    sku: str | None,
    capacity: int | None,
    endpoint: str | None,
    wait: bool,
    yes: bool,
) -> None:
    """Make a fine-tuned model answer on Azure. Prints the name to ask it by.

    Hosting is charged by the hour, used or not, until ftorch undeploy; DeveloperTier hosts without charge for 24
    hours. What is deployed already is found again. Ctrl-C stops waiting, never the deployment.
    """
    with terminal(yes=yes) as host:
        settled = api.deploy(
            target, Terms(name, sku, capacity), host, checkpoint=checkpoint, endpoint=endpoint, wait=wait
        )
        click.echo(settled.name)


@click.command()
@click.argument("keys", nargs=-1, required=True, metavar="NAME|RUN...", shell_complete=complete_run)
@click.option("--endpoint", metavar="NAME", shell_complete=complete_endpoint, help="Only on this endpoint.")
@click.option("--yes", is_flag=True, help="Do not ask before removing what was made elsewhere.")
def undeploy(keys: tuple[str, ...], endpoint: str | None, yes: bool) -> None:
    """Remove deployments by their names, or those of a RUN. The models stay, and can be deployed again.

    What was made elsewhere is removed only by its exact name, and after a question.
    """
    with terminal(yes=yes) as host:
        for key in keys:
            api.undeploy(key, host, endpoint)


@click.command()
@click.option(
    "--idle",
    type=_parse_span,
    metavar="TIME",
    help="Only those that ftorch has not used for so long, such as 24h or 3d.",
)
@click.option("--undeploy", "remove", is_flag=True, help="With --idle: remove them.")
@click.option("--yes", is_flag=True, help="With --undeploy: do not ask.")
@click.option("--json", "as_json", is_flag=True, help="Print one object.")
def deployments(idle: float | None, remove: bool, yes: bool, as_json: bool) -> None:
    """List deployments, their cost, and when Azure removes them.

    The accounts are asked, so that deployments made elsewhere are shown too; those are never removed by --idle.
    """
    if remove and idle is None:
        raise click.UsageError("--undeploy goes with --idle; one deployment is removed with: ftorch undeploy NAME")
    with terminal(yes=yes) as host, open_ledger() as ledger:
        found = api.survey(ledger, host, idle)
        _show(found, as_json)
        if remove and found.standings:
            _remove_idle(ledger, found.standings, host, yes)


def _show(found: Survey, as_json: bool) -> None:
    if as_json:
        print_json(survey_object(found))
        return
    if found.standings:
        print_standings(found.standings, stdout())
    elif not found.troubles:
        click.echo("No deployments. Make one with: ftorch deploy RUN", err=True)
    print_troubles(found.troubles, stderr())


def _remove_idle(ledger: Ledger, idle: Sequence[Standing], host: Terminal, yes: bool) -> None:
    names = ", ".join(each.name for each in idle)
    if not yes:
        if not sys.stdin.isatty():
            raise NotConfirmed("There is no terminal to ask at. Look at the list above, then add --yes.")
        question = f"Remove {names}? ftorch knows its own requests only; somebody else may be using them"
        click.confirm(question, abort=True, err=True)
    api.remove(ledger, [each.recorded for each in idle if each.recorded is not None], host)
