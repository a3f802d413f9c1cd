"""A row as a document that a person can edit, and the row that the edited document makes."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from orchestrator.dataset.basemodels import Method, Purpose
from orchestrator.dataset.checking.checks import EXAMPLE_CHECKS
from orchestrator.dataset.checking.keys import check_row_keys
from orchestrator.dataset.checking.methods import OUTPUTS
from orchestrator.dataset.files import json_line
from orchestrator.dataset.findings import Finding, Notes
from orchestrator.dataset.jsontext import NotJson, RepeatedKey, parse_json, require_single_keys
from orchestrator.dataset.lines import parse_line
from orchestrator.dataset.profile.fingerprints import canonical
from orchestrator.dataset.review.texts import decoded_arguments
from orchestrator.dataset.texts import check_texts
from orchestrator.dataset.toollists import Reader

_HELD_BACK = ("tools", "functions")
_COMMENT = "//"


class NotAnExample(Exception):
    """The document makes no row. `problem` says why, and on which of its lines."""

    def __init__(self, problem: str) -> None:
        self.problem = problem
        super().__init__(problem)


@dataclass(frozen=True)
class Edited:
    """What a document makes."""

    row: Mapping[str, Any]
    findings: tuple[Finding, ...]
    """What the checks of one example say about it, errors and warnings."""

    @property
    def errors(self) -> tuple[Finding, ...]:
        return tuple(finding for finding in self.findings if finding.severity == "error")


def document_of(row: Mapping[str, Any]) -> str:
    """The row as JSON over many lines: arguments as objects, definitions of tools left out."""
    shown = _without_definitions(row)
    for function in _called(shown):
        function["arguments"] = decoded_arguments(function.get("arguments"))
    return json.dumps(shown, ensure_ascii=False, indent=2) + "\n"


def commented(lines: Iterable[str], document: str) -> str:
    """The document under comments, which `read_document` passes over."""
    return "".join(f"{_COMMENT} {line}".rstrip() + "\n" for line in lines) + document


def without_comments(text: str) -> str:
    """The document below the comments that it begins with."""
    lines = text.splitlines(keepends=True)
    while lines and lines[0].lstrip().startswith(_COMMENT):
        del lines[0]
    return "".join(lines)


def read_document(text: str, row: Mapping[str, Any], method: Method, purpose: Purpose) -> Edited | None:
    """What `row` becomes by an edited document; None where nothing is changed, or the document is empty.

    Definitions of tools come from the row, unless the document has its own. Arguments that are objects are written
    as the strings that endpoints want, and those that were not touched as they were. Raises NotAnExample.
    """
    document = without_comments(text)
    if not document.strip() or document == document_of(row):
        return None
    value = _parsed(text)
    made = _with_definitions(value, row)
    known = {canonical(decoded_arguments(each)): each for each in _written_arguments(row)}
    for function in _called(made):
        arguments = function.get("arguments")
        if isinstance(arguments, dict):
            function["arguments"] = known.get(canonical(arguments)) or json.dumps(arguments, ensure_ascii=False)
    if canonical(made) == canonical(row):
        return None
    return Edited(made, findings_of(json_line(made), method, purpose))


def findings_of(line: bytes, method: Method, purpose: Purpose) -> tuple[Finding, ...]:
    """What `data check` finds in one row that needs no other row to be seen."""
    notes = Notes()
    if parsed := parse_line(line, Reader(), notes):
        row, text = parsed
        notes.at(None, row)
        EXAMPLE_CHECKS[method](row, notes)
        check_texts(row, text, notes)
        if purpose != "evaluation":  # whose rows have additional keys
            check_row_keys(row, method, notes)
        notes.note_tallies()
    return tuple(notes.findings)


def _parsed(text: str) -> dict[str, Any]:
    document = without_comments(text)
    above = text[: len(text) - len(document)].count("\n")
    try:
        value = parse_json(document.rstrip())
        require_single_keys(document.encode(), value)
    except NotJson as error:
        place = above + 1 + document.count("\n", 0, error.position or 0)
        raise NotAnExample(f"line {place}: {error.problem}") from None
    except RepeatedKey as error:
        raise NotAnExample(f'an object has the key "{error.key}" twice') from None
    except UnicodeError:
        raise NotAnExample("it contains half of a surrogate pair") from None
    if not isinstance(value, dict):
        raise NotAnExample("it is not a JSON object")
    return value


# --- Definitions of tools are held back: they are long, and the same in every row -----------------------------


def _holders(row: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    """The paths of the objects that may declare tools."""
    yield ()
    if isinstance(row.get("input"), dict):
        yield ("input",)


def _without_definitions(row: Mapping[str, Any]) -> dict[str, Any]:
    shown: dict[str, Any] = json.loads(json_line(row))
    for path in _holders(shown):
        holder = shown["input"] if path else shown
        for key in _HELD_BACK:
            holder.pop(key, None)
    return shown


def _with_definitions(value: dict[str, Any], row: Mapping[str, Any]) -> dict[str, Any]:
    if isinstance(value.get("input"), dict) and isinstance(row.get("input"), dict):
        value = {**value, "input": _merged(value["input"], row["input"])}
    return _merged(value, row)


def _merged(value: Mapping[str, Any], row: Mapping[str, Any]) -> dict[str, Any]:
    """The keys of the row in its order, as far as they are still there, then those that are new."""
    held = {key: row[key] for key in _HELD_BACK if key in row}
    both = {**held, **value}
    return {
        key: both[key] for key in (*(key for key in row if key in both), *(key for key in both if key not in row))
    }


# --- Arguments: strings in a row, objects in a document -----------------------------------------------------


def _called(row: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """What holds the name and the arguments of each call."""
    source = row.get("input")
    lists = [row.get("messages"), *(row.get(key) for key in OUTPUTS)]
    lists += [source.get("messages")] if isinstance(source, dict) else []
    for messages in lists:
        for message in messages if isinstance(messages, list) else ():
            if isinstance(message, dict):
                yield from _calls_in(message)


def _calls_in(message: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    entries = message.get("tool_calls")
    for entry in entries if isinstance(entries, list) else ():
        if isinstance(entry, dict) and isinstance(entry.get("function"), dict):
            yield entry["function"]
    if isinstance(message.get("function_call"), dict):
        yield message["function_call"]


def _written_arguments(row: Mapping[str, Any]) -> Iterator[str]:
    for function in _called(row):
        if isinstance(function.get("arguments"), str):
            yield function["arguments"]
