"""Signing in with Entra ID: tokens are fetched when they are needed, and renewed while days go by."""

from __future__ import annotations

import asyncio
import logging
import re
import time
from collections.abc import Callable
from typing import Any, Protocol

from orchestrator.config import EndpointConfig
from orchestrator.endpoints.keys import HIDDEN
from orchestrator.errors import EndpointUnreachable, SignInFailed

SCOPE = "https://cognitiveservices.azure.com/.default"
"""What a token is asked for; Microsoft's page "Configure Microsoft Entra ID" of Azure OpenAI."""
_EARLY_SECONDS = 300.0
"""A token is renewed so long before its end: a request may take minutes, and clocks differ."""


class Credential(Protocol):
    """What we need of azure-identity's credentials."""

    def get_token(self, *scopes: str) -> Any: ...

    def close(self) -> None: ...


class EntraSignIn:
    """Tokens of DefaultAzureCredential: environment variables, a managed identity, `az login` and others.

    A token is kept until shortly before its end, since some of these ways start a program for each. They are asked
    in a thread: azure-identity's asynchronous half would need one more HTTP library.
    """

    def __init__(
        self,
        config: EndpointConfig,
        new_credential: Callable[[], Credential] | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._config = config
        self._new_credential = new_credential or _default_credential
        self._now = now
        self._credential: Credential | None = None
        self._token, self._ends = "", 0.0
        self._lock = asyncio.Lock()

    async def __call__(self) -> str:
        """A token that is valid for some minutes more. Raises SignInFailed and EndpointUnreachable."""
        async with self._lock:
            if self._ends - self._now() < _EARLY_SECONDS:
                await self._fetch()
            return self._token

    async def renew(self) -> None:
        """A token was refused before its time: take another, from a credential that remembers nothing."""
        async with self._lock:
            await self.close()
            await self._fetch()

    def hidden_in(self, text: str) -> str:
        """The text without the token: what a host says is stored, logged and shown."""
        return text.replace(self._token, HIDDEN) if self._token else text

    async def close(self) -> None:
        if self._credential is not None:
            credential, self._credential = self._credential, None
            await asyncio.to_thread(credential.close)

    async def _fetch(self) -> None:
        from azure.core.exceptions import AzureError, ClientAuthenticationError

        try:
            found = await asyncio.to_thread(self._asked)
        except ClientAuthenticationError as error:
            raise SignInFailed(endpoint=self._config.name, problem=what_was_tried(str(error))) from error
        except AzureError as error:
            problem = f"no token of Entra ID can be had: {_first_sentence(str(error))}"
            raise EndpointUnreachable(endpoint=self._config.name, problem=problem, sent=False) from error
        self._token, self._ends = found.token, float(found.expires_on)

    def _asked(self) -> Any:
        if self._credential is None:
            self._credential = self._new_credential()
        return self._credential.get_token(SCOPE)


def what_was_tried(message: str) -> str:
    """The ways in DefaultAzureCredential's long message, each with the start of its reason; without those that need
    a package of their own."""
    tried = re.findall(r"^\s*(\w+)Credential: (.+)$", message, re.MULTILINE)
    told = [f"{way}: {_reason(text)}" for way, text in tried if "azure-identity-broker" not in text]
    command = _LOGIN.search(message)
    asked_for = [f"it asks for: {command[0]}"] if command else []
    return "; ".join([*(told or [_first_sentence(message)]), *asked_for])


_LONGEST_REASON = 120
_LOGIN = re.compile(r"az login(?:\s+--?[\w-]+(?:[ =]\"?[\w.:/@+-]+\"?)?)+")
"""The command that Azure's own program asks for: conditional access needs one with a tenant, a scope or claims."""


def _reason(text: str) -> str:
    return _first_sentence(re.sub(r"^\w+ (authentication )?unavailable\.? ?", "", text)) or "not set up"


def _first_sentence(text: str) -> str:
    sentence = " ".join(text.split()).split(". ")[0].rstrip(".")
    return sentence if len(sentence) <= _LONGEST_REASON else f"{sentence[:_LONGEST_REASON]}…"


def _default_credential() -> Credential:
    from azure.identity import DefaultAzureCredential

    logging.getLogger("azure").addHandler(logging.NullHandler())  # else its warnings fill the screen
    credential: Credential = DefaultAzureCredential()
    return credential
