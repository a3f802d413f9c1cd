"""`ui`: the page of a project, for a browser."""

from __future__ import annotations

import os

import click

from orchestrator.cli.output import INTERRUPTED


@click.command()
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    metavar="N",
    default=8008,
    show_default=True,
    help="Listen on this port; 0 takes any free one.",
)
@click.option("--open", "opens", is_flag=True, help="Open the page in your browser.")
@click.option("--read-only", is_flag=True, help="Show everything, and offer nothing that changes anything.")
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    help="Listen on this address; any but the default needs a token in FTORCH_UI_TOKEN.",
)
@click.option(
    "--allow-host",
    "allowed",
    metavar="NAME",
    multiple=True,
    help="Also answer to this host name, such as a proxy's (repeatable).",
)
@click.pass_context
def ui(ctx: click.Context, port: int, opens: bool, read_only: bool, host: str, allowed: tuple[str, ...]) -> None:
    """Show runs, sweeps, evaluations and costs in your browser.

    The page is live, and lets you cancel, pause, tag and annotate runs. Ctrl-C stops it; runs are not affected.

    On 127.0.0.1 everybody who uses this machine can open it. With FTORCH_UI_TOKEN set, a browser has to show the
    token once, at /?token=….
    """
    from orchestrator.web.serve import TOKEN, serve

    token = os.environ.get(TOKEN) or None
    serve(host, port, token=token, allowed=allowed, is_read_only=read_only, opens=opens)
    ctx.exit(INTERRUPTED)  # only Ctrl-C ends it
