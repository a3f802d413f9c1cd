"""Function definitions as the TypeScript-like text that OpenAI's models read them as."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

import orjson

_DEEPEST = 20
_REMEMBERED_BODIES = 1024
_LONGEST_REMEMBERED = 8 << 10


def rendered_functions(tools: Sequence[Mapping[str, Any]]) -> str:
    """One `namespace functions` with a `type` for each function; `tools` as in a request, or bare definitions.

    The form was inferred by users of the API and is not documented by OpenAI; the token counts of the text agree
    with billed ones on small definitions. Keywords that the form does not show (formats, ranges) are left out.
    """
    lines = ["namespace functions {", ""]
    for tool in tools:
        function = tool.get("function")
        lines.extend(_function(function if isinstance(function, dict) else tool))
    return "\n".join([*lines, "} // namespace functions"])


def _function(function: Mapping[str, Any]) -> Iterator[str]:
    yield from _comment(function, "")
    body = _body(function.get("parameters"))
    arguments = f"_: {{\n{body}\n}}" if body else ""
    yield f"type {function.get('name')} = ({arguments}) => any;"
    yield ""


def _body(parameters: Any) -> str:
    """The members of the one object that the function takes; "" where it takes nothing."""
    if not isinstance(parameters, dict) or not _properties(parameters):
        return ""
    try:
        text = orjson.dumps(parameters)
    except TypeError:  # nested more deeply than orjson writes, or halves of surrogate pairs
        return _rendered_body(parameters)
    return _remembered_body(text) if len(text) <= _LONGEST_REMEMBERED else _rendered_body(parameters)


# The same function stands on many lines of a file, in lists that need not be the same.
@lru_cache(maxsize=_REMEMBERED_BODIES)
def _remembered_body(text: bytes) -> str:
    return _rendered_body(orjson.loads(text))


def _rendered_body(parameters: Mapping[str, Any]) -> str:
    return "\n".join(_members(parameters, _properties(parameters), 0))


def _members(schema: Mapping[str, Any], properties: Mapping[str, Any], depth: int) -> Iterator[str]:
    required = schema.get("required")
    wanted = required if isinstance(required, list) else []
    # Two blanks for each level below the first, which stands at the margin.
    indent = "  " * depth
    for name, inner in properties.items():
        yield from _comment(inner, indent)
        yield f"{indent}{name}{'' if name in wanted else '?'}: {_type(inner, depth)},"


def _type(schema: Any, depth: int) -> str:
    if not isinstance(schema, dict) or depth > _DEEPEST:
        return "any"
    choices = schema.get("enum")
    if isinstance(choices, list) and choices:
        return " | ".join(json.dumps(choice, ensure_ascii=False) for choice in choices)
    alternatives = schema.get("anyOf", schema.get("oneOf"))
    if isinstance(alternatives, list) and alternatives:
        return " | ".join(_type(alternative, depth + 1) for alternative in alternatives)
    kind = schema.get("type")
    if isinstance(kind, list):
        return " | ".join(_named(schema, str(name), depth) for name in kind)
    return _named(schema, str(kind), depth)


def _named(schema: Mapping[str, Any], kind: str, depth: int) -> str:
    if kind == "object":
        properties = _properties(schema)
        if not properties:
            return "object"
        return "\n".join(["{", *_members(schema, properties, depth + 1), "  " * depth + "}"])
    if kind == "array":
        return f"{_type(schema['items'], depth)}[]" if "items" in schema else "any[]"
    return {"string": "string", "integer": "number", "number": "number", "boolean": "boolean", "null": "null"}.get(
        kind, "any"
    )


def _properties(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    properties = schema.get("properties")
    return properties if isinstance(properties, dict) else {}


def _comment(schema: Any, indent: str) -> Iterator[str]:
    description = schema.get("description") if isinstance(schema, dict) else None
    if isinstance(description, str) and description:
        yield f"{indent}// {description}"
