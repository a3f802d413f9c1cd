"""Recognises files and rows of another format, so that one clear finding takes the place of thousands."""

from __future__ import annotations

import contextlib
import csv
import re
from collections.abc import Mapping
from io import StringIO
from itertools import islice
from typing import Any

from orchestrator.dataset.basemodels import Method
from orchestrator.dataset.findings import Notes
from orchestrator.dataset.jsontext import NotJson, parse_json
from orchestrator.dataset.rules.rule import CONVERT_COMMAND

HEAD_BYTES = 4096

CONVERT = f"Let ftorch rewrite it: {CONVERT_COMMAND}"

_CONVERT_TABLE = f"{CONVERT} --prompt-column NAME --call-column NAME"

COLUMN = re.compile(r"[A-Za-z][\w .-]{0,63}")
_SEPARATORS = (",", ";", "\t")

_MAGIC = (
    (b"\x1f\x8b", "a gzip file", "Unpack it with gunzip."),
    (b"BZh", "a bzip2 file", "Unpack it with bunzip2."),
    (b"\xfd7zXZ\x00", "an xz file", "Unpack it with unxz."),
    (b"\x28\xb5\x2f\xfd", "a Zstandard file", "Unpack it with unzstd."),
    (b"PK\x03\x04", "a ZIP or Excel file", "Unpack it, or export its rows as JSONL."),
    (b"PAR1", "a Parquet file", CONVERT),
    (b"\xff\xfe", "UTF-16 text", "Save it as UTF-8."),
    (b"\xfe\xff", "UTF-16 text", "Save it as UTF-8."),
    (b"{\x00", "UTF-16 text", "Save it as UTF-8."),
    (b"\x00{", "UTF-16 text", "Save it as UTF-8."),
)

_ROWS = (
    (
        {"input", "preferred_output"},
        "preference data",
        f'Set the method\'s type to "dpo", or keep the preferred output only. {CONVERT} --to tools',
    ),
    ({"chosen", "rejected"}, "preference data with chosen and rejected answers", CONVERT),
    ({"response", "rejected_response"}, "preference data with a rejected_response", CONVERT),
    (
        {"prompt", "completion", "label"},
        "answers with a label (KTO, TRL)",
        f"Keep the answers that are labelled true: {CONVERT_COMMAND} --to supervised",
    ),
    (
        {"prompt", "completion"},
        "the old prompt and completion format",
        f"{CONVERT} --prompt-column prompt --answer-column completion",
    ),
    ({"user", "function_call"}, "a format that some articles show, but no service takes", CONVERT),
    ({"conversations"}, "the ShareGPT format", CONVERT),
    ({"contents"}, "the format of Gemini", CONVERT),
    ({"instruction", "functions", "output"}, "the Gorilla format", f"{CONVERT} --rename-functions"),
    ({"instruction", "output"}, "the Alpaca format", CONVERT),
    ({"query", "answers"}, "the xLAM format", CONVERT),
    *(
        ({"question", "function", answer}, "questions with answers and the functions they may call", CONVERT)
        for answer in ("answer", "answers", "completion", "output", "response")
    ),
    (
        {"id", "question", "function"},
        "questions of BFCL, which hold no answers",
        f"Give the file of answers that comes with them: {CONVERT_COMMAND} --answers FILE",
    ),
    (
        {"question", "function"},
        "questions of BFCL, which hold no answers",
        f"Give each the call that answers it: {CONVERT_COMMAND} --answer-call NAME=JSON",
    ),
    ({"system", "chat"}, "the Glaive format", CONVERT),
    ({"instructions", "input"}, "a request of the Responses API", CONVERT),
    ({"custom_id", "body"}, "a Batch request file", CONVERT),
    ({"item"}, "an item of OpenAI evals", CONVERT),
    ({"request", "response"}, "a log of requests with their responses", CONVERT),
    ({"inputs", "outputs"}, "the LangSmith format", CONVERT),
    ({"input", "output"}, "the Langfuse format", CONVERT),
    ({"question", "answer"}, "questions with answers", CONVERT),
)

