"""Calls and their results: legacy function calls as tool calls, with ids that depend on the position alone."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from orchestrator.dataset.convert.changes import Changes, NotConvertible
from orchestrator.dataset.convert.schemas import json_schema_of
from orchestrator.dataset.findings import named_type, shown
from orchestrator.dataset.jsontext import NotJson, parse_json
from orchestrator.errors import ToolsFileUnusable

Message = Mapping[str, Any]


@dataclass(frozen=True)
class _Call:
    given: Any
    """The id in the file; None for a legacy call."""
    id: str
    name: str


@dataclass
class Conversation:
    """The calls of one conversation so far. With `keep_ids` they keep the ids they have."""

    keep_ids: bool
    made: int = 0
    waiting: list[_Call] = field(default_factory=list)

    def branch(self) -> Conversation:
        """The same conversation so far, to be continued in another way."""
        return Conversation(self.keep_ids, self.made, list(self.waiting))

    def new_call(self, given: Any, name: str) -> str:
        """The id of the next call: the given one, or call_1, call_2, … by position."""
        self.made += 1
        call = _Call(given, given if self.keep_ids else f"call_{self.made}", name)
        self.waiting.append(call)
        return call.id

    def answered(self, result: Message) -> str:
        """The id of the waiting call that a result answers: by its id, else by its name, else the first of them."""
        given, name = result.get("tool_call_id"), result.get("name")
        if self.keep_ids:
            return str(given)
        fits = [call for call in self.waiting if given is not None and call.given == given]
        if not fits and (given is None or len(self.waiting) == 1):
            fits = [call for call in self.waiting if name is None or call.name == name]
        if not fits:
            found = f"with the id {shown(given)}" if given is not None else f"of {shown(name)}"
            advice = "Put the call before its result, or take the result out."
            raise NotConvertible(f"there is a result {found}, but no call waits for it", advice)
        self.waiting.remove(fits[0])
        return fits[0].id


def sound_ids(messages: Sequence[Any]) -> bool:
    """True where all calls are tool calls with distinct ids, and every result has the id of an earlier call."""
    seen: set[str] = set()
    for message in messages:
        if not isinstance(message, Mapping) or message.get("function_call") is not None:
            return False
        calls = message.get("tool_calls")
        ids = [call.get("id") if isinstance(call, Mapping) else None for call in _listed(calls)]
        names = {given for given in ids if isinstance(given, str) and given}
        if len(names - seen) < len(ids):
            return False
        seen |= names
        answered = message.get("tool_call_id")
        if message.get("role") == "tool" and not (isinstance(answered, str) and answered in seen):
            return False
        if message.get("role") == "function":
            return False
    return True


def modern_messages(messages: Sequence[Any], conversation: Conversation, changes: Changes) -> list[Any]:
    """The messages with tool calls in place of function calls, sound arguments, and results linked to calls.

    Raises NotConvertible for what can be read as neither kind of call.
    """
    return [_modern(message, conversation, changes) for message in messages]


def _modern(message: Any, conversation: Conversation, changes: Changes) -> Any:
    if not isinstance(message, dict):
        raise NotConvertible(f"a message is {named_type(message)}", "Write an object with a role and content.")
    if message.get("role") in ("tool", "function"):
        return _modern_result(message, conversation, changes)
    # Results follow their call at once: what was not answered until now never will be.
    conversation.waiting.clear()
    calls = _calls(message, changes)
    kept = {key: value for key, value in message.items() if key not in ("tool_calls", "function_call")}
    if not calls:
        return kept
    return {**kept, "tool_calls": [_modern_call(call, conversation, changes) for call in calls]}


def _calls(message: Message, changes: Changes) -> list[Any]:
    calls, legacy = message.get("tool_calls"), message.get("function_call")
    if calls and legacy:
        raise NotConvertible("a message has tool_calls and function_call", "Keep one of them.")
    if any(key in message and not message[key] for key in ("tool_calls", "function_call")):
        changes.note("empty tool_calls and function_call left out")
    if legacy:
        changes.note("function_call written as tool_calls")
        return [{"type": "function", "function": legacy}]
    if calls and not isinstance(calls, list):
        raise NotConvertible(f"the tool calls are {named_type(calls)}", "Write a list of calls.")
    return _listed(calls)


def _modern_call(call: Any, conversation: Conversation, changes: Changes) -> dict[str, Any]:
    outer, function = _halves(call, changes)
    if not isinstance(function, dict) or not isinstance(function.get("name"), str):
        raise NotConvertible("a call has no function name", 'Write {"name": "…", "arguments": "{…}"}.')
    given = outer.get("id")
    identity = conversation.new_call(given, function["name"])
    if identity != given:
        changes.note("call ids added" if given is None else "call ids numbered by position")
    arguments = arguments_text(function.get("arguments"), changes)
    framed = {"id": identity, "type": "function", **_only(outer, ("id", "type", "function"), changes)}
    function = _only(function, ("name", "arguments"), changes)
    return {**framed, "id": identity, "function": {**function, "arguments": arguments}}


def _only(holder: dict[str, Any], keys: tuple[str, ...], changes: Changes) -> dict[str, Any]:
    """The keys that a call may have; a definition pasted into a call, or the place in a stream, is left out."""
    for key in holder.keys() - set(keys):
        changes.note(f"key {shown(key, 24)} of calls left out")
    return {key: value for key, value in holder.items() if key in keys}


def _halves(call: Any, changes: Changes) -> tuple[dict[str, Any], Any]:
    """The frame around the function of a call, and the function; a call without the frame gets one."""
    if not isinstance(call, dict):
        return {}, None
    if "function" not in call:
        changes.note("calls framed as tool calls")
        outer = {key: call[key] for key in ("id", "type") if key in call}
        return outer, {key: value for key, value in call.items() if key not in outer}
    if "type" not in call:
        changes.note("missing type of calls added")
    return call, call["function"]


def _modern_result(message: dict[str, Any], conversation: Conversation, changes: Changes) -> dict[str, Any]:
    identity = conversation.answered(message)
    if message["role"] == "function":
        changes.note("function messages written as tool messages")
        message = {key: value for key, value in message.items() if key != "name"}
    elif message.get("tool_call_id") != identity:
        changes.note("results linked to their calls again")
    if message.get("content") is None:
        changes.note('missing content of results written as ""')
        message = {**message, "content": ""}
    return {**message, "role": "tool", "tool_call_id": identity}


def _listed(calls: Any) -> list[Any]:
    return calls if isinstance(calls, list) else []


# --- Arguments ---------------------------------------------------------------------------------------------------


_DEEPEST_ENCODING = 8


def arguments_text(arguments: Any, changes: Changes) -> str:
    """The arguments as JSON text. Text that already holds an object is returned unchanged.

    Raises NotConvertible where they are no object, however they are written.
    """
    if isinstance(arguments, dict):
        changes.note("arguments written as JSON text")
        return json.dumps(arguments, ensure_ascii=False)
    if arguments is None or (isinstance(arguments, str) and not arguments.strip()):
        changes.note("missing arguments written as {}")
        return "{}"
    if isinstance(arguments, str):
        return _decoded(arguments, changes)
    raise _no_object(arguments)


def _decoded(text: str, changes: Changes) -> str:
    for _ in range(_DEEPEST_ENCODING):
        try:
            value = parse_json(text)
        except NotJson as error:
            advice = "Write the arguments as a JSON object."
            raise NotConvertible(f"the arguments are not valid JSON: {error.problem}", advice) from None
        if isinstance(value, dict):
            return text
        if value is None or value == "":
            changes.note("missing arguments written as {}")
            return "{}"
        if not isinstance(value, str):
            raise _no_object(value)
        changes.note("arguments that were encoded twice decoded once")
        text = value
    raise NotConvertible(
        f"the arguments are encoded over {_DEEPEST_ENCODING} times", "Write them as a JSON object."
    )


def _no_object(value: Any) -> NotConvertible:
    advice = 'Name each argument, as in {"altitude": 50}.'
    return NotConvertible(f"the arguments must be a JSON object; they are {named_type(value)}", advice)


# --- Tool definitions --------------------------------------------------------------------------------------------


def as_tools(definitions: Any, changes: Changes, *, what: str) -> list[Any]:
    """The tools of a list of tools, of bare functions or of the flat form `{"type": "function", "name": …}`.

    `what` is noted where a definition had to be wrapped. Raises NotConvertible where there is no list of objects.
    """
    listed = _definitions(definitions, changes)
    tools = [_tool(each, changes) for entry in listed for each in _expanded(entry)]
    if tools != listed:
        changes.note(what)
    return [_with_schema(tool, changes) for tool in tools]


def read_tools(path: Path) -> tuple[dict[str, Any], ...]:
    """The tools that a JSON file lists. Raises ToolsFileUnusable."""
    try:
        tools = as_tools(parse_json(path.read_bytes()), Changes(), what="")
    except OSError as error:
        raise ToolsFileUnusable(path=path, problem=error.strerror or str(error)) from None
    except (NotJson, NotConvertible) as error:
        raise ToolsFileUnusable(path=path, problem=error.problem) from None
    return tuple(tools)


def _definitions(definitions: Any, changes: Changes) -> list[Any]:
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


def _tool(entry: Any, changes: Changes) -> Any:
    if not isinstance(entry, dict):
        raise NotConvertible(f"a tool definition is {named_type(entry)}", "Write an object with a name.")
    if "function" in entry or entry.get("type", "function") != "function":
        return entry
    if not isinstance(entry.get("name"), str):
        raise NotConvertible("a function definition has no name", 'Give it a key "name".')
    for key in ("api_name", "api_call"):
        if isinstance(entry.get(key), str):
            entry = _named_by_api(entry, key, changes)
    return {"type": "function", "function": {key: value for key, value in entry.items() if key != "type"}}


def _named_by_api(entry: Mapping[str, Any], key: str, changes: Changes) -> dict[str, Any]:
    """Gorilla's documentation of an API: it is called by `key`, and its name is a title for people."""
    changes.note(f"{key} written as name, and name before the description")
    description = entry.get("description")
    described = [entry["name"], *([description] if isinstance(description, str) and description else [])]
    named = {"name": entry[key], "description": ": ".join(described)}
    return named | {name: value for name, value in entry.items() if name not in (key, *named)}


