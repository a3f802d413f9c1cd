"""Token counts, near to what is billed.

Text is encoded as OpenAI's models encode it (the o200k_base and cl100k_base that rs-bpe bundles, or toktok
from Python 3.14 on). What services put around the text is only partly published, so every count of messages is an
estimate; each function says how near.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import cache, lru_cache
from typing import Any

import orjson

from orchestrator.dataset.basemodels import base_model
from orchestrator.dataset.remembered import Remembered
from orchestrator.dataset.toollists import ToolList

_PER_MESSAGE = 3
_PER_NAME = 1
_REPLY_PRIMING = 3
_PER_CALL = 3
_DEFINITIONS_FRAME = 9
_SHARED_SYSTEM_MESSAGE = 4
_IMAGE_LOW = 85
_IMAGE_HIGH = 765

_REMEMBERED_LISTS = 256
_REMEMBERED_TEXTS = 1024
_LONGEST_REMEMBERED = 8_000


def encoding_for(model: str | None) -> str:
    """The encoding's name: cl100k_base for gpt-3.5 and the gpt-4 models before gpt-4o, else o200k_base."""
    base = base_model(model or "")
    return "cl100k_base" if re.match(r"gpt-(3\.5|35|4)(-|$)", base) else "o200k_base"


def count_text(text: str, model: str | None) -> int:
    """The tokens of plain text; exact for models of these two encodings. Special tokens count as ordinary text."""
    try:
        return _counter(model)(text)
    except UnicodeEncodeError:
        return _counter(model)(text.encode("utf-8", "replace").decode())


def count_messages(
    messages: Sequence[Mapping[str, Any]],
    tools: Sequence[Mapping[str, Any]] | None,
    model: str | None,
) -> int:
    """The prompt tokens of a chat request with these `tools` (tool objects or plain function definitions).

    3 for each message, 1 for a name, 3 that prime the reply: OpenAI's cookbook, "How to count tokens with
    tiktoken". Definitions are rendered as TypeScript with a frame around them, as users of the API inferred from
    its usage figures (openai-chat-tokens, 2023). An estimate: equal to the API's own figure in all requests that
    were published with one and that the tests hold (gpt-3.5-turbo, gpt-4, gpt-4o, gpt-4o-mini). Unchecked, so
    expect some per cent, with many tools and on other models; more with images, taken as 85 tokens in low detail
    and 765 else.
    """
    return _conversation(messages, tools, model) + _REPLY_PRIMING


def count_example(row: Mapping[str, Any], model: str | None) -> int:
    """The tokens that one epoch over this training example bills: prompt, definitions and answers, all of them.

    An estimate on the same ground as `count_messages`, without reply priming. A DPO example is counted as the two
    conversations it is trained on (the input twice); what services really bill for it is not published.
    """
    return sum(sequence_lengths(row, model))


def sequence_lengths(row: Mapping[str, Any], model: str | None) -> tuple[int, ...]:
    """The tokens of each conversation an example trains on: one, or for DPO the preferred and the other one."""
    source = row.get("input")
    if not isinstance(source, Mapping):
        return (_conversation(_mappings(row.get("messages")), _definitions(row), model),)
    prompt = _conversation(_mappings(source.get("messages")), _definitions(source), model)
    outputs = (_mappings(row.get(key)) for key in ("preferred_output", "non_preferred_output"))
    return tuple(prompt + _conversation(output, None, model) for output in outputs)


def _conversation(
    messages: Sequence[Mapping[str, Any]], tools: Sequence[Mapping[str, Any]] | None, model: str | None
) -> int:
    if not tools:
        return sum(_message(message, model) for message in messages)
    system = next((message for message in messages if message.get("role") in ("system", "developer")), None)
    total = _framed_definitions(tools, model) + sum(
        _message(message, model) for message in messages if message is not system
    )
    return total if system is None else total + _message(system, model, "\n") - _SHARED_SYSTEM_MESSAGE


