"""Checks the functions that an example declares, in `tools` or in the legacy `functions`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType, NoneType
from typing import Any, Literal

from orchestrator.dataset.checking.keys import CALL, CALLED, DEFINITION, TOOL, note_unknown_keys
from orchestrator.dataset.checking.refused import (
    LONGEST_DESCRIPTION,
    Problem,
    check_definition_for_services,
    foreign_types,
    is_convertible,
    refused_of,
)
from orchestrator.dataset.checking.schemas import InvalidSchema, Parameters, parameters_of
from orchestrator.dataset.findings import Notes, Pointer, Tally, named_type, shown
from orchestrator.dataset.jsontext import NotJson, RepeatedKey, parse_json, require_single_keys
from orchestrator.dataset.lines import note_repeated_key
from orchestrator.dataset.remembered import Remembered
from orchestrator.dataset.rules.rule import CONVERT_COMMAND, OR_CONVERT
from orchestrator.dataset.toollists import ToolList

MOST_TOOLS = 128

Declared = Mapping[str, Parameters | None]
"""The functions that an example declares, by name; None for one whose arguments can't be checked."""

_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_REMEMBERED_LISTS = 256
_EMPTY = (list, NoneType)
_UNREADABLE = ""
"""Among the declared names where some definition has no readable name: any call may be to that one."""
_FLAT = (
    'this definition is flat, as the Responses API takes it; put name, description and parameters under "function"'
)
_NO_ARGUMENTS = f'Write "{{}}" if the function takes no arguments{OR_CONVERT}'
_NOTHING: Declared = MappingProxyType({})


def check_declarations(holder: Mapping[str, Any], where: Pointer, notes: Notes) -> Declared | None:
    """What `holder` (an example, or the input of one) declares; None where it declares nothing at all.

    Null and the empty list count as absent: exports of tables write them into every row.
    """
    tools, functions = holder.get("tools"), holder.get("functions")
    parallel = holder.get("parallel_tool_calls")
    if parallel is not None and not isinstance(parallel, bool):
        notes.add("FT307", (*where, "parallel_tool_calls"), found=shown(parallel))
    if not tools and not functions and isinstance(tools, _EMPTY) and isinstance(functions, _EMPTY):
        return None
    if functions is None:
        return _declared(tools, (*where, "tools"), notes)
    return {**_declared(tools, (*where, "tools"), notes), **_declared(functions, (*where, "functions"), notes)}


def check_function_name(name: Any, where: Pointer, notes: Notes) -> str | None:
    """The name where it is one that services accept; else None, noted."""
    if isinstance(name, str) and _NAME.fullmatch(name):
        return name
    advice = "Give the function a name, in its definition and in its calls."
    if not isinstance(name, str) or not name:
        notes.add("FT302", where, found="missing" if name is None else shown(name), count=1, advice=advice)
    else:
        advice = f"Rename the function, in its definition and in its calls: {CONVERT_COMMAND} --rename-functions"
        notes.tally("FT302", name, where, found=shown(name), advice=advice)
    return None


def _declared(entries: Any, where: Pointer, notes: Notes) -> Declared:
    if entries is None:
        return _NOTHING
    if not isinstance(entries, list):
        notes.add("FT301", where, problem=f"expected an array, found {named_type(entries)}", more=".")
        return {_UNREADABLE: None}
    sound = _sound(entries) if isinstance(entries, ToolList) else None
    if sound is None:
        return _check_list(entries, where, notes)
    declared, tallies = sound
    for tally in tallies:
        notes.tally(tally.code, tally.subject, (*where, *tally.pointer[1:]), **tally.facts)
    return declared


_Sound = tuple[Declared, tuple[Tally, ...]]
_sound_lists: Remembered[bytes, _Sound | Literal[False]] = Remembered(_REMEMBERED_LISTS)


