"""What a model was trained with: definitions, system message and settings that its examples share."""

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
"""Only the first examples are read: a chat should not begin with minutes of reading."""

_SYSTEM_ROLES = ("system", "developer")


@dataclass(frozen=True)
class TrainedWith:
    """What the examples of a training file have in common."""

    path: Path
    definitions: Definitions
    tools: tuple[Tool, ...]
    """Each function as it is first defined."""
    system: Mapping[str, Any] | None
    """The message that all of them begin with; None where they begin differently, or with none."""
    parallel_tool_calls: bool | None
    """What all of them say about several calls in one answer; None where they differ or do not say."""

    @property
    def variant(self) -> Variant:
        return self.definitions.variant


def trained_with(path: Path, sha256: str | None) -> TrainedWith | None:
    """What a model was, or is to be, trained with; None if the file was moved, or has changed from this hash."""
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
    """None where a definition can't be used: training checks warn of such files, and may be overruled."""
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
    """Where messages and tools stand: in a preference row, under "input"."""
    source = row.get("input")
    return source if isinstance(source, Mapping) else row


def _system_of(holder: Mapping[str, Any]) -> Mapping[str, Any] | None:
    messages = holder.get("messages")
    first = messages[0] if isinstance(messages, list) and messages else None
    return first if isinstance(first, Mapping) and first.get("role") in _SYSTEM_ROLES else None


def _common(values: list[Any]) -> Any:
    return values[0] if values and all(value == values[0] for value in values) else None
