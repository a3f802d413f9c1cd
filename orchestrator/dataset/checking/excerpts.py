"""The text around a place in a data file, short and safe to print on any terminal."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

EXCERPT_CHARACTERS = 80


def printable(text: str) -> str:
    """The text with every character that a terminal could act on, or can't show, written as an escape."""
    text = text.encode("utf-8", "backslashreplace").decode()
    return "".join(character if character.isprintable() else repr(character)[1:-1] for character in text)


def excerpt_at(row: Any, pointer: Sequence[str | int]) -> str:
    """The start of the JSON text of the value at `pointer`; where there is none, of the value that lacks it."""
    value = row
    for part in pointer:
        try:
            value = value[part]
        except (KeyError, IndexError, TypeError):
            break
    return "" if value is None and row is None else shortened(_json_start(value))


def excerpt_around(text: str, position: int) -> str:
    """The characters of `text` around `position`, with … where more was cut off."""
    start = max(0, position - EXCERPT_CHARACTERS // 2)
    piece = text[start : start + EXCERPT_CHARACTERS]
    return shortened(("…" if start else "") + piece + ("…" if start + len(piece) < len(text) else ""))


def shortened(text: str) -> str:
    """At most EXCERPT_CHARACTERS printable characters of the text."""
    text = printable(text[: EXCERPT_CHARACTERS + 1])
    return text if len(text) <= EXCERPT_CHARACTERS else f"{text[: EXCERPT_CHARACTERS - 1]}…"


def _json_start(value: Any) -> str:
    """Enough of the value's JSON text for an excerpt, however large or deep the value is."""
    text = ""
    for piece in json.JSONEncoder(ensure_ascii=False).iterencode(_cut(value)):
        text += piece
        if len(text) > EXCERPT_CHARACTERS:
            break
    return text


def _cut(value: Any) -> Any:
    return value[:EXCERPT_CHARACTERS] if isinstance(value, str) else value
