"""`serve`: the local endpoint over HTTP."""

from __future__ import annotations

import os
from pathlib import Path

import click

from orchestrator.cli.output import INTERRUPTED


@click.command()
@click.option(
    "--port", metavar="N", default=8000, show_default=True, help="Listen on this port; 0 takes any free one."
)
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    help="Listen on this address; on any other than the default, clients need a key.",
)
@click.option(
    "--allow-host",
    "hosts",
    metavar="NAME",
    multiple=True,
    help="Also answer to this host name, such as a proxy's (repeatable).",
)
@click.option(
    "--store",
    type=click.Path(path_type=Path, file_okay=False),
    help="Keep files and jobs in this folder.  [default: as the endpoint local]",
)
@click.option(
    "--at-once",
    type=click.IntRange(1, 64),
    metavar="N",
    help="Train this many jobs at the same time.  [default: 2, with --azure 1]",
)
@click.option(
    "--api-key-env",
    metavar="VARIABLE",
    help="Read the clients' key from this variable.  [default: none on 127.0.0.1, elsewhere a new one]",
)
@click.option("--azure", is_flag=True, help="Serve an Azure OpenAI resource as well.")
@click.option("--entra", is_flag=True, help="With --azure: refuse requests without a token or the key.")
@click.option(
    "--region", metavar="NAME", help="With --azure: set the region of the resource.  [default: swedencentral]"
)
def serve(
    port: int,
    host: str,
    hosts: tuple[str, ...],
    store: Path | None,
    at_once: int | None,
    api_key_env: str | None,
    azure: bool,
    entra: bool,
    region: str | None,
) -> None:
    """Serve the local endpoint to any OpenAI client.

    Clients see the same files, jobs and models as the endpoint `local` of this project. Ctrl-C stops the server.

    With --azure it also offers the Azure OpenAI APIs, with deployments and sign-in, so that you can rehearse work
    for Azure. Requests from web pages, and requests that name another host, are refused.
    """
    from orchestrator.config import find_workspace
    from orchestrator.endpoints import LOCAL_STORE
    from orchestrator.server.serve import serve as run_server
    from orchestrator.server.settings import AzureSettings, Settings
    from orchestrator.trust import use_state

    if not azure and (entra or region is not None):
        raise click.UsageError("--entra and --region need --azure")
    if api_key_env is not None and not os.environ.get(api_key_env):
        raise click.UsageError(f"the environment variable {api_key_env} is not set")
    key = os.environ[api_key_env] if api_key_env else None
    place = region or AzureSettings.location
    here = host in ("127.0.0.1", "::1", "localhost")
    resource = AzureSettings(location=place, signed_in_only=entra, imports_from_here=here) if azure else None
    training = at_once or (1 if azure else 2)
    if store is None:
        home = find_workspace().home
        use_state(home)
        store = home / LOCAL_STORE
    settings = Settings(max_training=training, api_key=key, hosts=hosts, azure=resource)
    run_server(store, host, port, settings)
    click.get_current_context().exit(INTERRUPTED)  # only Ctrl-C ends it
