"""Lists of tools that one line after another repeats: read once, then recognised by their bytes.

Nine tenths of a line are often the same definitions. Where the text of a known list stands behind `"tools":`, a
mark takes its place before the line is parsed, and the list takes the place of the mark. That changes nothing else:
behind that key, outside of any string, a value must follow, and both texts are one whole value.
"""

from __future__ import annotations

import secrets
from typing import Any

from orchestrator.dataset.jsontext import NotJson, RepeatedKey, parse_json, require_single_keys
from orchestrator.dataset.texts import may_hold_odd_characters

_KEY = b'"tools":'
_KNOWN_LISTS = 256
_LONGEST_KNOWN = 64 << 10
_MISSES_TO_GIVE_UP = 64


class ToolList(list[Any]):
    """A list of tools with its JSON text, by which what follows from the tools alone is looked up."""

    text: bytes


class Reader:
    """Parses lines, giving rows with equal lists of tools the same ToolList."""

    def __init__(self) -> None:
        # Random, so that no file can hold it.
        self._mark = secrets.token_hex(16)
        self._marked = f'"{self._mark}"'.encode()
        self._known: dict[bytes, ToolList] = {}
        self._misses = 0

    def parse(self, line: bytes) -> tuple[Any, bytes]:
        """The value of a line, and the text of it that is not a known list of tools.

        Raises NotJson, or RepeatedKey where an object of the line gives a key twice.
        """
        start = line.find(_KEY) if self._misses < _MISSES_TO_GIVE_UP else -1
        if start < 0:
            return _parsed(line), line
        start, end = _extent(line, start + len(_KEY))
        text = line[start:end]
        tools = self._known.get(text)
        if tools is not None:
            rest = line[:start] + self._marked + line[end:]
            row = self._parse_marked(rest, tools)
            if row is not None:
                return row, rest
        row = _parsed(line)
        self._learn(row, text)
        return row, line

    def _parse_marked(self, rest: bytes, tools: ToolList) -> dict[str, Any] | None:
        """The row with `tools` in the place of the mark; None where the whole line has to be looked at."""
        try:
            row = _parsed(rest)
        except (NotJson, RepeatedKey):
            return None
        holder = _holder(row)
        if holder is None or holder.get("tools") != self._mark:
            return None
        holder["tools"] = tools
        self._misses = 0
        return row if isinstance(row, dict) else None

    def _learn(self, row: Any, text: bytes) -> None:
        self._misses += 1
        holder = _holder(row)
        if holder is None or not text.startswith(b"[") or len(text) > _LONGEST_KNOWN:
            return
        if may_hold_odd_characters(text):
            return  # every line that holds it is to be looked at
        try:
            tools = ToolList(parse_json(text))
        except NotJson:
            return  # it ends elsewhere
        if tools != holder.get("tools"):
            return
        tools.text = text
        if len(self._known) >= _KNOWN_LISTS:
            del self._known[next(iter(self._known))]
        self._known[text] = tools
        holder["tools"] = tools


def _parsed(text: bytes) -> Any:
    value = parse_json(text)
    require_single_keys(text, value)
    return value


def _holder(row: Any) -> dict[str, Any] | None:
    """What declares the tools: the row, or the input of preference data."""
    source = row.get("input", row) if isinstance(row, dict) else None
    return source if isinstance(source, dict) else None


def _extent(line: bytes, start: int) -> tuple[int, int]:
    """Where the value behind the key seems to begin and end: at the last bracket before any messages."""
    if line.startswith(b" ", start):
        start += 1
    following = line.find(b'"messages"', start)
    if following < 0:
        following = line.find(b'preferred_output"', start)
    return start, line.rfind(b"]", start, following if following > 0 else len(line)) + 1
