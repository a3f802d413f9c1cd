"""Rows as chat templates take them: arguments as objects, results with names, content as text."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from orchestrator.dataset.jsontext import NotJson, parse_json
from orchestrator.errors import CannotRender

Message = dict[str, Any]
Tool = dict[str, Any]

_ROLES = frozenset({"system", "developer", "user", "assistant", "tool", "function"})


@dataclass(frozen=True)
class Conversation:
    """Messages and tools for a template."""

    messages: list[Message]
    tools: list[Tool] | None
    learned: frozenset[int]
    """The positions of the assistant messages to learn."""
    parallel: bool | None = None

    @property
    def answers(self) -> list[int]:
        """The positions of all assistant messages."""
        return [i for i, message in enumerate(self.messages) if message["role"] == "assistant"]


@dataclass(frozen=True)
class Form:
    """How a template takes calls where it doesn't take them as most do."""

    arguments_as_text: bool = False
    """As JSON text, not as objects."""
    short_ids: bool = False
    """Ids of nine letters and digits, which Mistral's templates ask for."""


PLAIN_FORM = Form()


def in_form(conversation: Conversation, form: Form) -> Conversation:
    """The conversation as a template of this form takes it."""
    if form == PLAIN_FORM:
        return conversation
    ids: dict[str, str] = {}
    messages = [_in_form(message, form, ids) for message in conversation.messages]
    return replace(conversation, messages=messages)


def _in_form(message: Message, form: Form, ids: dict[str, str]) -> Message:
    if "tool_call_id" in message and form.short_ids:
        identity = message["tool_call_id"]
        return {**message, "tool_call_id": ids.get(identity, identity)}
    calls = []
    for call in message.get("tool_calls", ()):
        identity, function = call["id"], call["function"]
        if form.short_ids:
            identity = ids.setdefault(identity, f"call{len(ids):05}")
        if form.arguments_as_text:
            function = {**function, "arguments": json.dumps(function["arguments"], ensure_ascii=False)}
        calls.append({**call, "id": identity, "function": function})
    return {**message, "tool_calls": calls} if calls else message


def supervised_of(row: Mapping[str, Any]) -> Conversation:
    """The conversation of a supervised row; assistant messages with weight 0 are context.

    Legacy `functions` and `function_call` become tools and tool calls. Raises CannotRender.
    """
    given = _listed(row, "messages")
    messages = _messages(given)
    if not messages or messages[-1]["role"] != "assistant":
        raise CannotRender(kind="row", reason="the last message is not an assistant message")
    learned = frozenset(
        i for i, each in enumerate(given) if each.get("role") == "assistant" and each.get("weight") != 0
    )
    return _conversation(messages, row, learned)


def preference_of(row: Mapping[str, Any]) -> tuple[Conversation, Conversation]:
    """The preferred and the other conversation of a preference row; of each only the output is learned.

    Raises CannotRender.
    """
    holder = row.get("input")
    if not isinstance(holder, Mapping):
        raise CannotRender(kind="row", reason="the example has no input")
    before = _listed(holder, "messages")
    preferred, other = (
        _continued(before, _listed(row, key), holder) for key in ("preferred_output", "non_preferred_output")
    )
    return preferred, other


def prompt_of(messages: Sequence[Any], tools: Sequence[Any] | None, parallel: bool | None) -> Conversation:
    """The conversation of a request. Raises CannotRender."""
    given = {"messages": list(messages), "tools": list(tools or ()), "parallel_tool_calls": parallel}
    return _conversation(_messages(_listed(given, "messages")), given, frozenset())


def _continued(before: list[Any], output: list[Any], holder: Mapping[str, Any]) -> Conversation:
    messages = _messages([*before, *output])
    if messages[-1]["role"] != "assistant":
        raise CannotRender(kind="row", reason="an output does not end with an assistant message")
    learned = frozenset(i for i in range(len(before), len(messages)) if messages[i]["role"] == "assistant")
    return _conversation(messages, holder, learned)


def _conversation(messages: list[Message], holder: Mapping[str, Any], learned: frozenset[int]) -> Conversation:
    parallel = holder.get("parallel_tool_calls")
    if parallel is False and any(len(each.get("tool_calls") or ()) > 1 for each in messages):
        raise CannotRender(kind="row", reason="parallel_tool_calls is false, and one message makes several calls")
    return Conversation(messages, _tools(holder), learned, parallel if isinstance(parallel, bool) else None)


def _listed(holder: Mapping[str, Any], key: str) -> list[Any]:
    listed = holder.get(key)
    if not isinstance(listed, list) or not listed or not all(isinstance(each, Mapping) for each in listed):
        raise CannotRender(kind="row", reason=f"{key} is not a list of messages")
    return listed


