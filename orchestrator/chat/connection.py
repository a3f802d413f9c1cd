"""The connection of a chat: one event loop for all its requests, and advice if there is no answer."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex
from typing import Any

from orchestrator.chat.targets import Target
from orchestrator.endpoints import capabilities_of, open_endpoint
from orchestrator.endpoints.retries import Retries
from orchestrator.errors import (
    EndpointBusy,
    EndpointError,
    EndpointUnreachable,
    KeyRefused,
    NoAnswer,
    NotServed,
    RequestRefused,
    SignInFailed,
)

_NO_SUCH_MODEL = 404


@dataclass(frozen=True)
class Connection:
    """Requests to the model's endpoint, one after another."""

    target: Target
    home: Path
    """The state directory."""
    runner: asyncio.Runner

    def ask(self, request: Mapping[str, Any]) -> Mapping[str, Any]:
        """Send a chat request, with retries, and return the completion as JSON.

        Raises NoAnswer, EndpointNotUsable, and KeyboardInterrupt at Ctrl-C.
        """
        try:
            return self.runner.run(self._asked(request))
        except EndpointError as error:
            raise no_answer(self.target, error) from error

    def wait(self, found: Awaitable[Any]) -> Any:
        """Run a coroutine to its end."""

        async def finish() -> Any:
            return await found

        return self.runner.run(finish())

    async def _asked(self, request: Mapping[str, Any]) -> Mapping[str, Any]:
        # Opened for each request: no connection stays open while a person thinks for an hour.
        once = token_hex(16)
        request = {**request, "model": self.target.deployment or request["model"]}
        async with open_endpoint(self.target.config, self.home) as endpoint:
            return await Retries()("chat", lambda: endpoint.chat(request, once))


@contextmanager
def open_connection(target: Target, home: Path) -> Iterator[Connection]:
    """A connection to the model. Not for code inside a running event loop."""
    with asyncio.Runner() as runner:
        yield Connection(target, home, runner)


def no_answer(target: Target, error: EndpointError) -> NoAnswer:
    """The error for the user, with the next step."""
    problem = error.facts.get("problem", str(error))
    return NoAnswer(endpoint=target.config.name, problem=problem, advice=_advice(target, error))


def _advice(target: Target, error: EndpointError) -> str:
    if isinstance(error, NotServed):
        return f" {error.facts['advice']}."
    if isinstance(error, SignInFailed):
        return f" To sign in, {error.facts['remedy']}."
    if type(error) is KeyRefused:  # its subclasses give the next step
        return f" Set a valid key in {error.facts['api_key_env']}."
    if isinstance(error, EndpointUnreachable | EndpointBusy):
        return " Try again later."
    is_unknown = isinstance(error, RequestRefused) and error.facts.get("status") == _NO_SUCH_MODEL
    if is_unknown and capabilities_of(target.config).needs_deployment:
        return f" A model answers there only after it is deployed: ftorch deployments create {target.model}"
    if is_unknown and target.is_new:
        return " A new model can take a few minutes to appear. Try again later."
    return ""
