"""What the shell completes after Tab: run ids, names of sweeps and endpoints. It never fails and never writes."""

from __future__ import annotations

import click
from click.shell_completion import CompletionItem


def complete_run(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Run ids, newest first, with name and state."""
    from orchestrator.errors import FtorchError
    from orchestrator.ledger import open_ledger

    try:
        with open_ledger() as ledger:
            found = [run for run in ledger.runs(limit=200) if run.id.startswith(incomplete)]
    except FtorchError:
        return []
    return [CompletionItem(run.id, help=f"{run.name}, {run.state}") for run in found]


def complete_sweep(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """The names of sweeps, newest first, with their endpoints."""
    from orchestrator.errors import FtorchError
    from orchestrator.ledger import open_ledger

    try:
        with open_ledger() as ledger:
            found = [standing.sweep for standing in ledger.sweeps()]
    except FtorchError:
        return []
    named = [each for each in found if each.name.startswith(incomplete)]
    return [CompletionItem(each.name, help=f"on {each.endpoint}") for each in named]


def complete_endpoint(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Endpoint names, with their types."""
    from orchestrator.config import find_workspace
    from orchestrator.errors import FtorchError

    try:
        configs = find_workspace().endpoints.values()
    except FtorchError:
        return []
    return [
        CompletionItem(config.name, help=config.type) for config in configs if config.name.startswith(incomplete)
    ]
