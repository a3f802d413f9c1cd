"""The shapes that examples come in, each read into the one that endpoints take: messages with tools."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal, get_args

from orchestrator.dataset.convert.calls import Conversation, as_tools, modern_messages, sound_ids
from orchestrator.dataset.convert.changes import Changes, NotConvertible
from orchestrator.dataset.convert.tables import ColumnNames, example_of_columns, looks_like_columns
from orchestrator.dataset.findings import named_type, shown
from orchestrator.dataset.jsontext import NotJson, parse_json

Shape = Literal["tools", "functions", "dpo", "single-call", "sharegpt", "columns"]
SHAPES: tuple[Shape, ...] = get_args(Shape)

Row = dict[str, Any]
_HALLMARKS: Mapping[Shape, str] = {
    "tools": "messages",
    "functions": "messages",
    "dpo": "input",
    "single-call": "user",
    "sharegpt": "conversations",
}
OUTPUTS = ("preferred_output", "non_preferred_output")


def shape_of(row: Mapping[str, Any], names: ColumnNames) -> Shape:
    """The shape that a row's keys show. Raises NotConvertible where they show none."""
    if "messages" in row:
        return "functions" if _is_legacy(row) else "tools"
    if "input" in row and OUTPUTS[0] in row:
        return "dpo"
    if "conversations" in row:
        return "sharegpt"
    if isinstance(row.get("user"), dict) and ("function_call" in row or "functions" in row):
        return "single-call"
    if looks_like_columns(row, names):
        return "columns"
    keys = ", ".join(shown(key, 24) for key in list(row)[:8]) or "none"
    advice = 'Write "messages", or name the columns with --prompt-column and --call-column.'
    raise NotConvertible(f"its keys are those of no known format: {keys}", advice)


def modern_example(row: Row, shape: Shape, names: ColumnNames, *, renumber: bool, changes: Changes) -> Row:
    """The row as messages with tools; a DPO row keeps its three parts. Raises NotConvertible."""
    if shape in _HALLMARKS and _HALLMARKS[shape] not in row:
        raise NotConvertible(f'it has no "{_HALLMARKS[shape]}", so it is not {shape}', "Leave --from out.")
    if shape == "dpo":
        return _modern_preference(row, renumber, changes)
    readers: Mapping[str, Callable[[], Row]] = {
        "single-call": lambda: _example_of_single_call(row, changes),
        "sharegpt": lambda: example_of_sharegpt(row, changes),
        "columns": lambda: example_of_columns(row, names, changes),
    }
    example = readers[shape]() if shape in readers else row
    example = _with_tools(example, changes)
    messages = _messages(example, "messages")
    conversation = Conversation(keep_ids=not renumber and sound_ids(messages))
    return {**example, "messages": modern_messages(messages, conversation, changes)}


def preferred(example: Row, changes: Changes) -> Row:
    """The supervised example that a DPO example holds: its input, answered as preferred."""
    source = example["input"]
    changes.note("input and preferred_output written as messages")
    changes.note("non_preferred_output left out")
    more = {key: value for key, value in example.items() if key not in ("input", *OUTPUTS)}
    return {**source, **more, "messages": [*source["messages"], *example[OUTPUTS[0]]]}


def _is_legacy(row: Mapping[str, Any]) -> bool:
    messages = row["messages"] if isinstance(row["messages"], list) else []
    return row.get("functions") is not None or any(
        isinstance(message, dict) and (message.get("function_call") or message.get("role") == "function")
        for message in messages
    )


def _with_tools(holder: Row, changes: Changes) -> Row:
    if holder.get("functions") is None:
        if holder.get("tools") is None:
            return holder
        tools = as_tools(holder["tools"], changes, what="functions in tools framed as tools")
        return {**holder, "tools": tools}
    if holder.get("tools") is not None:
        raise NotConvertible('the example has "tools" and "functions"', "Keep one of them.")
    kept = {key: value for key, value in holder.items() if key not in ("functions", "tools")}
    return {**kept, "tools": as_tools(holder["functions"], changes, what="functions written as tools")}


