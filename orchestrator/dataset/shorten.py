"""Shorter tool definitions: fewer prompt tokens, for models that are trained and used with the short form."""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import ceil
from pathlib import Path
from typing import Any, BinaryIO, Literal

from orchestrator.dataset.files import json_line, new_files, open_as_sent
from orchestrator.dataset.jsontext import NotJson, parse_json
from orchestrator.dataset.lines import LONGEST_LINE_BYTES, numbered_lines
from orchestrator.dataset.tokens import count_messages
from orchestrator.dataset.variants import (
    Definitions,
    Variant,
    declared_functions,
    definitions_of_file,
    disagreement,
)
from orchestrator.errors import DataFileEmpty, DefinitionsDiffer, LineUnreadable

Level = Literal["descriptions", "parameters", "tools"]
Row = dict[str, Any]

_LEVELS: Mapping[Variant, Level] = {
    "no-descriptions": "descriptions",
    "no-parameters": "parameters",
    "no-tools": "tools",
}
_DEFINITIONS = ("tools", "functions")
_NEED_TOOLS = ("parallel_tool_calls", "tool_choice")
_SCHEMA_MAPS = ("properties", "$defs", "definitions", "patternProperties", "dependentSchemas")
_LITERALS = ("enum", "const", "default", "examples", "required")


@dataclass(frozen=True)
class PromptTokens:
    """The prompt tokens of a file's examples: what a request costs before anything is answered (an estimate)."""

    mean: float
    p95: int
    total: int


@dataclass(frozen=True)
class Shortened:
    """One file, shortened."""

    source: Path
    target: Path
    examples: int
    variant_before: Variant
    variant: Variant
    before: PromptTokens
    after: PromptTokens

    @property
    def saved(self) -> float:
        """The share of the prompt tokens that is saved, from 0 to 1."""
        return 1 - self.after.total / self.before.total if self.before.total else 0.0


def shorten_files(
    files: Mapping[Path, Path], level: Level, *, model: str | None = None, replace: bool = False
) -> list[Shortened]:
    """Write each of the `files` (sources to targets) with shorter definitions; all of them, or none.

    Each level drops more than the one before: descriptions; then the parameters too; then the tools. Answers,
    and every key that says nothing about tools, stay as they are. `model` chooses the token encoding.
    Raises DefinitionsDiffer where two files define a function differently, LineUnreadable, DataFileNotFound,
    DataFileUnreadable, DataFileEmpty, OutputExists (unless `replace`) and OutputUnwritable.
    """
    before = _agreeing([*files])
    with new_files([*files.values()], replace=replace) as outputs:
        return [
            _Shortening(level, model, output).shorten(source, target, before[source])
            for (source, target), output in zip(files.items(), outputs, strict=True)
        ]


def in_variant(row: Row, variant: Variant) -> Row:
    """The example or request with its definitions in this variant, or in its own where that is shorter."""
    level = _LEVELS.get(variant)
    return row if level is None else shortened(row, level)


def shortened(row: Row, level: Level) -> Row:
    """The example with shorter definitions. `row` may have any training format, and is left as it is."""
    if "input" in row and isinstance(row["input"], dict):
        return {**row, "input": shortened(row["input"], level)}
    if level == "tools":
        return {key: value for key, value in row.items() if key not in (*_DEFINITIONS, *_NEED_TOOLS)}
    shorter = dict(row)
    for key in _DEFINITIONS:
        if isinstance(row.get(key), list):
            shorter[key] = [_shorter_tool(tool, level) for tool in row[key]]
    return shorter


def _shorter_tool(tool: Any, level: Level) -> Any:
    if isinstance(tool, dict) and isinstance(tool.get("function"), dict):
        return {**tool, "function": _shorter_function(tool["function"], level)}
    return _shorter_function(tool, level) if isinstance(tool, dict) else tool


def _shorter_function(function: Row, level: Level) -> Row:
    shorter = {key: value for key, value in function.items() if key != "description"}
    if level == "parameters":
        # A strict function must list its parameters, and this one no longer does.
        shorter.pop("strict", None)
        if "parameters" in shorter:
            shorter["parameters"] = {"type": "object", "properties": {}}
    elif "parameters" in shorter:
        shorter["parameters"] = _undescribed(shorter["parameters"])
    return shorter


def _undescribed(schema: Any) -> Any:
    """The JSON Schema without descriptions; a property that is called "description" stays."""
    if isinstance(schema, list):
        return [_undescribed(entry) for entry in schema]
    if not isinstance(schema, dict):
        return schema
    shorter = {}
    for key, value in schema.items():
        if key in _SCHEMA_MAPS and isinstance(value, dict):
            shorter[key] = {name: _undescribed(inner) for name, inner in value.items()}
        elif key in _LITERALS:
            shorter[key] = value
        elif key != "description":
            shorter[key] = _undescribed(value)
    return shorter


def _agreeing(sources: Sequence[Path]) -> Mapping[Path, Definitions]:
    """The definitions of each file, which must agree: what differs would be hidden by shortening it."""
    found = {source: definitions_of_file(source) for source in sources}
    first, *others = found.values()
    for other in others:
        if differs := disagreement(first, other):
            raise DefinitionsDiffer(reason=differs.reason, fix=differs.fix)
    return found


@dataclass
class _Shortening:
    level: Level
    model: str | None
    output: BinaryIO
    before: array[int] = field(default_factory=lambda: array("Q"))
    after: array[int] = field(default_factory=lambda: array("Q"))

    def shorten(self, source: Path, target: Path, definitions: Definitions) -> Shortened:
        kept = Definitions(str(target))
        with open_as_sent(source) as stream:
            for number, line in numbered_lines(stream):
                row = _row(source, number, line)
                shorter = shortened(row, self.level)
                self.output.write((json_line(shorter) if shorter != row else line or b"") + b"\n")
                self.before.append(_prompt_length(row, self.model))
                self.after.append(_prompt_length(shorter, self.model))
                kept.add(number, shorter)
        if not self.before:
            raise DataFileEmpty(path=source)
        tokens = _prompt_tokens(self.before), _prompt_tokens(self.after)
        return Shortened(source, target, len(self.before), definitions.variant, kept.variant, *tokens)


def _row(source: Path, number: int, line: bytes | None) -> Row:
    try:
        row = parse_json(line.decode()) if line is not None else None
    except (NotJson, UnicodeDecodeError) as error:
        problem = error.problem if isinstance(error, NotJson) else "it is not valid UTF-8"
        raise LineUnreadable(path=source, line=number, problem=problem) from None
    if not isinstance(row, dict) or not ("messages" in row or isinstance(row.get("input"), dict)):
        problem = f"it holds no messages (and at most {LONGEST_LINE_BYTES >> 20} MiB are read)"
        raise LineUnreadable(path=source, line=number, problem=problem)
    return row


def _prompt_length(row: Row, model: str | None) -> int:
    """The tokens of the request that an example answers: its messages without the last answer, and its tools."""
    holder = row["input"] if isinstance(row.get("input"), dict) else row
    messages = [message for message in holder.get("messages") or () if isinstance(message, dict)]
    if holder is row and messages and messages[-1].get("role") == "assistant":
        messages.pop()
    return count_messages(messages, [*declared_functions(holder)], model)


def _prompt_tokens(counts: Sequence[int]) -> PromptTokens:
    """The 95th percentile by nearest rank: at least 95 % of the examples have no more."""
    ordered = sorted(counts)
    return PromptTokens(sum(ordered) / len(ordered), ordered[ceil(0.95 * len(ordered)) - 1], sum(ordered))
