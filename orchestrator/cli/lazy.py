"""Commands whose modules are imported when they are called, so that `--help` and `--version` load Click alone."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from importlib import import_module
from typing import Any

import click
from click.shell_completion import CompletionItem

from orchestrator.cli.output import INTERRUPTED, say_error
from orchestrator.errors import FtorchError, Stopped


class LazyGroup(click.Group):
    """A group of commands by name: the module each is in, and its help in one sentence.

    Prints an FtorchError as one clear message, without a traceback.
    """

    def __init__(self, *arguments: Any, lazy: Mapping[str, Mapping[str, tuple[str, str]]], **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        self.headings = lazy
        self.lazy = {name: entry for group in lazy.values() for name, entry in group.items()}

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.lazy)  # in the order of use, not of the alphabet

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self.lazy:
            return super().get_command(ctx, cmd_name)
        command: click.Command = getattr(import_module(self.lazy[cmd_name][0]), cmd_name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        widest = max(map(len, self.lazy))
        limit = formatter.width - 6 - widest
        for heading, commands in self.headings.items():
            with formatter.section(heading):
                formatter.write_dl(
                    [
                        (name.ljust(widest), click.Command(name, help=text).get_short_help_str(limit))
                        for name, (_, text) in commands.items()
                    ]
                )

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        names = [name for name in self.lazy if name.startswith(incomplete)]
        commands = [CompletionItem(name, help=self.lazy[name][1]) for name in names]
        return [*commands, *click.Command.shell_complete(self, ctx, incomplete)]

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except Stopped as stopped:
            click.echo(str(stopped), err=True)
            ctx.exit(INTERRUPTED)
        except KeyboardInterrupt:
            click.echo("stopped", err=True)
            ctx.exit(INTERRUPTED)
        except FtorchError as error:
            say_error(error)
            ctx.exit(error.exit_code)
        except BrokenPipeError:
            sys.stderr.close()
            ctx.exit(0)
