"""Checks the calls of an example and what they need: a declaration, sound arguments, an id, a result that fits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from orchestrator.dataset.checking.declarations import Declared, check_function_name
from orchestrator.dataset.checking.findings import Notes, Pointer, named_type, shown
from orchestrator.dataset.checking.schemas import Parameters
from orchestrator.dataset.jsontext import NotJson, RepeatedKey, parse_json, require_single_keys
from orchestrator.dataset.lines import note_repeated_key


@dataclass
class Calls:
    """What one example has declared and called so far. `declared` is None where it declares nothing at all."""

    declared: Declared | None
    ids: set[str] = field(default_factory=set)
    unanswered: dict[str, Pointer] = field(default_factory=dict)
    """The calls that wait for their results, with their places."""

    def branch(self) -> Calls:
        """The same conversation so far, to be continued in another way."""
        return Calls(self.declared, set(self.ids), dict(self.unanswered))


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
    if isinstance(answered, str) and answered in calls.ids:
        calls.unanswered.pop(answered, None)
    else:
        found = "missing" if answered is None else shown(answered)
        notes.add("FT319", (*where, "tool_call_id"), found=found)


def check_all_answered(calls: Calls, notes: Notes) -> None:
    """Check that no call waits for its result; to be asked where the conversation goes on with anything else."""
    for identity, place in calls.unanswered.items():
        notes.add("FT321", place, id=shown(identity))
    calls.unanswered.clear()


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
    _check_id(entry.get("id"), where, calls, notes)
    if entry.get("type") != "function":
        found = "missing" if "type" not in entry else shown(entry["type"])
        notes.add("FT311", (*where, "type"), problem=f'the type of a call must be "function"; it is {found}')
    _check_function_call(entry.get("function"), (*where, "function"), calls, notes)


def _check_id(identity: Any, where: Pointer, calls: Calls, notes: Notes) -> None:
    if not isinstance(identity, str) or not identity:
        notes.add("FT312", (*where, "id"), found="none" if identity is None else shown(identity))
    elif identity in calls.ids:
        notes.add("FT313", (*where, "id"), id=shown(identity))
    else:
        calls.ids.add(identity)
        calls.unanswered[identity] = where


def _check_function_call(call: Any, where: Pointer, calls: Calls, notes: Notes) -> None:
    if not isinstance(call, dict):
        notes.add("FT311", where, problem=f"expected an object with name and arguments, found {named_type(call)}")
        return
    name = call.get("name")
    # A declared name needs no second look: it was found sound where it was declared.
    if calls.declared is None or not isinstance(name, str) or name not in calls.declared:
        _check_other_name(name, where, calls, notes)
    arguments = _parsed_arguments(call.get("arguments"), (*where, "arguments"), notes)
    parameters = calls.declared.get(name) if calls.declared and isinstance(name, str) else None
    if arguments is not None and parameters is not None:
        _check_arguments(arguments, parameters, str(name), (*where, "arguments"), notes)


def _check_other_name(name: Any, where: Pointer, calls: Calls, notes: Notes) -> None:
    sound = check_function_name(name, (*where, "name"), notes)
    if calls.declared is None:
        notes.add_once("FT331", where)
    elif sound is not None:
        notes.add("FT318", (*where, "name"), name=shown(name))


def _parsed_arguments(arguments: Any, where: Pointer, notes: Notes) -> dict[str, Any] | None:
    """The object that the string of arguments holds; None after noting why there is none."""
    if not isinstance(arguments, str):
        notes.add("FT314", where, found="nothing" if arguments is None else named_type(arguments))
        return None
    try:
        value = parse_json(arguments)
        if isinstance(value, dict):
            if arguments.count(":") > 1:
                require_single_keys(arguments.encode(), value)
            return value
        _note_no_object(value, where, notes)
    except NotJson as error:
        notes.add("FT315", where, problem=error.problem)
    except RepeatedKey as error:
        note_repeated_key(error, notes, where)
    return None


def _note_no_object(value: Any, where: Pointer, notes: Notes) -> None:
    if _is_encoded_object(value):
        notes.add("FT317", where)
    else:
        notes.add("FT316", where, found=named_type(value))


def _is_encoded_object(value: Any) -> bool:
    try:
        return isinstance(value, str) and isinstance(parse_json(value), dict)
    except NotJson:
        return False


def _check_arguments(
    arguments: dict[str, Any], parameters: Parameters, name: str, where: Pointer, notes: Notes
) -> None:
    for problem in parameters.problems(arguments):
        notes.add("FT322", where, problem=problem, name=shown(name))
    for argument in parameters.undeclared(arguments):
        known = ", ".join(sorted(parameters.names))
        notes.add("FT332", where, argument=shown(argument), name=shown(name), known=shown(known)[1:-1])