def _framed_definitions(tools: Sequence[Any], model: str | None) -> int:
    """What definitions add. They are in the first system message, after a newline, or in a separate one."""
    if isinstance(tools, ToolList):
        return _list_tokens(tools, model) + _DEFINITIONS_FRAME
    return count_text(rendered_functions(tools), model) + _DEFINITIONS_FRAME


# Most files repeat one list of tools, one system prompt and a few names on every line.
_lists: Remembered[tuple[bytes, str | None], int] = Remembered(_REMEMBERED_LISTS)


def _list_tokens(tools: ToolList, model: str | None) -> int:
    key = tools.text, model
    return _lists.get(key) or _lists.keep(key, count_text(rendered_functions(_mappings(tools)), model))


def _repeated(text: str, model: str | None) -> int:
    return _remembered_text(text, model) if len(text) <= _LONGEST_REMEMBERED else count_text(text, model)


@lru_cache(maxsize=_REMEMBERED_TEXTS)
def _remembered_text(text: str, model: str | None) -> int:
    return count_text(text, model)


def _message(message: Mapping[str, Any], model: str | None, suffix: str = "") -> int:
    role, content = message.get("role", ""), message.get("content")
    total = _PER_MESSAGE + _repeated(str(role), model)
    if isinstance(content, str):
        repeats = role in ("system", "developer")
        total += (_repeated if repeats else count_text)(content + suffix, model)
        if len(message) == 2:
            return total  # a role and a text, as most messages are
    else:
        total += _content(content, model)
    if name := message.get("name"):
        # A function message is headed by its name in place of its role.
        total += count_text(str(name), model) + (-1 if role == "function" else _PER_NAME)
    if "tool_calls" in message or "function_call" in message:
        total += _calls(message, model)
    return total


def _calls(message: Mapping[str, Any], model: str | None) -> int:
    total = 0
    calls = [call.get("function") for call in _mappings(message.get("tool_calls"))]
    for call in (*calls, message.get("function_call")):
        if isinstance(call, dict):
            total += _PER_CALL + _repeated(f"{call.get('name', '')}", model)
            total += _content(call.get("arguments"), model)
    return total


def _content(content: Any, model: str | None) -> int:
    if content is None:
        return 0
    if isinstance(content, str):
        return count_text(content, model)
    if isinstance(content, list):
        return sum(_part(part, model) for part in content)
    return count_text(json.dumps(content), model)


def _part(part: Any, model: str | None) -> int:
    if not isinstance(part, Mapping):
        return count_text(str(part), model)
    if part.get("type") == "image_url":
        image = part.get("image_url")
        low = isinstance(image, Mapping) and image.get("detail") == "low"
        return _IMAGE_LOW if low else _IMAGE_HIGH
    return sum(count_text(value, model) for key, value in part.items() if key != "type" and isinstance(value, str))


def _definitions(holder: Mapping[str, Any]) -> list[Any]:
    tools = holder.get("tools")
    if isinstance(tools, ToolList) and holder.get("functions") is None:
        return tools
    return [*_mappings(tools), *_mappings(holder.get("functions"))]


def _mappings(entries: Any) -> list[Any]:
    return [entry for entry in entries if isinstance(entry, dict)] if isinstance(entries, list) else []


@cache
def _counter(model: str | None) -> Callable[[str], int]:
    """The one place that knows the tokenizer: another counter takes its place here."""
    encoding = encoding_for(model)
    if sys.version_info >= (3, 14):  # rs-bpe has no wheels from here on; this one counts alike, and loads slower
        from toktok import batch_count

        return lambda text: batch_count([text], encoding, threads=1)[0]
    from rs_bpe import openai

    tokenizer = openai.cl100k_base() if encoding == "cl100k_base" else openai.o200k_base()
    count: Callable[[str], int] = tokenizer.count
    return count


# --- Function definitions as OpenAI's models read them -----------------------------------------------------------


_DEEPEST = 20
_REMEMBERED_BODIES = 1024
_LONGEST_REMEMBERED_BYTES = 8 << 10
_TYPE_WORDS = {"string": "string", "integer": "number", "number": "number", "boolean": "boolean", "null": "null"}
_WRITTEN = json.JSONEncoder(ensure_ascii=False).encode


