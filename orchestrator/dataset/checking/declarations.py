"""Checks the functions that an example declares, in `tools` or in the legacy `functions`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Any

import orjson

from orchestrator.dataset.checking.findings import Notes, Pointer, named_type, shown
from orchestrator.dataset.checking.schemas import InvalidSchema, Parameters, parameters_of
from orchestrator.dataset.checking.toollists import ToolList

MOST_TOOLS = 128

Declared = Mapping[str, Parameters | None]
"""The functions that an example declares, by name; None for one whose arguments can't be checked."""

_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_REMEMBERED_LISTS = 256
_NOTHING: Declared = MappingProxyType({})


def check_declarations(holder: Mapping[str, Any], where: Pointer, notes: Notes) -> Declared | None:
    """What `holder` (an example, or the input of one) declares; None where it declares nothing at all.

    Null counts as absent, since exports of tables write it into every row.
    """
    tools, functions = holder.get("tools"), holder.get("functions")
    parallel = holder.get("parallel_tool_calls")
    if parallel is not None and not isinstance(parallel, bool):
        notes.add("FT307", (*where, "parallel_tool_calls"), found=shown(parallel))
    if tools is None and functions is None:
        return None
    if functions is None:
        return _declared(tools, (*where, "tools"), notes)
    return {**_declared(tools, (*where, "tools"), notes), **_declared(functions, (*where, "functions"), notes)}


def check_function_name(name: Any, where: Pointer, notes: Notes) -> str | None:
    """The name where it is one that services accept; else None, noted."""
    if isinstance(name, str) and _NAME.fullmatch(name):
        return name
    notes.add("FT302", where, found="missing" if name is None else shown(name))
    return None


def _declared(entries: Any, where: Pointer, notes: Notes) -> Declared:
    if entries is None:
        return _NOTHING
    if not isinstance(entries, list):
        notes.add("FT301", where, problem=f"expected an array, found {named_type(entries)}")
        return _NOTHING
    sound = _sound(entries.text) if isinstance(entries, ToolList) else None
    return _check_list(entries, where, notes) if sound is None else sound


@lru_cache(maxsize=_REMEMBERED_LISTS)
def _sound(text: bytes) -> Declared | None:
    """What a list of tools declares; None where there is something to be noted at every place it stands."""
    notes = Notes()
    declared = _check_list(orjson.loads(text), ("tools",), notes)
    return None if notes.findings else declared


def _check_list(entries: list[Any], where: Pointer, notes: Notes) -> Declared:
    if len(entries) > MOST_TOOLS:
        notes.add("FT303", where, count=len(entries), limit=MOST_TOOLS)
    declared: dict[str, Parameters | None] = {}
    for index, entry in enumerate(entries):
        place: Pointer = (*where, index)
        definition, place = (entry, place) if where[-1] == "functions" else _function_of(entry, place, notes)
        name, parameters = _check_definition(definition, place, notes)
        if name in declared:
            notes.add("FT305", (*place, "name"), name=shown(name))
        if name is not None:
            declared[name] = parameters
    return declared


def _function_of(entry: Any, where: Pointer, notes: Notes) -> tuple[Any, Pointer]:
    """The function object of a tool with its place; the type is noted where it is wrong."""
    if not isinstance(entry, dict):
        return entry, where
    if entry.get("type") != "function":
        found = "missing" if "type" not in entry else shown(entry["type"])
        notes.add("FT301", (*where, "type"), problem=f'the type of a tool must be "function"; it is {found}')
    return entry.get("function"), (*where, "function")


def _check_definition(definition: Any, where: Pointer, notes: Notes) -> tuple[str | None, Parameters | None]:
    if not isinstance(definition, dict):
        notes.add("FT301", where, problem=f"expected an object, found {named_type(definition)}")
        return None, None
    description = definition.get("description")
    if description is not None and not isinstance(description, str):
        problem = f"the description must be a string; found {named_type(description)}"
        notes.add("FT301", (*where, "description"), problem=problem)
    parameters = _check_parameters(definition.get("parameters"), (*where, "parameters"), notes)
    return check_function_name(definition.get("name"), (*where, "name"), notes), parameters


def _check_parameters(schema: Any, where: Pointer, notes: Notes) -> Parameters | None:
    """What calls can be checked against; None where nothing is asked of them, or the schema is wrong."""
    if schema is None or schema == {}:
        return None
    errors = notes.errors
    _check_outline(schema, where, notes)
    if notes.errors > errors:
        return None
    try:
        return parameters_of(schema)
    except InvalidSchema as error:
        notes.add("FT306", (*where, *error.path), problem=error.problem)
        return None


def _check_outline(schema: Any, where: Pointer, notes: Notes) -> None:
    """What services ask of parameters beyond being a JSON Schema: that they describe an object."""
    if not isinstance(schema, dict):
        problem = f"the parameters must be a JSON Schema object; found {named_type(schema)}"
        notes.add("FT304", where, problem=problem)
        return
    if schema.get("type") != "object":
        problem = 'the parameters must be a JSON Schema with "type": "object"'
        notes.add("FT304", (*where, "type"), problem=problem)
    properties = schema.get("properties", {})
    if not isinstance(properties, dict) or not all(isinstance(value, dict) for value in properties.values()):
        notes.add("FT304", (*where, "properties"), problem='"properties" must map each name to a schema object')
    required = schema.get("required", [])
    if not isinstance(required, list) or not all(isinstance(name, str) for name in required):
        notes.add("FT304", (*where, "required"), problem='"required" must be a list of names')
