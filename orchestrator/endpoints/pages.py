"""One page of a list, as hosts answer it."""

from __future__ import annotations

from dataclasses import dataclass

from orchestrator.endpoints.objects import Json


@dataclass(frozen=True)
class Page:
    items: list[Json]
    has_more: bool | None
    """None where the host does not say."""


def read_page(raw: Json) -> Page:
    """A list as it came. Raises ValueError where it is none: that is not the same as an empty one."""
    data = raw.get("data")
    if not isinstance(data, list):
        raise ValueError('there is no array under "data"')  # noqa: TRY004 - as for every answer that can't be read
    more = raw.get("has_more")
    return Page([item for item in data if isinstance(item, dict)], bool(more) if more is not None else None)
