"""Prompts for a model: plain lines, JSONL, or one text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orchestrator.dataset.jsontext import NotJson, parse_json
from orchestrator.errors import PromptsUnusable

_FILES = (".txt", ".jsonl", ".json", ".csv", ".md")


@dataclass(frozen=True)
class Prompts:
    """A prompt and its origin."""

    texts: tuple[str, ...]
    source: str
    """The file, "-" for standard input, "" for text given on the command line."""


def given_prompts(text: str) -> Prompts:
    """The prompts in the file of this name, else the text as a single prompt. Raises PromptsUnusable."""
    path = Path(text)
    if _is_file(path):
        try:
            return prompts_in(path.read_bytes(), text)
        except OSError as error:
            raise PromptsUnusable(source=text, problem=error.strerror or str(error)) from None
    if path.suffix.lower() in _FILES and len(text.split()) == 1:
        raise PromptsUnusable(source=text, problem="there is no such file")
    if not text.strip():
        raise PromptsUnusable(source="the argument", problem="it is empty")
    return Prompts((text,), "")


def prompts_in(content: bytes, source: str) -> Prompts:
    """One prompt per line that is not blank: for a JSON object, its "prompt" or its last user message.

    A file is JSONL if its name says so or its first line is a JSON object. Raises PromptsUnusable.
    """
    where = "standard input" if source == "-" else source
    try:
        lines = content.decode("utf-8-sig").splitlines()
    except UnicodeDecodeError:
        raise PromptsUnusable(source=where, problem="it is not UTF-8 text") from None
    numbered = [(number, line.strip()) for number, line in enumerate(lines, start=1) if line.strip()]
    if not numbered:
        raise PromptsUnusable(source=where, problem="it is empty")
    if source.endswith(".jsonl") or _is_object(numbered[0][1]):
        return Prompts(tuple(_prompt_of_line(line, number, where) for number, line in numbered), source)
    return Prompts(tuple(line for _, line in numbered), source)


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # a prompt may be longer than a file name can be
        return False


def _is_object(line: str) -> bool:
    try:
        return isinstance(parse_json(line), dict)
    except NotJson:
        return False


def _prompt_of_line(line: str, number: int, source: str) -> str:
    try:
        row = parse_json(line)
    except NotJson as error:
        raise PromptsUnusable(source=source, problem=f"line {number} is not JSON: {error.problem}") from None
    found = row if isinstance(row, str) else _prompt_of_row(row) if isinstance(row, dict) else ""
    if not found.strip():
        raise PromptsUnusable(source=source, problem=f"line {number} has neither a prompt nor a user message")
    return found


def _prompt_of_row(row: Mapping[str, Any]) -> str:
    if isinstance(row.get("prompt"), str):
        return str(row["prompt"])
    inner = row.get("input")
    messages = (inner if isinstance(inner, Mapping) else row).get("messages")
    asked = [each for each in messages if _is_users(each)] if isinstance(messages, list) else []
    return "".join(_texts(asked[-1].get("content"))) if asked else ""


def _is_users(message: Any) -> bool:
    return isinstance(message, Mapping) and message.get("role") == "user"


def _texts(content: Any) -> Iterator[str]:
    if isinstance(content, str):
        yield content
    for part in content if isinstance(content, list) else ():
        if isinstance(part, Mapping) and isinstance(part.get("text"), str):
            yield part["text"]