def _sound(tools: ToolList) -> _Sound | None:
    """What a list of tools declares, and what to tally at each line that has it.

    None where there is something to be noted at every place it stands.
    """
    found = _sound_lists.get(tools.text)
    if found is None:
        notes = Notes()
        declared = _check_list(tools, ("tools",), notes)
        is_sound = not notes.findings
        found = _sound_lists.keep(tools.text, is_sound and (declared, tuple(notes.tallies.values())))
    return found or None


def _check_list(entries: list[Any], where: Pointer, notes: Notes) -> Declared:
    if len(entries) > MOST_TOOLS:
        notes.add("FT303", where, count=len(entries), limit=MOST_TOOLS)
    declared: dict[str, Parameters | None] = {}
    for index, entry in enumerate(entries):
        place: Pointer = (*where, index)
        definition, place = (entry, place) if where[-1] == "functions" else _function_of(entry, place, notes)
        name, parameters = _check_definition(definition, place, notes)
        if name is None:
            declared[_UNREADABLE] = None
        if name in declared:
            notes.add("FT305", (*place, "name"), name=shown(name))
        if name is not None:
            declared[name] = parameters
    return declared


def _function_of(entry: Any, where: Pointer, notes: Notes) -> tuple[Any, Pointer]:
    """The function object of a tool with its place; the type is noted where it is wrong."""
    if not isinstance(entry, dict):
        return entry, where
    if "function" not in entry and isinstance(entry.get("name"), str):
        notes.add("FT301", where, problem=_FLAT, more=OR_CONVERT)
        return entry, where
    if entry.get("type") != "function":
        found = "missing" if "type" not in entry else shown(entry["type"])
        problem = f'the type of a tool must be "function"; it is {found}'
        notes.add("FT301", (*where, "type"), problem=problem, more=".")
    elif "function" in entry:
        note_unknown_keys(entry, TOOL, "tool", where, notes)
    return entry.get("function"), (*where, "function")


def _check_definition(definition: Any, where: Pointer, notes: Notes) -> tuple[str | None, Parameters | None]:
    if not isinstance(definition, dict):
        notes.add("FT301", where, problem=f"expected an object, found {named_type(definition)}", more=".")
        return None, None
    description = definition.get("description")
    if description is not None and not isinstance(description, str):
        problem = f"the description must be a string; found {named_type(description)}"
        notes.add("FT301", (*where, "description"), problem=problem, more=".")
        description = None
    errors = notes.errors
    parameters = _check_parameters(definition.get("parameters"), (*where, "parameters"), notes)
    if notes.errors == errors:
        refused = parameters.refused if parameters else _refused_empty(definition)
        if refused or definition.get("strict") or len(description or "") > LONGEST_DESCRIPTION:
            check_definition_for_services(definition, refused, where, notes)
    known = DEFINITION if where[-1] == "function" or "type" not in definition else DEFINITION | {"type"}
    note_unknown_keys(definition, known, "definition", where, notes)
    return check_function_name(definition.get("name"), (*where, "name"), notes), parameters


def _refused_empty(definition: Mapping[str, Any]) -> tuple[Problem, ...]:
    """Of parameters that ask nothing of a call: refused where they are an empty object, but not where left out."""
    return refused_of({}) if definition.get("parameters") == {} else ()


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
        foreign = foreign_types(schema)
        problem = f"{error.problem}. {foreign}" if foreign else error.problem
        notes.add("FT306", (*where, *error.path), problem=problem, more=OR_CONVERT if foreign else ".")
        return None