def rendered_functions(tools: Sequence[Mapping[str, Any]]) -> str:
    """One `namespace functions` with a `type` for each function; `tools` as in a request, or bare definitions.

    The form was inferred by users of the API and is not documented by OpenAI; the token counts of the text agree
    with billed ones on small definitions. Keywords that the form does not show (formats, ranges) are left out.
    """
    lines = ["namespace functions {", ""]
    for tool in tools:
        function = tool.get("function")
        _add_function(function if isinstance(function, dict) else tool, lines)
    lines.append("} // namespace functions")
    return "\n".join(lines)


def _add_function(function: Mapping[str, Any], lines: list[str]) -> None:
    _add_comment(function, "", lines)
    body = _body(function.get("parameters"))
    arguments = f"_: {{\n{body}\n}}" if body else ""
    lines.append(f"type {function.get('name')} = ({arguments}) => any;")
    lines.append("")


# The same function stands on many lines of a file, in lists that need not be the same.
_bodies: Remembered[bytes, str] = Remembered(_REMEMBERED_BODIES)


def _body(parameters: Any) -> str:
    """The members of the one object that the function takes; "" where it takes nothing."""
    if not isinstance(parameters, dict) or not _properties(parameters):
        return ""
    try:
        text = orjson.dumps(parameters)
    except TypeError:  # nested more deeply than orjson writes, or halves of surrogate pairs
        return _rendered_body(parameters)
    if len(text) > _LONGEST_REMEMBERED_BYTES:
        return _rendered_body(parameters)
    return _bodies.get(text) or _bodies.keep(text, _rendered_body(parameters))


def _rendered_body(parameters: Mapping[str, Any]) -> str:
    lines: list[str] = []
    _add_members(parameters, _properties(parameters), 0, 0, lines)
    return "\n".join(lines)


def _add_members(
    schema: Mapping[str, Any], properties: Mapping[str, Any], depth: int, level: int, lines: list[str]
) -> None:
    """The members of an object that is `depth` objects deep. Descriptions below the first are not shown."""
    required = schema.get("required")
    wanted = required if isinstance(required, list) else []
    indent = "  " * depth
    for name, inner in properties.items():
        if depth == 0:
            _add_comment(inner, indent, lines)
        lines.append(f"{indent}{name}{'' if name in wanted else '?'}: {_type(inner, depth, level)},")


def _type(schema: Any, depth: int, level: int) -> str:
    """`level` counts alternatives and items too: a schema may be nested as deeply as its file has it."""
    if not isinstance(schema, dict) or level > _DEEPEST:
        return "any"
    choices = schema.get("enum")
    if choices and isinstance(choices, list):
        return " | ".join(map(_WRITTEN, choices))
    alternatives = schema.get("anyOf", schema.get("oneOf"))
    if alternatives and isinstance(alternatives, list):
        return " | ".join([_type(alternative, depth, level + 1) for alternative in alternatives])
    kind = schema.get("type")
    if isinstance(kind, list):
        return " | ".join([_named(schema, str(name), depth, level) for name in kind])
    return _named(schema, str(kind), depth, level)


def _named(schema: Mapping[str, Any], kind: str, depth: int, level: int) -> str:
    if kind == "object":
        properties = _properties(schema)
        if not properties:
            return "object"
        lines = ["{"]
        _add_members(schema, properties, depth + 1, level + 1, lines)
        lines.append("}")
        return "\n".join(lines)
    if kind == "array":
        return f"{_type(schema['items'], depth, level + 1)}[]" if "items" in schema else "any[]"
    return _TYPE_WORDS.get(kind, "any")


def _properties(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    properties = schema.get("properties")
    return properties if isinstance(properties, dict) else {}


def _add_comment(schema: Any, indent: str, lines: list[str]) -> None:
    description = schema.get("description") if isinstance(schema, dict) else None
    if description and isinstance(description, str):
        lines.append(f"{indent}// {description}")
