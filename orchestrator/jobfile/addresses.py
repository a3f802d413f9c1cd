"""A data file that lies behind an address, for endpoints that fetch it by themselves."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from urllib.parse import parse_qs, quote, unquote, urlsplit

_SCHEMES = ("https://", "http://")
_VARIABLE = re.compile(r"\$\{([A-Z_][A-Z0-9_]*)\}")
_SECRETS = ("sig", "signature", "x-amz-signature", "token")
"""Parts of a query that let whoever reads them in, such as `sig` of Azure's shared access signatures."""


def is_address(path: str) -> bool:
    """Whether a data file lies behind an address, and not on this machine."""
    return path.startswith(_SCHEMES)


@dataclass(frozen=True)
class Address:
    """As it is written: `${NAME}` stands for the value of an environment variable, which is never stored."""

    text: str

    def __str__(self) -> str:
        return self.text

    @property
    def name(self) -> str:
        """The file's name, without what follows it."""
        return PurePosixPath(urlsplit(self.text).path).name or "data"

    @property
    def unset(self) -> list[str]:
        """The environment variables that are missing."""
        return [name for name in _VARIABLE.findall(self.text) if not os.environ.get(name)]

    @property
    def whole(self) -> str:
        """With the values of its variables; call it where none is missing. It may hold a secret."""
        return _VARIABLE.sub(lambda found: os.environ[found[1]].strip().lstrip("?"), self.text)

    def hidden_in(self, text: str) -> str:
        """The text with `${NAME}` for the values of its variables: a host may quote what it was asked to fetch."""
        for name in _VARIABLE.findall(self.text):
            for spelling in _spellings(os.environ.get(name, "").strip().lstrip("?")):
                text = text.replace(spelling, f"${{{name}}}")
        return text

    @property
    def problem(self) -> str | None:
        """What is wrong with it as it stands in a job file; None where nothing is."""
        address = urlsplit(self.text)
        if not address.hostname:
            return "is no whole address"
        if "@" in address.netloc:
            return "holds a user name or password; an endpoint would not send them"
        if {key.lower() for key in parse_qs(address.query, keep_blank_values=True)} & set(_SECRETS):
            return (
                "holds a secret, and job files are read by many: put what follows the ? into an environment "
                'variable, and write "?${NAME}" here'
            )
        return None


def _spellings(value: str) -> list[str]:
    """A variable's value as a host may quote it, the longest first: whole or its secret alone, decoded or not."""
    query = parse_qs(value)
    secrets = [secret for key, held in query.items() if key.lower() in _SECRETS for secret in held]
    found = {value, unquote(value), *secrets, *(quote(secret, safe="") for secret in secrets)}
    return sorted(found - {""}, key=len, reverse=True)


def place_of(text: str, folder: Path = Path()) -> Path | Address:
    """What a job file's or a record's text names: an address, or a path, meant from `folder`."""
    return Address(text) if text.startswith(_SCHEMES) else folder / text
