"""Schemas of an OpenAPI document as JSON Schema without references, except to schemas that contain themselves."""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import chain, count
from typing import Any
from urllib.parse import unquote

from orchestrator.dataset.findings import named_type, shown

Schema = dict[str, Any]

MOST_INLINED = 500
DEEPEST_INLINED = 16
"""The most references of one operation that are inlined, and their levels; with more, all are kept."""

MOST_KEPT = 100
"""The most schemas under the `$defs` of one operation: about as many as fit in a request."""

_MAPS = ("properties", "patternProperties", "$defs", "definitions", "dependentSchemas")
_LISTS = ("allOf", "anyOf", "oneOf", "prefixItems")
_SINGLE = (
    *("items", "additionalProperties", "unevaluatedProperties", "unevaluatedItems", "contains", "propertyNames"),
    *("not", "if", "then", "else"),
)
_LEFT_OUT = ("discriminator", "xml", "externalDocs", "example", "nullable", "readOnly", "writeOnly", "$ref")
_WORDS = ("title", "description", "default", "examples", "deprecated", "$comment")
_JOINABLE = frozenset(
    (
        *("type", "properties", "required", "enum", "const", "format", "pattern", "minLength", "maxLength"),
        *("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"),
        *("items", "minItems", "maxItems", "uniqueItems", "anyOf", "oneOf", *_WORDS),
    )
)
"""Keywords with the same meaning in one schema as in two that both apply."""


class Unusable(Exception):
    """A part of the document can't be used; `fix` gives the next step."""

    def __init__(self, problem: str, fix: str) -> None:
        self.problem = problem
        self.fix = fix
        super().__init__(problem)


class TooManyReferences(Exception):
    """Inlined, the references would give more schemas than MOST_INLINED, or deeper ones."""


def target_of(document: Mapping[str, Any], node: Any) -> Any:
    """The target of `node` if it is a reference within the document, else `node`. Raises Unusable."""
    seen: list[str] = []
    while isinstance(node, dict) and isinstance(reference := node.get("$ref"), str):
        if reference in seen:
            raise Unusable(f"the reference {shown(reference)} points back to itself", "Define its target")
        seen.append(reference)
        node = _at(document, reference)
    return node


def _at(document: Mapping[str, Any], reference: str) -> Any:
    if reference != "#" and not reference.startswith("#/"):
        fix = "Bundle the document into one file first; tools such as redocly bundle do it"
        raise Unusable(f"the reference {shown(reference)} points outside the document, and nothing is fetched", fix)
    value: Any = document
    for token in reference.split("/")[1:]:
        key = unquote(token).replace("~1", "/").replace("~0", "~")
        if isinstance(value, list) and key.isdecimal() and int(key) < len(value):
            value = value[int(key)]
        elif isinstance(value, dict) and key in value:
            value = value[key]
        else:
            raise Unusable(f"a reference names {shown(reference)}, which does not exist", "Define it there")
    return value


