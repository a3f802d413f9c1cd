"""Tool definitions that many rows repeat, with what follows from them alone, so that it is found once."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

import orjson

from orchestrator.dataset.remembered import Remembered
from orchestrator.dataset.rendering.conversation import Tool

_MOST_LISTS = 256


class Definitions(list[Tool]):
    """A list of tools that is the same object for all rows that declare equal ones."""

    def __init__(self, tools: Sequence[Tool]) -> None:
        super().__init__(tools)
        self.marked: Definitions | None = None
        """The same with control tokens marked as plain text, itself if it holds none; None until it was made."""
        self.found_in: set[Any] = set()
        """The shapes of conversations in whose rendering every definition was found."""
        self.texts: dict[int, str | None] = dict.fromkeys(map(id, _objects(self)))
        """The JSON text of each object in it, by its id; None until it was written."""


class KnownDefinitions:
    """Recognises lists of tools by their JSON text."""

    def __init__(self) -> None:
        self._lists: Remembered[bytes, Definitions] = Remembered(_MOST_LISTS)

    def of(self, tools: Sequence[Tool]) -> Definitions:
        key = _key(tools)
        return self._lists.get(key) or self._lists.keep(key, Definitions(tools))


def _key(tools: Sequence[Tool]) -> bytes:
    try:
        return orjson.dumps(tools)
    except TypeError:  # numbers beyond 64 bits, halves of surrogate pairs
        return json.dumps(tools).encode()


def _objects(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        yield value
        for each in value.values():
            yield from _objects(each)
    elif isinstance(value, list):
        for each in value:
            yield from _objects(each)
