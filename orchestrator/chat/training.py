"""The definitions, system message and settings that a model's training examples share."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from orchestrator.dataset.files import inspect_file, open_as_sent
from orchestrator.dataset.jsontext import NotJson, parse_json
from orchestrator.dataset.lines import numbered_lines
from orchestrator.dataset.variants import Definitions, Variant
from orchestrator.errors import DataFileEmpty, DataFileNotFound, DataFileUnreadable, ToolsUnusable
from orchestrator.tools.definitions import defined_tools
from orchestrator.tools.functions import Tool

MOST_EXAMPLES = 1000
"""Only this many examples are read, so that a chat starts quickly."""

_SYSTEM_ROLES = ("system", "developer")


@dataclass(frozen=True)
class TrainedWith:
    """The common parts of a training file's examples."""

    path: Path
    definitions: Definitions
    tools: tuple[Tool, ...]
    """The first definition of each function."""
    system: Mapping[str, Any] | None
    """The message that all examples begin with; None if they begin differently, or without one."""
    parallel_tool_calls: bool | None
    """Their common `parallel_tool_calls`; None if it differs or is missing."""

    @property
    def variant(self) -> Variant:
        return self.definitions.variant


def trained_with(path: Path, sha256: str | None) -> TrainedWith | None:
    """The common parts of a training file; None if it was moved, or no longer has this hash."""
    try:
        if sha256 is not None and inspect_file(path).sha256 != sha256:
            return None
        examples = list(islice(_examples(path), MOST_EXAMPLES))
    except (DataFileNotFound, DataFileUnreadable, DataFileEmpty):
        return None
    definitions = Definitions(str(path))
    for line, row in examples:
        definitions.add(line, row)
    first = [json.loads(next(iter(texts))) for texts in definitions.functions.values()]
    holders = [_holder(row) for _, row in examples]
    parallel = _common([holder.get("parallel_tool_calls") for holder in holders])
    system = _common([_system_of(holder) for holder in holders])
    known = parallel if isinstance(parallel, bool) else None
    return TrainedWith(path, definitions, _tools(first, path), system, known)


def _tools(functions: list[Mapping[str, Any]], path: Path) -> tuple[Tool, ...]:
    """None if a definition can't be used: training checks report such files but may be overruled."""
    try:
        return defined_tools(functions, path) if functions else ()
    except ToolsUnusable:
        return ()


def _examples(path: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    with open_as_sent(path) as stream:
        for number, line in numbered_lines(stream):
            try:
                row = parse_json(line) if line is not None else None
            except NotJson:
                continue
            if isinstance(row, dict):
                yield number, row


def _holder(row: Mapping[str, Any]) -> Mapping[str, Any]:
    """The object with messages and tools: in a preference row, the one under "input"."""
    source = row.get("input")
    return source if isinstance(source, Mapping) else row


def _system_of(holder: Mapping[str, Any]) -> Mapping[str, Any] | None:
    messages = holder.get("messages")
    first = messages[0] if isinstance(messages, list) and messages else None
    return first if isinstance(first, Mapping) and first.get("role") in _SYSTEM_ROLES else None


def _common(values: list[Any]) -> Any:
    return values[0] if values and all(value == values[0] for value in values) else None
