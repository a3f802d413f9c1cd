"""Shorter prompts: fewer tokens, for models that are trained and used with the short form."""

from __future__ import annotations

from array import array
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from math import ceil
from pathlib import Path
from typing import Any, BinaryIO

from orchestrator.dataset.basemodels import Method
from orchestrator.dataset.checking.filesets import purpose_in_name
from orchestrator.dataset.checking.rows import row_of_line
from orchestrator.dataset.files import json_line, new_files, open_as_sent
from orchestrator.dataset.lines import numbered_lines
from orchestrator.dataset.tokens import count_messages
from orchestrator.dataset.toollists import Reader
from orchestrator.dataset.variants import (
    Definitions,
    Variant,
    declared_functions,
    definitions_of_file,
    disagreement,
)
from orchestrator.errors import DataFileEmpty, DefinitionsDiffer, LineUnreadable, NoSuchTool, ToolStillCalled
from orchestrator.spelling import did_you_mean

Row = dict[str, Any]

_DEFINITIONS = ("tools", "functions")
_NEED_TOOLS = ("parallel_tool_calls", "tool_choice")
_ANSWERS = ("messages", "preferred_output", "non_preferred_output")
_SCHEMA_MAPS = ("properties", "$defs", "definitions", "patternProperties", "dependentSchemas")
_LITERALS = ("enum", "const", "default", "examples", "required")


@dataclass(frozen=True)
class Cut:
    """What is left out of the prompt of every example, and what is written in place of what is there."""

    descriptions: bool = False
    """Of functions and of their parameters."""
    parameters: bool = False
    """The names of the functions stay."""
    tools: bool = False
    """All definitions."""
    names: frozenset[str] = frozenset()
    """Functions whose definitions are left out."""
    definitions: Mapping[str, Row] = field(default_factory=dict)
    """By name: definitions in place of the file's."""
    system: str | None = None
    """The system message of every example."""


CUTS: Mapping[Variant, Cut] = {
    "full": Cut(),
    "no-descriptions": Cut(descriptions=True),
    "no-parameters": Cut(descriptions=True, parameters=True),
    "no-tools": Cut(tools=True),
}
"""Each leaves out more than the one before."""
_TOOL_PREFIX = "tool:"


def cut_of(words: Iterable[str]) -> Cut:
    """What `descriptions`, `parameters`, `tools` and `tool:NAME` leave out. Raises ValueError for another word."""
    parts, names = set[str](), set[str]()
    for word in words:
        if word in ("descriptions", "parameters", "tools"):
            parts.add(word)
        elif word.startswith(_TOOL_PREFIX) and word != _TOOL_PREFIX:
            names.add(word.removeprefix(_TOOL_PREFIX))
        else:
            raise ValueError(word)
    return Cut("descriptions" in parts, "parameters" in parts, "tools" in parts, frozenset(names))


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
    files: Mapping[Path, Path],
    cut: Cut,
    *,
    model: str | None = None,
    force: bool = False,
    method: Method | None = None,
) -> list[Shortened]:
    """Write each of the `files` (sources to targets) with a shorter prompt; all of them, or none.

    Answers, and every key that says nothing about tools, stay as they are. `model` chooses the token encoding,
    `method` what an example must look like.
    Raises DefinitionsDiffer where two files define a function differently, NoSuchTool for a name that none of them
    declares, ToolStillCalled for a dropped one that an example calls, LineUnreadable for a line with an error,
    DataFileNotFound, DataFileUnreadable, DataFileEmpty, OutputExists (unless `force`) and OutputUnwritable.
    """
    before = _agreeing([*files])
    _require_declared([*cut.names, *cut.definitions], before.values())
    with new_files([*files.values()], replace=force) as outputs:
        return [
            _Shortening(cut, model, method, output).shorten(source, target, before[source])
            for (source, target), output in zip(files.items(), outputs, strict=True)
        ]


def in_variant(row: Row, variant: Variant) -> Row:
    """The example or request with its definitions in this variant, or in its own where that is shorter."""
    return shortened(row, CUTS[variant])


def shortened(row: Row, cut: Cut) -> Row:
    """The example with a shorter prompt. `row` may have any training format, and is left as it is."""
    if "input" in row and isinstance(row["input"], dict):
        return {**row, "input": shortened(row["input"], cut)}
    shorter = dict(row)
    for key in _DEFINITIONS:
        if isinstance(row.get(key), list):
            kept = [] if cut.tools else [tool for tool in row[key] if _name(tool) not in cut.names]
            shorter[key] = [_shorter_tool(tool, cut) for tool in kept]
    if any(row.get(key) and not shorter[key] for key in _DEFINITIONS) or cut.tools:
        shorter = {key: value for key, value in shorter.items() if key not in (*_DEFINITIONS, *_NEED_TOOLS)}
    if cut.system is not None and isinstance(row.get("messages"), list):
        shorter["messages"] = _under(cut.system, row["messages"])
    return shorter


