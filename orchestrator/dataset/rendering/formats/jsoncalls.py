"""Calls whose arguments are JSON: Hermes and Qwen, Llama 3, Mistral, DeepSeek, gpt-oss."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from orchestrator.dataset.rendering.formats.reading import (
    BrokenCallError,
    Call,
    Found,
    Schemas,
    json_object,
    named_call,
    no_json,
)

_DECODER = json.JSONDecoder(parse_constant=no_json)
_BLANKS = re.compile(r"\s*")
_HERMES_END = re.compile(r"\s*(?:</tool_call>|\Z)")
_LLAMA_CALL = re.compile(
    r'\{\s*(?:"type"\s*:\s*"function"\s*,\s*)?"name"\s*:\s*"[^"]*"\s*,\s*"(parameters|arguments)"'
)
_LLAMA_BETWEEN = re.compile(r"[\s;]*")
_MISTRAL_NAMED = re.compile(r"\s*([\w.-]+)\s*(?:\[CALL_ID\]\s*\w+\s*)?(?:\[ARGS\])?\s*(?=\{)")
_DEEPSEEK_CALL = re.compile(r"<｜tool▁call▁begin｜>(.*?)<｜tool▁sep｜>(.*?)(?:<｜tool▁call▁end｜>|\Z)", re.DOTALL)
_DEEPSEEK_FENCED = re.compile(r"([^\n]*)\n```json\n(.*?)\n?```\s*\Z", re.DOTALL)
_RECIPIENT = re.compile(r"to=functions\.([\w.-]+)")


def read_hermes(text: str, schemas: Schemas) -> Found | None:
    """`<tool_call>{"name": …, "arguments": {…}}</tool_call>`, any number of them (Hermes 2 Pro's model card)."""
    at = text.find("<tool_call>")
    if at < 0:
        return None
    calls, around = [], [text[:at]]
    while at >= 0:
        value, end = _decoded(text, _BLANKS.match(text, at + len("<tool_call>")).end())  # type: ignore[union-attr]
        closing = _HERMES_END.match(text, end)
        if closing is None:
            raise BrokenCallError("a call goes on behind its JSON object")
        calls.append(named_call(value))
        at = text.find("<tool_call>", closing.end())
        around.append(text[closing.end() : at if at >= 0 else None])
    return Found("\n".join(part.strip() for part in around if part.strip()), tuple(calls))


def _decoded(text: str, at: int) -> tuple[dict[str, Any], int]:
    """The JSON object that begins there, and where it ends. Raises BrokenCallError."""
    try:
        value, end = _DECODER.raw_decode(text, at)
    except json.JSONDecodeError as error:
        raise BrokenCallError(f"a call is not JSON: {error.msg} at character {error.pos + 1}") from None
    if not isinstance(value, dict):
        raise BrokenCallError("a call is not a JSON object")
    return value, end


def read_llama3(text: str, schemas: Schemas) -> Found | None:
    """`{"name": …, "parameters": {…}}` as the whole answer, several with ; between (Llama 3.1's prompt format)."""
    rest = text.strip().removeprefix("<|python_tag|>").strip()
    start = _LLAMA_CALL.match(rest)
    if start is None:
        return None
    return Found("", tuple(_llama_calls(rest, start[1])))


def _llama_calls(rest: str, key: str) -> Iterator[Call]:
    at = 0
    while at < len(rest):
        value, end = _decoded(rest, at)
        yield named_call(value, key if key in value else "parameters")
        between = _LLAMA_BETWEEN.match(rest, end)
        at = between.end() if between else end


def read_mistral(text: str, schemas: Schemas) -> Found | None:
    """`[TOOL_CALLS] [{"name": …, "arguments": {…}}]`, or since version 11 `[TOOL_CALLS]name[ARGS]{…}` for each
    call (mistral-common)."""
    before, *parts = text.split("[TOOL_CALLS]")
    if not parts:
        return None
    calls: list[Call] = []
    for part in parts:
        named = _MISTRAL_NAMED.match(part)
        if named:
            calls.append((named[1], json_object(part[named.end() :].strip(), f"the arguments of {named[1]} are")))
        else:
            calls += _listed_calls(part.strip())
    return Found(before.strip(), tuple(calls))


def _listed_calls(text: str) -> list[Call]:
    try:
        listed = json.loads(text)
    except json.JSONDecodeError as error:
        raise BrokenCallError(f"the list of calls is not JSON: {error.msg} at character {error.pos + 1}") from None
    if not isinstance(listed, list) or not all(isinstance(each, dict) for each in listed):
        raise BrokenCallError("the calls are not a list of JSON objects")
    return [named_call(each) for each in listed]


def read_deepseek(text: str, schemas: Schemas) -> Found | None:
    """`<｜tool▁calls▁begin｜>` and for each call its name and JSON, fenced before version 3.1 (DeepSeek's
    templates)."""
    before, begin, body = text.partition("<｜tool▁calls▁begin｜>")
    if not begin:
        return None
    calls = tuple(_deepseek_call(*match.groups()) for match in _DEEPSEEK_CALL.finditer(body))
    if not calls:
        raise BrokenCallError("the calls are empty")
    return Found(before.strip(), calls)


def _deepseek_call(first: str, second: str) -> Call:
    fenced = _DEEPSEEK_FENCED.match(second)
    name, arguments = fenced.groups() if fenced else (first, second)
    return name.strip(), json_object(arguments.strip(), f"the arguments of {name.strip()} are")


def read_harmony(text: str, schemas: Schemas) -> Found | None:
    """Messages in channels, and calls as messages to `functions.NAME` (OpenAI's harmony format)."""
    if "<|message|>" not in text:
        return None
    content, thoughts, calls = [], [], []
    for part in text.split("<|start|>assistant"):
        header, _, body = part.partition("<|message|>")
        body = re.split(r"<\|(?:end|call|return)\|>", body)[0]
        recipient = _RECIPIENT.search(header)
        if recipient:
            calls.append((recipient[1], json_object(body, f"the arguments of {recipient[1]} are")))
        elif "<|channel|>analysis" in header:
            thoughts.append(body)
        else:
            content.append(body)
    return Found("\n".join(content).strip(), tuple(calls), "\n".join(thoughts))
