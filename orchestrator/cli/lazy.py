"""Commands whose modules are imported when they are called, so that `--help` and `--version` load only Click."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any

import click
from click.shell_completion import CompletionItem

from orchestrator.cli.groups import OrderedGroup
from orchestrator.cli.output import INTERRUPTED, say_error
from orchestrator.errors import FtorchError, Stopped


class LazyGroup(OrderedGroup):
    """A group of commands by name, each with its module and its help in one sentence.

    `aliases` are other names, which help does not list, each with the module and name of its command. `meant` has
    words that are not commands, each with the commands that it may mean. An FtorchError is printed as one clear
    message, without a traceback.
    """

    def __init__(
        self,
        *arguments: Any,
        lazy: Mapping[str, Mapping[str, tuple[str, str]]],
        aliases: Mapping[str, tuple[str, str]],
        meant: Mapping[str, Sequence[str]],
        **settings: Any,
    ) -> None:
        super().__init__(*arguments, **settings)
        self.headings = lazy
        self.lazy = {name: entry for group in lazy.values() for name, entry in group.items()}
        self.aliases = aliases
        self._meant = meant

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.lazy)  # in the order of use, not alphabetical

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name in self.lazy:
            module, attribute = self.lazy[cmd_name][0], cmd_name
        elif cmd_name in self.aliases:
            module, attribute = self.aliases[cmd_name]
        else:
            return super().get_command(ctx, cmd_name)
        command: click.Command = getattr(import_module(module), attribute)
        return command

    def is_shown(self, ctx: click.Context, name: str) -> bool:
        return name in self.lazy

    def meant_by(self, ctx: click.Context, name: str) -> str:
        if name in self._meant:
            commands = " or ".join(f"`{ctx.command_path} {command}`" for command in self._meant[name])
            return f"Did you mean {commands}?"
        return super().meant_by(ctx, name) or f"To list the commands: {ctx.command_path} --help"

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
