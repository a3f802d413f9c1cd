"""Read functions from tool definitions, an OpenAPI document, Python, or a training file."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from orchestrator.dataset.convert.calls import as_tools
from orchestrator.dataset.convert.changes import Changes, NotConvertible
from orchestrator.dataset.convert.textcalls import is_definition
from orchestrator.dataset.files import open_as_sent
from orchestrator.dataset.findings import named_type, shown
from orchestrator.dataset.jsontext import NotJson, RepeatedKey
from orchestrator.dataset.lines import LONGEST_LINE_BYTES, numbered_lines
from orchestrator.dataset.profile.fingerprints import canonical, digest
from orchestrator.dataset.toollists import Reader, ToolList
from orchestrator.dataset.variants import first_difference
from orchestrator.errors import InvalidFunctions, LineUnreadable
from orchestrator.generation.calls import Function
from orchestrator.generation.functions.definitions import Entry, functions_of
from orchestrator.generation.functions.documents import ACCEPTED, looks_like, read_document, unusable
from orchestrator.generation.functions.openapi import is_openapi, tools_of

SourceKind = Literal["tools", "openapi", "python", "training"]

_MODULE = re.compile(r"[^\W\d]\w*(?:\.[^\W\d]\w*)*(?::[^\W\d]\w*)?")
_DOCUMENTS = frozenset((".json", ".jsonl", ".ndjson", ".yaml", ".yml", ".toml", ".csv", ".txt", ".parquet"))
_LISTS = ("tools", "functions", "functionDeclarations", "function_declarations")
_INNER = ("toolConfig", "result")
"""Keys around a list of tools: in Bedrock's request, and in an MCP server's answer to tools/list."""
_SCHEMAS = ("parameters", "input_schema", "inputSchema")
_ROWS = ("messages", "preferred_output")


@dataclass(frozen=True)
class Source:
    """The functions of one source, and their origin."""

    functions: tuple[Function, ...]
    kind: SourceKind
    origin: str
    """As the user named it."""
    sha256: str
    """Hash of the definitions as JSON with sorted keys: the same for equal definitions in any form."""
    notes: tuple[str, ...]
    """Changes, omissions, and parts that services refuse: one sentence each."""


def read_functions(source: str | Path) -> Source:
    """The functions of `source`: a file, FILE.py, a module, or either with :function.

    A file holds tool definitions as JSON or YAML in any API's form, an OpenAPI document or Swagger, or the examples
    of a training file. Its content decides which, not its name. Python is run, as with `python FILE.py`.

    Raises ToolsUnusable, with the accepted forms, if there are no functions to read; InvalidFunctions with each
    unusable function, its place and a fix; FunctionUnusable for a Python function that can't be a tool;
    LineUnreadable for a line of a training file.
    """
    text, path = str(source), Path(source)
    if "://" in text:
        raise unusable(text, "it is an address, and nothing is fetched", "Download the file and name it instead")
    if _is_python(text, path):
        return _source("python", text, _of_python(text))
    document = read_document(path)
    value = document.value
    if document.form == "lines" and not _is_definition(value):
        return _source("training", text, _of_rows(_lines(path), text))
    if document.form == "lines":
        return _source("tools", text, [Entry(f"line {number}", row) for number, row in _lines(path)])
    if is_openapi(value):
        entries, notes = tools_of(value, text)
        return _source("openapi", text, entries, notes)
    if isinstance(value, dict) and any(key in value for key in _ROWS):
        return _source("training", text, _of_rows(iter([(1, value)]), text))
    found = _entries(value, "")
    if found is None:
        problem = f"it looks like {looks_like(value)}"
        fix = "Write one example on each line: ftorch data convert IN -o OUT" if "examples" in problem else ACCEPTED
        raise unusable(text, problem, fix)
    return _source("tools", text, found)


def _source(kind: SourceKind, origin: str, entries: list[Entry], notes: list[str] | None = None) -> Source:
    functions, more = functions_of(entries, origin)
    sha256 = hashlib.sha256(canonical([each.definition for each in functions])).hexdigest()
    return Source(functions, kind, origin, sha256, (*(notes or ()), *more))


def _is_python(text: str, path: Path) -> bool:
    place = text.rpartition(":")[0] if text.rpartition(":")[2].isidentifier() else text
    if (place or text).endswith(".py"):
        return True
    if path.is_file() or path.suffix.lower() in _DOCUMENTS:
        return False
    return _MODULE.fullmatch(text) is not None


def _of_python(source: str) -> list[Entry]:
    from orchestrator.tools.functions import place_of
    from orchestrator.tools.sources import load_tools

    tools = load_tools([source])
    return [Entry(place_of(tool.function), tool.definition) for tool in tools if tool.function is not None]


# --- Tool definitions --------------------------------------------------------------------------------------------


def _entries(value: Any, pointer: str) -> list[Entry] | None:
    """The definitions in a document, each with its JSON Pointer; None without any."""
    if isinstance(value, list):
        if value and not any(_is_definition(each) or _holds_list(each) for each in value):
            return None
        return [Entry(f"{pointer}/{index}", each) for index, each in enumerate(value)]
    if _is_definition(value):
        return [Entry(pointer or "/", value)]
    if not isinstance(value, dict):
        return None
    found: list[Entry] = []
    for key in (*_LISTS, *_INNER):
        inner = value.get(key)
        if isinstance(inner, list) and key in _LISTS:
            found += [Entry(f"{pointer}/{key}/{index}", each) for index, each in enumerate(inner)]
        elif isinstance(inner, dict) and key in _INNER:
            found += _entries(inner, f"{pointer}/{key}") or []
    return found if found or any(isinstance(value.get(key), list) for key in _LISTS) else None


def _is_definition(value: Any) -> bool:
    if not isinstance(value, dict):
        return False
    return is_definition(value) or any(
        (
            isinstance(value.get("function"), dict),
            isinstance(value.get("toolSpec"), dict),
            value.get("type") == "function",
            any(isinstance(value.get(key), dict) for key in _SCHEMAS),
        )
    )


def _holds_list(value: Any) -> bool:
    return isinstance(value, dict) and any(isinstance(value.get(key), list) for key in _LISTS)


# --- Training files ----------------------------------------------------------------------------------------------


def _lines(path: Path) -> Iterator[tuple[int, Any]]:
    """Each line's number and object. Raises LineUnreadable."""
    reader = Reader()
    with open_as_sent(path) as stream:
        for number, line in numbered_lines(stream):
            try:
                row = reader.parse(line)[0] if line is not None else None
            except NotJson as error:
                raise LineUnreadable(path=path, line=number, problem=error.problem) from None
            except RepeatedKey as error:
                problem = f"an object has the key {shown(error.key)} twice"
                raise LineUnreadable(path=path, line=number, problem=problem) from None
            if line is None:
                problem = f"it is longer than {LONGEST_LINE_BYTES >> 20} MiB"
                raise LineUnreadable(path=path, line=number, problem=problem)
            if not isinstance(row, dict):
                raise LineUnreadable(path=path, line=number, problem=f"it is {named_type(row)}, not an object")
            yield number, row


