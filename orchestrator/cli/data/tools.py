"""`data tools`: the definitions of Python functions, for training data."""

from __future__ import annotations

import sys
from contextlib import redirect_stdout
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from orchestrator.dataset.variants import Variant

VARIANTS = ("full", "no-descriptions", "no-parameters")


@click.command()
@click.argument("sources", nargs=-1, required=True, metavar="SOURCE...")
@click.option("--variant", type=click.Choice(VARIANTS), default="full", show_default=True, help="How short.")
@click.option("--model", metavar="MODEL", help="Count tokens as this model does.")
def tools(sources: tuple[str, ...], variant: Variant, model: str | None) -> None:
    """Print the tool definitions of Python functions as JSON: the list under "tools" of a training example.

    A SOURCE is FILE.py or package.module, either with :function. ftorch chat sends the same definitions, so a model
    is trained on what it is used with. On stderr it says what they take of each request.
    """
    from orchestrator.cli.records import print_json
    from orchestrator.dataset.shorten import in_variant
    from orchestrator.dataset.tokens import count_messages
    from orchestrator.reports.formats import plural
    from orchestrator.tools.sources import load_tools

    with redirect_stdout(sys.stderr):  # what a file prints is no definition
        found = load_tools(sources)
    definitions = in_variant({"tools": [tool.definition for tool in found]}, variant)["tools"]
    print_json(definitions)
    tokens = count_messages([], definitions, model) - count_messages([], [], model)
    click.echo(f"{plural(len(found), 'tool')}, about {plural(tokens, 'token')} of each request", err=True)
