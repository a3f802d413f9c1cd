"""Shell completion of run ids and names of sweeps and endpoints. It never fails and never writes.

`ftorch completion` prints the script for a shell.
"""

from __future__ import annotations

import click
from click.shell_completion import CompletionItem, get_completion_class


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


def complete_base(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """The names of open-weights models on this machine, or folders for the start of a path."""
    from orchestrator.config import find_workspace
    from orchestrator.endpoints.basefolders import base_names
    from orchestrator.errors import FtorchError
    from orchestrator.modelfolders import is_path

    if is_path(incomplete):
        return [CompletionItem(incomplete, type="dir")]
    try:
        names = base_names(find_workspace())
    except FtorchError:
        return []
    return [CompletionItem(name) for name in names if name.startswith(incomplete)]


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print the script that completes ftorch in your shell.

    Install it with one line; the next shell you open completes commands, options, runs, sweeps and endpoints:

    \b
    echo 'eval "$(ftorch completion bash)"' >> ~/.bashrc
    echo 'eval "$(ftorch completion zsh)"' >> ~/.zshrc       (after compinit)
    ftorch completion fish > ~/.config/fish/completions/ftorch.fish
    """
    found = get_completion_class(shell)
    assert found is not None
    root = click.get_current_context().find_root()
    click.echo(found(root.command, {}, "ftorch", "_FTORCH_COMPLETE").source())