def _of_rows(rows: Iterator[tuple[int, Any]], origin: str) -> list[Entry]:
    """The functions that examples declare, in the order in which they first appear."""
    found: dict[str, Entry] = {}
    problems: list[str] = []
    seen: set[int] = set()
    for number, row in rows:
        source = row.get("input")
        holder = source if isinstance(source, dict) else row
        for key in ("tools", "functions"):
            listed = holder.get(key)
            if not listed:
                continue
            identity = digest(listed.text if isinstance(listed, ToolList) else canonical(listed))
            if identity not in seen:
                seen.add(identity)
                _take_up(listed, number, found, problems)
    if problems:
        raise InvalidFunctions(origin, [f"{origin}: {problem}" for problem in problems])
    if not found:
        fix = 'Use a file whose examples have "tools"; to convert other formats: ftorch data convert IN -o OUT'
        raise unusable(origin, "its examples declare no functions", fix)
    return list(found.values())


def _take_up(listed: Any, number: int, found: dict[str, Entry], problems: list[str]) -> None:
    place = f"line {number}"
    try:
        tools = as_tools(listed, Changes(), what="")
    except NotConvertible as error:
        problems.append(f"{place}: {error.problem}. {error.advice}")
        return
    own: dict[str, Any] = {}
    for tool in tools:
        function = tool.get("function")
        name = str(function.get("name")) if isinstance(function, dict) else str(canonical(tool))
        if name in own:
            problems.append(f"{place}: the function {shown(name)} is defined twice. Keep one of the definitions.")
        known = found.setdefault(name, Entry(place, tool))
        if canonical(known.value) != canonical(tool) and name not in own:
            where = first_difference(known.value.get("function"), function)
            at = f" at {where}" if where else ""
            problems.append(
                f"{place}: the function {shown(name)} is defined differently{at} than at {known.place}. "
                "Give all lines the same definition."
            )
        own[name] = tool
