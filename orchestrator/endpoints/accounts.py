"""Which account of a host the configured key belongs to: recorded with each run, without giving the key away.

A run's job can only be seen by the account that paid for it. Another account's key answers "not found" for every
job, which says nothing about them.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import random
from urllib.parse import urlsplit

from orchestrator.config import EndpointConfig

_SALT_BITS, _SHOWN = 64, 24
_CHOSEN_BY = ("OPENAI_ORG_ID", "OPENAI_PROJECT_ID")
"""Variables by which the OpenAI SDK chooses among the organisations and projects of one key."""


def account_mark(config: EndpointConfig, rng: random.Random) -> str | None:
    """A text by which this account is known again: the host, and a salted hash of the key (with Entra ID: of the
    resource). None where the endpoint has neither."""
    return _mark(config, f"{rng.getrandbits(_SALT_BITS):016x}")


def is_same_account(mark: str, config: EndpointConfig) -> bool:
    """Whether `mark` was made with the host and the key that are configured now."""
    salt = mark.split(" ")[1]
    return hmac.compare_digest(mark, _mark(config, salt) or "")


def host_of(mark: str) -> str:
    """The host that a mark was made for."""
    return mark.split(" ")[0]


def _mark(config: EndpointConfig, salt: str) -> str | None:
    if config.auth == "entra":
        secret = config.base_url or ""
    else:
        secret = os.environ.get(config.api_key_env or "", "").strip()
    if not secret:
        return None
    chosen = [os.environ.get(name, "") for name in _CHOSEN_BY] if config.type == "openai" else []
    digest = hmac.new(salt.encode(), "\n".join([secret, *chosen]).encode(), hashlib.sha256).hexdigest()
    return f"{urlsplit(config.base_url or '').hostname or 'localhost'} {salt} {digest[:_SHOWN]}"
