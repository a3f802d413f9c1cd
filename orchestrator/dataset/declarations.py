"""Checks the functions that an example declares, in `tools` or in the legacy `functions`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from orchestrator.dataset.findings import Notes, Pointer, named_type, shown

MOST_TOOLS = 128

_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")


def check_declarations(holder: Mapping[str, Any], where: Pointer, notes: Notes) -> frozenset[str] | None:
    """The names that `holder` (an example, or the input of one) declares; None where it declares nothing.

    Null counts as absent, since exports of tables write it into every row.
    """
    declared: set[str] = set()
    for key in ("tools", "functions"):
        entries = holder.get(key)
        if isinstance(entries, list):
            declared |= _check_list(entries, (*where, key), notes)
        elif entries is not None:
            notes.add("FT301", (*where, key), problem=f"expected an array, found {named_type(entries)}")
    absent = holder.get("tools") is None and holder.get("functions") is None
    return None if absent else frozenset(declared)


def check_function_name(name: Any, where: Pointer, notes: Notes) -> str | None:
    """The name where it is one that services accept; else None, noted."""
    if isinstance(name, str) and _NAME.fullmatch(name):
        return name
    notes.add("FT302", where, found="missing" if name is None else shown(name))
    return None


def _check_list(entries: list[Any], where: Pointer, notes: Notes) -> set[str]:
    if len(entries) > MOST_TOOLS:
        notes.add("FT303", where, count=len(entries), limit=MOST_TOOLS)
    names: set[str] = set()
    for index, entry in enumerate(entries):
        place: Pointer = (*where, index)
        definition, place = (entry, place) if where[-1] == "functions" else _function_of(entry, place, notes)
        name = _check_definition(definition, place, notes)
        if name in names:
            notes.add("FT305", (*place, "name"), name=shown(name))
        if name is not None:
            names.add(name)
    return names


def _function_of(entry: Any, where: Pointer, notes: Notes) -> tuple[Any, Pointer]:
    """The function object of a tool with its place; the type is noted where it is wrong."""
    if not isinstance(entry, dict):
        return entry, where
    if entry.get("type") != "function":
        found = "missing" if "type" not in entry else shown(entry["type"])
        notes.add("FT301", (*where, "type"), problem=f'the type of a tool must be "function"; it is {found}')
    return entry.get("function"), (*where, "function")


def _check_definition(definition: Any, where: Pointer, notes: Notes) -> str | None:
    if not isinstance(definition, dict):
        notes.add("FT301", where, problem=f"expected an object, found {named_type(definition)}")
        return None
    description = definition.get("description")
    if description is not None and not isinstance(description, str):
        problem = f"the description must be a string; found {named_type(description)}"
        notes.add("FT301", (*where, "description"), problem=problem)
    _check_parameters(definition.get("parameters"), (*where, "parameters"), notes)
    return check_function_name(definition.get("name"), (*where, "name"), notes)


def _check_parameters(parameters: Any, where: Pointer, notes: Notes) -> None:
    """The outer shape only: an empty object, or a schema of an object. Both are what services ask for."""
    if parameters is None or parameters == {}:
        return
    if not isinstance(parameters, dict):
        problem = f"the parameters must be a JSON Schema object; found {named_type(parameters)}"
        notes.add("FT304", where, problem=problem)
        return
    if parameters.get("type") != "object":
        problem = 'the parameters must be a JSON Schema with "type": "object"'
        notes.add("FT304", (*where, "type"), problem=problem)
    properties = parameters.get("properties", {})
    if not isinstance(properties, dict) or not all(isinstance(value, dict) for value in properties.values()):
        notes.add("FT304", (*where, "properties"), problem='"properties" must map each name to a schema object')
    required = parameters.get("required", [])
    if not isinstance(required, list) or not all(isinstance(name, str) for name in required):
        notes.add("FT304", (*where, "required"), problem='"required" must be a list of names')
