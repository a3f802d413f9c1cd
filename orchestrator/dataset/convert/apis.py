"""Requests and items of other APIs as messages with tools: Responses, Anthropic, Bedrock, Gemini."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from orchestrator.dataset.convert.cells import system_text, with_system
from orchestrator.dataset.convert.changes import Changes, NotConvertible
from orchestrator.dataset.findings import named_type, shown

Message = dict[str, Any]
_REQUEST_KEYS = (
    "model",
    "temperature",
    "top_p",
    "max_tokens",
    "max_output_tokens",
    "stream",
    "store",
    "anthropic_version",
)


def without_request_keys(row: Mapping[str, Any], used: tuple[str, ...], changes: Changes) -> dict[str, Any]:
    """The other keys of a request, without those that say how to send it."""
    for key in _REQUEST_KEYS:
        if key in row:
            changes.note(f"{key} left out")
    return {key: value for key, value in row.items() if key not in (*used, *_REQUEST_KEYS)}


# --- OpenAI's Responses API --------------------------------------------------------------------------------------


def example_of_responses(row: Mapping[str, Any], changes: Changes) -> dict[str, Any]:
    """Reads `{"instructions"?, "input": [items], "output"?: [items], "tools"?}`. Raises NotConvertible."""
    items = row["input"] if isinstance(row["input"], list) else [{"role": "user", "content": row["input"]}]
    output = row.get("output")
    messages: list[Message] = []
    for item in [*items, *(output if isinstance(output, list) else [])]:
        _add_item(item, messages, changes)
    messages = with_system(messages, system_text(row.get("instructions"), "instructions"), "instructions", changes)
    changes.note("items of the Responses API written as messages")
    return {
        "messages": messages,
        **without_request_keys(row, ("instructions", "input", "output", "id", "object", "status"), changes),
    }


def _add_item(item: Any, messages: list[Message], changes: Changes) -> None:
    kind = item.get("type", "message") if isinstance(item, dict) else None
    if kind == "message" and "role" in item:
        messages.append({"role": item["role"], "content": _item_content(item.get("content"))})
    elif kind == "function_call":
        function = {"name": item.get("name"), "arguments": item.get("arguments")}
        _add_call(messages, {"id": item.get("call_id"), "type": "function", "function": function})
    elif kind == "function_call_output":
        output = item.get("output")
        text = output if isinstance(output, str) else _item_content(output)
        messages.append({"role": "tool", "tool_call_id": item.get("call_id"), "content": text})
    elif kind == "reasoning":
        changes.note("reasoning items left out")
    else:
        raise NotConvertible(
            f"an item of the input is of type {shown(kind)}", "Take it out, or write it as a message."
        )


def _item_content(content: Any) -> Any:
    if not isinstance(content, list):
        return content
    parts = [_item_part(part) for part in content]
    if all(part["type"] == "text" for part in parts):
        return "".join(part["text"] for part in parts)
    return parts


def _item_part(part: Any) -> dict[str, Any]:
    kind = part.get("type") if isinstance(part, dict) else None
    if kind in ("input_text", "output_text", "text") and isinstance(part.get("text"), str):
        return {"type": "text", "text": part["text"]}
    if kind == "input_image" and isinstance(part.get("image_url"), str):
        detail = {"detail": part["detail"]} if "detail" in part else {}
        return {"type": "image_url", "image_url": {"url": part["image_url"], **detail}}
    raise NotConvertible(f"a part of a message is of type {shown(kind)}", "Write it as text.")


def _add_call(messages: list[Message], call: dict[str, Any]) -> None:
    """Append a call to the answer directly before it, else as a separate answer."""
    if messages and messages[-1].get("role") == "assistant":
        messages[-1] = {**messages[-1], "tool_calls": [*messages[-1].get("tool_calls", []), call]}
    else:
        messages.append({"role": "assistant", "content": None, "tool_calls": [call]})


# --- Anthropic and Bedrock: content in blocks --------------------------------------------------------------------


def has_blocks(row: Mapping[str, Any]) -> bool:
    """True where messages or tools are those of Anthropic or of Bedrock's Converse."""
    tools = row.get("tools")
    if isinstance(tools, list) and any(isinstance(tool, dict) and "input_schema" in tool for tool in tools):
        return True
    if "toolConfig" in row or str(row.get("schemaVersion", "")).startswith("bedrock-"):
        return True
    messages = row.get("messages")
    contents = (
        [message.get("content") for message in messages if isinstance(message, dict)]
        if isinstance(messages, list)
        else []
    )
    return any(_is_block(part) for content in contents if isinstance(content, list) for part in content)


def _is_block(part: Any) -> bool:
    if not isinstance(part, dict):
        return False
    return part.get("type") in ("tool_use", "tool_result") or (
        "type" not in part and bool(part.keys() & {"text", "toolUse", "toolResult", "image"})
    )


def example_of_blocks(row: Mapping[str, Any], changes: Changes) -> dict[str, Any]:
    """Reads Anthropic's messages, and Bedrock's, whose blocks have no type. Raises NotConvertible."""
    if not isinstance(row["messages"], list):
        raise NotConvertible(f'"messages" is {named_type(row["messages"])}', "Write a list of messages.")
    messages = [each for message in row["messages"] for each in _of_blocks(message)]
    messages = with_system(messages, system_text(row.get("system"), "system"), "system", changes)
    changes.note("blocks of content written as messages")
    more = without_request_keys(row, ("messages", "system", "schemaVersion", "toolConfig"), changes)
    config = row.get("toolConfig")
    if isinstance(config, dict) and config.get("tools"):
        more["tools"] = config["tools"]
    return {"messages": messages, **more}


