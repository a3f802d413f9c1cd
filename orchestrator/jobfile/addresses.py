"""A data file at an address, for endpoints that fetch it.

A job file may come from a stranger. ftorch never contacts the address's host. The values of variables are filled
in only for the request to the endpoint, and only if the user's configuration lists the variables.
"""

from __future__ import annotations

import os
import re
import socket
import unicodedata
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from pathlib import Path, PurePosixPath
from urllib.parse import parse_qs, quote, unquote, urlsplit

_SCHEMES = ("https://", "http://")
_VARIABLE = re.compile(r"\$\{([A-Z_][A-Z0-9_]*)\}")
_SECRETS = ("sig", "signature", "x-amz-signature", "token")
"""Parts of a query that grant access to any reader, such as `sig` in Azure's shared access signatures."""


def is_address(path: str) -> bool:
    """Whether a data file is at an address rather than on this machine."""
    return path.startswith(_SCHEMES)


@dataclass(frozen=True)
class Address:
    """As written: `${NAME}` is an environment variable, whose value is never stored."""

    text: str

    def __str__(self) -> str:
        return self.text

    @property
    def name(self) -> str:
        """The file's name, without the query."""
        return PurePosixPath(urlsplit(self.text).path).name or "data"

    @property
    def host(self) -> str:
        """The host's name or number, as written."""
        return urlsplit(self.text).hostname or ""

    @property
    def variables(self) -> list[str]:
        """The environment variables that it names."""
        return _VARIABLE.findall(self.text)

    @property
    def unset(self) -> list[str]:
        """The environment variables that are missing."""
        return [name for name in self.variables if not os.environ.get(name)]

    @property
    def whole(self) -> str:
        """With the values of its variables; call it only if none is missing and the configuration lists them all.
        It may contain a secret."""
        return _VARIABLE.sub(lambda found: os.environ[found[1]].strip().lstrip("?"), self.text)

    def hidden_in(self, text: str) -> str:
        """The text with `${NAME}` in place of the variables' values: a host may quote the address in an error."""
        for name in _VARIABLE.findall(self.text):
            for spelling in _spellings(os.environ.get(name, "").strip().lstrip("?")):
                text = text.replace(spelling, f"${{{name}}}")
        return text

    @property
    def problem(self) -> str | None:
        """The problem with it in a job file; None without one."""
        try:
            address, host = urlsplit(self.text), self.host
        except ValueError:
            return "is not a complete address"
        if not host or not _HOST.fullmatch(host) or _ODD.search(self.text):
            return "is not a complete address; a variable may only follow the host's name"
        if "@" in address.netloc:
            return "contains a user name or password, which an endpoint would not send"
        if {key.lower() for key in parse_qs(address.query, keep_blank_values=True)} & set(_SECRETS):
            return (
                "contains a secret, and others can read job files: put the text after the ? into an environment "
                'variable, and write "?${NAME}" instead'
            )
        return None

    def unlisted(self, listed: Collection[str]) -> list[str]:
        """Its variables that are not `listed`."""
        return [name for name in dict.fromkeys(self.variables) if name not in listed]

    @property
    def doubt(self) -> str | None:
        """The risk of a stranger's address, as far as its text shows; None without one."""
        if not self.text.startswith("https://"):
            return "is not encrypted"
        found = _number(self.host)
        if _is_this_machine(self.host) or (found is not None and _is_private(found)):
            return f"points to a private address ({self.host})"
        return None


# --- Resolving a host's name -------------------------------------------------------------------------------------


_HOST = re.compile(r"[^\s%$\\{}<>\"'`|^]+")
_ODD = re.compile(r"[\s\\\x00-\x20\x7f]")
_OLD_NUMBER = re.compile(r"(?:0[xX][0-9a-fA-F]*|[0-9]+)(?:\.(?:0[xX][0-9a-fA-F]*|[0-9]+)){0,3}")
_WITH_IPV4_AT_THE_END = (IPv6Network("64:ff9b::/96"), IPv6Network("::/96"))


def private_address_of(host: str) -> str | None:
    """The first private address that the name resolves to; None without one, or if the name is unknown. This asks
    the machine's name server."""
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return None
    numbers = [str(address[0]).partition("%")[0] for *_, address in found]
    return next((number for number in numbers if _is_private(ip_address(number))), None)


def _is_this_machine(host: str) -> bool:
    name = _plain(host)
    return name == "localhost" or name.endswith(".localhost")


def _plain(host: str) -> str:
    return (
        unicodedata.normalize("NFKC", host).lower().replace("\u3002", ".").rstrip(".")
    )  # U+3002 is a dot in names


def _number(host: str) -> IPv4Address | IPv6Address | None:
    """The address of a host given as a number, including one decimal, octal or hexadecimal number or fewer than
    four parts, as the C library reads them."""
    text = _plain(host).partition("%")[0]
    with suppress(ValueError):
        return ip_address(text)
    if _OLD_NUMBER.fullmatch(text):
        with suppress(OSError):
            return IPv4Address(socket.inet_aton(text))
    return None


def _is_private(address: IPv4Address | IPv6Address) -> bool:
    if isinstance(address, IPv6Address) and (inner := _inner(address)) is not None:
        return _is_private(inner)
    return address.is_multicast or not address.is_global


def _inner(address: IPv6Address) -> IPv4Address | None:
    """The IPv4 address that an IPv6 address maps to."""
    if any(address in network for network in _WITH_IPV4_AT_THE_END):
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or (address.teredo[1] if address.teredo else None)


def _spellings(value: str) -> list[str]:
    """A variable's value in the forms a host may quote, longest first: whole or only its secret, decoded or not."""
    query = parse_qs(value)
    secrets = [secret for key, held in query.items() if key.lower() in _SECRETS for secret in held]
    found = {value, unquote(value), *secrets, *(quote(secret, safe="") for secret in secrets)}
    return sorted(found - {""}, key=len, reverse=True)


def place_of(text: str, folder: Path = Path()) -> Path | Address:
    """The file that a job file's or a record's text names: an address, or a path relative to `folder`."""
    return Address(text) if text.startswith(_SCHEMES) else path_from(folder, text)


def path_from(folder: Path, text: str) -> Path:
    """The file that `text` names relative to `folder`, without `..` unless it follows a link."""
    path = folder / text
    plain = Path(os.path.normpath(path))
    return plain if ".." in path.parts and plain.resolve() == path.resolve() else path
