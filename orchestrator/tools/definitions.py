"""Tools with a definition only: their calls can be checked and shown, not executed."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from inspect import Signature
from pathlib import Path
from typing import Any

from orchestrator.dataset.checking.schemas import InvalidSchema, parameters_of
from orchestrator.dataset.convert.calls import as_tools
from orchestrator.dataset.convert.changes import Changes, NotConvertible
from orchestrator.dataset.findings import named_type
from orchestrator.dataset.jsontext import NotJson, parse_json
from orchestrator.dataset.variants import declared_functions
from orchestrator.errors import ToolsUnusable
from orchestrator.tools.functions import Tool

ENDINGS = (".json", ".jsonl")
_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_FORMS = (
    "Use a JSON array of tools, as printed by ftorch data tools, an object with such an array under "
    '"tools", or a JSONL training file'
)


def read_definitions(path: Path) -> tuple[Tool, ...]:
    """The tools in a JSON file, or declared in the rows of a JSONL file. Raises ToolsUnusable."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise ToolsUnusable(source=path, problem="there is no such file", fix=_FORMS) from None
    except OSError as error:
        raise ToolsUnusable(source=path, problem=error.strerror or str(error), fix=_FORMS) from None
    try:
        if path.suffix == ".jsonl":
            return defined_tools(_once(_of_rows(content)), path)
        return defined_tools(_of_value(parse_json(content)), path)
    except NotJson as error:
        raise ToolsUnusable(source=path, problem=f"it is not valid JSON: {error.problem}", fix=_FORMS) from None
    except NotConvertible as error:
        raise ToolsUnusable(source=path, problem=error.problem, fix=_FORMS) from None


def defined_tools(functions: Iterable[Mapping[str, Any]], source: object) -> tuple[Tool, ...]:
    """The tools of these function definitions, whose names must differ. Raises ToolsUnusable."""
    tools: dict[str, Tool] = {}
    for function in functions:
        tool = _tool(function, source)
        if tool.name in tools:
            problem = f'two functions are called "{tool.name}"'
            raise ToolsUnusable(source=source, problem=problem, fix="Rename one of them or remove it")
        tools[tool.name] = tool
    if not tools:
        raise ToolsUnusable(source=source, problem="it defines no function", fix=_FORMS)
    return tuple(tools.values())


def _tool(function: Mapping[str, Any], source: object) -> Tool:
    name, schema = function.get("name"), function.get("parameters", {})
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        problem = f"a function is called {name!r}"
        fix = "A name has 1 to 64 letters (a-z), digits, _ or -"
        raise ToolsUnusable(source=source, problem=problem, fix=fix)
    try:
        if not isinstance(schema, Mapping):
            raise InvalidSchema(f"they are {named_type(schema)}, not an object")
        parameters = parameters_of(schema)
    except InvalidSchema as error:
        problem = f"the parameters of {name} are not a JSON Schema: {error.problem}"
        raise ToolsUnusable(source=source, problem=problem, fix="Correct them") from None
    return Tool(name, None, {"type": "function", "function": dict(function)}, parameters, Signature(), {})


def _of_value(value: Any) -> Iterator[Mapping[str, Any]]:
    """The function definitions in a list of tools, one tool, or an object that contains either."""
    if isinstance(value, dict):
        inner = value.get("input")
        holder = inner if isinstance(inner, dict) else value
        listed = holder.get("tools", holder.get("functions"))
        value = [value] if listed is None and ("function" in value or "parameters" in value) else listed
    if value is None:
        return
    yield from declared_functions({"tools": as_tools(value, Changes(), what="")})


def _of_rows(content: bytes) -> Iterator[Mapping[str, Any]]:
    for number, line in enumerate(content.splitlines(), start=1):
        if line.strip():
            try:
                yield from _of_value(parse_json(line))
            except NotJson as error:
                raise NotConvertible(f"line {number} is not valid JSON: {error.problem}", "") from None


def _once(functions: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The first definition of each function: the rows of a training file repeat their tools."""
    found: dict[str, Mapping[str, Any]] = {}
    for each in functions:
        found.setdefault(str(each.get("name")), each)
    return list(found.values())
