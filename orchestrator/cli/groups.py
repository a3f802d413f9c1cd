"""Groups of commands: in the order of use, with a default command, and a hint for a wrong name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import click

from orchestrator.spelling import did_you_mean


class OrderedGroup(click.Group):
    """A group that lists its commands in the order in which they were added.

    `default` names the command that runs without a name: `ftorch models --json`.
    """

    def __init__(self, *arguments: Any, default: str = "", **settings: Any) -> None:
        if default:
            settings = {"subcommand_metavar": "[COMMAND] [ARGS]...", "no_args_is_help": False, **settings}
        super().__init__(*arguments, **settings)
        self._default = default

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        return super().get_command(ctx, "list" if cmd_name == "ls" else cmd_name)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        is_named = args and (not args[0].startswith("-") or args[0] in self.get_help_option_names(ctx))
        if self._default and not is_named and not ctx.resilient_parsing:
            args = [self._default, *args]
        return super().parse_args(ctx, args)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        if name.startswith("-") or ctx.resilient_parsing or self.get_command(ctx, name):
            return super().resolve_command(ctx, args)
        known = ", ".join(each for each in self.list_commands(ctx) if self.is_shown(ctx, each))
        advice = self.meant_by(ctx, name) or f"Commands: {known}"
        raise click.UsageError(f'There is no command "{name}". {advice}', ctx)

    def is_shown(self, ctx: click.Context, name: str) -> bool:
        command = self.get_command(ctx, name)
        return command is not None and not command.hidden

    def meant_by(self, ctx: click.Context, name: str) -> str:
        """The likely meaning of a wrong name; "" if no command is similar."""
        return did_you_mean(name, self.list_commands(ctx), f"Did you mean `{ctx.command_path} {{}}`?")


class SectionedCommand(click.Command):
    """A command whose help lists options under headings: `sections` has the options' names by heading.

    Other options come last, under Options.
    """

    def __init__(self, *arguments: Any, sections: Mapping[str, Sequence[str]], **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        self._sections = sections

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        options = [param for param in self.get_params(ctx) if isinstance(param, click.Option)]
        records = {option.opts[-1]: option.get_help_record(ctx) for option in options}
        shown = {name: record for name, record in records.items() if record is not None}
        for heading, names in self._sections.items():
            with formatter.section(heading):
                formatter.write_dl([shown.pop(name) for name in names])
        with formatter.section("Options"):
            formatter.write_dl(list(shown.values()))
