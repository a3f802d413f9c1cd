"""Checks the calls of an example and what they need: a declaration, sound arguments, an id, a result that fits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from orchestrator.dataset.declarations import check_function_name
from orchestrator.dataset.findings import Notes, Pointer, named_type, shown
from orchestrator.dataset.jsontext import NotJson, parse_json


@dataclass
class Calls:
    """What one example has declared and called so far. `declared` is None where it declares nothing at all."""

    declared: frozenset[str] | None
    ids: set[str] = field(default_factory=set)

    def branch(self) -> Calls:
        """The same conversation so far, to be continued in another way."""
        return Calls(self.declared, set(self.ids))


def check_calls(message: Mapping[str, Any], where: Pointer, calls: Calls, notes: Notes) -> None:
    """Check the `tool_calls`, or the legacy `function_call`, of an assistant message."""
    entries = message.get("tool_calls")
    if entries is not None:
        _check_tool_calls(entries, (*where, "tool_calls"), calls, notes)
    legacy = message.get("function_call")
    if legacy is not None:
        _check_function_call(legacy, (*where, "function_call"), calls, notes)


def check_result(message: Mapping[str, Any], where: Pointer, calls: Calls, notes: Notes) -> None:
    """Check that a tool message answers a call made before it."""
    answered = message.get("tool_call_id")
    if not isinstance(answered, str) or answered not in calls.ids:
        found = "missing" if answered is None else shown(answered)
        notes.add("FT319", (*where, "tool_call_id"), found=found)


def _check_tool_calls(entries: Any, where: Pointer, calls: Calls, notes: Notes) -> None:
    if not isinstance(entries, list) or not entries:
        found = "an empty array" if entries == [] else named_type(entries)
        notes.add("FT311", where, problem=f"the tool calls must be a non-empty array; found {found}")
        return
    for index, entry in enumerate(entries):
        place: Pointer = (*where, index)
        if isinstance(entry, dict):
            _check_tool_call(entry, place, calls, notes)
        else:
            notes.add("FT311", place, problem=f"expected an object, found {named_type(entry)}")


def _check_tool_call(entry: Mapping[str, Any], where: Pointer, calls: Calls, notes: Notes) -> None:
    _check_id(entry.get("id"), (*where, "id"), calls, notes)
    if entry.get("type") != "function":
        found = "missing" if "type" not in entry else shown(entry["type"])
        notes.add("FT311", (*where, "type"), problem=f'the type of a call must be "function"; it is {found}')
    _check_function_call(entry.get("function"), (*where, "function"), calls, notes)


def _check_id(identity: Any, where: Pointer, calls: Calls, notes: Notes) -> None:
    if not isinstance(identity, str) or not identity:
        notes.add("FT312", where, found="none" if identity is None else shown(identity))
    elif identity in calls.ids:
        notes.add("FT313", where, id=shown(identity))
    else:
        calls.ids.add(identity)


def _check_function_call(call: Any, where: Pointer, calls: Calls, notes: Notes) -> None:
    if not isinstance(call, dict):
        notes.add("FT311", where, problem=f"expected an object with name and arguments, found {named_type(call)}")
        return
    name = check_function_name(call.get("name"), (*where, "name"), notes)
    if calls.declared is None:
        notes.add_once("FT331", where)
    elif name is not None and name not in calls.declared:
        notes.add("FT318", (*where, "name"), name=shown(name))
    _check_arguments(call.get("arguments"), (*where, "arguments"), notes)


def _check_arguments(arguments: Any, where: Pointer, notes: Notes) -> None:
    if not isinstance(arguments, str):
        notes.add("FT314", where, found="nothing" if arguments is None else named_type(arguments))
        return
    try:
        value = parse_json(arguments)
    except NotJson as error:
        notes.add("FT315", where, problem=error.problem)
        return
    if _is_encoded_object(value):
        notes.add("FT317", where)
    elif not isinstance(value, dict):
        notes.add("FT316", where, found=named_type(value))


def _is_encoded_object(value: Any) -> bool:
    if not isinstance(value, str):
        return False
    try:
        return isinstance(parse_json(value), dict)
    except NotJson:
        return False
