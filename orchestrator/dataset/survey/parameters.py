"""What a function's definition says of its parameters, as far as examples can be held against it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from orchestrator.dataset.survey.fingerprints import json_text

_DEEPEST = 5


@dataclass(frozen=True)
class Parameter:
    """One parameter. Parameters inside objects have dotted paths, those of array items `[]`, as `stops[].city`."""

    path: str
    required: bool
    choices: tuple[Any, ...]
    """The values of its enum; () where it has none."""
    described: bool

    @property
    def is_outer(self) -> bool:
        """True for a parameter of the function itself, not of an object among its arguments."""
        return "." not in self.path and "[]" not in self.path


def parameters_of(definition: Mapping[str, Any]) -> tuple[Parameter, ...]:
    """The parameters of a function definition, in its order, to five levels of objects and arrays."""
    return tuple(_inside(definition.get("parameters"), "", 0))


def value_key(value: Any) -> str | bytes:
    """A value as a member of a set, in which the text "1" and the number 1 differ; long texts by their start."""
    return value[:64] if isinstance(value, str) else json_text(value)[:64]


def shown_key(key: str | bytes) -> str:
    """A value's key as JSON text."""
    return orjson.dumps(key).decode() if isinstance(key, str) else key.decode("utf-8", "replace")


def _inside(schema: Any, prefix: str, depth: int) -> Iterator[Parameter]:
    if not isinstance(schema, Mapping) or depth >= _DEEPEST:
        return
    properties, required = schema.get("properties"), schema.get("required")
    for name, inner in properties.items() if isinstance(properties, Mapping) else ():
        if not isinstance(inner, Mapping):
            continue
        path, choices = f"{prefix}{name}", inner.get("enum")
        yield Parameter(
            path,
            required=isinstance(required, list) and name in required,
            choices=tuple(choices) if isinstance(choices, list) else (),
            described=bool(inner.get("description")),
        )
        yield from _inside(inner, f"{path}.", depth + 1)
        yield from _items(inner, path, depth)


def _items(schema: Mapping[str, Any], path: str, depth: int) -> Iterator[Parameter]:
    items = schema.get("items")
    if isinstance(items, Mapping):
        choices = items.get("enum")
        if isinstance(choices, list):
            # Items always are there where the array is, and their description stands at the array.
            yield Parameter(f"{path}[]", required=True, choices=tuple(choices), described=True)
        yield from _inside(items, f"{path}[].", depth + 1)
