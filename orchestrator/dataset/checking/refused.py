"""What services refuse in a tool definition that is sound JSON Schema."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from orchestrator.dataset.findings import Notes, Pointer, shown

LONGEST_DESCRIPTION = 1024
"""Characters of a function's description. OpenAI: "string too long. Expected a string with maximum length 1024"."""

_MOST_TYPES = 12
OTHER_TYPES: Mapping[str, str] = {
    "str": "string",
    "text": "string",
    "int": "integer",
    "long": "integer",
    "float": "number",
    "double": "number",
    "bool": "boolean",
    "dict": "object",
    "mapping": "object",
    "hashmap": "object",
    "list": "array",
    "sequence": "array",
    "arraylist": "array",
    "tuple": "array",
    "set": "array",
    "none": "null",
    "nonetype": "null",
}
"""Names that Python, Java and Gemini have for the types of JSON Schema, in lower case."""
_TYPES = ("object", "string", "integer", "number", "boolean", "array", "null")
_MEANT = {**OTHER_TYPES, **dict(zip(_TYPES, _TYPES, strict=True)), "any": "no type"}
_MEANT |= dict.fromkeys(("optional", "union", "literal"), "another schema")
_SUBSCHEMAS = ("items", "additionalProperties", "not", "if", "then", "else", "contains")
_LISTS = ("anyOf", "oneOf", "allOf", "prefixItems")
_MAPS = ("properties", "$defs", "definitions", "patternProperties")


_PLAIN_KEYS = frozenset(
    (
        *("type", "description", "properties", "required", "items", "enum", "title", "default", "format"),
        *("minimum", "maximum", "additionalProperties"),
    )
)
_PLAIN_DEPTH = 20
_LEAF_KEYS = frozenset(("type", "description", "enum", "title", "default", "format", "minimum", "maximum"))
_LEAF_TYPES = ("string", "integer", "number", "boolean")


Problem = tuple[Pointer, str]
"""The path to a schema inside of the parameters, and what is wrong with it."""


def check_definition_for_services(
    definition: Mapping[str, Any], refused: Sequence[Problem], where: Pointer, notes: Notes
) -> None:
    """Tally what a service refuses of a definition whose parameters are a sound JSON Schema, or left out.

    `refused` are the `refused_of` its parameters.
    """
    description = definition.get("description")
    if isinstance(description, str) and len(description) > LONGEST_DESCRIPTION:
        length, limit = f"{len(description):,}", f"{LONGEST_DESCRIPTION:,}"
        name = shown(definition.get("name"))
        notes.tally("FT335", name, (*where, "description"), name=name, length=length, limit=limit)
    _tally_problems("FT333", definition, refused, where, notes)
    parameters = definition.get("parameters")
    if definition.get("strict") is True and isinstance(parameters, dict):
        _tally_problems("FT334", definition, _problems(parameters, _not_strict), where, notes)


def refused_of(parameters: Mapping[str, Any]) -> tuple[Problem, ...]:
    """What services refuse of parameters that are a sound JSON Schema."""
    outermost: tuple[Problem, ...] = ()
    if not parameters:
        outermost = (((), 'it is empty, but must have "type": "object" and "properties"'),)
    elif "properties" not in parameters and "$ref" not in parameters:
        outermost = (((), 'an object needs "properties"'),)
    return outermost if _is_plain(parameters, 0) else (*outermost, *_problems(parameters, _refused))


def _is_plain(schema: Mapping[str, Any], depth: int) -> bool:
    """True where a quick look shows that nothing of the schema is refused; False where it takes a closer one."""
    properties, items, kind = schema.get("properties"), schema.get("items"), schema.get("type")
    if depth > _PLAIN_DEPTH or not _PLAIN_KEYS.issuperset(schema) or isinstance(kind, list):
        return False
    if isinstance(schema.get("additionalProperties"), dict) or schema.get("enum") == []:
        return False
    if kind == "array" and items is None:
        return False
    if properties is not None:
        if not isinstance(properties, dict) or not all(name in properties for name in schema.get("required") or ()):
            return False
        for inner in properties.values():
            if not isinstance(inner, dict) or not (_is_leaf(inner) or _is_plain(inner, depth + 1)):
                return False
    return items is None or (isinstance(items, dict) and _is_plain(items, depth + 1))


def _is_leaf(schema: Mapping[str, Any]) -> bool:
    """True for a plain schema with none inside, as most parameters have."""
    return _LEAF_KEYS.issuperset(schema) and schema.get("type") in _LEAF_TYPES and schema.get("enum") != []


def _problems(
    parameters: Mapping[str, Any], find: Callable[[Mapping[str, Any]], Iterator[str]]
) -> tuple[Problem, ...]:
    return tuple((path, problem) for path, schema in _schemas(parameters) for problem in find(schema))


def _tally_problems(
    code: str, definition: Mapping[str, Any], problems: Sequence[Problem], where: Pointer, notes: Notes
) -> None:
    for path, problem in problems:
        name, within = shown(definition.get("name")), ".".join(map(str, ("parameters", *path)))
        place = (*where, "parameters", *path)
        notes.tally(code, f"{name} {within} {problem}", place, name=name, within=within, problem=problem)


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
    """What to write for a name that Python or Gemini's API has for a type; None for any other name."""
    start = re.match(r"[a-z]+", name.lower())
    return _MEANT.get(start.group()) if start and name not in _TYPES else None


def is_convertible(parameters: Any) -> bool:
    """True where `convert` writes parameters as JSON Schema: types of Python, names mapped to schemas, a list."""
    if isinstance(parameters, list):
        return bool(parameters) and all(isinstance(each, dict) and "name" in each for each in parameters)
    if not isinstance(parameters, dict):
        return False
    is_bare = "properties" not in parameters and all(isinstance(each, dict) for each in parameters.values())
    return is_bare or foreign_types(parameters) is not None


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


def _refused(schema: Mapping[str, Any]) -> Iterator[str]:
    # As the API says it: "array schema missing items".
    if "items" not in schema and _has_type(schema, "array"):
        yield 'an array needs "items"'
    if schema.get("enum") == []:
        yield "the enum has no value"
    required = schema.get("required")
    properties = schema.get("properties")
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
