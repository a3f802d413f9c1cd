"""Output that is the same for every command: JSON and errors."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from itertools import islice
from textwrap import indent
from typing import Any

import click

from orchestrator.errors import FtorchError

INTERRUPTED = 130
"""The exit status after Ctrl-C and similar signals."""
_FLAT = json.JSONEncoder(separators=(",\n    ", ": "))
_AT_ONCE = 200
"""Elements of a list that are printed at once."""


def print_json(value: Any) -> None:
    click.echo(json.dumps(value, indent=2))  # in ASCII: no control character reaches a terminal


def print_json_list(values: Iterable[Mapping[str, Any]]) -> None:
    """Like `print_json` for a list of objects, in chunks, since there may be very many."""
    opening = "["
    remaining = iter(values)
    while texts := [_element(value) for value in islice(remaining, _AT_ONCE)]:
        click.echo(f"{opening}\n" + ",\n".join(texts), nl=False)
        opening = ","
    click.echo("[]" if opening == "[" else "\n]")


def _element(value: Mapping[str, Any]) -> str:
    """Like `json.dumps` with an indent for an object inside a list. A flat one is written in C, which takes a tenth
    of the time."""
    if not value or any(isinstance(member, dict | list) and member for member in value.values()):
        return indent(json.dumps(value, indent=2), "  ")
    return "  {\n    " + _FLAT.encode(value)[1:-1] + "\n  }"


def noted_model(_ctx: click.Context, _param: click.Parameter, model: str | None) -> str | None:
    """For options that name a base model: print a hint on stderr if the name nearly matches a known one."""
    from orchestrator.dataset.basemodels import doubt_about

    if model and (doubt := doubt_about(model)):
        click.echo(f"Note: {doubt}", err=True)
    return model


def say_error(error: FtorchError) -> None:
    """Print an error as one clear message, without a traceback.

    A message may quote an endpoint or a file: its control characters never reach the terminal.
    """
    text = "".join(character for character in str(error) if character.isprintable() or character == "\n")
    click.echo(f"Error: {text}", err=True)
