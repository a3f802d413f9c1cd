"""Addresses of hosts as people write them: whether one is whole, holds no secret, and is reached encrypted."""

from __future__ import annotations

import ipaddress
import re
from typing import Any
from urllib.parse import urlsplit

SECRET_NAME = re.compile(r"auth|key|token|secret|cookie|password|signature|\bsig\b|\bcode\b", re.IGNORECASE)
"""In the name of a header or of a part of a query: its value may be a secret."""
VARIABLE = re.compile(r"\$\{([A-Z_][A-Z0-9_]*)\}")
"""`${NAME}` in a value stands for an environment variable's value."""


def is_address(value: Any) -> bool:
    """Whether it is a whole http(s) address, without a user name, a password, or a secret in its query: those would
    be stored in a file and shown."""
    try:
        address = urlsplit(value)
        is_whole = address.scheme in ("http", "https") and bool(address.hostname) and "@" not in address.netloc
        return is_whole and not SECRET_NAME.search(address.query)
    except (ValueError, TypeError, AttributeError):
        return False


def is_safe_way(address: str) -> bool:
    """Whether requests to the address are encrypted, or never leave this machine."""
    parts = urlsplit(address)
    host = parts.hostname or ""
    if parts.scheme == "https" or host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
