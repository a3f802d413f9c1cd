"""A function's parameters as a JSON Schema, and what in a call's arguments violates it.

Schemas are taken as JSON Schema draft 2020-12 unless they name another draft. Nothing is ever fetched for a `$ref`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING, Any

import orjson

from orchestrator.dataset.checking.refused import Problem, refused_of
from orchestrator.dataset.checking.schemacost import is_too_much
from orchestrator.dataset.findings import named_type, shown
from orchestrator.dataset.remembered import Remembered

if TYPE_CHECKING:
    from jsonschema_rs import ValidationError, Validator


MOST_PROBLEMS = 10
"""Of one call; what follows is most often the same mistake again."""

_REMEMBERED_SCHEMAS = 512
_LONGEST_REMEMBERED = 8 << 10
_MOST_QUICK_LOOKS = 6
"""Calls of one function; checking this many takes as long as compiling its schema."""
_SPEAKING_OF_OTHERS = frozenset(
    (
        *("additionalProperties", "unevaluatedProperties", "patternProperties", "propertyNames"),
        *("$ref", "allOf", "anyOf", "oneOf", "if", "dependentSchemas"),
    )
)
_TYPE_NAMES = ("array", "boolean", "integer", "null", "number", "object", "string")


class InvalidSchema(Exception):
    """The text is no JSON Schema; `problem` says why, `path` leads to the place."""

    def __init__(self, problem: str, path: Sequence[str | int] = ()) -> None:
        self.problem = problem
        self.path = tuple(path)
        super().__init__(problem)


@dataclass
class Parameters:
    """What a function declares about its arguments."""

    names: frozenset[str]
    """The arguments it names; empty where it names none, as in definitions that were shortened."""
    speaks_of_others: bool
    """Whether the schema may say something about arguments that it does not name."""
    text: bytes
    """The schema, as JSON."""
    refused: tuple[Problem, ...] = ()
    """What services refuse of it, though it is sound."""
    _quick_looks: int = field(default=0, compare=False)

    @cached_property
    def schema(self) -> dict[str, Any]:
        """The schema, parsed."""
        found: dict[str, Any] = orjson.loads(self.text)
        return found

    @cached_property
    def validator(self) -> Validator:
        """The schema, compiled."""
        return _compiled(self.schema)

    def problems(self, arguments: Mapping[str, Any]) -> list[str]:
        """What breaks the schema, one sentence each, at most MOST_PROBLEMS; empty where nothing does."""
        if self._fit_quickly(arguments) or self.validator.is_valid(arguments):
            return []
        return [_sentence(error) for error in islice(self.validator.iter_errors(arguments), MOST_PROBLEMS)]

    def _fit_quickly(self, arguments: Mapping[str, Any]) -> bool:
        """A quick look, for functions that are called too rarely to be worth a compiled schema."""
        if self._quick_looks >= _MOST_QUICK_LOOKS:
            return False
        self._quick_looks += 1
        return fit_plainly(arguments, self.schema)

    def undeclared(self, arguments: Mapping[str, Any]) -> list[str]:
        """The arguments that the schema allows only because it says nothing about them."""
        if self.speaks_of_others or not self.names or arguments.keys() <= self.names:
            return []
        return [name for name in arguments if name not in self.names]


def parameters_of(schema: Mapping[str, Any]) -> Parameters:
    """The parameters that `schema`, as read from JSON, describes; equal ones share them. Raises InvalidSchema."""
    text = orjson.dumps(schema)
    found = _known.get(text)
    if found is None:
        found = _read(dict(schema), text)
        if len(text) <= _LONGEST_REMEMBERED:
            _known.keep(text, found)
    if isinstance(found, InvalidSchema):
        raise found
    return found


_known: Remembered[bytes, Parameters | InvalidSchema] = Remembered(_REMEMBERED_SCHEMAS)


def _read(schema: dict[str, Any], text: bytes) -> Parameters | InvalidSchema:
    if b"$" in text and is_too_much(schema):
        return InvalidSchema(
            "its references multiply, so checking a call may never end; inline them, or reduce the nesting"
        )
    try:
        # Compiling takes several times as long, and most functions are never called on most lines. It alone sees
        # references that lead nowhere and patterns that are none.
        if b'"$' in text or b'"pattern' in text or not _fits_draft(schema):
            _compiled(schema)
    except ValueError as error:
        return _invalid(error)
    properties = schema.get("properties")
    names = frozenset(properties if isinstance(properties, dict) else ())
    speaks_of_others = not _SPEAKING_OF_OTHERS.isdisjoint(schema)
    return Parameters(names, speaks_of_others, text, refused_of(schema))


def _fits_draft(schema: dict[str, Any]) -> bool:
    import jsonschema_rs

    return jsonschema_rs.meta.is_valid(schema)


def _compiled(schema: dict[str, Any]) -> Validator:
    """Raises ValueError where it is not a schema."""
    import jsonschema_rs

    # An unknown draft is not a mistake of the user's.
    known = str(schema.get("$schema", "")).startswith(("http://json-schema.org/", "https://json-schema.org/"))
    compile_schema = jsonschema_rs.validator_for if known else jsonschema_rs.Draft202012Validator
    return compile_schema(schema, offline=True)


def _invalid(error: Exception) -> InvalidSchema:
    problem = str(getattr(error, "message", error))
    path = tuple(getattr(error, "instance_path", ()))
    if path and path[-1] == "type":
        found = shown(getattr(error, "instance", None))
        problem = f"{found} is not a type; the types are {', '.join(_TYPE_NAMES)}"
    return InvalidSchema(f"{problem} (at {'.'.join(map(str, path))})" if path else problem, path)


def _sentence(error: ValidationError) -> str:
    where = _named(error.instance_path)
    return _SENTENCES.get(type(error.kind).__name__, _other)(error, where)


def _named(path: Sequence[str | int]) -> str:
    """The place as people write it: `route[2].altitude`; "the object" for all of the arguments."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return shown(text.removeprefix("."))[1:-1] if text else ""