def _under(system: str, messages: list[Any]) -> list[Any]:
    first = messages[0] if messages and isinstance(messages[0], dict) else {}
    if first.get("role") in ("system", "developer"):
        return [{**first, "content": system}, *messages[1:]]
    return [{"role": "system", "content": system}, *messages]


def _name(tool: Any) -> str:
    """The function's name; rows are not checked here, so it may be anything, written as text."""
    function = tool.get("function", tool) if isinstance(tool, dict) else {}
    return str(function.get("name")) if isinstance(function, dict) else ""


def _shorter_tool(tool: Any, cut: Cut) -> Any:
    if isinstance(tool, dict) and isinstance(tool.get("function"), dict):
        return {**tool, "function": _shorter_function(tool["function"], cut)}
    return _shorter_function(tool, cut) if isinstance(tool, dict) else tool


def _shorter_function(function: Row, cut: Cut) -> Row:
    shorter = dict(cut.definitions.get(str(function.get("name")), function))
    if cut.descriptions:
        shorter.pop("description", None)
    if cut.parameters:
        # A strict function must list its parameters, and this one no longer does.
        shorter.pop("strict", None)
        if "parameters" in shorter:
            shorter["parameters"] = {"type": "object", "properties": {}}
    elif cut.descriptions and "parameters" in shorter:
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


def _require_declared(names: Collection[str], files: Collection[Definitions]) -> None:
    known = sorted({name for file in files for name in file.functions})
    for name in names:
        if name not in known:
            hint = did_you_mean(name, known, ' (did you mean "{}"?)')
            raise NoSuchTool(name=name, hint=hint, known=", ".join(known) or "none")


@dataclass
class _Shortening:
    cut: Cut
    model: str | None
    method: Method | None
    output: BinaryIO
    before: array[int] = field(default_factory=lambda: array("Q"))
    after: array[int] = field(default_factory=lambda: array("Q"))

    def shorten(self, source: Path, target: Path, definitions: Definitions) -> Shortened:
        kept = Definitions(str(target))
        reader, with_keys = Reader(), purpose_in_name(source) != "evaluation"
        with open_as_sent(source) as stream:
            for number, line in numbered_lines(stream):
                judged = row_of_line(number, line, reader, self.method, with_keys=with_keys)
                if judged.example is None:
                    raise LineUnreadable(path=source, line=number, problem=judged.problem)
                row = judged.example
                shorter = shortened(row, self.cut)
                self._require_uncalled(source, number, row)
                self.output.write((json_line(shorter) if shorter != row else line or b"") + b"\n")
                self.before.append(_prompt_length(row, self.model))
                self.after.append(_prompt_length(shorter, self.model))
                kept.add(number, shorter)
        if not self.before:
            raise DataFileEmpty(path=source)
        tokens = _prompt_tokens(self.before), _prompt_tokens(self.after)
        return Shortened(source, target, len(self.before), definitions.variant, kept.variant, *tokens)

    def _require_uncalled(self, source: Path, number: int, row: Row) -> None:
        if self.cut.names and not self.cut.tools:
            for name in _called(row) & self.cut.names:
                raise ToolStillCalled(name=name, path=source, line=number)


def _called(row: Row) -> set[str]:
    """The functions that an example calls, in any training format."""
    holders = [row, row["input"]] if isinstance(row.get("input"), dict) else [row]
    found = set[str]()
    listed = [holder[key] for holder in holders for key in _ANSWERS if isinstance(holder.get(key), list)]
    for message in chain.from_iterable(listed):
        if isinstance(message, dict):
            calls = message.get("tool_calls")
            for call in [*(calls if isinstance(calls, list) else []), {"function": message.get("function_call")}]:
                found.add(_name(call))
    return found


def _prompt_length(row: Row, model: str | None) -> int:
    """The tokens of the request that an example answers: its messages without the last answer, and its tools."""
    holder = row["input"] if isinstance(row.get("input"), dict) else row
    listed = holder.get("messages")
    messages = [each for each in listed if isinstance(each, dict)] if isinstance(listed, list) else []
    if holder is row and messages and messages[-1].get("role") == "assistant":
        messages.pop()
    return count_messages(messages, [*declared_functions(holder)], model)


def _prompt_tokens(counts: Sequence[int]) -> PromptTokens:
    """The 95th percentile by nearest rank: at least 95 % of the examples have no more."""
    ordered = sorted(counts)
    return PromptTokens(sum(ordered) / len(ordered), ordered[ceil(0.95 * len(ordered)) - 1], sum(ordered))
