"""What a page is: a title, where it belongs, and named parts of HTML, which are sent again when they change."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from starlette.datastructures import QueryParams

from orchestrator.ledger import Ledger
from orchestrator.web.notices import Notice
from orchestrator.web.rendering import NOTHING, Html
from orchestrator.web.settings import Settings


@dataclass(frozen=True)
class Asked:
    """A request for a page, and what it is answered from."""

    ledger: Ledger
    path: Mapping[str, str]
    """The values in the address, such as a run's id."""
    query: QueryParams
    settings: Settings
    notices: Callable[[str], Sequence[Notice]]
    """What the page's own work said of a subject, such as `run:ID`."""
    now: float


@dataclass(frozen=True)
class Page:
    title: str
    parts: Mapping[str, Html]
    """By key, in their order: what is sent again when it changes."""
    trail: Sequence[tuple[str, str]] = ()
    """The pages above it: titles and addresses."""
    head: Html = NOTHING
    """What stands above the parts and never changes while the page is open."""
    is_live: bool = True
    """Whether it can change while it is open."""
    is_stacked: bool = False
    """Whether the rows of its tables become blocks on a phone."""
    place: str = ""
    """The entry of the menu that it belongs to."""

    @property
    def marks(self) -> str:
        """Tells which parts a browser has: `active.0f3a9c1b,money.77aa01de`."""
        return ",".join(f"{key}.{mark_of(html)}" for key, html in self.parts.items())


View = Callable[[Asked], Page]


class Moved(Exception):
    """The page has this address."""

    def __init__(self, address: str) -> None:
        self.address = address
        super().__init__(address)


def mark_of(html: str) -> str:
    return hashlib.sha256(html.encode()).hexdigest()[:8]
