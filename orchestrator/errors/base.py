"""What every error is, and how its message is made."""

from __future__ import annotations

from inspect import cleandoc
from typing import Any


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
