"""Tokens as Entra ID would issue them: signed, short-lived, for one audience and one identity."""

from __future__ import annotations

import base64
import hmac
import json
import os
import secrets
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

_HEADER = {"alg": "HS256", "typ": "JWT"}
_SECRET_BYTES = 32


@dataclass(frozen=True)
class Claims:
    """What a token says. Times are Unix seconds."""

    aud: str
    """The service it is for, such as https://cognitiveservices.azure.com."""
    appid: str
    """The identity it was issued to."""
    iat: int
    exp: int


class BadTokenError(Exception):
    """The token is not one of ours, or has expired."""


class Tokens:
    """Issues and reads the tokens of one store; they outlive the process, as its secret lies in the store."""

    def __init__(self, folder: Path, lifetime: float, now: Callable[[], float]) -> None:
        self.lifetime = lifetime
        self._secret = _kept_secret(folder / "entra.key")
        self._now = now

    def issue(self, audience: str, identity: str) -> tuple[str, Claims]:
        """A token for the audience, and what it says."""
        now = self._now()
        claims = Claims(audience, identity, int(now), int(now + self.lifetime))
        text = f"{_encoded(_HEADER)}.{_encoded(asdict(claims))}"
        return f"{text}.{self._signature(text)}", claims

    def read(self, token: str) -> Claims:
        """What a token says; BadTokenError where it was not issued here or its time is over."""
        text, _, signature = token.rpartition(".")
        if not hmac.compare_digest(signature.encode(), self._signature(text).encode()):
            raise BadTokenError
        claims = Claims(**_decoded(text.partition(".")[2]))
        if claims.exp <= self._now():
            raise BadTokenError
        return claims

    def _signature(self, text: str) -> str:
        return _base64(hmac.digest(self._secret, text.encode(), "sha256"))


def looks_like_token(text: str) -> bool:
    """Whether a bearer is a token rather than a key."""
    return text.count(".") == 2


def _kept_secret(path: Path) -> bytes:
    """The secret in this file, which is made, for its owner alone, where it is missing."""
    with suppress(FileExistsError):
        unfinished = path.with_suffix(f".{secrets.token_hex(8)}")
        with open(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(secrets.token_bytes(_SECRET_BYTES))
        with suppress(FileExistsError):
            os.link(unfinished, path)  # whole at once, and never over that of another process
        unfinished.unlink()
    return path.read_bytes()


def _encoded(value: object) -> str:
    return _base64(json.dumps(value, separators=(",", ":")).encode())


def _decoded(text: str) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    return value


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