class Schemas:
    """Writes the schemas of one operation. With `keep_all` every reference is kept."""

    def __init__(self, document: Mapping[str, Any], *, keep_all: bool = False) -> None:
        self._document = document
        self._keep_all = keep_all
        self._inlined = 0
        self._names: dict[str, str] = {}
        """Names under `$defs`, by reference."""

    def written(self, schema: Any, above: tuple[str, ...] = ()) -> Any:
        """The schema as JSON Schema; `above` are the references that contain it.

        Raises Unusable, and TooManyReferences.
        """
        if isinstance(schema, bool):
            return schema
        if not isinstance(schema, dict):
            raise Unusable(f"a schema is {named_type(schema)}", "Write an object")
        plain = _flat(self._inner(_as_json_schema(schema), above))
        if isinstance(schema.get("$ref"), str):
            plain = self._referred(schema["$ref"], plain, above)
        return _with_null(plain) if True in (schema.get("nullable"), schema.get("x-nullable")) else plain

    def definitions(self) -> Schema:
        """The targets of the kept references, for `$defs`. Raises Unusable if there are too many."""
        found: Schema = {}
        while left := [reference for reference, name in self._names.items() if name not in found]:
            for reference in left:
                target = target_of(self._document, {"$ref": reference})
                found[self._names[reference]] = self.written(target, (reference,))
        return found

    def _inner(self, schema: Schema, above: tuple[str, ...]) -> Schema:
        plain: Schema = {}
        for key, value in self._without_read_only(schema).items():
            if key in _MAPS and isinstance(value, dict):
                plain[key] = {name: self.written(inner, above) for name, inner in value.items()}
            elif key in _LISTS and isinstance(value, list):
                plain[key] = [self.written(inner, above) for inner in value]
            elif key in _SINGLE and isinstance(value, dict):
                plain[key] = self.written(value, above)
            elif key not in _LEFT_OUT and not key.startswith("x-"):
                plain[key] = value
        return plain

    def _without_read_only(self, schema: Schema) -> Schema:
        """OpenAPI: read-only properties are not sent in a request, and are required in answers only."""
        properties, required = schema.get("properties"), schema.get("required")
        if not isinstance(properties, dict):
            return schema
        left_out = [name for name, inner in properties.items() if self._is_read_only(inner)]
        if not left_out:
            return schema
        kept = {name: inner for name, inner in properties.items() if name not in left_out}
        if not isinstance(required, list):
            return {**schema, "properties": kept}
        return {**schema, "properties": kept, "required": [name for name in required if name not in left_out]}

    def _is_read_only(self, schema: Any) -> bool:
        target = target_of(self._document, schema)
        return any(isinstance(each, dict) and each.get("readOnly") is True for each in (schema, target))

    def _referred(self, reference: str, beside: Schema, above: tuple[str, ...]) -> Schema:
        if reference in above or self._keep_all:
            found: Any = {"$ref": f"#/$defs/{self._name(reference)}"}
        else:
            self._inlined += 1
            if self._inlined > MOST_INLINED or len(above) > DEEPEST_INLINED:
                raise TooManyReferences
            found = self.written(_at(self._document, reference), (*above, reference))
        if not isinstance(found, dict):
            return {"allOf": [found], **beside} if beside or found is False else {}
        if beside.keys() <= set(_WORDS):  # these fit better than the type's own
            return {**found, **beside}
        return _flat({**beside, "allOf": [found, *beside.get("allOf", ())]})

    def _name(self, reference: str) -> str:
        if reference not in self._names:
            target_of(self._document, {"$ref": reference})
            last = re.sub(r"[^a-zA-Z0-9_.-]+", "_", unquote(reference.rpartition("/")[2])) or "root"
            free = (name for name in chain([last], (f"{last}-{number}" for number in count(2))))
            self._names[reference] = next(name for name in free if name not in self._names.values())
            if len(self._names) > MOST_KEPT:
                problem = f"its schemas refer to more than {MOST_KEPT} others, too many for a request"
                raise Unusable(problem, "Use a smaller schema, or leave it out")
        return self._names[reference]


def _as_json_schema(schema: Schema) -> Schema:
    """Keywords of OpenAPI 3.0 that have another name in JSON Schema."""
    found = dict(schema)
    if isinstance(found.get("examples"), dict):
        found["examples"] = list(found["examples"].values())
    if "example" in found:
        found.setdefault("examples", [found["example"]])
    for strict, bound in (("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")):
        if isinstance(found.get(strict), bool):
            is_strict = found.pop(strict)
            if is_strict and bound in found:
                found[strict] = found.pop(bound)
    return found


def _with_null(schema: Schema) -> Schema:
    kind, choices = schema.get("type"), schema.get("enum")
    if isinstance(kind, str | list):
        kinds = [kind] if isinstance(kind, str) else kind
        nullable = {**schema, "type": [*kinds, *(() if "null" in kinds else ("null",))]}
        more = {"enum": [*choices, None]} if isinstance(choices, list) and None not in choices else {}
        return nullable | more
    said = {key: value for key, value in schema.items() if key in _WORDS}
    rest = {key: value for key, value in schema.items() if key not in _WORDS}
    return {**said, "anyOf": [rest, {"type": "null"}]} if rest else said


def _flat(schema: Schema) -> Schema:
    """The schema with the parts of its `allOf` merged, if the meaning stays the same."""
    parts = schema.get("allOf")
    if not isinstance(parts, list) or not parts:
        return schema
    joined = {key: value for key, value in schema.items() if key != "allOf"}
    for part in parts:
        both = _joined(joined, part) if isinstance(part, dict) else None
        if both is None:
            return schema
        joined = both
    return joined


def _joined(one: Schema, other: Schema) -> Schema | None:
    """One schema for values that fit both; None if it takes two. Keywords of `one` override those of `other`."""
    if one.keys() <= set(_WORDS) or other.keys() <= set(_WORDS):
        return {**other, **one}
    if not {*one, *other} <= _JOINABLE:
        return None
    found = dict(one)
    for key, value in other.items():
        known: Any = found.setdefault(key, value)
        if known == value or key in _WORDS:
            continue
        if key == "required" and isinstance(known, list) and isinstance(value, list):
            found[key] = list(dict.fromkeys([*known, *value]))
        elif key == "properties" and all(known[name] == value[name] for name in known.keys() & value.keys()):
            found[key] = known | value
        else:
            return None
    return found
