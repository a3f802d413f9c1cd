"""`ftorch data`: training files, before they cost money. Needs no project, no key and no database."""

from __future__ import annotations

import click

from orchestrator.cli.data.check import check, diff, explain, stats
from orchestrator.cli.data.convert import convert, formats, shorten, split, tools
from orchestrator.cli.data.generate import augment, generate
from orchestrator.cli.data.review import review


class _InOrderOfUse(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)


@click.group(cls=_InOrderOfUse)
def data() -> None:
    """Make, check, convert, shorten, split and review data. All of it before it costs money."""


for command in (check, explain, convert, formats, shorten, stats, split, diff, tools, generate, augment, review):
    data.add_command(command)
