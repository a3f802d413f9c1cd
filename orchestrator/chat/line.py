"""The line to an endpoint, for plain code: one event loop for all requests of a chat and its functions."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex
from typing import Any

from orchestrator.chat.partners import Partner
from orchestrator.endpoints import capabilities_of, open_endpoint
from orchestrator.endpoints.retries import Retries
from orchestrator.errors import (
    EndpointBusy,
    EndpointError,
    EndpointUnreachable,
    KeyRefused,
    NoAnswer,
    RequestRefused,
)

_NO_SUCH_MODEL = 404


@dataclass(frozen=True)
class Line:
    """Requests to the partner's endpoint, one after another."""

    partner: Partner
    home: Path
    """The state directory."""
    runner: asyncio.Runner

    def ask(self, request: Mapping[str, Any]) -> Mapping[str, Any]:
        """Send a chat request, again on passing trouble, and return the completion as JSON.

        Raises NoAnswer, EndpointNotUsable, and KeyboardInterrupt where the user did not wait for it.
        """
        try:
            return self.runner.run(self._asked(request))
        except EndpointError as error:
            problem = error.facts.get("problem", str(error))
            facts = {"endpoint": self.partner.config.name, "problem": problem, "advice": self._advice(error)}
            raise NoAnswer(**facts) from error

    def wait(self, found: Awaitable[Any]) -> Any:
        """Bring what an asynchronous function returned to its end."""

        async def finish() -> Any:
            return await found

        return self.runner.run(finish())

    async def _asked(self, request: Mapping[str, Any]) -> Mapping[str, Any]:
        # Opened for each request: nothing that a person thinks about for an hour is still connected afterwards.
        once = token_hex(16)
        request = {**request, "model": self.partner.deployment or request["model"]}
        async with open_endpoint(self.partner.config, self.home) as endpoint:
            return await Retries()("chat", lambda: endpoint.chat(request, once))

    def _advice(self, error: EndpointError) -> str:
        if isinstance(error, KeyRefused):
            return f" Set a valid key in {error.facts['api_key_env']}."
        if isinstance(error, EndpointUnreachable | EndpointBusy):
            return " Try again later."
        is_unknown = isinstance(error, RequestRefused) and error.facts.get("status") == _NO_SUCH_MODEL
        if is_unknown and capabilities_of(self.partner.config).needs_deployment:
            return f" There a model answers while it is deployed: ftorch deploy {self.partner.model}"
        if is_unknown and self.partner.is_new:
            return " A new model may be unknown to its endpoint for some minutes: try again later."
        return ""


@contextmanager
def open_line(partner: Partner, home: Path) -> Iterator[Line]:
    """A line to the partner. Not for code inside a running event loop."""
    with asyncio.Runner() as runner:
        yield Line(partner, home, runner)
