"""Leaving a command when all is done that can be, whatever went wrong on the way."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import click

from orchestrator.cli.terminal import INTERRUPTED
from orchestrator.errors import FtorchError


def say_error(error: FtorchError) -> None:
    """Print an error as one clear message, without a traceback.

    A message may quote an endpoint or a file: no control character of theirs reaches the terminal.
    """
    text = "".join(character for character in str(error) if character.isprintable() or character == "\n")
    click.echo(f"Error: {text}", err=True)


@dataclass
class Leaving:
    """What comes later is done although something before it failed; the first failure decides the exit code."""

    code: int = 0

    @contextmanager
    def later(self) -> Iterator[None]:
        """An error is said at once, and the command goes on; not where the user stopped it."""
        try:
            yield
        except click.exceptions.Exit as leaving:
            if leaving.exit_code == INTERRUPTED:
                raise
            self.code = self.code or leaving.exit_code
        except FtorchError as error:
            say_error(error)
            self.code = self.code or error.exit_code

    def leave(self) -> None:
        """Leave with the exit code of what failed first, where anything did."""
        if self.code:
            click.get_current_context().exit(self.code)
