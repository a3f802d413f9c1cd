"""Options under headings, for commands that have many."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import click


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