_CHAT_KEYS = frozenset(
    ("messages", "tools", "functions", "parallel_tool_calls", "tool_choice", "function_call", "response_format")
)


def note_foreign_file(head: bytes, notes: Notes) -> bool:
    """Note it and return True where the first bytes of a file (up to HEAD_BYTES) show that it is no JSONL."""
    for magic, found, advice in _MAGIC:
        if head.startswith(magic):
            notes.add("FT111", found=found, advice=advice)
            return True
    if _is_table(head):
        notes.add("FT111", found="a table (CSV)", advice=_CONVERT_TABLE)
        return True
    document = _json_document(head)
    if document is not None:
        notes.at(1)
        notes.add("FT104", found=document)
    return document is not None


def note_foreign_row(row: Mapping[str, Any], notes: Notes) -> bool:
    """Note it and return True where a row is recognised as one of another format."""
    found = _foreign_chat(row) if "messages" in row else _foreign_row(row)
    if found is None:
        return False
    notes.add("FT214", found=found[0], advice=found[1])
    return True


def _foreign_row(row: Mapping[str, Any]) -> tuple[str, str] | None:
    names = {key.lower() for key in row}
    if {"prompt", "completion"} <= names and isinstance(row.get("completion"), list) and "label" not in names:
        return "prompt and completion as lists of messages (TRL)", CONVERT
    for keys, found, advice in _ROWS:
        if keys <= names:
            return found, advice
    text = row.get("text")
    return ("ChatML text", CONVERT) if isinstance(text, str) and "<|im_start|>" in text else None


def _foreign_chat(row: Mapping[str, Any]) -> tuple[str, str] | None:
    """What a row with messages shows at once; all else is said of its parts."""
    tools = row.get("tools")
    if isinstance(row["messages"], str) or isinstance(tools, str):
        return "a format with JSON in strings", CONVERT
    if "schemaVersion" in row or "toolConfig" in row:
        return "the format of Bedrock", CONVERT
    if isinstance(tools, list) and tools and isinstance(tools[0], dict) and "input_schema" in tools[0]:
        return "the format of Anthropic", CONVERT
    return None


_TELLING_KEYS = re.compile(
    rb"""["'](?:messages|preferred_output|conversations|completion|chosen|rejected_response|answers|instruction"""
    rb"""|contents|functions?|schemaVersion)["']\s*:|["']chat["']\s*:\s*["']USER|<\|im_start\|>"""
    rb"""|["']role["']\s*:\s*["'](?:user|assistant)""",
    re.IGNORECASE,
)


def looks_like_training(line: bytes) -> bool:
    """Whether the line, sound or not, has a key of some training format."""
    return _TELLING_KEYS.search(line) is not None


def shape_of(row: Mapping[str, Any]) -> Method | None:
    """The method whose examples look like this row; None where it looks like none.

    Reinforcement examples end with the user and carry keys for the grader; a supervised one that ends with the
    user by mistake carries none.
    """
    messages = row.get("messages")
    if not isinstance(messages, list):
        return "dpo" if "preferred_output" in row and "input" in row else None
    last = messages[-1] if messages else None
    if isinstance(last, dict) and last.get("role") == "user" and not row.keys() <= _CHAT_KEYS:
        return "reinforcement"
    return "supervised"


def _is_table(head: bytes) -> bool:
    """True where a line with the names of columns comes first, and a row with as many fields next."""
    text = head.decode("utf-8", "replace").removeprefix("\ufeff")
    for separator in _SEPARATORS:
        with contextlib.suppress(csv.Error):
            names, row = (*islice(csv.reader(StringIO(text), delimiter=separator), 2), [], [])[:2]
            if len(names) == len(row) > 1 and all(map(COLUMN.fullmatch, names)):
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