def _modern_preference(row: Row, renumber: bool, changes: Changes) -> Row:
    source = row.get("input")
    if not isinstance(source, dict):
        raise NotConvertible(f'"input" is {named_type(source)}', "Write an object with messages.")
    source = _with_tools(source, changes)
    before, outputs = _messages(source, "messages"), [_messages(row, key) for key in OUTPUTS]
    conversation = Conversation(not renumber and all(sound_ids(before + output) for output in outputs))
    modern = {**row, "input": {**source, "messages": modern_messages(before, conversation, changes)}}
    for key, output in zip(OUTPUTS, outputs, strict=True):
        modern[key] = modern_messages(output, conversation.branch(), changes)
    return modern


def _messages(holder: Row, key: str) -> list[Any]:
    messages = holder.get(key)
    if not isinstance(messages, list):
        raise NotConvertible(f'"{key}" is {named_type(messages)}', "Write a list of messages.")
    return messages


def _example_of_single_call(row: Row, changes: Changes) -> Row:
    """Reads `{"user": {"content": …}, "function_call": {…}, "functions": […]}`, a shape that articles show."""
    changes.note("user and function_call written as messages")
    prompt, system = row["user"], row.get("system")
    messages = [{"role": "system", **_spoken(system)}] if system is not None else []
    messages.append({"role": "user", **_spoken(prompt)})
    answer = _spoken(row["assistant"]) if row.get("assistant") is not None else {"content": None}
    call = {"function_call": row["function_call"]} if row.get("function_call") is not None else {}
    messages.append({"role": "assistant", **answer, **call})
    taken = ("user", "system", "assistant", "function_call")
    return {"messages": messages, **{key: value for key, value in row.items() if key not in taken}}


def _spoken(value: Any) -> Row:
    return value if isinstance(value, dict) else {"content": value}


# --- ShareGPT: turns with `from` and `value` ---------------------------------------------------------------------


_ROLES: Mapping[str, str] = {
    "system": "system",
    "human": "user",
    "user": "user",
    "gpt": "assistant",
    "assistant": "assistant",
    "function_call": "call",
    "tool_call": "call",
    "observation": "tool",
    "function_response": "tool",
    "tool": "tool",
}


def example_of_sharegpt(row: Mapping[str, Any], changes: Changes) -> dict[str, Any]:
    """Reads `{"conversations": [{"from": "human", "value": "…"}, …], "system"?: "…", "tools"?: "[…]"}`.

    `function_call` turns hold `{"name": …, "arguments": …}` as JSON, `observation` turns a result (the form that
    LLaMA-Factory's data format describes). Raises NotConvertible.
    """
    turns = row["conversations"]
    if not isinstance(turns, list):
        raise NotConvertible(f'"conversations" is {named_type(turns)}', "Write a list of turns.")
    messages = [_message(turn, changes) for turn in turns]
    if row.get("system"):
        messages.insert(0, {"role": "system", "content": row["system"]})
    changes.note("conversations written as messages")
    more = {key: value for key, value in row.items() if key not in ("conversations", "system")}
    if not more.get("tools"):
        more.pop("tools", None)
    return {"messages": messages, **more}


def _message(turn: Any, changes: Changes) -> dict[str, Any]:
    speaker = turn.get("from") if isinstance(turn, dict) else None
    role = _ROLES.get(speaker) if isinstance(speaker, str) else None
    if role is None:
        known = ", ".join(_ROLES)
        raise NotConvertible(f"a turn is from {shown(speaker)}, and not from one of {known}", 'Correct its "from".')
    for key in turn.keys() - {"from", "value", "weight"}:
        changes.note(f"key {shown(key, 24)} of turns left out")
    value = turn.get("value")
    if role == "call":
        return {"role": "assistant", "content": None, "tool_calls": _calls(value)}
    return {"role": role, "content": value, **({"weight": turn["weight"]} if "weight" in turn else {})}


def _calls(value: Any) -> list[Any]:
    try:
        calls = parse_json(value) if isinstance(value, str) else value
    except NotJson as error:
        advice = 'Write {"name": "…", "arguments": {…}}.'
        raise NotConvertible(f"a call is not valid JSON: {error.problem}", advice) from None
    calls = calls if isinstance(calls, list) else [calls]
    return [{"type": "function", "function": call} for call in calls]
