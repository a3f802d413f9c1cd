"""Reads a model's answer: its text, and its calls in the format of the template's family.

Three things are told apart. What is no call is content. A call that the model began and broke is content too, with
the problem. A call that is whole and that we can't read is our failure, and raises ParserFailed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from orchestrator.dataset.rendering.formats.jsoncalls import (
    read_deepseek,
    read_harmony,
    read_hermes,
    read_llama3,
    read_mistral,
)
from orchestrator.dataset.rendering.formats.literalcalls import read_gemma4, read_lfm2
from orchestrator.dataset.rendering.formats.reading import BrokenCallError, Call, Found, Schemas
from orchestrator.dataset.rendering.formats.taggedcalls import read_atem, read_glm, read_qwen3_coder
from orchestrator.errors import ParserFailed

Reader = Callable[[str, Schemas], Found | None]

FAMILIES: Mapping[str, Reader] = {
    "hermes": read_hermes,
    "qwen3_coder": read_qwen3_coder,
    "glm": read_glm,
    "llama3": read_llama3,
    "mistral": read_mistral,
    "deepseek": read_deepseek,
    "harmony": read_harmony,
    "gemma4": read_gemma4,
    "lfm2": read_lfm2,
    "atem": read_atem,
}
"""The formats of tool calls, by name, with what reads them."""

UNTYPED = frozenset({"qwen3_coder", "glm", "atem"})
"""Formats that write a string without quotes, so that its text alone does not say that it is one."""

_OPENINGS: Mapping[str, re.Pattern[str]] = {
    "hermes": re.compile(r"\s*<tool_call>\s*\{"),
    "qwen3_coder": re.compile(r"\s*(?:<tool_call>\s*)?<function=[\w.-]+>"),
    "glm": re.compile(r"\s*<tool_call>[\w.-]+\s*<arg_key>"),
    "mistral": re.compile(r"\s*\[TOOL_CALLS\]"),
    "deepseek": re.compile(r"\s*<｜tool▁calls▁begin｜>"),
    "harmony": re.compile(r"\s*to=functions\.[\w.-]+.*<\|message\|>"),
    "gemma4": re.compile(r"\s*<\|tool_call>call:"),
    "lfm2": re.compile(r"\s*<\|tool_call_start\|>"),
    "atem": re.compile(r"\s*(?:to=.*<\|message\|>)?<atem:function_calls>"),
}
"""How an answer begins that is a call in each format; those that could begin a text are left out."""

_END_MARKS = re.compile(r"\s*(?:<\|[^<>|\s]+\|>\s*)+\Z")
"""Tokens that close an answer before its stop token, such as Cohere's <|END_RESPONSE|>."""

_THOUGHT = re.compile(r"\A\s*(?:<think>)?(.*?)</think>\s*", re.DOTALL)


@dataclass(frozen=True)
class Parsed:
    """A model's answer."""

    content: str | None
    calls: tuple[Call, ...] = ()
    """The name of each function and its arguments as an object."""
    problem: str | None = None
    """What is wrong with a call that the model began; its text is in `content`."""
    thought: str = ""
    """What the model wrote before its answer, in a family that thinks."""


def parse_answer(text: str, family: str | None, tools: Iterable[Mapping[str, Any]] | None) -> Parsed:
    """Read an answer, without its stop token. `tools` are tool or function objects; their schemas give types to
    arguments that are written without quotes. Raises ParserFailed."""
    thought, spoken = _thought_and_speech(text)
    reader = FAMILIES.get(family or "")
    if reader is None:
        return Parsed(_content(_END_MARKS.sub("", spoken)), thought=thought)
    try:
        found = reader(spoken, schemas_of(tools))
    except BrokenCallError as broken:
        _refuse_other_formats(spoken, family)
        return Parsed(_content(spoken), problem=f"{broken}", thought=thought)
    except Exception as error:  # whatever a reader did not foresee is its own mistake
        reason = f"reading it as {family} failed with {type(error).__name__}: {error}"
        raise ParserFailed(reason=reason) from error
    if found is None:
        _refuse_other_formats(spoken, family)
        return Parsed(_content(spoken), thought=thought)
    return Parsed(_content(found.content), found.calls, thought="\n".join(filter(None, (thought, found.thought))))


def schemas_of(tools: Iterable[Mapping[str, Any]] | None) -> Schemas:
    """The schema of each parameter, by function and name."""
    schemas = {}
    for tool in tools or ():
        function = tool.get("function", tool)
        parameters = function.get("parameters") if isinstance(function, Mapping) else None
        properties = parameters.get("properties") if isinstance(parameters, Mapping) else None
        if isinstance(properties, Mapping):
            schemas[str(function.get("name"))] = properties
    return schemas


def _thought_and_speech(text: str) -> tuple[str, str]:
    """A generation prompt may open the thought, so that the answer only closes it."""
    match = _THOUGHT.match(text)
    return (match[1].strip(), text[match.end() :]) if match else ("", text)


def _content(text: str) -> str | None:
    return text.strip() or None


def _refuse_other_formats(text: str, family: str | None) -> None:
    """A call in another format than the template's: the format was recognised wrongly."""
    for name, opening in _OPENINGS.items():
        if name != family and opening.match(text):
            raise ParserFailed(reason=f"it is written in the format {name}, and the template's format is {family}")
