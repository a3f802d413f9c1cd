"""`endpoints`: list them, check that one answers, and trust a project's own."""

from __future__ import annotations

import sys

import click

from orchestrator.cli.completion import complete_endpoint
from orchestrator.cli.doctor import doctor
from orchestrator.cli.groups import OrderedGroup
from orchestrator.errors import NotConfirmed


@click.group(cls=OrderedGroup, default="list")
def endpoints() -> None:
    """List endpoints, check them, and trust a project's own.

    To add one, write a table [endpoints.NAME] in ftorch.toml. Hosts and keys in a project's ftorch.toml are used
    only after `ftorch endpoints trust`. `ftorch endpoints` alone is `ftorch endpoints list`.
    """


@endpoints.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print the list as JSON.")
def list_endpoints(as_json: bool) -> None:
    """List the endpoints, whether each can be used, and what is missing."""
    from orchestrator.config import find_workspace

    configs = list(find_workspace().endpoints.values())
    if as_json:
        from orchestrator.cli.output import print_json
        from orchestrator.reports.endpoints import endpoint_object

        print_json([endpoint_object(config) for config in configs])
    else:
        from orchestrator.reports.endpoints import print_endpoints
        from orchestrator.reports.text import stdout

        print_endpoints(configs, stdout())


@endpoints.command()
@click.argument("name", shell_complete=complete_endpoint)
def check(name: str) -> None:
    """Check that an endpoint answers, with one harmless request."""
    from orchestrator.config import find_workspace
    from orchestrator.engine.worker import run_blocking
    from orchestrator.runs.session import check_endpoint

    workspace = find_workspace()
    config = workspace.endpoint(name)
    answer = run_blocking(lambda: check_endpoint(config, workspace))
    click.echo(f"{name}: {answer}")


@endpoints.command()
@click.option("--yes", "-y", is_flag=True, help="Trust them without asking.")
def trust(yes: bool) -> None:
    """Trust this project's hosts, keys and records.

    A folder from someone else could send your keys anywhere. The hosts, key variables, programs and model folders
    elsewhere in its ftorch.toml, and the runs in its .ftorch, are therefore used only after you trust them. You are
    asked again when the file names another of these; other settings may change. FTORCH_TRUST=1 trusts everything,
    for CI.
    """
    from orchestrator import trust as allowed
    from orchestrator.cli.terminal import ask
    from orchestrator.config import find_workspace
    from orchestrator.reports.endpoints import reach_table
    from orchestrator.reports.text import stderr

    workspace = find_workspace()
    is_new = bool(workspace.reach) and not allowed.allows(workspace.project_file, workspace.reach)
    finding = None if allowed.everything_is_allowed() else allowed.state_finding(workspace.home)
    if not is_new and finding is None:
        click.echo("Nothing to trust: everything in this project is already in use.", err=True)
        return
    if is_new:
        click.echo(f"{workspace.project_file} names:", err=True)
        stderr().print(reach_table(workspace))
    if finding is not None:
        click.echo(f"The state directory {workspace.home} {finding}.", err=True)
    if not yes:
        if not sys.stdin.isatty():
            raise NotConfirmed("There is no terminal to ask at. Check the list above, then add --yes.")
        ask("Trust it?")
    if is_new:
        allowed.allow(workspace.project_file, workspace.reach)
    if finding is not None:
        allowed.allow_state(workspace.home)
    click.echo("Trusted.", err=True)


endpoints.add_command(doctor)
