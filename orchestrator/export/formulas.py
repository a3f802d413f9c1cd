"""Texts that spreadsheets open: none is run as a formula."""

from __future__ import annotations

from typing import TypeVar

T = TypeVar("T")
_STARTS = ("=", "+", "-", "@", "\t", "\r")


def harmless(value: T | str) -> T | str:
    """A text that begins like a formula gets an apostrophe before it: OWASP, "CSV Injection". A bare CR would begin
    a row. Other values stay as they are."""
    if not isinstance(value, str):
        return value
    text = f"'{value}" if value.startswith(_STARTS) else value
    return text.replace("\r", "\n").encode("utf-8", "replace").decode()
