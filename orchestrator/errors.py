"""Every error a user can meet.

The class docstring is the default message: its `{fields}` are filled from the keyword arguments, which stay
readable as `error.facts`. A message names the place, what was found, and the next step. The command line prints
it without a traceback and exits with `exit_code`: 1 when the world refused, 2 when the request was wrong.
"""

from __future__ import annotations

from inspect import cleandoc
from typing import Any

# --- Base classes ------------------------------------------------------------------------------------------------


class FtorchError(Exception):
    """ftorch could not do this."""

    exit_code = 1

    def __init__(self, message: str | None = None, /, **facts: Any) -> None:
        self.facts = facts
        super().__init__(message if message is not None else self._default_message())

    def _default_message(self) -> str:
        return " ".join(cleandoc(type(self).__doc__ or "").split()).format(**self.facts)


class UsageError(FtorchError):
    """The request is wrong."""

    exit_code = 2


class InvalidFile(UsageError):
    """{path} has problems, and nothing was started."""

    def __init__(self, path: object, problems: list[str]) -> None:
        self.problems = problems
        super().__init__("\n".join(problems), path=path, problems=problems)


# --- What the engine drives --------------------------------------------------------------------------------------


class IllegalMove(FtorchError):
    """The {kind} {id} can't go from {from_state} to {to_state}; this is a bug in ftorch, and nothing was
    written."""


class NoSuchItem(FtorchError):
    """There is no {kind} {key}."""


class LostLease(FtorchError):
    """Another process took over {kind} {id}; this one wrote nothing more to it."""


# --- Tools and chat ----------------------------------------------------------------------------------------------