# --- Tools -------------------------------------------------------------------------------------------------------


def _tools(holder: Mapping[str, Any]) -> list[Tool] | None:
    """Tool objects, from `tools` (bare function objects too) and from the legacy `functions`; None for none."""
    listed = [*(holder.get("tools") or ()), *(holder.get("functions") or ())]
    return [_tool(each) for each in listed] or None


def _tool(entry: Any) -> Tool:
    function = entry.get("function", entry) if isinstance(entry, Mapping) else None
    if not isinstance(function, Mapping) or not isinstance(function.get("name"), str) or not function["name"]:
        raise CannotRender(kind="row", reason="a tool has no name")
    return {"type": "function", "function": dict(function)}


# --- Messages ----------------------------------------------------------------------------------------------------


def _messages(given: Sequence[Mapping[str, Any]]) -> list[Message]:
    names: dict[str, str] = {}
    messages: list[Message] = []
    latest = ""
    for index, message in enumerate(given):
        role = message.get("role")
        if role not in _ROLES:
            raise CannotRender(kind="row", reason=f"message {index + 1} has no known role")
        if role == "assistant":
            made = _assistant(message, index)
            for call in made.get("tool_calls", ()):
                latest = call["id"]
                names[latest] = call["function"]["name"]
        elif role in ("tool", "function"):
            made = _result(message, names, latest, index)
        else:
            made = {"role": role, "content": _text(message.get("content"), index)}
            if isinstance(message.get("name"), str):
                made["name"] = message["name"]
        messages.append(made)
    return messages


def _assistant(message: Mapping[str, Any], index: int) -> Message:
    """An assistant message. Content that is null is an empty text, which every template can take."""
    content = message.get("content")
    if content is None and isinstance(message.get("refusal"), str):
        content = message["refusal"]
    made: Message = {"role": "assistant", "content": _text(content, index)}
    listed = message.get("tool_calls")
    if listed is not None and not isinstance(listed, list):
        raise CannotRender(kind="row", reason=f"tool_calls of message {index + 1} is not a list")
    legacy = [{"function": message["function_call"]}] if message.get("function_call") else []
    calls = [_call(each, index, number) for number, each in enumerate([*(listed or ()), *legacy])]
    return {**made, "tool_calls": calls} if calls else made


def _call(call: Any, index: int, number: int) -> dict[str, Any]:
    function = call.get("function") if isinstance(call, Mapping) else None
    if not isinstance(function, Mapping) or not isinstance(function.get("name"), str) or not function["name"]:
        raise CannotRender(kind="row", reason=f"a call of message {index + 1} has no function name")
    identity = call.get("id")
    return {
        "id": identity if isinstance(identity, str) and identity else f"call_{index}_{number}",
        "type": "function",
        "function": {"name": function["name"], "arguments": _arguments(function, index)},
    }


def _arguments(function: Mapping[str, Any], index: int) -> dict[str, Any]:
    """The object in the JSON text that the API's format prescribes, or an object as it is."""
    arguments = function.get("arguments")
    try:
        value = parse_json(arguments or "{}") if isinstance(arguments, str) else arguments
    except NotJson as error:
        problem = f"the arguments of {function['name']} in message {index + 1} are not JSON: {error.problem}"
        raise CannotRender(kind="row", reason=problem) from None
    if value is None:
        return {}
    if not isinstance(value, dict):
        problem = f"the arguments of {function['name']} in message {index + 1} are not a JSON object"
        raise CannotRender(kind="row", reason=problem)
    return value


def _result(message: Mapping[str, Any], names: Mapping[str, str], latest: str, index: int) -> Message:
    """A tool's result, with the name of the function that gave it; a legacy one answers the latest call."""
    identity = message.get("tool_call_id")
    identity = identity if isinstance(identity, str) else latest
    name = message.get("name") or names.get(identity)
    made: Message = {"role": "tool", "tool_call_id": identity, "content": _text(message.get("content"), index)}
    return {**made, "name": name} if name else made


def _text(content: Any, index: int) -> str:
    """Content as one text; its text and refusal parts follow each other directly, as templates write parts."""
    if content is None:
        return ""
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else [None]
    return "".join(_part(part, index) for part in parts)


def _part(part: Any, index: int) -> str:
    kind = part.get("type") if isinstance(part, Mapping) else None
    text = part.get(kind) if kind in ("text", "refusal") else None
    if not isinstance(text, str):
        found = f"a part of type {kind}" if isinstance(kind, str) else "no text"
        raise CannotRender(kind="row", reason=f"the content of message {index + 1} holds {found}, not text")
    return text
