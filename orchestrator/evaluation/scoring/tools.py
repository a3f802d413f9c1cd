"""The tools that a case declares, for scoring."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING, Any

from orchestrator.dataset.checking.schemas import parameters_of
from orchestrator.dataset.variants import declared_functions
from orchestrator.evaluation.scoring.rules import same

if TYPE_CHECKING:
    from jsonschema_rs import Validator

EMPTY_SCHEMA: Mapping[str, Any] = {}
MOST_PROBLEMS = 20
"""Per call; more are never shown."""


@dataclass(frozen=True)
class SchemaProblem:
    """One violation of a tool's schema by the arguments."""

    path: tuple[str | int, ...]
    """The keys and indexes from the arguments to the place; () is the arguments themselves."""
    is_type: bool
    """The JSON type is wrong."""
    message: str


@dataclass(frozen=True)
class Tool:
    """One declared function. `schema` has its parameters; {} if it declares none."""

    name: str
    schema: Mapping[str, Any]

    @cached_property
    def names(self) -> frozenset[str]:
        """The arguments that it declares."""
        properties = self.schema.get("properties")
        return frozenset(properties if isinstance(properties, Mapping) else ())

    def allows(self, arguments: Mapping[str, Any]) -> bool:
        """True if the arguments match the schema."""
        return self._validator.is_valid(arguments)

    def problems(self, arguments: Mapping[str, Any]) -> Iterator[SchemaProblem]:
        """The schema violations, at most MOST_PROBLEMS."""
        for error in islice(self._validator.iter_errors(arguments), MOST_PROBLEMS):
            is_type = type(error.kind).__name__ == "Type"
            yield SchemaProblem(tuple(error.instance_path), is_type, str(error.message))

    def hallucinated(self, arguments: Mapping[str, Any]) -> list[str]:
        """Arguments that the tool does not declare; empty if it declares no parameters, or allows further ones."""
        if not self.names or arguments.keys() <= self.names:
            return []
        if self.schema.get("additionalProperties", False) is not False or "patternProperties" in self.schema:
            return []
        return [name for name in arguments if name not in self.names]

    @cached_property
    def _validator(self) -> Validator:
        return parameters_of(self.schema).validator


@dataclass(frozen=True)
class Toolset:
    """The tools of one request, by name."""

    tools: Mapping[str, Tool]

    def __contains__(self, name: object) -> bool:
        return name in self.tools

    def get(self, name: str) -> Tool | None:
        """The tool of this name; None if the request does not declare it."""
        return self.tools.get(name)


class Toolsets:
    """Toolsets by their declarations. Most lines of a file declare the same tools; a few sets are cached."""

    _REMEMBERED = 16

    def __init__(self) -> None:
        self._known: list[tuple[Any, Toolset]] = []

    def of(self, row: Mapping[str, Any]) -> Toolset:
        """The tools under `tools` and the legacy `functions` of a row."""
        declared = (row.get("tools"), row.get("functions"))
        for known, toolset in self._known:
            if known == declared:
                return toolset
        toolset = Toolset({tool.name: tool for tool in _tools(row)})
        self._known = [(declared, toolset), *self._known[: self._REMEMBERED - 1]]
        return toolset


def _tools(row: Mapping[str, Any]) -> Iterator[Tool]:
    for function in declared_functions(row):
        schema = function.get("parameters")
        yield Tool(str(function.get("name")), schema if isinstance(schema, Mapping) else EMPTY_SCHEMA)


def property_schema(schema: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """The schema of an object's property; {} if it has none."""
    properties = schema.get("properties")
    inner = properties.get(name) if isinstance(properties, Mapping) else None
    return inner if isinstance(inner, Mapping) else EMPTY_SCHEMA


def is_required(schema: Mapping[str, Any], name: str) -> bool:
    """True if an object's schema requires the property."""
    required: Sequence[Any] | Any = schema.get("required")
    return isinstance(required, list) and name in required


def means_absent(schema: Mapping[str, Any], value: Any) -> bool:
    """True if this value of an optional property means the same as leaving it out: its default, or null."""
    if value is None:
        kinds = schema.get("type")
        return kinds == "null" or (isinstance(kinds, list) and "null" in kinds)
    return "default" in schema and same(schema["default"], value, lenient=False)
