"""The settings of one start of the page; none of them is stored."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass, field

from orchestrator.browsers import HostNames

LEAST_TOKEN = 16
"""Characters of a token that can't be guessed by trying."""


@dataclass(frozen=True)
class Settings:
    names: HostNames
    """The names that the page answers to."""
    token: str | None = None
    """What a browser shows once before it sees anything; None admits everybody who can reach the address."""
    is_read_only: bool = False
    """There is no route that changes anything."""
    form_secret: str = field(default_factory=lambda: secrets.token_urlsafe(24))
    """In every form: only a page of this start can have sent it."""

    @property
    def cookie(self) -> tuple[str, str] | None:
        """The name and value of the cookie of a browser that showed the token; two pages on one host differ."""
        if self.token is None:
            return None
        shown = hmac.new(self.token.encode(), b"ftorch ui", hashlib.sha256).hexdigest()
        return f"ftorch_ui_{shown[:8]}", shown[8:]

    def is_token(self, given: str) -> bool:
        return self.token is not None and hmac.compare_digest(given.encode(), self.token.encode())

    def is_ours(self, form_secret: str) -> bool:
        return hmac.compare_digest(form_secret.encode(), self.form_secret.encode())
