"""Which requests of browsers are answered: those for our own name, and those of our own pages.

A page whose name resolves to this machine (DNS rebinding) sends its name as the Host. A page that calls this
address sends its Origin, and browsers add Sec-Fetch-Site. No answer carries CORS headers, so a page could read
nothing; but without these checks it could start and cancel jobs.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from starlette.datastructures import Headers

LOOPBACK = ("localhost", "127.0.0.1", "::1")
_HOST = re.compile(r"(\[[0-9a-f:.%]+\]|[^\[\]:/@?#\s]+)(?::[0-9]{1,5})?", re.IGNORECASE)


@dataclass(frozen=True)
class HostNames:
    """The names that a server answers to."""

    names: frozenset[str]
    any_address: bool
    """Whether it answers to every IP address: it listens on all of them."""

    def include(self, host: str) -> bool:
        """Whether a request's Host is ours. The port is not compared: a forwarded port has another number."""
        found = _HOST.fullmatch(host)
        if found is None:
            return False
        name = _plain(found.group(1))
        # A page can't make a browser send an address as the Host unless the page came from there.
        return name in self.names or (self.any_address and _is_address(name))


def names_of(host: str, allowed: Iterable[str]) -> HostNames:
    """Of a server that listens on `host`: that name, those of loopback, and the allowed ones."""
    everywhere = _is_address(host) and ipaddress.ip_address(host).is_unspecified
    own = socket.gethostname() if everywhere else host
    return HostNames(frozenset(map(_plain, (*LOOPBACK, own, *allowed))), any_address=everywhere)


def is_foreign(headers: Headers, host: str) -> bool:
    """Whether a page sent this that did not come from exactly this host and port."""
    if headers.get("sec-fetch-site", "none").lower() not in ("none", "same-origin"):
        return True
    origins = headers.getlist("origin")
    return any(origin.lower() not in (f"http://{host}".lower(), f"https://{host}".lower()) for origin in origins)


def _plain(name: str) -> str:
    return name.lower().removeprefix("[").removesuffix("]").removesuffix(".")


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
