"""What services refuse in a tool definition that is sound JSON Schema."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from orchestrator.dataset.findings import Notes, Pointer, shown

LONGEST_DESCRIPTION = 1024
"""Characters of a function's description. OpenAI: "string too long. Expected a string with maximum length 1024"."""

_MOST_TYPES = 12
_OTHER_NAMES = {name: name for name in ("object", "string", "integer", "number", "boolean", "array")}
_OTHER_NAMES |= {"dict": "object", "str": "string", "int": "integer", "float": "number", "double": "number"}
_OTHER_NAMES |= {"bool": "boolean", "list": "array", "tuple": "array", "set": "array"}
_SUBSCHEMAS = ("items", "additionalProperties", "not", "if", "then", "else", "contains")
_LISTS = ("anyOf", "oneOf", "allOf", "prefixItems")
_MAPS = ("properties", "$defs", "definitions", "patternProperties")


def check_definition_for_services(definition: Mapping[str, Any], where: Pointer, notes: Notes) -> None:
    """Tally what a service refuses of a definition whose parameters are a sound JSON Schema, or left out."""
    name = shown(definition.get("name"))
    description = definition.get("description")
    if isinstance(description, str) and len(description) > LONGEST_DESCRIPTION:
        notes.tally(
            "FT335",
            name,
            (*where, "description"),
            name=name,
            length=f"{len(description):,}",
            limit=f"{LONGEST_DESCRIPTION:,}",
        )
    parameters = definition.get("parameters")
    if not isinstance(parameters, dict):
        return
    strict = definition.get("strict") is True
    for path, schema in _schemas(parameters):
        place = (*where, "parameters", *path)
        within = ".".join(map(str, ("parameters", *path)))
        for problem in _refused(schema, outermost=not path):
            notes.tally("FT333", f"{name} {within} {problem}", place, name=name, within=within, problem=problem)
        for problem in _not_strict(schema) if strict else ():
            notes.tally("FT334", f"{name} {within} {problem}", place, name=name, within=within, problem=problem)


def foreign_types(parameters: Mapping[str, Any]) -> str | None:
    """A sentence about the types that are Python's or Gemini's, with what to write; None where there are none."""
    found: dict[str, str] = {}
    for _, schema in _schemas(parameters):
        kind = schema.get("type")
        for name in kind if isinstance(kind, list) else [kind]:
            if isinstance(name, str) and (meant := _meant(name)):
                found.setdefault(name, meant)
    if not found:
        return None
    pairs = ", ".join(f"{shown(name)} ({meant})" for name, meant in list(found.items())[:_MOST_TYPES])
    return f"JSON Schema has other names for the type(s) {pairs}"


def _meant(name: str) -> str | None:
    """The type of JSON Schema that `name` stands for in Python or in Gemini's API; None for any other name."""
    start = re.match(r"[a-z]+", name.lower())
    meant = _OTHER_NAMES.get(start.group()) if start else None
    if meant is None or name in _OTHER_NAMES.values():
        return None
    return meant


def _schemas(outermost: Mapping[str, Any]) -> Iterator[tuple[Pointer, Mapping[str, Any]]]:
    """Every schema object with its path, without recursion: the nesting is the file's to choose."""
    left: list[tuple[Pointer, Any]] = [((), outermost)]
    while left:
        path, schema = left.pop()
        if not isinstance(schema, dict):
            continue
        yield path, schema
        inner: list[tuple[Pointer, Any]] = [((*path, key), schema[key]) for key in _SUBSCHEMAS if key in schema]
        for key in _LISTS:
            if isinstance(each := schema.get(key), list):
                inner += [((*path, key, index), part) for index, part in enumerate(each)]
        for key in _MAPS:
            if isinstance(each := schema.get(key), dict):
                inner += [((*path, key, part), each[part]) for part in each]
        left.extend(reversed(inner))


def _refused(schema: Mapping[str, Any], *, outermost: bool) -> Iterator[str]:
    # As the API says it: "array schema missing items", "object schema missing properties".
    if _has_type(schema, "array") and "items" not in schema:
        yield 'an array needs "items"'
    if outermost and not schema:
        yield 'it is empty, but must have "type": "object" and "properties"'
    elif outermost and "properties" not in schema and "$ref" not in schema:
        yield 'an object needs "properties"'
    if schema.get("enum") == []:
        yield "the enum has no value"
    properties, required = schema.get("properties"), schema.get("required")
    if isinstance(properties, dict) and isinstance(required, list):
        missing = [shown(key) for key in required if isinstance(key, str) and key not in properties]
        if missing:
            yield f'"required" names {", ".join(missing[:5])}, which "properties" does not declare'


def _not_strict(schema: Mapping[str, Any]) -> Iterator[str]:
    """OpenAI's guide to structured outputs: all fields must be required, and no others allowed."""
    properties = schema.get("properties")
    if not isinstance(properties, dict) and not _has_type(schema, "object"):
        return
    if schema.get("additionalProperties") is not False:
        yield 'an object needs "additionalProperties": false'
    required = schema.get("required")
    listed = required if isinstance(required, list) else []
    optional = [shown(key) for key in properties or () if key not in listed]
    if optional:
        yield f'"required" must name every property; it lacks {", ".join(optional[:5])}'


def _has_type(schema: Mapping[str, Any], name: str) -> bool:
    kind = schema.get("type")
    return kind == name or (isinstance(kind, list) and name in kind)
