"""Where reports go: results to stdout, progress to stderr; colour only on a terminal and without NO_COLOR."""

from __future__ import annotations

import os
import sys
import textwrap

from rich.console import Console

_WIDTH_WITHOUT_TERMINAL = 140


def stdout() -> Console:
    return _console(stderr=False)


def stderr() -> Console:
    return _console(stderr=True)


def _console(*, stderr: bool) -> Console:
    stream = sys.stderr if stderr else sys.stdout
    width = None if stream.isatty() or "COLUMNS" in os.environ else _WIDTH_WITHOUT_TERMINAL
    return Console(stderr=stderr, width=width, highlight=False, markup=False, emoji=False, soft_wrap=False)


def wrapped(text: str, console: Console, *, indent: str = "", hanging: str = "    ") -> list[str]:
    """The lines of a text on a terminal; one line elsewhere, so that other programs can take it apart."""
    if not console.is_terminal:
        return [f"{indent}{text}"]
    return textwrap.wrap(
        text,
        console.width,
        initial_indent=indent,
        subsequent_indent=f"{indent}{hanging}",
        break_long_words=False,
        break_on_hyphens=False,
    )


def print_wrapped(text: str, console: Console, *, indent: str = "  ", hanging: str = "  ") -> None:
    """Print a text as `wrapped` breaks it."""
    for line in wrapped(text, console, indent=indent, hanging=hanging):
        console.print(line, soft_wrap=True)