def _expanded(entry: Any) -> list[Any]:
    """The definitions in Gemini's list of declarations, or the one in Bedrock's frame."""
    if isinstance(entry, dict):
        for key in ("functionDeclarations", "function_declarations"):
            if isinstance(entry.get(key), list):
                return list(entry[key])
        if isinstance(entry.get("toolSpec"), dict):
            return [entry["toolSpec"]]
    return [entry]


def _with_schema(tool: Any, changes: Changes) -> Any:
    """The tool with its parameters under that name, as JSON Schema."""
    function = tool.get("function")
    if not isinstance(function, dict):
        return tool
    for key in ("input_schema", "inputSchema"):
        if key in function and "parameters" not in function:
            changes.note(f"{key} written as parameters")
            inner = function[key]
            inner = inner["json"] if isinstance(inner, dict) and isinstance(inner.get("json"), dict) else inner
            function = {**{name: value for name, value in function.items() if name != key}, "parameters": inner}
    if function.get("required", 0) is None:
        changes.note("required null of functions left out")
        function = {name: value for name, value in function.items() if name != "required"}
    if "parameters" in function:
        function = {**function, "parameters": json_schema_of(function["parameters"], changes)}
    return tool if function == tool["function"] else {**tool, "function": function}


# --- Legacy function calls ---------------------------------------------------------------------------------------


