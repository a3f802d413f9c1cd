"""How much work a JSON Schema can cause, estimated before a validator runs it.

A few lines can hold a schema that takes hours: `allOf` of twice the same `$ref`, 27 levels deep, is 2^27 schemas.
The count here follows every reference and visits every part once for each level of nesting in the arguments.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeGuard
from urllib.parse import unquote

MOST_WORK = 100_000
"""Schemas that may apply to one path through the arguments; real tools need fewer than a hundred."""
_MOST_STEPS = 200_000
_MOST_LEVELS = 64
_WITH_SAME_VALUE = ("allOf", "anyOf", "oneOf", "if", "then", "else", "not", "dependentSchemas", "dependencies")
_WITH_ITEMS = ("items", "additionalItems", "contains", "unevaluatedItems")
_WITH_PROPERTIES = ("additionalProperties", "unevaluatedProperties", "patternProperties", "propertyNames")
_BY_NAME = ("dependentSchemas", "dependencies", "patternProperties")
_REFERENCES = ("$ref", "$dynamicRef", "$recursiveRef")
_ANY_NAME, _ANY_ITEM = ("name",), ("item",)

Key = str | int | tuple[str]
"""What leads into a value: a property's name, an item's index from 0, or any of them."""
Inner = Counter[tuple[Key, int]]
"""How often each part applies to what is inside a value, by the key that leads there."""


@dataclass
class _Part:
    """One schema inside the whole: the schemas that apply to the same value, and those that apply to what is inside
    it, by the key that leads there."""

    same: list[int] = field(default_factory=list)
    inner: list[tuple[Key, int]] = field(default_factory=list)
    spared: list[tuple[Key, int]] = field(default_factory=list)
    """Of `inner`, what is for any other key than this one."""


def is_too_much(schema: Mapping[str, Any]) -> bool:
    """Whether validating arguments with the schema may take more than MOST_WORK steps."""
    parts = _parts_of(schema)
    if len(parts) > _MOST_STEPS:
        return True
    order = _inside_out(parts)
    if order is None:
        return True  # a schema that refers to itself without going further into the value never ends
    own = _counts(parts, order)
    if max(own) > MOST_WORK:
        return True
    inner = _insides(parts, order)
    return _grows(own, inner, max(2, min(_MOST_LEVELS, _MOST_STEPS // max(1, sum(map(len, inner))))))


def _grows(own: list[int], inner: list[Inner], levels: int) -> bool:
    work = own
    for _ in range(levels):
        further = [own[index] + _deepest(inner[index], work) for index in range(len(own))]
        if max(further) > MOST_WORK:
            return True
        if further == work:
            return False
        work = further
    return False


def _deepest(inner: Inner, work: list[int]) -> int:
    """The work along the most expensive key or item, plus that of the schemas that apply to all of them."""
    by_key: Counter[Key] = Counter()
    for (key, index), times in inner.items():
        by_key[key] += times * work[index]
    anyway = {_ANY_NAME: by_key.pop(_ANY_NAME, 0), _ANY_ITEM: by_key.pop(_ANY_ITEM, 0)}
    found = [anyway[_ANY_ITEM if isinstance(key, int) else _ANY_NAME] + times for key, times in by_key.items()]
    return max(*anyway.values(), *found)


def _counts(parts: list[_Part], order: list[int]) -> list[int]:
    """For each part, how many schemas apply to the same value; at most MOST_WORK + 1."""
    own = [1] * len(parts)
    for index in order:
        own[index] = min(1 + sum(own[other] for other in parts[index].same), MOST_WORK + 1)
    return own


def _insides(parts: list[_Part], order: list[int]) -> list[Inner]:
    """For each part, how often each schema applies to what is inside a value."""
    inner: list[Inner] = [Counter(part.inner) for part in parts]
    for index in order:
        for place in parts[index].spared:
            inner[index][place] -= 1
        for other in parts[index].same:
            for place, times in inner[other].items():
                inner[index][place] += times
    return inner


def _inside_out(parts: list[_Part]) -> list[int] | None:
    """The parts, each after those that apply to the same value; None where they form a cycle."""
    waiting = [len(part.same) for part in parts]
    above: list[list[int]] = [[] for _ in parts]
    for index, part in enumerate(parts):
        for other in part.same:
            above[other].append(index)
    order = [index for index, left in enumerate(waiting) if not left]
    for index in order:
        for other in above[index]:
            waiting[other] -= 1
            if not waiting[other]:
                order.append(other)
    return order if len(order) == len(parts) else None


# --- Finding the parts, and what they refer to -----------------------------------------------------------------


def _parts_of(schema: Mapping[str, Any]) -> list[_Part]:
    found: dict[int, int] = {id(schema): 0}
    nodes: list[Mapping[str, Any]] = [schema]
    parts: list[_Part] = []
    names = dict(_names(schema))

    def index_of(node: Mapping[str, Any]) -> int:
        if id(node) not in found:
            found[id(node)] = len(nodes)
            nodes.append(node)
        return found[id(node)]

    for node in nodes:  # which grows meanwhile
        part = _Part()
        parts.append(part)
        for key, value in node.items():
            if key in _REFERENCES and isinstance(value, str):
                target = _referred(schema, names, value)
                part.same += [index_of(target)] if target is not None else []
            elif key in _WITH_SAME_VALUE:
                part.same += [index_of(inside) for inside in _schemas(value, key in _BY_NAME)]
            elif key in ("prefixItems", "items") and isinstance(value, list):
                part.inner += [
                    (number, index_of(inside)) for number, inside in enumerate(value) if _is_schema(inside)
                ]
            elif key in _WITH_ITEMS:
                part.inner += [(_ANY_ITEM, index_of(inside)) for inside in _schemas(value, False)]
            elif key in _WITH_PROPERTIES:
                part.inner += [(_ANY_NAME, index_of(inside)) for inside in _schemas(value, key in _BY_NAME)]
            elif key == "properties" and isinstance(value, dict):
                part.inner += [(name, index_of(inside)) for name, inside in value.items() if _is_schema(inside)]
        if _is_schema(others := node.get("additionalProperties")) and isinstance(
            named := node.get("properties"), dict
        ):
            part.spared = [(name, index_of(others)) for name in named]
    return parts


def _schemas(value: Any, is_by_name: bool) -> Iterator[Mapping[str, Any]]:
    if is_by_name and isinstance(value, dict):
        value = list(value.values())
    for inside in value if isinstance(value, list) else [value]:
        if isinstance(inside, dict):
            yield inside


def _is_schema(value: Any) -> TypeGuard[Mapping[str, Any]]:
    return isinstance(value, dict)


def _names(schema: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """What references may name beside paths: identifiers and anchors."""
    stack: list[Any] = [schema]
    while stack:
        value = stack.pop()
        if isinstance(value, dict):
            for key in ("$id", "$anchor", "$dynamicAnchor"):
                if isinstance(name := value.get(key), str):
                    yield (name if key == "$id" else f"#{name}"), value
            stack += value.values()
        elif isinstance(value, list):
            stack += value


def _referred(
    schema: Mapping[str, Any], names: Mapping[str, Mapping[str, Any]], text: str
) -> Mapping[str, Any] | None:
    """What the reference means; the whole schema where that can't be told, and None for a draft's own schema."""
    if text.startswith(("http://json-schema.org/", "https://json-schema.org/")):
        return None
    if text in names:
        return names[text]
    base, _, pointer = text.partition("#")
    value: Any = names.get(base, schema) if base else schema
    for escaped in unquote(pointer).split("/")[1:]:
        part = escaped.replace("~1", "/").replace("~0", "~")
        if isinstance(value, list) and part.isdecimal() and int(part) < len(value):
            value = value[int(part)]
        else:
            value = value.get(part) if isinstance(value, dict) else None
    return value if isinstance(value, dict) else schema if value is None else None
