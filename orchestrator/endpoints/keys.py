"""An endpoint's secrets: read from the environment where they are sent, and taken out of whatever comes back."""

from __future__ import annotations

import os
import re
from base64 import b64encode
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from orchestrator.config import EndpointConfig
from orchestrator.endpointtables import VARIABLE
from orchestrator.errors import EndpointNotUsable

HIDDEN = "[key]"
"""What stands where a key was."""
_SHORTEST = 8
"""A shorter value is a stand-in, such as `EMPTY`, and may be an ordinary word of an answer."""


# --- What is sent ------------------------------------------------------------------------------------------------


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


def headers_of(config: EndpointConfig) -> dict[str, str]:
    """The table's own headers, with the values of their variables.

    Raises EndpointNotUsable where a value can't be in a header.
    """
    filled = {name: _filled(text) for name, text in config.headers.items()}
    for name, text in filled.items():
        if not text.isascii() or not text.isprintable():
            problem = f"a variable of its header {name} holds characters that no header has"
            raise EndpointNotUsable(name=config.name, problem=problem)
    return filled


def query_of(config: EndpointConfig) -> dict[str, str]:
    """The table's own parameters of every address, with the values of their variables."""
    return {name: _filled(text) for name, text in config.query.items()}


def body_of(config: EndpointConfig) -> dict[str, Any]:
    """The table's own fields of a create request, with the values of their variables."""
    return {name: _all_filled(value) for name, value in config.body.items()}


def _filled(text: str) -> str:
    return VARIABLE.sub(lambda found: os.environ[found[1]].strip(), text)


def _all_filled(value: Any) -> Any:
    if isinstance(value, str):
        return _filled(value)
    if isinstance(value, Mapping):
        return {name: _all_filled(member) for name, member in value.items()}
    return [_all_filled(member) for member in value] if isinstance(value, list) else value


# --- What comes back ---------------------------------------------------------------------------------------------


def without_key(text: str, config: EndpointConfig) -> str:
    """The text with HIDDEN for every secret of the endpoint: hosts quote them ("Incorrect API key provided: sk-…"),
    and what they say is stored, logged and shown."""
    for secret in _secrets(config):
        for spelling in (secret, *_in_base64(secret)):
            text = text.replace(spelling, HIDDEN)
        if any(mark in text for mark in _ESCAPES):
            text = _escaped(secret).sub(HIDDEN, text)
    return text


def content_without_key(content: bytes, config: EndpointConfig) -> bytes:
    """The body of an answer with HIDDEN for every secret."""
    for secret in _secrets(config):
        for spelling in (secret, *_in_base64(secret)):
            content = content.replace(spelling.encode(), HIDDEN.encode())
        if any(mark.encode() in content for mark in _ESCAPES):
            content = _escaped_in_bytes(secret).sub(HIDDEN.encode(), content)
    return content


def _secrets(config: EndpointConfig) -> list[str]:
    """The longest first, as one may hold another."""
    values = {os.environ.get(name, "").strip() for name in config.variables}
    return sorted((value for value in values if len(value) >= _SHORTEST), key=len, reverse=True)


_ESCAPES = ("\\", "%", "&")
"""What a character begins with that JSON, an address or a page spells otherwise."""


@lru_cache(maxsize=32)
def _escaped(secret: str) -> re.Pattern[str]:
    """The secret, any of whose characters may be escaped."""
    return re.compile("".join(map(_escaped_character, secret)))


@lru_cache(maxsize=32)
def _escaped_in_bytes(secret: str) -> re.Pattern[bytes]:
    return re.compile(_escaped(secret).pattern.encode())


def _escaped_character(character: str) -> str:
    """A pattern for one character: itself, or as JSON (also JSON within JSON), an address or HTML escapes it."""
    itself = re.escape(character)
    if len(character.encode()) > 1:
        return itself
    digits = "".join(f"[{d}{d.upper()}]" if d.isalpha() else d for d in f"{ord(character):02x}")
    # Each alternative begins with one certain character, so that the search skips what begins with none of them.
    in_json = rf"\\\\*(?:{itself}|u00{digits})"
    in_address = f"%(?:25)*{digits}"
    in_page = f"&#(?:[xX]0*{digits}|0*{ord(character)});"
    return f"(?:{itself}|{in_json}|{in_address}|{in_page})"


@lru_cache(maxsize=32)
def _in_base64(secret: str) -> frozenset[str]:
    """What every Base64 text that encodes the secret holds, wherever it begins there: by itself, or behind a name
    and a colon as HTTP's basic authentication has it."""
    found: set[str] = set()
    for before in range(3):
        encoded = b64encode(b"\0" * before + secret.encode())
        whole = (8 * before + 5) // 6  # the first character that no byte before the secret decides
        found.add(encoded.rstrip(b"=")[whole : (before + len(secret.encode())) * 8 // 6].decode())
    return frozenset(found | {text.replace("+", "-").replace("/", "_") for text in found})
