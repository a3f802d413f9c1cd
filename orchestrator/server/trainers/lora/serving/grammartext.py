"""Grammars of answers, as text: what llguidance reads, here and in vLLM.

The model chooses between text and a call with its own probabilities: until it has written what a call begins with,
any token may come. The form is Lark's, https://github.com/guidance-ai/llguidance/blob/main/docs/syntax.md.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from orchestrator.server.trainers.interface import Question
from orchestrator.server.trainers.lora.serving.callformat import CallFormat

TEXT = r"/(?s:.*)/"

Limit = Callable[[Mapping[str, Any]], dict[str, Any]]


def grammar_text(form: CallFormat, question: Question, special: Mapping[str, int], limit: Limit) -> str:
    """The grammar of an answer to this question, in Lark's form.

    `special` are the special tokens by their text; `limit` makes the schema to use from the one that was sent.
    """
    called = [tool for tool in question.tools if question.choice in ("auto", "none", "required", tool["name"])]
    quoted = _Quoted(special)
    if question.choice == "none":
        return _text_only(form, special)
    rules = _start(form, question.choice, special, quoted)
    rules += [f"calls: call {_further(form, question.parallel, quoted)}{quoted(form.closing)}"]
    rules += [f"call: {' | '.join(f'call_{number}' for number in range(len(called)))}"]
    for number, tool in enumerate(called):
        head = quoted(tool["name"] + form.before_arguments)
        rules.append(f"call_{number}: {head} arguments_{number}")
        rules.append(f"arguments_{number}: %json {json.dumps(_schema(tool, form.separators, limit))}")
    return "\n".join(["%llguidance {}", *rules])


def _start(form: CallFormat, choice: str, special: Mapping[str, int], quoted: Callable[[str], str]) -> list[str]:
    """The rules up to the name of the first function."""
    if choice != "auto":
        return [f"start: {quoted(form.opening)} calls"]
    if form.marker is None:
        return [f"start: TEXT | {quoted(form.opening)} calls", f"TEXT: {_not_beginning(form.opening)}"]
    if form.marker in special:
        marker = quoted(form.marker)
        return [f"start: TEXT | TEXT {marker} {quoted(form.after_marker)} calls", f"TEXT: {TEXT}"]
    return [
        f"start: text | to_call {quoted(form.after_marker)} calls",
        "text: TEXT",
        f"to_call[lazy]: TEXT {quoted(form.marker)}",
        f"TEXT: {TEXT}",
    ]


def _further(form: CallFormat, parallel: bool, quoted: Callable[[str], str]) -> str:
    if form.between is None or not parallel:
        return ""
    return f"({quoted(form.between)} call)* "


def _text_only(form: CallFormat, special: Mapping[str, int]) -> str:
    if form.marker is None:
        return f"start: TEXT\nTEXT: {_not_beginning(form.opening)}"
    if form.marker in special:
        return f"start: TEXT\nTEXT: {TEXT}"
    return f"start: TEXT\nTEXT: {TEXT} & ~/(?s:.*){_regex(form.marker)}(?s:.*)/"


def _not_beginning(opening: str) -> str:
    return rf"{TEXT} & ~/\s*{_regex(opening.lstrip())}(?s:.*)/"


def _schema(tool: Mapping[str, Any], separators: tuple[str, str], limit: Limit) -> dict[str, Any]:
    """The schema of a function's arguments: those that it lists and no others; any, if it lists none.

    A definition without parameters is one of which only the name was kept, or a function that takes none; a model
    that learned the function knows which.
    """
    given = tool.get("parameters") or {}
    schema = limit(ANY_OBJECT if _lists_nothing(given) else given)
    schema.setdefault("type", "object")
    if schema.get("properties"):
        schema.setdefault("additionalProperties", False)
    item, key = separators
    form = {"whitespace_flexible": False, "item_separator": item, "key_separator": key, "lenient": True}
    return {**schema, "x-guidance": form}


def _lists_nothing(schema: Mapping[str, Any]) -> bool:
    return not schema.get("properties") and not schema.keys() - {"type", "properties", "required", "description"}


# --- Numbers that end -------------------------------------------------------------------------------------------

LARGEST_INTEGER, LARGEST_NUMBER, SMALLEST_PART = 9 * 10**18, 9 * 10**14, 1e-9
"""A model that repeats itself writes digits until its limit, so that its call is lost. Integers may have 19 digits,
other numbers 15 before and 9 after the point."""
_MAPS = ("properties", "patternProperties", "$defs", "definitions", "dependentSchemas")
_LISTS = ("anyOf", "oneOf", "allOf", "prefixItems")
_SINGLE = ("items", "additionalProperties", "not", "if", "then", "else", "contains", "propertyNames")

_ANY = {"$ref": "#/$defs/any"}
ANY_OBJECT: Mapping[str, Any] = {
    "type": "object",
    "additionalProperties": _ANY,
    "$defs": {
        "any": {
            "anyOf": [
                {"type": ["null", "boolean", "string"]},
                {"type": "number"},
                {"type": "array", "items": _ANY},
                {"type": "object", "additionalProperties": _ANY},
            ]
        }
    },
}
"""The arguments of a function of which only the name is known."""


def bounded(schema: Mapping[str, Any]) -> dict[str, Any]:
    """The schema with bounds for the numbers that have none."""
    made = dict(schema)
    for key, value in schema.items():
        if key in _MAPS and isinstance(value, Mapping):
            made[key] = {name: _bounded_part(each) for name, each in value.items()}
        elif key in _LISTS and isinstance(value, list):
            made[key] = [_bounded_part(each) for each in value]
        elif key in _SINGLE:
            made[key] = _bounded_part(value)
    return {**_bounds(schema), **made}


def _bounded_part(value: Any) -> Any:
    return bounded(value) if isinstance(value, Mapping) else value


def _bounds(schema: Mapping[str, Any]) -> dict[str, Any]:
    kind = schema.get("type")
    kinds = kind if isinstance(kind, list) else [kind]
    if "enum" in schema or "const" in schema or not {"integer", "number"} & {each for each in kinds if each}:
        return {}
    is_whole = "number" not in kinds
    largest = LARGEST_INTEGER if is_whole else LARGEST_NUMBER
    bounds: dict[str, Any] = {} if is_whole else {"multipleOf": SMALLEST_PART}
    if "minimum" not in schema and "exclusiveMinimum" not in schema:
        bounds["minimum"] = -largest
    if "maximum" not in schema and "exclusiveMaximum" not in schema:
        bounds["maximum"] = largest
    return bounds


class _Quoted:
    """Text as terminals of a grammar. Special tokens are no text: they are named by their numbers."""

    def __init__(self, special: Mapping[str, int]) -> None:
        self._special = special

    def __call__(self, text: str) -> str:
        return " ".join(self._terminals(text))

    def _terminals(self, text: str) -> Iterable[str]:
        while text:
            found = [(text.index(each), -len(each), each) for each in self._special if each in text]
            start, _, token = min(found, default=(len(text), 0, ""))
            if start:
                yield json.dumps(text[:start], ensure_ascii=False)
            if token:
                yield f"<[{self._special[token]}]>"
            text = text[start + len(token) :]


def _regex(text: str) -> str:
    """A regular expression that matches this text, without a slash, which would end it."""
    return "".join(each if each.isalnum() and each.isascii() else f"\\x{{{ord(each):X}}}" for each in text)


def _first_line(text: str) -> str:
    return text.strip().split("\n")[0]
