"""Lists of function definitions, in all the ways they are written, as `tools`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from orchestrator.dataset.checking.findings import named_type
from orchestrator.dataset.convert.changes import Changes, NotConvertible
from orchestrator.dataset.jsontext import NotJson, parse_json
from orchestrator.errors import ToolsFileUnusable


def as_tools(definitions: Any, changes: Changes, *, what: str) -> list[Any]:
    """The tools of a list of tools, of bare functions or of the flat form `{"type": "function", "name": …}`.

    `what` is noted where a definition had to be wrapped. Raises NotConvertible where there is no list of objects.
    """
    listed = _listed(definitions, changes)
    tools = [_tool(entry) for entry in listed]
    if tools != listed:
        changes.note(what)
    return tools


def read_tools(path: Path) -> tuple[dict[str, Any], ...]:
    """The tools that a JSON file lists. Raises ToolsFileUnusable."""
    try:
        tools = as_tools(parse_json(path.read_bytes()), Changes(), what="")
    except OSError as error:
        raise ToolsFileUnusable(path=path, problem=error.strerror or str(error)) from None
    except (NotJson, NotConvertible) as error:
        raise ToolsFileUnusable(path=path, problem=error.problem) from None
    return tuple(tools)


def _listed(definitions: Any, changes: Changes) -> list[Any]:
    if isinstance(definitions, str):
        try:
            definitions = parse_json(definitions)
        except NotJson as error:
            problem = f"the text of the tool definitions is not valid JSON: {error.problem}"
            raise NotConvertible(problem, "Write the definitions as a JSON array.") from None
        changes.note("tool definitions in a string decoded")
    if not isinstance(definitions, list):
        problem = f"the tool definitions must be an array; they are {named_type(definitions)}"
        raise NotConvertible(problem, "Write a list of tools.")
    return definitions


def _tool(entry: Any) -> Any:
    if not isinstance(entry, dict):
        raise NotConvertible(f"a tool definition is {named_type(entry)}", "Write an object with a name.")
    if "function" in entry or entry.get("type", "function") != "function":
        return entry
    if not isinstance(entry.get("name"), str):
        raise NotConvertible("a function definition has no name", 'Give it a key "name".')
    return {"type": "function", "function": {key: value for key, value in entry.items() if key != "type"}}
