"""The account that the configured key belongs to: recorded with each run, without revealing the key.

Only the account that paid for a run's job can see it. Another account's key gets "not found" for every job, which
proves nothing about them.

A mark is a text: the host, a salt, a salted hash of the key, and salted hashes of account details in responses,
such as `organization=…`. Marks with the same salt can be compared, so all runs of an account share one.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import os
import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from orchestrator.config import EndpointConfig

if TYPE_CHECKING:
    import httpx2

_SALT_BITS, _SHOWN = 64, 24
_CHOSEN_BY = ("OPENAI_ORG_ID", "OPENAI_PROJECT_ID")
"""Variables by which the OpenAI SDK selects one of a key's organisations and projects."""
_HEADERS = {"organization": "openai-organization", "project": "openai-project"}
"""Response headers about the account: OpenAI sends both, and so do some compatible hosts."""
_DECISIVE = frozenset(_HEADERS)
"""Two keys of the same organisation and project see the same jobs."""


@dataclass(frozen=True)
class Account:
    """The account of the current key."""

    host: str
    secret: str = field(repr=False)
    """The key; with Entra ID, the resource."""
    seen: Mapping[str, str]
    """From the responses so far: organization, project, tenant."""

    def mark(self, salt: str, before: str | None = None) -> str:
        """The mark with this salt; it keeps the account details in the mark `before`."""
        said = {name: _digest(salt, f"{name}={value}") for name, value in self.seen.items()}
        known = _said_in(before) | said if before else said
        parts = [self.host, salt, _digest(salt, self.secret)]
        return " ".join([*parts, *(f"{name}={known[name]}" for name in sorted(known))])

    def is_of(self, mark: str) -> bool:
        """Whether `mark` belongs to this account, as far as known without a request: it has the same key, or
        another key of the same organisation and project. Different details in the responses disprove it."""
        host, salt, key = mark.split(" ")[:3]
        if host != self.host:
            return False
        known = _said_in(mark)
        shared = known.keys() & self.seen.keys()
        if any(known[name] != _digest(salt, f"{name}={self.seen[name]}") for name in shared):
            return False
        return hmac.compare_digest(key, _digest(salt, self.secret)) or shared >= _DECISIVE


def account_of(config: EndpointConfig, seen: Mapping[str, str]) -> Account | None:
    """The account of the current key, with the details `seen` in responses so far. None if there is neither a key
    nor, with Entra ID, a resource."""
    if config.auth == "entra":
        secret = config.base_url or ""
    else:
        secret = os.environ.get(config.api_key_env or "", "").strip()
    if not secret:
        return None
    chosen = [os.environ.get(name, "") for name in _CHOSEN_BY] if config.type == "openai" else []
    return Account(urlsplit(config.base_url or "").hostname or "localhost", "\n".join([secret, *chosen]), seen)


def new_salt(rng: random.Random) -> str:
    return f"{rng.getrandbits(_SALT_BITS):016x}"


def account_mark(config: EndpointConfig, rng: random.Random) -> str | None:
    """A text that identifies this account later, with a new salt; None if there is no account."""
    account = account_of(config, {})
    return account.mark(new_salt(rng)) if account else None


def is_same_account(mark: str, config: EndpointConfig) -> bool:
    """Whether `mark` was made with the configured host and key."""
    account = account_of(config, {})
    return account is not None and account.is_of(mark)


def host_of(mark: str) -> str:
    """The host that a mark was made for."""
    return mark.split(" ")[0]


def salt_of(mark: str) -> str:
    return mark.split(" ")[1]


def says_more(mark: str) -> bool:
    """Whether a mark holds details from responses, so that a request to the host can settle the question."""
    return bool(_said_in(mark))


def _said_in(mark: str) -> dict[str, str]:
    """The salted hashes of the details in responses, by name."""
    return dict(part.split("=", 1) for part in mark.split(" ")[3:])


def _digest(salt: str, text: str) -> str:
    return hmac.new(salt.encode(), text.encode(), hashlib.sha256).hexdigest()[:_SHOWN]


# --- Account details in responses --------------------------------------------------------------------------------


def watch_answers(http: httpx2.AsyncClient, config: EndpointConfig) -> Mapping[str, str]:
    """The account details in the responses to this client, kept up to date; refusals have them as well.

    With Entra ID they include the tenant that signed in, from its token.
    """
    seen: dict[str, str] = {}

    async def note(answer: httpx2.Response) -> None:
        seen.update({name: answer.headers[it] for name, it in _HEADERS.items() if answer.headers.get(it)})
        if config.auth == "entra" and (tenant := tenant_of(answer.request.headers.get("authorization", ""))):
            seen["tenant"] = tenant

    http.event_hooks = {**http.event_hooks, "response": [*http.event_hooks["response"], note]}
    return seen


def tenant_of(authorization: str) -> str | None:
    """The tenant in a bearer token of Entra ID (its claim `tid`); None if it can't be read."""
    parts = authorization.removeprefix("Bearer ").split(".")
    if len(parts) != 3:
        return None
    try:
        claims = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except (binascii.Error, ValueError):
        return None
    tenant = claims.get("tid") if isinstance(claims, dict) else None
    return tenant if isinstance(tenant, str) and tenant else None
