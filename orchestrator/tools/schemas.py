"""The JSON Schema of Python types, as plain as definitions in training data: no titles, nothing by reference."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import TypeAdapter

Schema = dict[str, Any]

_DEFS = "#/$defs/"
_LITERALS = ("enum", "const", "default", "examples", "required")
_SCHEMA_MAPS = ("properties", "$defs", "patternProperties", "dependentSchemas")
_LEFT_OUT = ("title", "discriminator")
"""Pydantic makes titles of names, which says nothing new; the other one only speaks about references."""


class _Recursive(Exception):
    """A type contains itself, so it can't be written without references."""


def plain_schemas(adapters: Mapping[str, TypeAdapter[Any]]) -> tuple[dict[str, Schema], Schema]:
    """The schema of each type, and the definitions that they refer to: none, but for types that contain themselves.

    Raises PydanticInvalidForJsonSchema for a type that JSON has nothing for.
    """
    found, shared = TypeAdapter.json_schemas([(name, "validation", each) for name, each in adapters.items()])
    schemas = {name: found[name, "validation"] for name in adapters}
    definitions = shared.get("$defs", {})
    try:
        return {name: _plain(schema, definitions, ()) for name, schema in schemas.items()}, {}
    except _Recursive:
        kept = {name: _plain(schema, None, ()) for name, schema in definitions.items()}
        return {name: _plain(schema, None, ()) for name, schema in schemas.items()}, kept


def without_null(schema: Schema) -> Schema:
    """The schema of an optional argument that is better left out than sent as null."""
    choices = schema.get("anyOf")
    if not isinstance(choices, list) or {"type": "null"} not in choices:
        return schema
    rest = {key: value for key, value in schema.items() if key != "anyOf"}
    left = [choice for choice in choices if choice != {"type": "null"}]
    return {**left[0], **rest} if len(left) == 1 else {"anyOf": left, **rest}


def _plain(schema: Any, definitions: Mapping[str, Any] | None, above: tuple[str, ...]) -> Any:
    """The schema with its references resolved, where `definitions` are given; `above` are those it stands in."""
    if isinstance(schema, list):
        return [_plain(entry, definitions, above) for entry in schema]
    if not isinstance(schema, dict):
        return schema
    plain = {}
    for key, value in schema.items():
        if key in _LITERALS:
            plain[key] = value
        elif key in _SCHEMA_MAPS and isinstance(value, dict):
            plain[key] = {name: _plain(inner, definitions, above) for name, inner in value.items()}
        elif key not in _LEFT_OUT:
            plain[key] = _plain(value, definitions, above)
    if definitions is None or "$ref" not in plain:
        return plain
    return _resolved(plain, definitions, above)


def _resolved(schema: Schema, definitions: Mapping[str, Any], above: tuple[str, ...]) -> Schema:
    name = schema.pop("$ref").removeprefix(_DEFS)
    if name in above:
        raise _Recursive
    # What stands beside a reference, such as the parameter's own description, says it better than the type.
    return {**_plain(definitions[name], definitions, (*above, name)), **schema}
