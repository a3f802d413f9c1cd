"""`deployments list`, `create` and `remove`: deployments of fine-tuned models on Azure, and their cost."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence

import click

from orchestrator.api import deployments as api
from orchestrator.cli.completion import complete_endpoint, complete_run
from orchestrator.cli.groups import OrderedGroup
from orchestrator.cli.output import print_json
from orchestrator.cli.terminal import Terminal, ask, terminal
from orchestrator.deployments.account import Standing, Survey
from orchestrator.deployments.recording import Terms
from orchestrator.endpoints.management import called_name
from orchestrator.errors import NotConfirmed
from orchestrator.ledger import Ledger, open_ledger
from orchestrator.reports.deployments import print_standings, print_troubles, survey_object
from orchestrator.reports.text import stderr, stdout

_UNITS = {"h": 3600.0, "d": 86_400.0}


def _parse_span(text: str) -> float:
    """A time such as 24h or 3d, in seconds. Raises click.BadParameter."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([hd])", text.strip().lower())
    if found is None:
        raise click.BadParameter(f'"{text}" is not a time such as 24h or 3d')
    return float(found[1]) * _UNITS[found[2]]


def _parse_sku(text: str) -> str:
    """Azure's deployment types, however they are spelled, or hardware. Raises click.BadParameter."""
    from orchestrator.endpoints.management import SKUS

    if re.fullmatch(r"\d+x\w+", text):
        return text.upper().replace("X", "x", 1)
    for each in SKUS:
        if text.lower() == each.lower():
            return each
    raise click.BadParameter(f'"{text}" is none of {", ".join(SKUS)}, and no hardware such as 1xH200_141GB')


@click.group(cls=OrderedGroup, default="list")
def deployments() -> None:
    """List, create and remove deployments on Azure and Fireworks.

    A fine-tuned model answers there only while it is deployed. `ftorch deployments` alone is `ftorch deployments
    list`.
    """


@deployments.command("list")
@click.option(
    "--idle",
    type=_parse_span,
    metavar="TIME",
    help="List only those that ftorch has not used for this long: 24h, 3d.",
)
@click.option("--remove", is_flag=True, help="With --idle: remove the deployments listed.")
@click.option("--undeploy", is_flag=True, hidden=True)
@click.option("--yes", is_flag=True, help="With --remove: remove them without asking.")
@click.option("--json", "as_json", is_flag=True, help="Print the list as a JSON object.")
def list_deployments(idle: float | None, remove: bool, undeploy: bool, yes: bool, as_json: bool) -> None:
    """List deployments, their cost, and when they end.

    The list comes from the accounts, so it includes deployments that were created outside ftorch; --idle
    leaves those out, so --remove never removes them.
    """
    remove = remove or undeploy
    if remove and idle is None:
        raise click.UsageError("--remove needs --idle; to remove one deployment: ftorch deployments remove NAME")
    with terminal(yes=yes) as host, open_ledger() as ledger:
        found = api.survey(ledger, host, idle)
        _show(found, as_json)
        if remove and found.standings:
            _remove_idle(ledger, found.standings, host, yes)


@deployments.command()
@click.argument("target", metavar="RUN|MODEL|JOBFILE", shell_complete=complete_run)
@click.option(
    "--checkpoint", type=click.IntRange(1), metavar="STEP", help="Deploy the run's checkpoint at this step instead."
)
@click.option("--name", help="Call the deployment this.  [default: named after the run]")
@click.option(
    "--sku",
    type=_parse_sku,
    metavar="TYPE",
    help="Azure: Standard, GlobalStandard, DataZoneStandard or DeveloperTier.  [default: Standard]  "
    "Fireworks: hardware, such as 1xH200_141GB.  [default: what Fireworks chooses]",
)
@click.option(
    "--capacity",
    type=click.IntRange(1),
    metavar="N",
    help="Azure: thousands of tokens per minute.  [default: 50]  Fireworks: the most copies of the model.  "
    "[default: 1]",
)
@click.option("--endpoint", metavar="NAME", shell_complete=complete_endpoint, help="The model's endpoint.")
@click.option("--wait/--no-wait", default=True, show_default=True, help="Wait until the model answers.")
@click.option("--yes", is_flag=True, help="Do not ask before anything that costs money.")
def create(
    target: str,
    checkpoint: int | None,
    name: str | None,
    sku: str | None,
    capacity: int | None,
    endpoint: str | None,
    wait: bool,
    yes: bool,
) -> None:
    """Deploy a fine-tuned model.

    Prints the name of the deployment, which requests use as their model. Azure charges hosting by the hour, used or
    not, until the deployment is removed; DeveloperTier hosts without charge for 24 hours. Fireworks charges by the
    hour and processor while the deployment runs. A model that is already
    deployed is not deployed twice. Ctrl-C stops waiting, never the deployment.
    """
    with terminal(yes=yes) as host:
        settled = api.deploy(
            target, Terms(name, sku, capacity), host, checkpoint=checkpoint, endpoint=endpoint, wait=wait
        )
        click.echo(called_name(settled.model, settled.name))


@deployments.command()
@click.argument("keys", nargs=-1, required=True, metavar="NAME|RUN...", shell_complete=complete_run)
@click.option(
    "--endpoint", metavar="NAME", shell_complete=complete_endpoint, help="Remove only from this endpoint."
)
@click.option("--yes", is_flag=True, help="Do not ask before removing what was created outside ftorch.")
def remove(keys: tuple[str, ...], endpoint: str | None, yes: bool) -> None:
    """Remove deployments by name, or those of a run.

    The models stay and can be deployed again. A deployment that was created outside ftorch is removed only by its
    exact name, after a question.
    """
    with terminal(yes=yes) as host:
        for key in keys:
            api.undeploy(key, host, endpoint)


def _show(found: Survey, as_json: bool) -> None:
    if as_json:
        print_json(survey_object(found))
        return
    if found.standings:
        print_standings(found.standings, stdout())
    elif not found.troubles:
        click.echo("No deployments. To create one: ftorch deployments create RUN", err=True)
    print_troubles(found.troubles, stderr())


def _remove_idle(ledger: Ledger, idle: Sequence[Standing], host: Terminal, yes: bool) -> None:
    names = ", ".join(each.name for each in idle)
    if not yes:
        if not sys.stdin.isatty():
            raise NotConfirmed("There is no terminal to ask at. Check the list above, then add --yes.")
        ask(f"Remove {names}? ftorch sees only its own requests; someone else may be using them.")
    api.remove(ledger, [each.recorded for each in idle if each.recorded is not None], host)
