"""`deploy`, `undeploy` and `deployments`: what makes a fine-tuned model answer on Azure, and what that costs."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from orchestrator.cli.completion import complete_endpoint, complete_run
from orchestrator.cli.terminal import INTERRUPTED, confirm_cost, stop_at_signals

if TYPE_CHECKING:
    from orchestrator.deployments.account import Standing, Survey
    from orchestrator.ledger import Ledger
    from orchestrator.store.deployments import Deployment

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
    """Make a fine-tuned model answer on Azure, and print the name to ask it by.

    Hosting is charged by the hour, used or not, until ftorch undeploy; DeveloperTier hosts without charge for 24
    hours. What is deployed already is found again. Ctrl-C stops waiting, never the deployment.
    """
    from orchestrator.api import deployments as api
    from orchestrator.deployments import recording
    from orchestrator.ledger import open_ledger
    from orchestrator.reports.deployments import print_deployment_plan
    from orchestrator.reports.text import stderr

    with open_ledger(_place(target), create=True) as ledger:
        terms = recording.Terms(name, sku, capacity)
        planned = api.plan(ledger, target, terms, checkpoint=checkpoint, endpoint=endpoint)
        known = recording.find_same(ledger, planned)
        print_deployment_plan(planned, known, stderr())
        confirm_cost(known is None, yes, "Deploy it?")
        recorded = api.record(ledger, planned)
        [settled] = bring_up(ledger, [recorded.deployment], wait=wait)
        _tell(ledger, settled, wait=wait)


def bring_up(ledger: Ledger, found: Sequence[Deployment], *, wait: bool = True) -> list[Deployment]:
    """Drive these to where they are wanted, telling each step on stderr; leaves with 130 where the user stops."""
    import asyncio

    from orchestrator.deployments.driving import settle
    from orchestrator.reports.deployments import DeploymentLines
    from orchestrator.reports.text import stderr

    async def work() -> tuple[list[Deployment], bool]:
        stop = stop_at_signals()
        settled = await settle(ledger, found, listener=DeploymentLines(stderr()), stop=stop, wait=wait)
        return settled, stop.is_set()

    settled, is_stopped = asyncio.run(work())
    if is_stopped:
        click.echo("stopped waiting; nothing is lost: ftorch resume goes on", err=True)
        click.get_current_context().exit(INTERRUPTED)
    return settled


@click.command()
@click.argument("keys", nargs=-1, required=True, metavar="NAME|RUN...", shell_complete=complete_run)
@click.option("--endpoint", metavar="NAME", shell_complete=complete_endpoint, help="Only on this endpoint.")
@click.option("--yes", is_flag=True, help="Do not ask before removing what was made elsewhere.")
def undeploy(keys: tuple[str, ...], endpoint: str | None, yes: bool) -> None:
    """Remove deployments by their names, or those of a RUN. The models stay, and can be deployed again.

    What was made elsewhere is removed only by its exact name, and after a question.
    """
    from orchestrator.api import deployments as api
    from orchestrator.ledger import open_ledger

    with open_ledger(create=True) as ledger:
        for key in keys:
            found = api.find(ledger, key, endpoint) or [api.find_made_elsewhere(ledger, key, endpoint)]
            for each in found:
                confirm_cost(each.made_elsewhere, yes, _foreign(each))
            _remove(ledger, found)


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
    """The deployments there are, what they cost, and when Azure removes them.

    The accounts are asked, so that deployments made elsewhere are shown too; those are never removed by --idle.
    """
    if remove and idle is None:
        raise click.UsageError("--undeploy goes with --idle; one deployment is removed with: ftorch undeploy NAME")
    from orchestrator.deployments.account import survey
    from orchestrator.deployments.hosting import IDLE_SECONDS
    from orchestrator.engine.worker import run_blocking
    from orchestrator.ledger import open_ledger
    from orchestrator.reports.deployments import DeploymentLines
    from orchestrator.reports.text import stderr

    seconds = IDLE_SECONDS if idle is None else idle
    with open_ledger() as ledger:
        gone = DeploymentLines(stderr())
        found = run_blocking(lambda: survey(ledger, idle_seconds=seconds, listener=gone))
        if idle is not None:
            found = found.only([each for each in found.standings if each.is_idle])
        _show(found, as_json)
        if remove and found.standings:
            _remove_idle(ledger, found.standings, yes)


def _show(found: Survey, as_json: bool) -> None:
    if as_json:
        from orchestrator.cli.status import print_json
        from orchestrator.reports.deployments import survey_object

        print_json(survey_object(found))
        return
    from orchestrator.reports.deployments import print_standings, print_troubles
    from orchestrator.reports.text import stderr, stdout

    if found.standings:
        print_standings(found.standings, stdout())
    elif not found.troubles:
        click.echo("No deployments. Make one with: ftorch deploy RUN", err=True)
    print_troubles(found.troubles, stderr())


def _remove_idle(ledger: Ledger, idle: Sequence[Standing], yes: bool) -> None:
    import sys

    from orchestrator.errors import NotConfirmed

    names = ", ".join(each.name for each in idle)
    if not yes:
        if not sys.stdin.isatty():
            raise NotConfirmed("There is no terminal to ask at. Look at the list above, then add --yes.")
        question = f"Remove {names}? ftorch knows its own requests only; somebody else may be using them"
        click.confirm(question, abort=True, err=True)
    _remove(ledger, [each.recorded for each in idle if each.recorded is not None])


def _remove(ledger: Ledger, found: Sequence[Deployment]) -> None:
    from orchestrator.api import deployments as api
    from orchestrator.reports.deployments import DeploymentLines
    from orchestrator.reports.text import stderr

    api.remove(ledger, found, listener=DeploymentLines(stderr()))


def _foreign(deployment: Deployment) -> str:
    return f"{deployment.name} ({deployment.model}) was not made by ftorch. Remove it all the same?"


def _tell(ledger: Ledger, settled: Deployment, *, wait: bool) -> None:
    """How to ask it and what it costs on stderr, and its name, alone, on stdout."""
    from orchestrator.api.deployments import require_answering
    from orchestrator.reports.deployments import answering_line, waiting_line

    if not wait and not settled.is_over and settled.state != "deployed":
        click.echo(waiting_line(settled), err=True)
    else:
        require_answering(settled)
        click.echo(answering_line(settled, ledger.workspace.endpoint(settled.endpoint)), err=True)
    click.echo(settled.name)


def _place(target: str) -> Path | None:
    """A job file brings its project along."""
    return Path(target).parent if target.endswith(".toml") else None
