"""Turn a Python function into a tool: its signature becomes the definition that a model gets."""

from __future__ import annotations

import inspect
import re
import typing
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from inspect import Parameter, Signature
from pathlib import Path
from typing import Any

import orjson
from pydantic import TypeAdapter
from pydantic.errors import PydanticUserError
from pydantic.fields import FieldInfo
from pydantic_core import PydanticSerializationError, to_jsonable_python

from orchestrator.dataset.checking.schemas import InvalidSchema, Parameters, parameters_of
from orchestrator.errors import FunctionUnusable

_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")
"""From OpenAI's reference of function definitions."""
_GATHERING: Mapping[Any, str] = {Parameter.VAR_POSITIONAL: "*", Parameter.VAR_KEYWORD: "**"}


@dataclass(frozen=True)
class Tool:
    """A function that a model may call."""

    name: str
    function: Callable[..., Any] | None
    """None if there is only a definition: its calls are shown, not executed."""
    definition: Mapping[str, Any]
    """The entry under `tools` in a request and in training data, in the variant full."""
    parameters: Parameters
    """The schema that the arguments of a call must fit."""
    signature: Signature
    types: Mapping[str, TypeAdapter[Any]]
    """Converts JSON into the value of each parameter."""

    def may_be_null(self, name: str) -> bool:
        """Whether the default is None, so that null means no argument."""
        return name in self.types and self.signature.parameters[name].default is None


def tool_of(function: Callable[..., Any]) -> Tool:
    """The tool of a function with type hints.

    Each parameter needs a hint that pydantic knows; `Annotated[int, Field(description=…, ge=1)]` and the docstring
    add to it. A parameter with a default is optional. Raises FunctionUnusable.
    """
    name = getattr(function, "__name__", type(function).__name__)
    trouble = partial(FunctionUnusable, place=place_of(function), name=name)
    if not _NAME.fullmatch(name):
        raise trouble(problem="its name is not allowed", fix="Use 1 to 64 letters (a-z), digits, _ or -")
    signature = _signature(function, trouble)
    types = _types(function, signature.parameters.values(), trouble)
    schema = _schema(function, signature, types, trouble)
    definition = {"name": name, "description": description_of(function).text, "parameters": schema}
    kept = {key: value for key, value in definition.items() if value != ""}
    try:
        parameters = parameters_of(orjson.loads(orjson.dumps(schema)))
    except InvalidSchema as error:
        raise trouble(
            problem=f"its parameters are not a JSON Schema: {error.problem}", fix="Correct its annotations"
        ) from None
    return Tool(name, function, {"type": "function", "function": kept}, parameters, signature, types)


def place_of(function: Callable[..., Any]) -> str:
    """File and line of a function; its module if it was not written in Python."""
    inner = inspect.unwrap(function)
    code = getattr(inner, "__code__", None)
    if code is None:
        return str(getattr(inner, "__module__", None) or "(unknown place)")
    path = Path(code.co_filename)
    shown = path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
    return f"{shown}:{code.co_firstlineno}"


Trouble = Callable[..., FunctionUnusable]


def _signature(function: Callable[..., Any], trouble: Trouble) -> Signature:
    try:
        signature = inspect.signature(function)
    except (ValueError, TypeError):
        raise trouble(problem="Python can't read its signature", fix="Wrap it in a function") from None
    for parameter in signature.parameters.values():
        if stars := _GATHERING.get(parameter.kind):
            problem = f"{stars}{parameter.name} has no schema"
            raise trouble(problem=problem, fix="Name each parameter")
        if isinstance(parameter.default, FieldInfo):
            fix = f"Write {parameter.name}: Annotated[…, Field(…)] and a plain default"
            raise trouble(problem=f"the default of {parameter.name} is a Field", fix=fix)
    return signature


def _types(
    function: Callable[..., Any], parameters: Iterable[Parameter], trouble: Trouble
) -> Mapping[str, TypeAdapter[Any]]:
    try:
        hints = typing.get_type_hints(function, include_extras=True)
    except Exception as error:  # a hint may be any expression
        raise trouble(problem=f"its type hints can't be read: {error}", fix="Import what they name") from None
    found = {}
    for parameter in parameters:
        if parameter.name not in hints:
            fix = f"Write {parameter.name}: str, or another type"
            raise trouble(problem=f"the parameter {parameter.name} has no type hint", fix=fix)
        found[parameter.name] = _type(parameter.name, hints[parameter.name], trouble)
    return found