_THERE_AND_BACK = (
    ("functions written as tools", "tools written as functions"),
    ("function_call written as tool_calls", "tool_calls written as function_call"),
    ("function messages written as tool messages", "tool messages written as function messages"),
    ("call ids added", "call ids left out"),
)


def with_functions(example: Mapping[str, Any], changes: Changes) -> dict[str, Any]:
    """The example with `functions`, `function_call` and function messages in place of tools.

    Raises NotConvertible for what the older format can't say: several calls in one message, tools that are no
    functions. Call ids are left out: a result names its function instead.
    """
    legacy = {
        key: value for key, value in example.items() if key not in ("tools", "parallel_tool_calls", "messages")
    }
    if "parallel_tool_calls" in example:
        changes.note("parallel_tool_calls left out")
    names: dict[str, str] = {}
    messages = [_legacy(message, names, changes) for message in example["messages"]]
    legacy = {"messages": messages, **legacy}
    if example.get("tools") is not None:
        legacy["functions"] = [_function(tool) for tool in example["tools"]]
        changes.note("tools written as functions")
    changes.take_back(*_THERE_AND_BACK)
    return legacy


def _function(tool: Any) -> Any:
    if tool.get("type", "function") != "function":
        problem = f"a tool of type {shown(tool['type'])} can't be written as a function"
        raise NotConvertible(problem, "Take it out, or keep the tools.")
    return tool["function"]


def _legacy(message: dict[str, Any], names: dict[str, str], changes: Changes) -> dict[str, Any]:
    if message.get("role") == "tool":
        changes.note("tool messages written as function messages")
        kept = {key: value for key, value in message.items() if key != "tool_call_id"}
        return {**kept, "role": "function", "name": names[message["tool_call_id"]]}
    calls = message.get("tool_calls")
    if not calls:
        return message
    if len(calls) > 1:
        problem = f"a message makes {len(calls)} calls at once, and a legacy message can make only one"
        raise NotConvertible(problem, "Keep the tools, or write one call for each message.")
    changes.note("tool_calls written as function_call")
    changes.note("call ids left out")
    function = _function(calls[0])
    names[calls[0]["id"]] = function["name"]
    return {**{key: value for key, value in message.items() if key != "tool_calls"}, "function_call": function}
