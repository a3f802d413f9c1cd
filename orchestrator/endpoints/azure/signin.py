"""Signing in with Entra ID: tokens are fetched when needed, and renewed over days."""

from __future__ import annotations

import asyncio
import logging
import re
import time
from collections.abc import Callable
from typing import Any, Protocol

from orchestrator.config import EndpointConfig
from orchestrator.endpoints.azure.dialects import is_project
from orchestrator.endpoints.keys import HIDDEN
from orchestrator.errors import EndpointUnreachable, SignInFailed

RESOURCE_SCOPE = "https://cognitiveservices.azure.com/.default"
"""The scope of a token for a resource; see Microsoft's page "Configure Microsoft Entra ID" for Azure OpenAI."""
PROJECT_SCOPE = "https://ai.azure.com/.default"
"""The scope of a token for a Foundry project, as in Microsoft's samples for projects."""
_EARLY_SECONDS = 300.0
"""How long before its end a token is renewed: a request may take minutes, and clocks differ."""


class Credential(Protocol):
    """The part of azure-identity's credentials that is used."""

    def get_token(self, *scopes: str) -> Any: ...

    def close(self) -> None: ...


class EntraSignIn:
    """Tokens of DefaultAzureCredential: environment variables, a managed identity, `az login` and others.

    A token is kept until shortly before its end, since some of these ways start a program for each. They run in a
    thread: azure-identity's asynchronous half needs another HTTP library.
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
        """A token that is valid for some more minutes. Raises SignInFailed and EndpointUnreachable."""
        async with self._lock:
            if self._ends - self._now() < _EARLY_SECONDS:
                await self._fetch()
            return self._token

    async def renew(self) -> None:
        """A token was refused before its end: take another, from a credential without a cache."""
        async with self._lock:
            await self.close()
            await self._fetch()

    def hidden_in(self, text: str) -> str:
        """The text without the token: the host's texts are stored, logged and shown."""
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
            raise SignInFailed(endpoint=self._config.name, **why_not_signed_in(str(error))) from error
        except AzureError as error:
            problem = f"no Entra ID token: {_first_sentence(str(error))}"
            raise EndpointUnreachable(endpoint=self._config.name, problem=problem, sent=False) from error
        self._token, self._ends = found.token, float(found.expires_on)

    def _asked(self) -> Any:
        if self._credential is None:
            self._credential = self._new_credential()
        return self._credential.get_token(scope_of(self._config))


def scope_of(config: EndpointConfig) -> str:
    """The scope that the configuration names, else the one of its address."""
    return config.scope or (PROJECT_SCOPE if is_project(config.base_url) else RESOURCE_SCOPE)


def why_not_signed_in(message: str) -> dict[str, str]:
    """The facts of SignInFailed from DefaultAzureCredential's long message: what it tried, and what helps."""
    tried = what_was_tried(message)
    remedy = "run what it asks for" if _LOGIN.search(message) else "run: az login, or configure one of these ways"
    return {"tried": tried, "remedy": remedy, "problem": f"signing in with Entra ID failed ({tried})"}


def what_was_tried(message: str) -> str:
    """The ways that DefaultAzureCredential tried, each with the start of its reason; without those that need
    another package. If one was configured and failed, its reason counts, and the others are only named."""
    tried = re.findall(r"^\s*(\w+)Credential: (.+)$", message, re.MULTILINE)
    reasons = {way: _reason(text) for way, text in tried if "azure-identity-broker" not in text}
    failed = {way: reason for way, reason in reasons.items() if _is_set_up(reason)}
    told = [f"{way}: {reason}" for way, reason in (failed or reasons).items()]
    command = _LOGIN.search(message)
    asked_for = [f"it asks for: {' && '.join(command[0].splitlines())}"] if command else []
    idle = [way for way in reasons if failed and way not in failed]
    named = [f"not set up: {', '.join(idle)}"] if idle else []
    return "; ".join([*(told or [_first_sentence(message)]), *asked_for, *named])


_LONGEST_REASON = 240
_LOGIN = re.compile(r"(?:az logout\n)?az login(?:\s+--?[\w-]+(?:[ =]\"?[\w.:/@+-]+\"?)?)+")
"""The command that Azure's program asks for: conditional access needs a tenant, a scope or claims."""
_REFUSED = re.compile(r"AADSTS\d|Token request error")
_NOT_SET_UP = re.compile(
    r"not fully configured|not set up|not found|not installed|could not be found|no accounts were found"
    r"|no response from the IMDS|no managed identity endpoint|cache unavailable",
    re.IGNORECASE,
)


def _is_set_up(reason: str) -> bool:
    return _REFUSED.search(reason) is not None or _NOT_SET_UP.search(reason) is None


def _reason(text: str) -> str:
    """The first sentence with the cause. The answer of an identity's endpoint comes after a sentence that denies
    it."""
    asked = text.partition("Token request error: ")
    said = "".join(asked[1:]).removesuffix(" None, None") or re.sub(
        r"^(\w+ (authentication )?unavailable[.,]? ?|ERROR: )", "", text
    )
    return _first_sentence(said) or "not set up"


def _first_sentence(text: str) -> str:
    sentence = " ".join(text.split()).split(". ")[0].rstrip(".")
    return sentence if len(sentence) <= _LONGEST_REASON else f"{sentence[:_LONGEST_REASON]}…"


def _default_credential() -> Credential:
    from azure.identity import DefaultAzureCredential

    logging.getLogger("azure").addHandler(logging.NullHandler())  # otherwise its warnings fill the screen
    credential: Credential = DefaultAzureCredential()
    return credential
