"""The shapes that examples come in, each read into the one that endpoints take: messages with tools."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from orchestrator.dataset.convert.apis import (
    example_of_blocks,
    example_of_gemini,
    example_of_responses,
    has_blocks,
)
from orchestrator.dataset.convert.calls import Conversation, as_tools, modern_messages, sound_ids
from orchestrator.dataset.convert.cells import ColumnNames, decoded_messages, without_unread
from orchestrator.dataset.convert.changes import ANSWERS_ADDED, Changes, NotConvertible
from orchestrator.dataset.convert.conversations import (
    example_of_chatml,
    example_of_glaive,
    example_of_sharegpt,
    has_turns,
    messages_of_turns,
    with_weight,
)
from orchestrator.dataset.convert.envelopes import example_of_envelope, has_envelope
from orchestrator.dataset.convert.preference import example_of_preference, preference_keys
from orchestrator.dataset.convert.tables import example_of_columns, looks_like_columns
from orchestrator.dataset.convert.textcalls import calls_read, with_calls_in_text_read
from orchestrator.dataset.findings import named_type, shown
from orchestrator.dataset.formats import Shape

Row = dict[str, Any]
_HALLMARKS: Mapping[Shape, str] = {
    "tools": "messages",
    "functions": "messages",
    "dpo": "input",
    "single-call": "user",
    "sharegpt": "conversations",
    "blocks": "messages",
    "responses": "input",
    "gemini": "contents",
    "glaive": "chat",
    "chatml": "text",
}
_OF_TURNS = ("sharegpt", "single-call", "gemini", "glaive", "chatml")
OUTPUTS = ("preferred_output", "non_preferred_output")


def shape_of(row: Mapping[str, Any], names: ColumnNames) -> Shape:
    """The shape that a row's keys show. Raises NotConvertible where they show none."""
    if has_envelope(row):
        return "envelope"
    if preference_keys(row) and not row.keys() & {*names.drop, *names.keep, names.prompt, names.answer}:
        return "preference"
    if "messages" in row:
        return "blocks" if has_blocks(row) else "functions" if _is_legacy(row) else "tools"
    if "input" in row and OUTPUTS[0] in row:
        return "dpo"
    if _told_by_its_key(row) is not None:
        return _told_by_its_key(row) or "tools"
    if isinstance(row.get("user"), dict) and ("function_call" in row or "functions" in row):
        return "single-call"
    if looks_like_columns(row, names):
        return "columns"
    keys = ", ".join(shown(key, 24) for key in list(row)[:8]) or "none"
    advice = 'Write "messages", or name the columns with --prompt-column and --call-column.'
    raise NotConvertible(f"its keys match no known format: {keys}", advice)


def _told_by_its_key(row: Mapping[str, Any]) -> Shape | None:
    if "conversations" in row or isinstance(row.get("conversation"), list):
        return "sharegpt"
    if isinstance(row.get("contents"), list):
        return "gemini"
    if isinstance(row.get("chat"), str):
        return "glaive"
    if isinstance(row.get("text"), str) and "<|im_start|>" in row["text"]:
        return "chatml"
    given = row.get("input")
    items = given if isinstance(given, list) else []
    if "instructions" in row and "input" in row:
        return "responses"
    if items and "output" not in row and all(isinstance(item, dict) for item in items):
        return "responses"
    output = row.get("output")
    items = [*items, *(output if isinstance(output, list) else [])] if "input" in row else []
    kinds = ("function_call", "function_call_output", "message")
    return "responses" if any(isinstance(item, dict) and item.get("type") in kinds for item in items) else None


