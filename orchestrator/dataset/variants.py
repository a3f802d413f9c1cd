"""In which form a file sends its tool definitions, and whether two files send the same ones."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from orchestrator.dataset.files import open_as_sent
from orchestrator.dataset.jsontext import NotJson, parse_json
from orchestrator.dataset.lines import numbered_lines

Variant = Literal["full", "no-descriptions", "no-parameters", "no-tools"]

WITHOUT_TOOLS = (
    "without tools in the request an API returns no tool calls: the model can only write them as text, "
    "which counts as no call"
)
"""What to know of the variant no-tools where examples call functions."""

MOST_FUNCTIONS = 1000
MOST_DEFINITIONS = 8


def variant_of(tools: Iterable[Mapping[str, Any]]) -> Variant:
    """The variant that definitions show; `tools` as in a request, or bare function definitions.

    Any description at all makes them full, and any parameter at least no-descriptions. Functions that simply take
    no arguments and are not described therefore read as no-parameters.
    """
    found = [_function(tool) for tool in tools]
    if not found:
        return "no-tools"
    if any(_described(function) for function in found):
        return "full"
    return "no-descriptions" if any(_properties(function) for function in found) else "no-parameters"


def variant_of_file(path: Path) -> Variant:
    """The variant of all definitions in a JSONL file; see `definitions_of_file` for what is raised."""
    return definitions_of_file(path).variant


@dataclass
class Definitions:
    """The distinct function definitions of one file, each with the line on which it first stands.

    Bounded: the first 1,000 functions and 8 definitions of each; a function with more is not compared.
    """

    name: str
    """What messages call the file."""
    functions: dict[str, dict[str, int]] = field(default_factory=dict)
    """For each function its definitions, as JSON text with sorted keys, and their first lines."""
    _last: Any = None

    def add(self, line: int, row: Mapping[str, Any]) -> None:
        """Take up what the example on `line` declares, in any training format."""
        source = row.get("input")
        holder = source if isinstance(source, Mapping) else row
        tools = (holder.get("tools"), holder.get("functions"))
        if tools == self._last:
            return
        self._last = tools
        for function in declared_functions(holder):
            self._add_function(line, function)

    def _add_function(self, line: int, function: Mapping[str, Any]) -> None:
        name = str(function.get("name"))
        if name in self.functions or len(self.functions) < MOST_FUNCTIONS:
            known = self.functions.setdefault(name, {})
            if len(known) <= MOST_DEFINITIONS:
                known.setdefault(json.dumps(function, sort_keys=True), line)

    @property
    def variant(self) -> Variant:
        return variant_of(json.loads(text) for known in self.functions.values() for text in known)


def definitions_of_file(path: Path) -> Definitions:
    """The definitions of a JSONL file, in one pass. Lines that can't be read are passed over: a check names them.

    Raises DataFileNotFound or DataFileUnreadable.
    """
    definitions = Definitions(str(path))
    with open_as_sent(path) as stream:
        for number, line in numbered_lines(stream):
            try:
                row = parse_json(line.decode()) if line is not None else None
            except (NotJson, UnicodeDecodeError):
                continue
            if isinstance(row, dict):
                definitions.add(number, row)
    return definitions


@dataclass(frozen=True)
class Disagreement:
    """Why a model trained on one file would be measured on definitions it never saw, and what to do."""

    reason: str
    fix: str


def disagreement(training: Definitions, other: Definitions) -> Disagreement | None:
    """The first way in which `other` (validation or evaluation) defines tools unlike `training`; None where alike.

    Functions that only one of the files declares are no disagreement, nor is one that training itself defines in
    several ways, one of which is the other's.
    """
    if training.variant != other.variant:
        reason = f"{training.name} has the variant {training.variant}, but {other.name} has {other.variant}"
        return Disagreement(reason, "Shorten both in the same way: ftorch data shorten")
    for name, known in other.functions.items():
        trained = training.functions.get(name, {})
        unknown = [text for text in known if text not in trained]
        if trained and unknown and max(len(trained), len(known)) <= MOST_DEFINITIONS:
            return _defined_otherwise(name, unknown[0], training, other)
    return None


def _defined_otherwise(name: str, text: str, training: Definitions, other: Definitions) -> Disagreement:
    trained_text, trained_line = next(iter(training.functions[name].items()))
    place = first_difference(json.loads(trained_text), json.loads(text))
    reason = (
        f"the function {name} is defined differently at {place}: {training.name} line {trained_line}, "
        f"{other.name} line {other.functions[name][text]}"
    )
    return Disagreement(reason, "Use the same definition in both files; a model works best with those it learned")


def first_difference(one: Any, other: Any) -> str:
    """The dotted place where two JSON values first differ; "" where they are not both objects."""
    if not isinstance(one, dict) or not isinstance(other, dict):
        return ""
    for key in (*one, *other):
        if one.get(key) != other.get(key):
            inner = first_difference(one.get(key), other.get(key))
            return f"{key}.{inner}" if inner else key
    return ""


def declared_functions(holder: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The function definitions under `tools` and the legacy `functions` of an example, or of the input of one."""
    for key in ("tools", "functions"):
        entries = holder.get(key)
        for entry in entries if isinstance(entries, list) else []:
            if isinstance(entry, Mapping):
                yield _function(entry)


def _function(tool: Mapping[str, Any]) -> Mapping[str, Any]:
    function = tool.get("function")
    return function if isinstance(function, Mapping) else tool


def _properties(function: Mapping[str, Any]) -> Any:
    parameters = function.get("parameters")
    return parameters.get("properties") if isinstance(parameters, Mapping) else None


def _described(function: Mapping[str, Any]) -> bool:
    """True where the function or any part of its parameters has a description that is not empty."""
    parts: list[Any] = [function]
    while parts:
        part = parts.pop()
        if isinstance(part, list):
            parts.extend(part)
        elif isinstance(part, Mapping):
            description = part.get("description")
            if isinstance(description, str) and description:
                return True
            parts.extend(part.values())
    return False
