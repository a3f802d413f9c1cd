"""Calls and tool definitions that are written as text: Hermes, ToolACE, Glaive, Mistral."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from orchestrator.dataset.convert.changes import Changes, NotConvertible
from orchestrator.dataset.jsontext import NotJson, parse_json

Call = dict[str, Any]

_TAGGED = re.compile(r"<tool_call>(.*?)(?:</tool_call>|$)", re.DOTALL)
_GLAIVE = re.compile(r"<functioncall>(.*?)(?:<\|endoftext\|>|$)", re.DOTALL)
_MISTRAL = re.compile(r"\[TOOL_CALLS\](.*?)(?:</s>|$)", re.DOTALL)
_RESULTS = re.compile(r"<tool_response>(.*?)</tool_response>", re.DOTALL)
_QUOTED_ARGUMENTS = re.compile(
    r"""^\s*\{\s*["']name["']\s*:\s*["']([^"']*)["']\s*,\s*["']arguments["']\s*:\s*'(.*)'\s*\}\s*$""", re.DOTALL
)
_SENTENCE = re.compile(r"(?<=[.!?:])\s+|\n+")
_ABOUT_TOOLS = re.compile(
    r"<tool|</tool|\btool_call|function[ -]?call|function signature|available tools|list of functions|"
    r"following functions|"
    r"use them if (required|needed|necessary)|functions? in JSON|invoke|func1\(|pydantic|FunctionCall",
    re.IGNORECASE,
)
_CONSTANTS = {"true": True, "false": False, "null": None}
_TAGGED_WHOLE = re.compile(r"<tool_call>.*?</tool_call>", re.DOTALL)
_BRACES = re.compile(r"[{}]")
_SAMPLE = re.compile(r"FunctionCall|[\"']arguments[\"']")
_TOOLS = re.compile(r"<tools>(.*?)</tools>", re.DOTALL)
_LONGEST_LITERAL = 1 << 20
_OPENING = re.compile(r"[\[{]")
_MOST_FAILURES = 100
_DECODER = json.JSONDecoder()


def loose_json(text: str) -> Any:
    """The value of JSON text, of a Python literal, or of Glaive's call with arguments in single quotes.

    Raises NotConvertible.
    """
    text = text.strip()
    try:
        return parse_json(text)
    except NotJson as error:
        problem = error.problem
    if len(text) <= _LONGEST_LITERAL:
        if quoted := _QUOTED_ARGUMENTS.match(text):
            return {"name": quoted[1], "arguments": quoted[2]}
        try:
            return _plain(ast.literal_eval(text))
        except (ValueError, SyntaxError, RecursionError, MemoryError, TypeError):
            pass
    raise NotConvertible(f"a call is not valid JSON: {problem}", 'Write {"name": "…", "arguments": {…}}.')


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        if not all(isinstance(key, str) for key in value):
            raise ValueError
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    if value is None or isinstance(value, str | int | float):
        return value
    raise ValueError


def is_definition(value: Any) -> bool:
    """True for a function's definition: a name with parameters or a description, and no arguments."""
    if not isinstance(value, dict):
        return False
    function = value.get("function")
    function = function if isinstance(function, dict) else value
    described = any(key in function for key in ("parameters", "description", "input_schema"))
    return "name" in function and described and "arguments" not in function


def with_calls_in_text_read(example: dict[str, Any], changes: Changes) -> dict[str, Any]:
    """The example with the tools of its system text declared, and with calls in answers as tool calls.

    Raises NotConvertible for a call between tags that can't be read.
    """
    messages = example.get("messages")
    if not isinstance(messages, list) or not all(isinstance(message, dict) for message in messages):
        return example
    tools = example.get("tools") or example.get("functions")
    if not tools:
        messages, tools = _tools_taken_out(messages, changes)
        example = {**example, **({"tools": tools} if tools else {})}
    read = calls_read(messages, tools, changes)
    return example if read == example["messages"] else {**example, "messages": read}


def calls_read(messages: list[Any], tools: Any, changes: Changes) -> list[Any]:
    """Messages with the calls that their texts hold as tool calls; `tools` as declared. Raises NotConvertible."""
    names = _names(tools)
    return [
        each
        for message in messages
        for each in (_read(message, names, changes) if isinstance(message, dict) else [message])
    ]


def _names(tools: Any) -> list[str]:
    names = []
    for tool in tools if isinstance(tools, list) else []:
        function = tool.get("function", tool) if isinstance(tool, dict) else None
        name = function.get("name") if isinstance(function, dict) else None
        names += [name] if isinstance(name, str) else []
    return names


def _read(message: dict[str, Any], names: Sequence[str], changes: Changes) -> list[dict[str, Any]]:
    content, role = message.get("content"), message.get("role")
    if not isinstance(content, str):
        return [message]
    if role in ("tool", "user", "function") and "<tool_response>" in content:
        return _results(message, content, changes)
    if role != "assistant" or message.get("tool_calls") or message.get("function_call"):
        return [message]
    found = calls_in(content, names)
    if found is None:
        return [message]
    changes.note("calls written as text read as tool calls")
    said, calls = found
    framed = [{"type": "function", "function": call} for call in calls]
    return [{**message, "content": said or None, "tool_calls": framed}]


def _results(message: dict[str, Any], content: str, changes: Changes) -> list[dict[str, Any]]:
    results = [found.strip() for found in _RESULTS.findall(content)]
    if not results or _RESULTS.sub("", content).strip():
        return [message]
    changes.note("results between <tool_response> tags read as tool messages")
    return [{"role": "tool", "content": result} for result in results]


def calls_in(text: str, names: Sequence[str]) -> tuple[str, list[Call]] | None:
    """What is said around the calls of a text, and the calls; None where it holds none.

    Without tags, only a text that is calls as a whole and names declared functions counts.
    """
    for tag in (_TAGGED, _GLAIVE, _MISTRAL):
        if found := tag.findall(text):
            values = [value for each in found for value in _listed(loose_json(each))]
            return tag.sub("", text).strip(), [_call(value) for value in values]
    stripped = text.strip()
    if not names or not stripped.endswith((")", ")]", "}", "]")):
        return None
    calls = _python_calls(stripped, names) or _json_calls(stripped)
    return ("", calls) if calls and all(call["name"] in names for call in calls) else None


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _call(value: Any) -> Call:
    if not isinstance(value, dict) or not isinstance(value.get("name"), str):
        raise NotConvertible(
            "a call written as text has no function name", 'Write {"name": "…", "arguments": {…}}.'
        )
    return {"name": value["name"], "arguments": value.get("arguments", value.get("parameters"))}


def _json_calls(text: str) -> list[Call] | None:
    try:
        values = _listed(parse_json(text))
    except NotJson:
        return None
    if not values or not all(isinstance(value, dict) and value.keys() <= {"name", "arguments"} for value in values):
        return None
    return [_call(value) for value in values] if all("name" in value for value in values) else None


def _python_calls(text: str, names: Sequence[str]) -> list[Call] | None:
    if len(text) > _LONGEST_LITERAL:
        return None
    spelt: dict[str, str] = {}
    for number, name in enumerate(sorted(names, key=len, reverse=True)):
        if not name.isidentifier() and f"{name}(" in text:
            spelt[f"_function_{number}"] = name
            text = text.replace(f"{name}(", f"_function_{number}(")
    try:
        tree = ast.parse(text, mode="eval").body
        nodes = tree.elts if isinstance(tree, ast.List) else [tree]
        return [_python_call(node, spelt) for node in nodes]
    except (ValueError, SyntaxError, RecursionError, MemoryError, TypeError):
        return None


def _python_call(node: ast.AST, spelt: Mapping[str, str]) -> Call:
    if not isinstance(node, ast.Call) or node.args or any(each.arg is None for each in node.keywords):
        raise ValueError
    name = ast.unparse(node.func)
    arguments = {str(each.arg): _plain(ast.literal_eval(_Constants().visit(each.value))) for each in node.keywords}
    return {"name": spelt.get(name, name), "arguments": arguments}


class _Constants(ast.NodeTransformer):
    """Reads true, false and null of JSON as what they are."""

    def visit_Name(self, node: ast.Name) -> ast.AST:
        return ast.Constant(_CONSTANTS[node.id]) if node.id in _CONSTANTS else node


# --- Definitions in the system text ------------------------------------------------------------------------------


def _tools_taken_out(messages: list[Any], changes: Changes) -> tuple[list[Any], list[Any]]:
    first = messages[0] if messages else {}
    content = first.get("content")
    if first.get("role") != "system" or not isinstance(content, str):
        return messages, []
    rest, tools = definitions_in(content)
    if not tools:
        return messages, []
    changes.note("definitions in the system text read as tools")
    rest = _without_templates(rest)
    kept = [
        sentence
        for sentence in _SENTENCE.split(rest)
        if sentence.strip(" -.\n") and not _ABOUT_TOOLS.search(sentence)
    ]
    said = " ".join(kept).strip(" -.\n")
    changes.note("how to write calls left out of the system text")
    if said:
        return [{**first, "content": " ".join(kept).strip()}, *messages[1:]], tools
    return messages[1:], tools


def _without_templates(text: str) -> str:
    """The text without the samples of a call that show how to write one, such as Hermes' FunctionCall schema."""
    text = _TAGGED_WHOLE.sub(" <tool_call> ", text)
    kept, at, depth, start = [], 0, 0, 0
    for place in (match.start() for match in _BRACES.finditer(text)):
        if text[place] == "{":
            start = start if depth else place
            depth += 1
        elif depth:
            depth -= 1
            if not depth and _SAMPLE.search(text, start, place):
                kept.append(text[at:start])
                at = place + 1
    return "".join([*kept, text[at:]])


def definitions_in(text: str) -> tuple[str, list[Any]]:
    """A text without the definitions it holds as JSON, and these; an empty list where it holds none."""
    rest: list[str] = []
    tools: list[Any] = []
    at = 0
    for block in _TOOLS.finditer(text):
        values = _literals(block[1])
        if values and all(is_definition(each) for each in values):
            tools += values
            rest.append(text[at : block.start()])
            at = block.end()
    if tools:
        return "".join([*rest, text[at:]]), tools
    for start, end, value in _values(text):
        values = _listed(value)
        if values and all(is_definition(each) for each in values):
            tools += values
            rest.append(text[at:start])
            at = end
    rest.append(text[at:])
    return "".join(rest), tools


def _literals(text: str) -> list[Any]:
    """The values of a block: JSON or Python literals, all in one or line by line; empty where it is neither."""
    for texts in ([text], [line for line in text.splitlines() if line.strip()]):
        try:
            return [value for each in texts for value in _listed(loose_json(each))]
        except NotConvertible:
            continue
    return []


def _values(text: str) -> Iterator[tuple[int, int, Any]]:
    at, failures = 0, 0
    while (match := _OPENING.search(text, at)) and failures < _MOST_FAILURES:
        try:
            value, end = _DECODER.raw_decode(text, match.start())
        except (ValueError, RecursionError):  # a number may be too long
            at, failures = match.end(), failures + 1
            continue
        yield match.start(), end, value
        at = end