def _type(error: Any, where: str) -> str:
    return _must(error, where, f"be {' or '.join(_article(name) for name in error.kind.types)}")


def _enum(error: Any, where: str) -> str:
    return _must(error, where, f"be one of {_listed(error.kind.options)}")


def _constant(error: Any, where: str) -> str:
    return _must(error, where, f"be {shown(error.kind.expected_value)}")


def _required(error: Any, where: str) -> str:
    name = shown(error.kind.property)[1:-1]
    return f"{where}.{name} is missing, but required" if where else f"{name} is missing, but required"


def _unexpected(error: Any, where: str) -> str:
    names = _listed(error.kind.unexpected)
    return f"{where or 'the function'} takes no {names}"


def _other(error: Any, where: str) -> str:
    message = shown(error.message, 160)[1:-1]
    return f"{where}: {message}" if where else message


_SENTENCES: Mapping[str, Callable[[Any, str], str]] = {
    "Type": _type,
    "Enum": _enum,
    "Constant": _constant,
    "Required": _required,
    "AdditionalProperties": _unexpected,
    "UnevaluatedProperties": _unexpected,
    "Minimum": lambda error, where: _must(error, where, f"be at least {error.kind.limit}"),
    "Maximum": lambda error, where: _must(error, where, f"be at most {error.kind.limit}"),
}


def _must(error: Any, where: str, rule: str) -> str:
    value = error.instance
    found = named_type(value) if isinstance(value, dict | list) else shown(value)
    return f"{where} is {found}, but must {rule}" if where else f"found {found}, but it must {rule}"


def _article(name: str) -> str:
    return name if name == "null" else f"an {name}" if name[0] in "aio" else f"a {name}"


def _listed(values: Sequence[Any]) -> str:
    return ", ".join(_each(values))


def _each(values: Sequence[Any], most: int = 10) -> Iterator[str]:
    yield from map(shown, values[:most])
    if len(values) > most:
        yield f"… ({len(values)} in total)"


# --- A quick look first -------------------------------------------------------------------------------------------


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
