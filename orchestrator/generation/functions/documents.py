"""A file that may define functions: JSON, YAML or JSON Lines by content, or an error that says what it is."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from orchestrator.dataset.files import open_as_sent
from orchestrator.dataset.findings import shown
from orchestrator.dataset.jsontext import NotJson, RepeatedKey, parse_json, require_single_keys
from orchestrator.errors import DataFileNotFound, DataFileUnreadable, ToolsUnusable
from orchestrator.generation.functions.yamltext import NotYaml, parse_yaml

ACCEPTED = (
    "Give tool definitions as JSON or YAML, an OpenAPI document, a training file as JSONL, FILE.py, or "
    "package.module:function"
)

LARGEST = 64 << 20
"""The most bytes of a document. JSON Lines may have any size: they are read line by line."""

_WHITESPACE = b" \t\r\n"
_LINES = (".jsonl", ".ndjson")
_BINARY = {
    b"PAR1": "a Parquet file",
    b"PK\x03\x04": "a ZIP archive or an Excel file",
    b"\x1f\x8b": "a file compressed by gzip",
    b"%PDF": "a PDF",
    b"SQLite format 3\0": "an SQLite database",
    b"\xff\xfe": "text in UTF-16",
    b"\xfe\xff": "text in UTF-16",
}
_TOML = re.compile(r"\[{1,2}[\w.\"' -]+\]{1,2}\s*(#.*)?|[\w.\"'-]+\s*=.*")

_YAML = re.compile(r"-( |$)|---|%|[&!?{\[]|[\w\"'$./-]+\s*:( |$)")
"""The start of a list or a mapping."""


@dataclass(frozen=True)
class Document:
    """The content of a file. Of JSON Lines only the first line is read, as `value`."""

    form: Literal["json", "yaml", "lines"]
    value: Any


def read_document(path: Path) -> Document:
    """The document in the file. Raises ToolsUnusable with the file's apparent type or the place of the error."""
    data = _bytes_of(path)
    if not data.strip(_WHITESPACE):
        raise unusable(path, "it is empty", ACCEPTED)
    _refuse_binary(path, data)
    first = data.lstrip(_WHITESPACE).split(b"\n", 1)[0]
    lines = Document("lines", _json_or_none(first))
    is_long = len(data) > LARGEST
    try:
        if not is_long:
            return Document("json", _json(path, data))
    except NotJson as error:
        if error.cause == "depth":
            raise unusable(path, error.problem, "Reduce the nesting") from None
        if not isinstance(lines.value, dict) and path.suffix.lower() not in _LINES:
            return Document("yaml", _other_text(path, data, error))
    if is_long and not isinstance(lines.value, dict):
        raise unusable(path, f"it is larger than {LARGEST >> 20} MiB", ACCEPTED)
    return lines


def unusable(path: object, problem: str, fix: str) -> ToolsUnusable:
    """The error about a whole file."""
    return ToolsUnusable(source=path, problem=problem, fix=fix)


def looks_like(value: Any) -> str:
    """The apparent type of a JSON value that defines no functions."""
    if isinstance(value, list):
        if any(isinstance(each, dict) and _EXAMPLE & each.keys() for each in value[:1]):
            return "a JSON array of examples"
        return "a list without definitions" if value else "an empty list"
    if not isinstance(value, dict):
        return f"the single value {shown(value)}"
    for key, what in _HALLMARKS.items():
        if key in value:
            return what
    keys = ", ".join(shown(key, 24) for key in list(value)[:8])
    return f"an object with the keys {keys}" if keys else "an empty object"


_EXAMPLE = frozenset(("messages", "conversations", "prompt", "instruction", "contents"))
_HALLMARKS = {
    "asyncapi": "an AsyncAPI document",
    "openrpc": "an OpenRPC document",
    "nbformat": "a notebook",
    "__schema": "a GraphQL schema",
    "item": "a Postman collection",
    "properties": "a JSON Schema without the name of a function",
    "$schema": "a JSON Schema without the name of a function",
}


def _bytes_of(path: Path) -> bytes:
    try:
        with open_as_sent(path) as stream:
            return stream.read(LARGEST + 1)
    except DataFileNotFound:
        raise unusable(path, "there is no such file", ACCEPTED) from None
    except DataFileUnreadable as error:
        raise unusable(path, error.facts["problem"], "Give a regular file that you may read") from None
    except OSError as error:
        raise unusable(path, error.strerror or str(error), "Give a regular file that you may read") from None


def _refuse_binary(path: Path, data: bytes) -> None:
    for start, what in _BINARY.items():
        if data.startswith(start):
            raise unusable(path, f"it looks like {what}", ACCEPTED)
    if b"\0" in data[:8192]:
        raise unusable(path, "it looks like a binary file", ACCEPTED)


def _json(path: Path, data: bytes) -> Any:
    """Raises NotJson, and ToolsUnusable for a repeated key."""
    value = parse_json(data)
    try:
        require_single_keys(data, value)
    except RepeatedKey as error:
        raise unusable(path, f"an object has the key {shown(error.key)} twice", "Keep one of them") from None
    return value


def _json_or_none(text: bytes) -> Any:
    try:
        return parse_json(text)
    except NotJson:
        return None


# --- Text that is not JSON ---------------------------------------------------------------------------------------


def _other_text(path: Path, data: bytes, why_not_json: NotJson) -> Any:
    """The value of a YAML text. Raises ToolsUnusable."""
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        problem = f"byte {error.start + 1} is not valid UTF-8; the file is binary or in another encoding"
        raise unusable(path, problem, "Save it as UTF-8") from None
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    if not lines:
        raise unusable(path, "it has only comments", ACCEPTED)
    if lines[0].startswith("<"):
        raise unusable(path, "it looks like a web page or XML", ACCEPTED)
    if _TOML.fullmatch(lines[0]):
        raise unusable(path, "it looks like TOML, such as a job file", ACCEPTED)
    if lines[0].startswith(("{", "[")) and path.suffix.lower() not in (".yaml", ".yml"):
        raise _not_json(path, text, why_not_json)  # YAML accepts many mistakes in JSON
    try:
        value = parse_yaml(text)
    except NotYaml as error:
        raise _not_yaml(path, lines, error) from None
    if isinstance(value, dict | list):
        return value
    raise unusable(path, f"it looks like {_table_or_text(lines)}", ACCEPTED)


def _not_json(path: Path, text: str, error: NotJson) -> ToolsUnusable:
    where = "" if error.position is None else f"line {text.count(chr(10), 0, error.position) + 1}: "
    return unusable(path, f"{where}it is not valid JSON: {error.problem}", "Correct that line")


def _not_yaml(path: Path, lines: list[str], error: NotYaml) -> ToolsUnusable:
    if not _YAML.match(lines[0]):
        return unusable(path, f"it looks like {_table_or_text(lines)}", ACCEPTED)
    where = f"line {error.line}: " if error.line else ""
    return unusable(path, f"{where}it is not valid YAML: {error.problem}", "Correct that line")


def _table_or_text(lines: list[str]) -> str:
    """A table has several columns in its first line, and the same number in the second."""
    plain = [re.sub(r'"(?:[^"]|"")*"', "", line) for line in lines[:2]]
    is_table = any(len({line.count(mark) for line in plain}) == 1 and mark in plain[0] for mark in ",;\t|")
    return "a CSV table" if is_table else "plain text"
