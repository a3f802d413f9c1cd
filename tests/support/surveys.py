"""Rows with calls, and what a survey of them notes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from orchestrator.dataset.basemodels import Purpose
from orchestrator.dataset.findings import Notes
from orchestrator.dataset.profile import Profile

Row = dict[str, Any]


def tool(name: str = "light", description: str | None = "Switch a light.", **properties: Any) -> Row:
    """A tool; a parameter is optional where it has no `required`, and described unless it says otherwise."""
    required = [key for key, value in properties.items() if value.pop("required", False)]
    schemas = {key: {"description": "What it is.", **value} for key, value in properties.items()}
    function: Row = {"name": name, "parameters": {"type": "object", "properties": schemas, "required": required}}
    if description is not None:
        function["description"] = description
    return {"type": "function", "function": function}


def call(name: str, identity: str = "call_1", /, **arguments: Any) -> Row:
    return {"id": identity, "type": "function", "function": {"name": name, "arguments": json.dumps(arguments)}}


def asks(prompt: str, *calls: Row, tools: Sequence[Row] = (), system: str | None = None) -> Row:
    """The user asks and the assistant calls."""
    return _row(prompt, {"role": "assistant", "content": None, "tool_calls": list(calls)}, tools, system)


def says(prompt: str, text: str, *, tools: Sequence[Row] = (), system: str | None = None, **keys: Any) -> Row:
    """The user asks and the assistant answers in text."""
    return _row(prompt, {"role": "assistant", "content": text, **keys}, tools, system)


def survey_of(rows: Sequence[Row], purpose: Purpose = "training") -> Profile:
    """A survey of `rows`, which stand on lines 1 and following."""
    survey = Profile(purpose)
    for line, row in enumerate(rows, 1):
        survey.add(line, row)
    return survey


def noted(rows: Sequence[Row], purpose: Purpose = "training") -> dict[str, str]:
    """The reason of each kind that a survey of `rows` notes."""
    return reasons(survey_of(rows, purpose))


def reasons(survey: Profile) -> dict[str, str]:
    notes = Notes()
    survey.note(notes)
    return {finding.code: finding.reason for finding in notes.findings}


def _row(prompt: str, answer: Row, tools: Sequence[Row], system: str | None) -> Row:
    instructions = [{"role": "system", "content": system}] if system is not None else []
    row: Row = {"messages": [*instructions, {"role": "user", "content": prompt}, answer]}
    return {**row, "tools": list(tools)} if tools else row


def write_rows(path: Path, rows: Sequence[Row | str]) -> Path:
    """A file of these rows; a text stands on its line as it is."""
    path.write_text("".join(f"{row if isinstance(row, str) else json.dumps(row)}\n" for row in rows))
    return path
