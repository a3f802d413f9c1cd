"""Recognises files and rows of another format, so that one clear finding takes the place of thousands."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from orchestrator.dataset.findings import Notes
from orchestrator.dataset.jsontext import NotJson, parse_json

HEAD_BYTES = 4096

_MAGIC = (
    (b"\x1f\x8b", "a gzip file", "Unpack it with gunzip."),
    (b"PK\x03\x04", "a ZIP or Excel file", "Unpack it, or export its rows as JSONL."),
    (b"PAR1", "a Parquet file", "Export its rows as JSONL."),
    (b"\xff\xfe", "UTF-16 text", "Save it as UTF-8."),
    (b"\xfe\xff", "UTF-16 text", "Save it as UTF-8."),
)

_ROWS = (
    (
        {"input", "preferred_output"},
        "preference data",
        'Set the method\'s type to "dpo", or write "messages".',
    ),
    (
        {"prompt", "completion"},
        "the old prompt and completion format",
        "Write the prompt as a user message and the completion as an assistant message.",
    ),
    (
        {"user", "function_call"},
        "a format that some articles show, but no service takes",
        'Write "messages" with tool_calls, and "tools".',
    ),
    ({"conversations"}, "the ShareGPT format", 'Write "messages" with "role" and "content".'),
    ({"contents"}, "the format of Gemini", 'Write "messages" with "role" and "content".'),
)


def note_foreign_file(head: bytes, notes: Notes) -> bool:
    """Note it and return True where the first bytes of a file (up to HEAD_BYTES) show that it is no JSONL."""
    for magic, found, advice in _MAGIC:
        if head.startswith(magic):
            notes.add("FT111", found=found, advice=advice)
            return True
    document = _json_document(head)
    if document is not None:
        notes.line = 1
        notes.add("FT104", found=document)
    return document is not None


def note_foreign_row(row: Mapping[str, Any], notes: Notes) -> bool:
    """Note it and return True where a row without messages is recognised as one of another format."""
    for keys, found, advice in _ROWS:
        if keys <= row.keys():
            notes.add("FT214", found=found, advice=advice)
            return True
    return False


def _json_document(head: bytes) -> str | None:
    first, newline, rest = head.lstrip().partition(b"\n")
    first = first.rstrip()
    if first.startswith(b"["):
        one_line_among_others = rest.strip() and _whole(first)
        return None if one_line_among_others else "one JSON array"
    broken_off = first.startswith(b"{") and first.endswith((b"{", b"[", b":", b","))
    if newline and broken_off and not _whole(first.rstrip(b",")):
        return "JSON written over several lines"
    return None


def _whole(line: bytes) -> bool:
    try:
        parse_json(line.decode("utf-8", "replace"))
    except NotJson:
        return False
    return True
