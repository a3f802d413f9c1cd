"""A schema without `$ref` and `allOf`: the constraints of one value in one piece.

Only references into the same definition are followed (`#/$defs/…`, `#/definitions/…`, `#`), each at most
MOST_DEPTH times on the way to one value. Nothing is ever fetched.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple
from urllib.parse import unquote

import orjson

MOST_DEPTH = 2
"""How often one `$ref` is followed on the way to one value: enough for a tree with branches and leaves."""

_FIRST_OF_BOTH = ("title", "description", "format", "default", "examples", "$comment")
_LARGER = ("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties", "minContains")
_SMALLER = ("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties", "maxContains")
_TAKEN_APART = ("$ref", "allOf", "anyOf", "oneOf")


class TooDeep(Exception):
    """A reference leads back to itself more often than it is followed."""


class Impossible(Exception):
    """No value fits; `keyword` names the part of the schema that rules it out, `problem` the reason."""

    def __init__(self, keyword: str, problem: str) -> None:
        self.keyword = keyword
        self.problem = problem
        super().__init__(problem)


class Union(NamedTuple):
    """An `anyOf` or `oneOf`."""

    keyword: str
    branches: tuple[Any, ...]


@dataclass(frozen=True)
class Flat:
    """The constraints of one value."""

    keywords: Mapping[str, Any]
    """Without `$ref`, `allOf`, `anyOf` and `oneOf`."""
    unions: tuple[Union, ...] = ()
    trail: tuple[str, ...] = ()
    """The references followed from the root."""
    loose: frozenset[str] = frozenset()
    """Keywords that were not merged exactly: a value may fit `keywords` and still break the schema."""


class Resolver:
    """Flattens the parts of one schema."""

    def __init__(self, root: Mapping[str, Any]) -> None:
        self.root = root
        self._recursive: dict[str, bool] = {}

    def flat(self, schema: Any, trail: tuple[str, ...] = ()) -> Flat:
        """`schema`, the part of the root at the end of `trail`. Raises TooDeep and Impossible."""
        if schema is True:
            return Flat({}, trail=trail)
        if schema is False:
            raise Impossible("false", "the schema is false")
        unions = tuple(Union(name, tuple(schema[name])) for name in ("anyOf", "oneOf") if name in schema)
        found = Flat({name: value for name, value in schema.items() if name not in _TAKEN_APART}, unions, trail)
        if "$ref" in schema:
            found = _both(found, self._followed(schema["$ref"], trail))
        for part in schema.get("allOf", ()):
            found = _both(found, self.flat(part, found.trail))
        return found

    def _followed(self, reference: str, trail: tuple[str, ...]) -> Flat:
        if trail.count(reference) >= MOST_DEPTH:
            raise TooDeep(reference)
        target = _target(self.root, reference)
        return self.flat(target, (*trail, reference) if self._is_recursive(reference) else trail)

    def _is_recursive(self, reference: str) -> bool:
        """Whether its target contains it again."""
        if reference not in self._recursive:
            self._recursive[reference] = reference in self._reached_from(reference)
        return self._recursive[reference]

    def _reached_from(self, reference: str) -> set[str]:
        reached: set[str] = set()
        waiting = [reference]
        while waiting:
            try:
                found = _references(_target(self.root, waiting.pop()))
            except Impossible:
                continue
            waiting += found - reached
            reached |= found
        return reached


def _references(schema: Any) -> set[str]:
    found: set[str] = set()
    waiting = [schema]
    while waiting:
        part = waiting.pop()
        if isinstance(part, dict):
            if isinstance(part.get("$ref"), str):
                found.add(part["$ref"])
            waiting += part.values()
        elif isinstance(part, list):
            waiting += part
    return found


def _target(root: Any, reference: str) -> Any:
    if not reference.startswith("#"):
        raise Impossible("$ref", f"the reference {reference} points outside the definition")
    if reference != "#" and not reference.startswith("#/"):
        raise Impossible("$ref", f"the reference {reference} is not a JSON Pointer")
    try:
        for part in unquote(reference[1:]).split("/")[1:]:
            key = part.replace("~1", "/").replace("~0", "~")
            root = root[int(key)] if isinstance(root, list) else root[key]
    except (KeyError, IndexError, ValueError, TypeError):
        raise Impossible("$ref", f"the reference {reference} points to nothing in it") from None
    return root


def _both(one: Flat, other: Flat) -> Flat:
    """The constraints of both."""
    merged, loose = dict(one.keywords), set(one.loose | other.loose)
    for name, value in other.keywords.items():
        if name not in merged:
            merged[name] = value
        elif merged[name] != value or type(merged[name]) is not type(value):
            merged[name] = _merged(name, merged[name], value, loose)
    if _closes(one, other) or _closes(other, one):
        loose.add("additionalProperties")  # it sees only the properties beside it
    return Flat(merged, one.unions + other.unions, max(one.trail, other.trail, key=len), frozenset(loose))


def _closes(one: Flat, other: Flat) -> bool:
    """Whether either forbids properties that the other declares."""
    others = one.keywords.get("additionalProperties", True)
    declared = other.keywords.get("properties", {}).keys() - one.keywords.get("properties", {}).keys()
    return others is not True and bool(declared)


def _merged(name: str, one: Any, other: Any, loose: set[str]) -> Any:
    if name in _FIRST_OF_BOTH:
        return one
    if name in _LARGER:
        return max(one, other)
    if name in _SMALLER:
        return min(one, other)
    if name in _RULES:
        return _RULES[name](one, other)
    if name == "multipleOf" and isinstance(one, int) and isinstance(other, int):
        return math.lcm(one, other)
    loose.add(name)
    return one


def _types(one: Any, other: Any) -> list[str]:
    ours, theirs = types_of(one), types_of(other)
    shared = [name for name in ours if name in theirs or (name == "integer" and "number" in theirs)]
    shared += [name for name in theirs if name == "integer" and name not in ours and "number" in ours]
    if not shared:
        raise Impossible("type", f"no value is both {' or '.join(ours)} and {' or '.join(theirs)}")
    return shared


def types_of(value: Any) -> list[str]:
    """The types that the keyword `type` names."""
    return [value] if isinstance(value, str) else list(value)


def _properties(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _all_of(one, other, name) for name in (*one, *(name for name in other if name not in one))}


def _all_of(one: Mapping[str, Any], other: Mapping[str, Any], name: str) -> Any:
    if name in one and name in other:
        return {"allOf": [one[name], other[name]]}
    return one[name] if name in one else other[name]


def _enum(one: list[Any], other: list[Any]) -> list[Any]:
    theirs = {as_json(value) for value in other}
    return [value for value in one if as_json(value) in theirs]


def _const(one: Any, other: Any) -> Any:
    if as_json(one) != as_json(other):
        raise Impossible("const", "it must be two different values at once")
    return one


def as_json(value: Any) -> str:
    """The value as JSON text, the same for equal values."""
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()


_RULES: Mapping[str, Any] = {
    "type": _types,
    "properties": _properties,
    "required": lambda one, other: list(dict.fromkeys((*one, *other))),
    "enum": _enum,
    "const": _const,
    "items": lambda one, other: {"allOf": [one, other]},
    "additionalProperties": lambda one, other: {"allOf": [one, other]},
    "uniqueItems": lambda one, other: one or other,
}
