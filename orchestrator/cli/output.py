"""What every command prints in the same way: JSON, and errors."""

from __future__ import annotations

import json
from typing import Any

import click

from orchestrator.errors import FtorchError

INTERRUPTED = 130
"""The exit code after Ctrl-C, and signals like it."""


def print_json(value: Any) -> None:
    click.echo(json.dumps(value, indent=2))  # in ASCII: no control character reaches a terminal


def say_error(error: FtorchError) -> None:
    """Print an error as one clear message, without a traceback.

    A message may quote an endpoint or a file: no control character of theirs reaches the terminal.
    """
    text = "".join(character for character in str(error) if character.isprintable() or character == "\n")
    click.echo(f"Error: {text}", err=True)
