"""`endpoints`: which there are, which can be used, and whether one answers."""

from __future__ import annotations

import click

from orchestrator.cli.completion import complete_endpoint


@click.group(invoke_without_command=True)
@click.option("--json", "as_json", is_flag=True, help="Print a list of objects.")
@click.pass_context
def endpoints(ctx: click.Context, as_json: bool) -> None:
    """List the endpoints, and say which can be used and why not.

    More are added in ftorch.toml, as a table [endpoints.NAME].
    """
    if ctx.invoked_subcommand:
        return
    from orchestrator.config import find_workspace

    configs = list(find_workspace().endpoints.values())
    if as_json:
        from orchestrator.cli.output import print_json
        from orchestrator.reports.runs import endpoint_object

        print_json([endpoint_object(config) for config in configs])
    else:
        from orchestrator.reports.runs import endpoints_table
        from orchestrator.reports.text import stdout

        stdout().print(endpoints_table(configs))


@endpoints.command()
@click.argument("name", shell_complete=complete_endpoint)
def check(name: str) -> None:
    """Make one harmless request to the endpoint NAME."""
    from orchestrator.config import find_workspace
    from orchestrator.engine.worker import run_blocking
    from orchestrator.runs.session import check_endpoint

    workspace = find_workspace()
    config = workspace.endpoint(name)
    answer = run_blocking(lambda: check_endpoint(config, workspace))
    click.echo(f"{name}: {answer}")
