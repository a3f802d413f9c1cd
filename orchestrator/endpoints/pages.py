"""One page of a list, as returned by hosts."""

from __future__ import annotations

from dataclasses import dataclass

from orchestrator.endpoints.objects import Json


@dataclass(frozen=True)
class Page:
    items: list[Json]
    has_more: bool | None
    """None if the host does not say."""


def read_page(raw: Json) -> Page:
    """A list as received. Raises ValueError if it is not one: that differs from an empty list."""
    data = raw.get("data")
    if not isinstance(data, list):
        raise ValueError('there is no array under "data"')  # noqa: TRY004 - as for every unreadable response
    more = raw.get("has_more")
    return Page([item for item in data if isinstance(item, dict)], bool(more) if more is not None else None)
