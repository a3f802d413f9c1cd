"""An endpoint's key: read from the environment where it is sent, and taken out of everything that comes back."""

from __future__ import annotations

import os
from urllib.parse import quote

from orchestrator.config import EndpointConfig
from orchestrator.errors import EndpointNotUsable

HIDDEN = "[key]"
"""What stands where a key was."""
_SHORTEST = 8
"""A shorter value is a stand-in, such as `EMPTY`, and may be an ordinary word of an answer."""


def key_of(config: EndpointConfig) -> str:
    """The key without the white space that copying leaves; a host without keys gets a stand-in, as the SDK asks.

    Raises EndpointNotUsable where the value can't be a key.
    """
    if not config.api_key_env:
        return "none"
    key = os.environ[config.api_key_env].strip()
    if not key or not all("!" <= letter <= "~" for letter in key):
        problem = f"the value of {config.api_key_env} holds characters that no key has; set the key alone"
        raise EndpointNotUsable(name=config.name, problem=problem)
    return key


def without_key(text: str, config: EndpointConfig) -> str:
    """The text with HIDDEN for the key: hosts quote it ("Incorrect API key provided: sk-…"), and what they say is
    stored, logged and shown."""
    for spelling in _spellings(config):
        text = text.replace(spelling, HIDDEN)
    return text


def content_without_key(content: bytes, config: EndpointConfig) -> bytes:
    """The body of an answer with HIDDEN for the key."""
    for spelling in _spellings(config):
        content = content.replace(spelling.encode(), HIDDEN.encode())
    return content


def _spellings(config: EndpointConfig) -> set[str]:
    """The key as it is, and as JSON and addresses write it."""
    key = os.environ.get(config.api_key_env or "", "").strip()
    if len(key) < _SHORTEST:
        return set()
    return {key, key.replace("/", "\\/"), quote(key, safe="")}
