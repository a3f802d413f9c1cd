"""A quick look at a call's arguments, which sees most sound ones without a compiled validator."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_OUTER_KEYS = frozenset(("type", "properties", "required", "title", "description", "additionalProperties"))
_INNER_KEYS = frozenset(("type", "title", "description", "enum", "default"))
_TYPES: Mapping[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
}


def fit_plainly(arguments: Mapping[str, Any], schema: Mapping[str, Any]) -> bool:
    """True where the arguments keep to a sound schema; False where it takes a closer look to tell."""
    properties = schema.get("properties")
    if not isinstance(properties, dict) or not _OUTER_KEYS.issuperset(schema):
        return False
    for name in schema.get("required", ()):
        if name not in arguments:
            return False
    for name, value in arguments.items():
        inner = properties.get(name)
        if not isinstance(inner, dict) or not _INNER_KEYS.issuperset(inner):
            return False
        kind = inner.get("type")
        if not isinstance(kind, str) or type(value) not in _TYPES.get(kind, ()):
            return False
        # Python takes True for 1, which JSON does not.
        if "enum" in inner and not (isinstance(value, str) and value in inner["enum"]):
            return False
    return True
