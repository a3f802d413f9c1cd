"""An endpoint's secrets: read from the environment when they are sent, and removed from everything returned."""

from __future__ import annotations

import os
import re
from base64 import b64encode
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from orchestrator.addresses import VARIABLE
from orchestrator.config import EndpointConfig
from orchestrator.errors import EndpointNotUsable

HIDDEN = "[key]"
"""The replacement of a key."""
_SHORTEST = 8
"""A shorter value is a placeholder, such as `EMPTY`, and may be an ordinary word of an answer."""


# --- What is sent ------------------------------------------------------------------------------------------------


def key_of(config: EndpointConfig) -> str:
    """The key without the white space from copying; a host without keys gets a placeholder, as the SDK needs one.

    Raises EndpointNotUsable if the value can't be a key.
    """
    if not config.api_key_env:
        return "none"
    key = os.environ[config.api_key_env].strip()
    if not key or not all("!" <= letter <= "~" for letter in key):
        problem = f"the value of {config.api_key_env} has characters that no key has; set only the key"
        raise EndpointNotUsable(name=config.name, problem=problem)
    return key


def headers_of(config: EndpointConfig) -> dict[str, str]:
    """The table's headers, with the values of their variables.

    Raises EndpointNotUsable if a value can't be in a header.
    """
    filled = {name: _filled(text) for name, text in config.headers.items()}
    for name, text in filled.items():
        if not text.isascii() or not text.isprintable():
            problem = f"a variable of its header {name} has characters that are not allowed in a header"
            raise EndpointNotUsable(name=config.name, problem=problem)
    return filled


def query_of(config: EndpointConfig) -> dict[str, str]:
    """The table's query parameters, with the values of their variables."""
    return {name: _filled(text) for name, text in config.query.items()}


def body_of(config: EndpointConfig) -> dict[str, Any]:
    """The table's additional fields of a create request, with the values of their variables."""
    return {name: _all_filled(value) for name, value in config.body.items()}


def _filled(text: str) -> str:
    return VARIABLE.sub(lambda found: os.environ[found[1]].strip(), text)


def _all_filled(value: Any) -> Any:
    if isinstance(value, str):
        return _filled(value)
    if isinstance(value, Mapping):
        return {name: _all_filled(member) for name, member in value.items()}
    return [_all_filled(member) for member in value] if isinstance(value, list) else value


# --- Responses ---------------------------------------------------------------------------------------------------


def without_key(text: str, config: EndpointConfig) -> str:
    """The text with HIDDEN in place of every secret of the endpoint: hosts quote them ("Incorrect API key provided:
    sk-…"), and their texts are stored, logged and shown."""
    for secret in _secrets(config):
        for spelling in (secret, *_in_base64(secret)):
            text = text.replace(spelling, HIDDEN)
        if any(mark in text for mark in _ESCAPES):
            text = _escaped(secret).sub(HIDDEN, text)
    return text


def content_without_key(content: bytes, config: EndpointConfig) -> bytes:
    """The body of a response with HIDDEN in place of every secret."""
    for secret in _secrets(config):
        for spelling in (secret, *_in_base64(secret)):
            content = content.replace(spelling.encode(), HIDDEN.encode())
        if any(mark.encode() in content for mark in _ESCAPES):
            content = _escaped_in_bytes(secret).sub(HIDDEN.encode(), content)
    return content


def _secrets(config: EndpointConfig) -> list[str]:
    """Longest first, as one may contain another."""
    values = {os.environ.get(name, "").strip() for name in config.variables}
    return sorted((value for value in values if len(value) >= _SHORTEST), key=len, reverse=True)


_ESCAPES = ("\\", "%", "&")
"""The first characters of the escapes that JSON, an address or a page uses."""


@lru_cache(maxsize=32)
def _escaped(secret: str) -> re.Pattern[str]:
    """The secret, with any of its characters possibly escaped."""
    return re.compile("".join(map(_escaped_character, secret)))


@lru_cache(maxsize=32)
def _escaped_in_bytes(secret: str) -> re.Pattern[bytes]:
    return re.compile(_escaped(secret).pattern.encode())


def _escaped_character(character: str) -> str:
    """A pattern for one character: itself, or as escaped in JSON (also JSON within JSON), an address or HTML."""
    itself = re.escape(character)
    if len(character.encode()) > 1:
        return itself
    digits = "".join(f"[{d}{d.upper()}]" if d.isalpha() else d for d in f"{ord(character):02x}")
    # Each alternative begins with one fixed character, so the search skips texts without any of them.
    in_json = rf"\\\\*(?:{itself}|u00{digits})"
    in_address = f"%(?:25)*{digits}"
    in_page = f"&#(?:[xX]0*{digits}|0*{ord(character)});"
    return f"(?:{itself}|{in_json}|{in_address}|{in_page})"


@lru_cache(maxsize=32)
def _in_base64(secret: str) -> frozenset[str]:
    """The common part of every Base64 text that encodes the secret, at any offset: alone, or after a name and a
    colon as in HTTP basic authentication."""
    found: set[str] = set()
    for before in range(3):
        encoded = b64encode(b"\0" * before + secret.encode())
        whole = (8 * before + 5) // 6  # the first character that depends only on the secret
        found.add(encoded.rstrip(b"=")[whole : (before + len(secret.encode())) * 8 // 6].decode())
    return frozenset(found | {text.replace("+", "-").replace("/", "_") for text in found})
