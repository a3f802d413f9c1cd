"""Turn tool definitions of any API into functions that calls can be made for."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from orchestrator.dataset.checking.declarations import MOST_TOOLS, check_declarations
from orchestrator.dataset.convert.calls import as_tools
from orchestrator.dataset.convert.changes import Changes, NotConvertible
from orchestrator.dataset.findings import Finding, Notes, named_type, printable, shown
from orchestrator.errors import InvalidFunctions, ToolsUnusable
from orchestrator.generation.calls import Function

MOST_CHOICES = 1000
"""Enum values in the parameters of one function. https://developers.openai.com/api/docs/guides/structured-outputs,
"Supported schemas", November 2026: 1,000 enum values across all properties of a schema."""

MOST_CHARACTERS = 15_000
MANY_CHOICES = 250
"""From the same page: the strings of one enum with more than 250 values have at most 15,000 characters in total."""

DEEPEST = 100
"""Levels of a definition. Services stop at 10 levels of objects; JSON libraries at about 250 of anything."""

LONGEST_NAME = 64

_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_OTHER_CHARACTERS = re.compile(r"[^a-zA-Z0-9_-]+")
_SAID_HERE = ("FT302", "FT303", "FT305")
"""Codes of data checks whose messages are about rows of a file."""


@dataclass(frozen=True)
class Entry:
    """A definition as its source has it. `place` is for people: "/tools/3", "line 7", "GET /pets"."""

    place: str
    value: Any


def functions_of(entries: Sequence[Entry], origin: str) -> tuple[tuple[Function, ...], tuple[str, ...]]:
    """The functions that the entries define, in order, and notes about them.

    Entries are tools, bare definitions, or those of the Responses API, Anthropic, MCP, Gemini and Bedrock. Raises
    InvalidFunctions with all problems, and ToolsUnusable for none or too many.
    """
    problems: list[str] = []
    changes = Changes()
    placed = [(entry.place, tool) for entry in entries for tool in _tools(entry, changes, problems)]
    others = [f"{place} ({shown(tool['type'])})" for place, tool in placed if not _is_function(tool)]
    placed = [(place, _completed(tool, changes)) for place, tool in placed if _is_function(tool)]
    changes.settle()
    problems += _wrong_names(placed)
    notes, wrong = _checked(placed)
    problems += wrong
    if problems:
        raise InvalidFunctions(origin, [f"{origin}: {problem}" for problem in problems])
    check_number(len(placed), origin)
    said = [f"{listed(others)}: left out, not a function"] if others else []
    said += [change.what for change in changes.tally()]
    return tuple(_function(tool) for _, tool in placed), (*said, *notes)


def sound_name(text: str) -> str:
    """The nearest name to `text` that services accept; "" if none of its characters is allowed."""
    return _OTHER_CHARACTERS.sub("_", text).strip("_")[:LONGEST_NAME]


def listed(names: Sequence[str], most: int = 5) -> str:
    """The names for a sentence; of many, only the first."""
    more = f" and {len(names) - most:,} more" if len(names) > most else ""
    return printable(", ".join(names[:most])) + more


def check_number(count: int, origin: str) -> None:
    """Check that there are functions, and no more than a request takes. Raises ToolsUnusable."""
    if not count:
        raise ToolsUnusable(source=origin, problem="it defines no function", fix="Define at least one")
    if count > MOST_TOOLS:
        problem = f"it defines {count:,} functions, and a request takes at most {MOST_TOOLS} tools"
        raise ToolsUnusable(source=origin, problem=problem, fix="Keep those that the model should learn")


# --- One form ----------------------------------------------------------------------------------------------------


def _tools(entry: Entry, changes: Changes, problems: list[str]) -> list[dict[str, Any]]:
    if _is_too_deep(entry.value):
        problems.append(f"{entry.place}: it is nested more than {DEEPEST} levels deep. Reduce the nesting.")
        return []
    try:
        return as_tools([_without_custom(entry.value)], changes, what="definitions framed as tools")
    except NotConvertible as error:
        problems.append(f"{entry.place}: {error.problem}. {error.advice}")
        return []


def _without_custom(value: Any) -> Any:
    """Anthropic's type of a tool with a schema; in OpenAI's API the name means a tool that takes any text."""
    if isinstance(value, dict) and value.get("type") == "custom" and "input_schema" in value:
        return {key: each for key, each in value.items() if key != "type"}
    return value


def _is_function(tool: Mapping[str, Any]) -> bool:
    return "function" in tool or tool.get("type", "function") == "function"


def _completed(tool: dict[str, Any], changes: Changes) -> dict[str, Any]:
    """The tool with the keys that services require, if the meaning stays the same."""
    if "type" not in tool:
        changes.note('"type": "function" added to tools')
        tool = {"type": "function", **tool}
    function = tool.get("function")
    parameters = function.get("parameters") if isinstance(function, dict) else None
    if not isinstance(function, dict) or not isinstance(parameters, dict) or "$ref" in parameters:
        return tool
    if not parameters or (parameters.get("type") == "object" and "properties" not in parameters):
        changes.note('"properties": {} added to parameters')
        parameters = {"type": "object", "properties": {}, **parameters}
    return {**tool, "function": {**function, "parameters": parameters}}


def _function(tool: Mapping[str, Any]) -> Function:
    definition = tool["function"]
    schema = definition.get("parameters") or {"type": "object", "properties": {}}
    return Function(definition["name"], definition.get("description") or "", schema, tool)


# --- Problems ----------------------------------------------------------------------------------------------------


Placed = Sequence[tuple[str, Mapping[str, Any]]]


def _name_of(tool: Mapping[str, Any]) -> Any:
    function = tool.get("function")
    return function.get("name") if isinstance(function, dict) else None


def _named(place: str, tool: Mapping[str, Any]) -> str:
    name = _name_of(tool)
    return f"{place}, function {printable(name)}" if isinstance(name, str) and name else place


def _wrong_names(placed: Placed) -> Iterator[str]:
    known: dict[str, str] = {}
    for place, tool in placed:
        name = _name_of(tool)
        if name is None:
            yield f'{place}: the function has no name. Add the key "name".'
        elif not isinstance(name, str):
            yield f"{place}: the function's name is {named_type(name)}. Write a string."
        elif not _NAME.fullmatch(name):
            better = sound_name(name)
            fix = f', for example to "{better}"' if better else ""
            rule = f"services accept 1 to {LONGEST_NAME} characters of a-z, A-Z, 0-9, _ and -"
            yield f"{place}: the name is {shown(name)}, but {rule}. Rename the function{fix}."
        elif name in known:
            yield f"{place}: the function {name} is defined at {known[name]} too. Rename one, or keep one of them."
        else:
            known[name] = place


def _checked(placed: Placed) -> tuple[list[str], list[str]]:
    """The findings of the data checks for these tools: notes and problems."""
    notes = Notes(keep_all=True)
    check_declarations({"tools": [tool for _, tool in placed]}, (), notes)
    wrong = [_said(each, placed) for each in notes.findings if each.code not in _SAID_HERE]
    for place, tool in placed:
        wrong += [f"{_named(place, tool)} {problem}" for problem in _too_many_choices(tool)]
    known = len(notes.findings)
    notes.note_tallies()
    return [f"{each.reason}. {each.fix}" for each in notes.findings[known:]], wrong


def _said(finding: Finding, placed: Placed) -> str:
    _, _, index, *inner = finding.pointer.split("/")
    place, tool = placed[int(index)]
    path = "".join(f"/{part}" for part in inner).removeprefix("/function")
    where = f" at {path}" if path else ""
    return f"{_named(place, tool)}{where}: {finding.reason}. {finding.fix}"


def _too_many_choices(tool: Mapping[str, Any]) -> Iterator[str]:
    total = 0
    function = tool.get("function")
    for path, choices in _enums(function.get("parameters") if isinstance(function, dict) else None):
        total += len(choices)
        if (
            len(choices) > MANY_CHOICES
            and sum(len(each) for each in choices if isinstance(each, str)) > MOST_CHARACTERS
        ):
            rule = f"at most {MOST_CHARACTERS:,} characters in more than {MANY_CHOICES} values"
            yield f"at {path}: an enum of {len(choices):,} values, but services accept {rule}. {_FEWER}"
        if total > MOST_CHOICES:
            rule = f"services accept {MOST_CHOICES:,} in a function"
            yield f"at {path}: with this enum there are {total:,} enum values, and {rule}. {_FEWER}"
            return


_FEWER = "Keep the most used ones, or use a plain string and describe its form."
_LITERALS = ("enum", "const", "default", "examples", "example")


def _enums(parameters: Any) -> Iterator[tuple[str, list[Any]]]:
    """Each enum of a schema, with its JSON Pointer in the definition."""
    left: list[tuple[str, Any, bool]] = [("/parameters", parameters, True)]
    while left:
        path, value, is_schema = left.pop()
        if isinstance(value, list):
            left += [(f"{path}/{index}", each, True) for index, each in reversed(list(enumerate(value)))]
        if not isinstance(value, dict):
            continue
        if is_schema and isinstance(value.get("enum"), list):
            yield f"{path}/enum", value["enum"]
        inner = [
            (f"{path}/{_token(key)}", each, not (is_schema and key in _NAMED))
            for key, each in value.items()
            if not (is_schema and key in _LITERALS)
        ]
        left += reversed(inner)


_NAMED = ("properties", "patternProperties", "$defs", "definitions", "dependentSchemas")


def _token(key: str) -> str:
    return printable(key.replace("~", "~0").replace("/", "~1"))


def _is_too_deep(value: Any) -> bool:
    left = [(value, 0)]
    while left:
        each, depth = left.pop()
        if isinstance(each, dict | list):
            if depth == DEEPEST:
                return True
            left += [(inner, depth + 1) for inner in (each.values() if isinstance(each, dict) else each)]
    return False