def _type(name: str, hint: Any, trouble: Trouble) -> TypeAdapter[Any]:
    try:
        adapter: TypeAdapter[Any] = TypeAdapter(hint)
        adapter.json_schema()
    except PydanticUserError:
        shown = getattr(hint, "__name__", None) or str(hint)
        problem = f"the parameter {name} takes {shown}, which has no JSON form"
        fix = "Take strings, numbers, lists, enums, dataclasses or pydantic models, and build it inside"
        raise trouble(problem=problem, fix=fix) from None
    return adapter


def _schema(
    function: Callable[..., Any], signature: Signature, types: Mapping[str, TypeAdapter[Any]], trouble: Trouble
) -> Schema:
    properties, definitions = plain_schemas(types)
    said = description_of(function).parameters
    described = {
        name: _property(schema, signature.parameters[name].default, said.get(name, ""))
        for name, schema in properties.items()
    }
    required = [name for name in properties if signature.parameters[name].default is Parameter.empty]
    schema: Schema = {"type": "object", "properties": described}
    return schema | ({"required": required} if required else {}) | ({"$defs": definitions} if definitions else {})


def _property(schema: Schema, default: Any, description: str) -> Schema:
    if default is None:
        schema = without_null(schema)
    elif default is not Parameter.empty:
        with suppress(PydanticSerializationError):
            schema = {**schema, "default": to_jsonable_python(default)}
    return {**schema, "description": description} if description else schema


# --- Docstrings: Google, NumPy, reST, Epydoc ---------------------------------------------------------------------


@dataclass(frozen=True)
class Description:
    """`text` describes the function, or is ""; `parameters` has the described ones."""

    text: str
    parameters: Mapping[str, str]


def description_of(function: Callable[..., Any]) -> Description:
    """The description of a function, without its docstring's sections on results and errors."""
    docstring = inspect.getdoc(function) or ""
    if not docstring:
        return Description("", {})
    from docstring_parser import ParseError, parse

    try:
        parsed = parse(docstring)
    except ParseError:
        return Description(_first_line_joined(docstring), {})
    named = {each.arg_name: _joined(each.description or "") for each in parsed.params}
    return Description(
        _first_line_joined(parsed.description or ""), {key: text for key, text in named.items() if text}
    )


def _first_line_joined(text: str) -> str:
    """The first paragraph on one line, as in handwritten definitions; the others unchanged."""
    first, *others = text.strip().split("\n\n", maxsplit=1)
    return "\n\n".join([_joined(first), *others])


def _joined(text: str) -> str:
    return " ".join(text.split())


# --- JSON Schema of Python types ---------------------------------------------------------------------------------


Schema = dict[str, Any]

_DEFS = "#/$defs/"
_LITERALS = ("enum", "const", "default", "examples", "required")
_SCHEMA_MAPS = ("properties", "$defs", "patternProperties", "dependentSchemas")
_LEFT_OUT = ("title", "discriminator")
"""Pydantic makes titles from names, which add nothing; the other keyword is only about references."""


class _Recursive(Exception):
    """A type contains itself, so its schema needs references."""


def plain_schemas(adapters: Mapping[str, TypeAdapter[Any]]) -> tuple[dict[str, Schema], Schema]:
    """The schema of each type, and the definitions they refer to, which only types that contain themselves have.

    Raises PydanticInvalidForJsonSchema for a type without a JSON form.
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
    """The schema of an optional argument, which should be left out rather than sent as null."""
    choices = schema.get("anyOf")
    if not isinstance(choices, list) or {"type": "null"} not in choices:
        return schema
    rest = {key: value for key, value in schema.items() if key != "anyOf"}
    left = [choice for choice in choices if choice != {"type": "null"}]
    return {**left[0], **rest} if len(left) == 1 else {"anyOf": left, **rest}


def _plain(schema: Any, definitions: Mapping[str, Any] | None, above: tuple[str, ...]) -> Any:
    """The schema with its references resolved if `definitions` are given; `above` are those that contain it."""
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
    # Keywords beside a reference, such as the parameter's description, override the type's.
    return {**_plain(definitions[name], definitions, (*above, name)), **schema}
