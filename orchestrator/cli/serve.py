"""`serve`: the endpoint we ship, over HTTP."""

from __future__ import annotations

import os
from pathlib import Path

import click


@click.command()
@click.option("--port", default=8000, show_default=True, help="0 takes any free port.")
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--store", type=click.Path(path_type=Path, file_okay=False), help="Its directory. [default: local's]")
@click.option("--at-once", default=2, show_default=True, type=click.IntRange(1, 64), help="Jobs trained at once.")
@click.option("--api-key-env", metavar="VARIABLE", help="Ask clients for the key in this variable.")
def serve(port: int, host: str, store: Path | None, at_once: int, api_key_env: str | None) -> None:
    """Serve the local endpoint to any OpenAI client, until Ctrl-C.

    It has the same files, jobs and models as the endpoint `local` of this project.
    """
    from orchestrator.config import find_workspace
    from orchestrator.endpoints import LOCAL_STORE
    from orchestrator.server.serve import serve as run_server
    from orchestrator.server.settings import Settings

    if api_key_env is not None and not os.environ.get(api_key_env):
        raise click.UsageError(f"the environment variable {api_key_env} is not set")
    key = os.environ[api_key_env] if api_key_env else None
    directory = store or find_workspace().home / LOCAL_STORE
    run_server(directory, host, port, Settings(max_training=at_once, api_key=key))
