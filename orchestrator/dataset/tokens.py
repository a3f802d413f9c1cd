"""Token counts, near to what is billed.

Text is encoded as OpenAI's models encode it (rs-bpe's bundled o200k_base and cl100k_base). What services put around
the text is only partly published, so every count of messages is an estimate; each function says how near.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from functools import cache, lru_cache
from typing import Any

import orjson

from orchestrator.dataset.basemodels import base_model
from orchestrator.dataset.checking.toollists import ToolList
from orchestrator.dataset.signatures import rendered_functions

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
    its usage figures (openai-chat-tokens, 2023). An estimate: equal to the API's own figure in all 15
    requests published there with one (gpt-3.5-turbo, gpt-4, gpt-4o, gpt-4o-mini; at most one tool). Unchecked, so
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
    """What definitions add. They stand in the first system message, behind a newline, or in one of their own."""
    if isinstance(tools, ToolList):
        return _rendered_tokens(tools.text, model) + _DEFINITIONS_FRAME
    return count_text(rendered_functions(tools), model) + _DEFINITIONS_FRAME


# Most files repeat one list of tools, one system prompt and a few names on every line.
@lru_cache(maxsize=_REMEMBERED_LISTS)
def _rendered_tokens(tools: bytes, model: str | None) -> int:
    return count_text(rendered_functions(_mappings(orjson.loads(tools))), model)


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
    from rs_bpe import openai

    tokenizer = openai.cl100k_base() if encoding_for(model) == "cl100k_base" else openai.o200k_base()
    count: Callable[[str], int] = tokenizer.count
    return count