def modern_example(
    row: Row, shape: Shape, names: ColumnNames, *, renumber: bool, changes: Changes, keep_good: bool = False
) -> Row:
    """The row as messages with tools; a DPO row keeps its three parts. Raises NotConvertible.

    With `keep_good` a row whose label says that its answer is bad raises LeftOut.
    """
    if shape == "sharegpt" and "conversations" not in row and "conversation" in row:
        row = {("conversations" if key == "conversation" else key): value for key, value in row.items()}
    if shape in _HALLMARKS and _HALLMARKS[shape] not in row:
        raise NotConvertible(f'it has no "{_HALLMARKS[shape]}", so it is not {shape}', "Leave --from out.")
    if shape == "envelope":
        row = example_of_envelope(row, changes)
        shape = shape_of(row, names)
        if shape == "envelope":
            raise NotConvertible("it is nested in two objects", "Write its inner object.")
    if shape == "dpo":
        return _modern_preference(row, renumber, changes)
    if shape == "preference":
        return _modern_preference(example_of_preference(row, names, changes), renumber, changes)
    readers: Mapping[str, Callable[[], Row]] = {
        "single-call": lambda: _example_of_single_call(row, changes),
        "sharegpt": lambda: example_of_sharegpt(row, names, changes),
        "columns": lambda: example_of_columns(row, names, changes, keep_good=keep_good),
        "blocks": lambda: example_of_blocks(row, changes),
        "responses": lambda: example_of_responses(row, changes),
        "gemini": lambda: example_of_gemini(row, changes),
        "glaive": lambda: example_of_glaive(row, changes),
        "chatml": lambda: example_of_chatml(row, changes),
    }
    example = readers[shape]() if shape in readers else _with_messages_decoded(row, changes)
    if shape in _OF_TURNS:
        example = without_unread(example, names, changes)
    example = with_calls_in_text_read(_with_tools(example, changes), changes)
    example = _with_tools(example, changes)
    messages = _messages(example, "messages")
    last = messages[-1] if messages else None
    if names.answer_call is not None and isinstance(last, dict) and last.get("role") == "user":
        changes.note(ANSWERS_ADDED)
        call = {"type": "function", "function": dict(names.answer_call)}
        messages = [*messages, {"role": "assistant", "content": None, "tool_calls": [call]}]
    conversation = Conversation(keep_ids=not renumber and sound_ids(messages))
    return {**example, "messages": modern_messages(messages, conversation, changes)}


def _with_messages_decoded(row: Row, changes: Changes) -> Row:
    text = row.get("messages")
    inner = decoded_messages(text) if isinstance(text, str) else None
    if inner is not None:
        changes.note("messages in a string decoded")
        row = {**row, "messages": inner}
    if has_turns(row.get("messages")):
        changes.note("turns written as messages")
        row = {**row, "messages": messages_of_turns(row["messages"], changes)}
    elif isinstance(row.get("messages"), list):
        row = {**row, "messages": [with_weight(message, changes) for message in row["messages"]]}
    return row


def preferred(example: Row, changes: Changes) -> Row:
    """The supervised example that a DPO example holds: its input, answered as preferred."""
    source = example["input"]
    changes.note("input and preferred_output written as messages")
    changes.note("non_preferred_output left out")
    more = {key: value for key, value in example.items() if key not in ("input", *OUTPUTS)}
    return {**source, **more, "messages": [*source["messages"], *example[OUTPUTS[0]]]}


def _is_legacy(row: Mapping[str, Any]) -> bool:
    messages = row["messages"] if isinstance(row["messages"], list) else []
    return bool(row.get("functions")) or any(
        isinstance(message, dict) and (message.get("function_call") or message.get("role") == "function")
        for message in messages
    )


def _with_tools(holder: Row, changes: Changes) -> Row:
    empty = [key for key in ("functions", "tools") if holder.get(key) in ([], "")]
    if empty:
        changes.note("empty tool definitions left out")
        holder = {key: value for key, value in holder.items() if key not in empty}
    if holder.get("functions") is None:
        if holder.get("tools") is None:
            return holder
        tools = as_tools(holder["tools"], changes, what="functions in tools framed as tools")
        if not tools:
            changes.note("empty tool definitions left out")
            return {key: value for key, value in holder.items() if key != "tools"}
        return {**holder, "tools": tools}
    if holder.get("tools") is not None:
        raise NotConvertible('the example has "tools" and "functions"', "Keep one of them.")
    kept = {key: value for key, value in holder.items() if key not in ("functions", "tools")}
    return {**kept, "tools": as_tools(holder["functions"], changes, what="functions written as tools")}


def _modern_preference(row: Row, renumber: bool, changes: Changes) -> Row:
    source = row.get("input")
    if not isinstance(source, dict):
        raise NotConvertible(f'"input" is {named_type(source)}', "Write an object with messages.")
    source = _with_tools(with_calls_in_text_read(_with_tools(source, changes), changes), changes)
    before = _messages(source, "messages")
    outputs = [calls_read(_messages(row, key), source.get("tools"), changes) for key in OUTPUTS]
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
