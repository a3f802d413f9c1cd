"""The options of `ask` and `chat` for the parts of each request, as one value."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import redirect_stdout
from dataclasses import dataclass
from functools import wraps
from typing import TYPE_CHECKING, Any

import click

from orchestrator.cli.completion import complete_endpoint
from orchestrator.cli.definitions import DROPS, PRESETS, parse_cut

if TYPE_CHECKING:
    from orchestrator.chat.terms import ChatOptions
    from orchestrator.dataset.shorten import Cut
    from orchestrator.dataset.variants import Variant
    from orchestrator.tools.functions import Tool


@dataclass(frozen=True)
class ModelOptions:
    """The user's options; None means as in training."""

    sources: tuple[str, ...]
    endpoint: str | None
    drop: Cut | None
    variant: Variant | None
    system: str | None
    temperature: float | None

    def load_tools(self) -> list[Tool]:
        """The named tools; none means those of training."""
        from orchestrator.tools.sources import load_tools

        with redirect_stdout(sys.stderr):  # output of a file is not an answer
            return load_tools(self.sources)

    def chat_options(self, **others: Any) -> ChatOptions:
        """The options for a chat."""
        from orchestrator.chat.terms import ChatOptions

        given = {"variant": self.variant, "system": self.system, "temperature": self.temperature, "drop": self.drop}
        return ChatOptions(**{**given, **others})


def model_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add those options, passed to the command as `asked`."""

    @click.option(
        "--tools",
        "sources",
        multiple=True,
        metavar="SOURCE",
        help="Use FILE.json with definitions, or Python functions: FILE.py or package.module, either with "
        ":function.  [default: the training file's definitions]",
    )
    @click.option(
        "--endpoint",
        metavar="NAME",
        shell_complete=complete_endpoint,
        help="Name the endpoint of a model that ftorch did not train.",
    )
    @click.option("--drop", type=parse_cut, metavar="WHAT,…", help=f"Leave out of the definitions: {DROPS}.")
    @click.option("--variant", type=click.Choice(PRESETS), hidden=True, help="A preset in place of --drop.")
    @click.option(
        "--system", metavar="TEXT", help='Send this system message; "" for none.  [default: as in training]'
    )
    @click.option(
        "--temperature",
        type=click.FloatRange(0, 2),
        help="Set the sampling temperature.  [default: 0 in ask, the endpoint's in chat]",
    )
    @wraps(command)
    def with_options(
        *args: Any,
        sources: tuple[str, ...],
        endpoint: str | None,
        drop: Cut | None,
        variant: Variant | None,
        system: str | None,
        temperature: float | None,
        **others: Any,
    ) -> None:
        if drop is not None and variant is not None:
            raise click.UsageError("give either --drop or --variant")
        command(*args, asked=ModelOptions(sources, endpoint, drop, variant, system, temperature), **others)

    return with_options
