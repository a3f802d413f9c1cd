"""Parameter schemas in the types of Python or Gemini, and JSON in a string, as JSON Schema."""

from __future__ import annotations

import ast
from typing import Any, TypeGuard

from orchestrator.dataset.checking.refused import OTHER_TYPES
from orchestrator.dataset.convert.changes import Changes
from orchestrator.dataset.findings import shown
from orchestrator.dataset.jsontext import NotJson, parse_json

Schema = dict[str, Any]

_JSON_TYPES = ("string", "number", "integer", "boolean", "object", "array", "null")
_ANY = ("any", "object | any")
_LISTS = ("list", "sequence", "tuple", "set", "iterable", "array", "arraylist")
_DICTS = ("dict", "mapping", "hashmap")
_NESTED = ("items", "additionalProperties", "not")
_NESTED_LISTS = ("anyOf", "oneOf", "allOf", "prefixItems")
_NESTED_MAPS = ("properties", "$defs", "definitions")


def json_schema_of(parameters: Any, changes: Changes) -> Any:
    """The parameters of a function as JSON Schema; what is JSON Schema already is given back equal.

    A map of names to types, without "properties" around it, becomes an object. A parameter is required there unless
    its type says "optional" or it has a default.
    """
    if isinstance(parameters, str):
        try:
            parameters = parse_json(parameters)
        except NotJson:
            return parameters
        changes.note("parameters in a string decoded")
    if _is_list_of_parameters(parameters):
        changes.note("a list of parameters written as an object")
        parameters = {
            each["name"]: {key: value for key, value in each.items() if key != "name"} for each in parameters
        }
        return _framed(parameters, changes)
    if not isinstance(parameters, dict):
        return parameters
    if _is_bare(parameters):
        return _framed(parameters, changes)
    return _schema(parameters, changes)[0]


def _is_list_of_parameters(parameters: Any) -> TypeGuard[list[Schema]]:
    """As Gorilla's API documentation has them: each with its name inside."""
    if not isinstance(parameters, list) or not parameters:
        return False
    names = [each.get("name") for each in parameters if isinstance(each, dict)]
    return len(names) == len(parameters) == len(set(map(str, names))) and all(
        isinstance(name, str) for name in names
    )


def _is_bare(parameters: Schema) -> bool:
    described = all(
        isinstance(each, dict) and ("type" in each or "description" in each) for each in parameters.values()
    )
    return bool(parameters) and described and not (parameters.keys() & {"properties", "anyOf", "oneOf", "allOf"})


def _framed(parameters: Schema, changes: Changes) -> Schema:
    changes.note("parameters framed as an object")
    properties, required = {}, []
    for name, value in parameters.items():
        properties[name], optional = _schema(value, changes)
        if not optional and "default" not in value and value.get("required") is not False:
            required.append(name)
        if isinstance(value.get("required"), bool):
            del properties[name]["required"]
    return {"type": "object", "properties": properties, **({"required": required} if required else {})}


def _schema(value: Any, changes: Changes) -> tuple[Any, bool]:
    """A schema with JSON types, and whether its type was marked as optional."""
    if not isinstance(value, dict):
        return value, False
    schema, optional = dict(value), False
    for key in _NESTED:
        if isinstance(schema.get(key), dict):
            schema[key] = _schema(schema[key], changes)[0]
    for key in _NESTED_LISTS:
        if isinstance(schema.get(key), list):
            schema[key] = [_schema(each, changes)[0] for each in schema[key]]
    for key in _NESTED_MAPS:
        if isinstance(schema.get(key), dict):
            schema[key] = {name: _schema(each, changes)[0] for name, each in schema[key].items()}
    kind = schema.get("type")
    if isinstance(kind, str) and kind not in _JSON_TYPES:
        schema, optional = _typed(schema, kind, changes)
    return schema, optional


def _typed(schema: Schema, kind: str, changes: Changes) -> tuple[Schema, bool]:
    text, comma, mark = kind.partition(", ")
    optional = bool(comma) and mark.strip().lower() == "optional"
    fragment = _fragment_of_text(text if optional else kind)
    if fragment is None:
        return schema, False
    written = shown(fragment["type"], 24) if "type" in fragment else "another schema" if fragment else "no type"
    changes.note(f"type {shown(kind, 24)} written as {written}")
    rest = {key: value for key, value in schema.items() if key != "type"}
    if "anyOf" in fragment and "anyOf" in rest:
        return schema, False
    return {**fragment, **rest}, optional or text.lower().startswith("optional[")


def _fragment_of_text(text: str) -> Schema | None:
    try:
        return _fragment(ast.parse(text.strip(), mode="eval").body)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _fragment(node: ast.AST) -> Schema | None:
    """The JSON Schema of a Python type; None for one that JSON has no word for."""
    if isinstance(node, ast.Attribute):
        return _fragment(ast.Name(node.attr))
    if isinstance(node, ast.Constant) and node.value is None:
        return {"type": "null"}
    if isinstance(node, ast.Name):
        name = node.id.lower()
        if name in _ANY:
            return {}
        known = name if name in _JSON_TYPES else OTHER_TYPES.get(name)
        return {"type": known} if known else None
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
        return _either([node.left, node.right])
    if isinstance(node, ast.Subscript):
        return _generic(_name(node.value), node.slice)
    return None


def _name(node: ast.AST) -> str:
    found = node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""
    return found.lower()


def _generic(name: str, inside: ast.AST) -> Schema | None:
    members = list(inside.elts) if isinstance(inside, ast.Tuple) else [inside]
    if name == "optional" and len(members) == 1:
        return _fragment(members[0])
    if name == "union":
        return _either(members)
    if name == "literal" and all(isinstance(member, ast.Constant) for member in members):
        return {"enum": [member.value for member in members if isinstance(member, ast.Constant)]}
    if name in _LISTS:
        kinds = [member for member in members if not (isinstance(member, ast.Constant) and member.value is ...)]
        items = _fragment(kinds[0]) if len(kinds) == 1 else _either(kinds)
        return None if items is None else {"type": "array", "items": items}
    if name in _DICTS and len(members) == 2:
        value = _fragment(members[1])
        return None if value is None else {"type": "object", **({"additionalProperties": value} if value else {})}
    return None


def _either(members: list[Any]) -> Schema | None:
    found = [_fragment(member) for member in members]
    if not found or any(each is None for each in found):
        return None
    single = [each for number, each in enumerate(found) if each not in found[:number]]
    return single[0] if len(single) == 1 else {"anyOf": single}
