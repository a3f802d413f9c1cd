"""`ftorch data`: work on training files before they cost money. Needs no project, no key and no database."""

from __future__ import annotations

import click

from orchestrator.cli.data.check import check, diff, explain, stats
from orchestrator.cli.data.convert import convert, formats, shorten, split, tools
from orchestrator.cli.data.generate import augment, generate
from orchestrator.cli.data.preview import preview
from orchestrator.cli.data.review import review
from orchestrator.cli.groups import OrderedGroup


@click.group(cls=OrderedGroup)
def data() -> None:
    """Make, check, convert, shorten, split and review data files.

    Everything runs on this machine; only generate and augment may ask a model.
    """


for command in (
    *(check, explain, preview, stats, diff, convert, formats, shorten, split, tools, generate, augment, review),
):
    data.add_command(command)
