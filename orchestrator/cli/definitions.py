"""`--drop`: the parts to leave out of tool definitions. The same words everywhere, and four presets."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from orchestrator.dataset.shorten import Cut
    from orchestrator.dataset.variants import Variant


PRESETS = ("full", "no-descriptions", "no-parameters", "no-tools")
"""The same as `dataset.variants.Variant`, which loads more than help needs."""
DROPS = "descriptions, parameters, tools or tool:NAME"
_WORDS = ("descriptions", "parameters", "tools", "tool")


def parse_cut(text: str) -> Cut:
    """The parts that `--drop` leaves out: words separated by commas, or one preset. Raises click.BadParameter."""
    from orchestrator.dataset.shorten import CUTS, cut_of

    words = [word.strip() for word in text.split(",") if word.strip()]
    preset = next((each for each in CUTS if words == [each]), None)
    if preset is not None:
        return CUTS[preset]
    try:
        if words:
            return cut_of(words)
    except ValueError as error:
        text = str(error)
    raise click.BadParameter(f'"{text}" is not one of {DROPS}, nor one of the presets {", ".join(PRESETS)}')


def parse_variant(text: str) -> Variant:
    """The variant of a request without these parts. Raises click.BadParameter if there is none."""
    from orchestrator.dataset.shorten import CUTS

    cut = parse_cut(text)
    if cut.tools and not cut.names:
        return "no-tools"
    for variant, its in CUTS.items():
        if cut == its:
            return variant
    raise click.BadParameter(
        f'requests can be sent without descriptions, "descriptions,parameters" or tools, not without "{text}"; '
        f"a file can: ftorch data shorten FILE --drop {text} -o OUT"
    )


def parse_subject(text: str) -> str:
    """`MODEL@WHAT`, with a value of `--drop` after the @, as `MODEL@VARIANT`. Raises click.BadParameter."""
    model, at, dropped = text.rpartition("@")
    is_dropped = at and all(word.strip().partition(":")[0] in _WORDS for word in dropped.split(","))
    return f"{model}@{parse_variant(dropped)}" if is_dropped else text