def _check_outline(schema: Any, where: Pointer, notes: Notes) -> None:
    """What services ask of parameters beyond being a JSON Schema: that they describe an object."""
    if not isinstance(schema, dict):
        is_text = _is_encoded_object(schema)
        found = "the JSON text of one" if is_text else named_type(schema)
        problem = f"the parameters must be a JSON Schema object; found {found}"
        notes.add("FT304", where, problem=problem, more=OR_CONVERT if is_text or is_convertible(schema) else ".")
        return
    if schema.get("type") != "object":
        found = shown(schema["type"]) if "type" in schema else "missing"
        problem = f'the parameters must be a JSON Schema with "type": "object"; the type is {found}'
        if foreign := foreign_types(schema):
            problem = f"{problem}. {foreign}"
        notes.add("FT304", (*where, "type"), problem=problem, more=OR_CONVERT if is_convertible(schema) else ".")
    properties = schema.get("properties", {})
    if not isinstance(properties, dict) or not _are_all(dict, properties.values()):
        problem = '"properties" must map each name to a schema object'
        notes.add("FT304", (*where, "properties"), problem=problem, more=".")
    required = schema.get("required", [])
    if not isinstance(required, list) or not _are_all(str, required):
        notes.add("FT304", (*where, "required"), problem='"required" must be a list of names', more=".")


def _are_all(kind: type, values: Iterable[Any]) -> bool:
    """True where every value, as read from JSON, is of this type."""
    return {kind}.issuperset(map(type, values))


# --- Calls: declared, well-formed, answered ----------------------------------------------------------------------


@dataclass
class Calls:
    """What one example has declared and called so far. `declared` is None where it declares nothing at all."""

    declared: Declared | None
    ids: set[str] = field(default_factory=set)
    unanswered: dict[str, Pointer] = field(default_factory=dict)
    """The calls that wait for their results, with their places."""
    parallel: bool = True
    """False where the example forbids several calls in one answer."""

    def branch(self) -> Calls:
        """The same conversation so far, to be continued in another way."""
        return Calls(self.declared, set(self.ids), dict(self.unanswered), self.parallel)


def declared_calls(holder: Mapping[str, Any], where: Pointer, notes: Notes) -> Calls:
    """What `holder` (an example, or the input of one) declares, with nothing called yet."""
    declared = check_declarations(holder, where, notes)
    parallel = holder.get("parallel_tool_calls")
    if declared is None and isinstance(parallel, bool):
        notes.tally("FT336", "", (*where, "parallel_tool_calls"))
    return Calls(declared, parallel=parallel is not False)


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
        notes.add("FT311", where, problem=f"the tool calls must be a non-empty array; found {found}", more=".")
        return
    if len(entries) > 1 and not calls.parallel:
        notes.tally("FT337", "", where)
    for index, entry in enumerate(entries):
        place: Pointer = (*where, index)
        if isinstance(entry, dict):
            _check_tool_call(entry, place, calls, notes)
        else:
            notes.add("FT311", place, problem=f"expected an object, found {named_type(entry)}", more=".")


def _check_tool_call(entry: Mapping[str, Any], where: Pointer, calls: Calls, notes: Notes) -> None:
    if not entry.keys() <= CALL:
        note_unknown_keys(entry, CALL, "tool call", where, notes)
    _check_id(entry.get("id"), where, calls, notes)
    if entry.get("type") != "function":
        found = "missing" if "type" not in entry else shown(entry["type"])
        problem = f'the type of a call must be "function"; it is {found}'
        notes.add("FT311", (*where, "type"), problem=problem, more="." if "type" in entry else OR_CONVERT)
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
        problem = f"expected an object with name and arguments, found {named_type(call)}"
        notes.add("FT311", where, problem=problem, more=".")
        return
    if not call.keys() <= CALLED:
        note_unknown_keys(call, CALLED, "called function", where, notes)
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
    elif sound is not None and _UNREADABLE not in calls.declared:
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
        advice = 'Correct it; if the function takes no arguments, write "{}".'
        notes.add("FT315", where, problem=error.problem, advice=advice if arguments.strip() else _NO_ARGUMENTS)
    except RepeatedKey as error:
        note_repeated_key(error, notes, where)
    return None


def _note_no_object(value: Any, where: Pointer, notes: Notes) -> None:
    if _is_encoded_object(value):
        notes.add("FT317", where)
    else:
        advice = _NO_ARGUMENTS if value in (None, "") else 'Name each argument: "{\\"name\\": \\"value\\"}".'
        notes.add("FT316", where, found=named_type(value), advice=advice)


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