def _of_blocks(message: Any) -> list[Message]:
    content = message.get("content") if isinstance(message, dict) else None
    if not isinstance(content, list):
        return [message]
    said: list[dict[str, Any]] = []
    calls, results = [], []
    for block in content:
        kind, inside = _block(block)
        if kind == "text":
            said.append({"type": "text", "text": inside})
        elif kind == "image":
            said.append({"type": "image_url", "image_url": {"url": _image_address(inside)}})
        elif kind == "tool_use":
            arguments = json.dumps(inside.get("input", {}), ensure_ascii=False)
            function = {"name": inside.get("name"), "arguments": arguments}
            calls.append(
                {"id": inside.get("id", inside.get("toolUseId")), "type": "function", "function": function}
            )
        else:
            identity = inside.get("tool_use_id", inside.get("toolUseId"))
            results.append(
                {"role": "tool", "tool_call_id": identity, "content": _result_text(inside.get("content"))}
            )
    rest = {key: value for key, value in message.items() if key != "content"}
    if calls:
        return [{**rest, "content": _joined(said) or None, "tool_calls": calls}]
    return [*results, {**rest, "content": _joined(said)}] if said or not results else results


def _block(block: Any) -> tuple[str, Any]:
    kind = block.get("type") if isinstance(block, dict) else None
    if isinstance(block, dict) and kind in (None, "text") and isinstance(block.get("text"), str):
        return "text", block["text"]
    if kind in ("tool_use", "tool_result"):
        return kind, block
    if kind == "image_url" and isinstance(block.get("image_url"), dict):
        return "image", {"source": {"type": "url", "url": block["image_url"].get("url")}}
    if kind == "image":
        return "image", block
    for key, name in (("toolUse", "tool_use"), ("toolResult", "tool_result")):
        if isinstance(block, dict) and isinstance(block.get(key), dict):
            return name, block[key]
    raise NotConvertible(f"a block of content is of type {shown(kind)}", "Write it as text, or take it out.")


def _image_address(image: Mapping[str, Any]) -> str:
    source = image.get("source")
    if isinstance(source, dict):
        if isinstance(source.get("url"), str):
            return str(source["url"])
        if isinstance(source.get("data"), str) and isinstance(source.get("media_type"), str):
            return f"data:{source['media_type']};base64,{source['data']}"
    raise NotConvertible("an image has neither an address nor data", 'Write "image_url" with a "url".')


def _joined(parts: list[dict[str, Any]]) -> Any:
    if all(part["type"] == "text" for part in parts):
        return "\n".join(part["text"] for part in parts)
    return parts


def _result_text(content: Any) -> Any:
    if not isinstance(content, list):
        return content
    texts = [
        part["text"]
        if isinstance(part, dict) and isinstance(part.get("text"), str)
        else json.dumps(part.get("json", part) if isinstance(part, dict) else part, ensure_ascii=False)
        for part in content
    ]
    return "\n".join(texts)


# --- Gemini ------------------------------------------------------------------------------------------------------


def example_of_gemini(row: Mapping[str, Any], changes: Changes) -> dict[str, Any]:
    """Reads `{"contents": [{"role", "parts"}], "systemInstruction"?, "tools"?}`. Raises NotConvertible."""
    if not isinstance(row["contents"], list):
        raise NotConvertible(f'"contents" is {named_type(row["contents"])}', "Write a list of contents.")
    messages = [each for content in row["contents"] for each in _of_parts(content)]
    key = "systemInstruction" if "systemInstruction" in row else "system_instruction"
    system = row.get(key)
    system = system.get("parts") if isinstance(system, dict) else system
    messages = with_system(messages, system_text(system, key), key, changes)
    changes.note("contents written as messages")
    return {"messages": messages, **without_request_keys(row, ("contents", key, "generationConfig"), changes)}


def _of_parts(content: Any) -> list[Message]:
    parts = content.get("parts") if isinstance(content, dict) else None
    if not isinstance(parts, list):
        raise NotConvertible("a content has no list of parts", 'Write {"role": "user", "parts": [{"text": "…"}]}.')
    texts, calls, results = [], [], []
    for each in parts:
        part = each if isinstance(each, dict) else {}
        call, result = (
            part.get("functionCall", part.get("function_call")),
            part.get("functionResponse", part.get("function_response")),
        )
        if isinstance(part.get("text"), str):
            texts.append(part["text"])
        elif isinstance(call, dict):
            calls.append(
                {"type": "function", "function": {"name": call.get("name"), "arguments": call.get("args", {})}}
            )
        elif isinstance(result, dict):
            text = json.dumps(result.get("response"), ensure_ascii=False)
            results.append({"role": "tool", "name": result.get("name"), "content": text})
        else:
            raise NotConvertible(f"a part has the keys {', '.join(sorted(map(str, part)))}", "Write it as text.")
    role = "assistant" if content.get("role") in ("model", "assistant") else "user"
    said = "".join(texts)
    if calls:
        return [{"role": "assistant", "content": said or None, "tool_calls": calls}]
    return [*results, {"role": role, "content": said}] if texts or not results else results
