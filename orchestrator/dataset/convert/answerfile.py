"""BFCL's file of answers, joined to its file of questions by id."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from orchestrator.dataset.convert.changes import Changes, NotConvertible
from orchestrator.dataset.findings import shown
from orchestrator.dataset.jsontext import NotJson, parse_json
from orchestrator.errors import DataFileUnreadable

Answers = Mapping[str, list[dict[str, Any]]]


def read_answers(path: Path) -> Answers:
    """The calls under each id of lines `{"id": …, "ground_truth": [{"function": {"argument": [values]}}]}`.

    Of several accepted values the first is taken; an argument whose first accepted value is "" may be left out, and
    is. Raises DataFileUnreadable.
    """
    answers: dict[str, list[dict[str, Any]]] = {}
    try:
        for line in path.read_bytes().splitlines():
            if line.strip():
                row = parse_json(line)
                answers[str(row["id"])] = [_call(entry) for entry in row["ground_truth"]]
    except OSError as error:
        raise DataFileUnreadable(path=path, problem=error.strerror or str(error)) from None
    except NotJson as error:
        raise DataFileUnreadable(path=path, problem=error.problem) from None
    except (KeyError, TypeError, ValueError, AttributeError):
        problem = 'a line is not {"id": …, "ground_truth": [{"function": {"argument": [values]}}]}'
        raise DataFileUnreadable(path=path, problem=problem) from None
    return answers


def _call(entry: Any) -> dict[str, Any]:
    [(name, accepted)] = entry.items()
    chosen = {key: _first(values) for key, values in accepted.items() if _first(values) != ""}
    return {"name": name, "arguments": chosen}


def _first(values: Any) -> Any:
    """The first accepted value; of an object, the first of each of its keys."""
    value = values[0] if isinstance(values, list) and values else values
    if isinstance(value, dict):
        return {key: _first(inner) for key, inner in value.items() if _first(inner) != ""}
    return value


def with_answer(row: dict[str, Any], answers: Answers, changes: Changes) -> dict[str, Any]:
    """The row with its calls under "answers". Raises NotConvertible where the file has none for it."""
    calls = answers.get(str(row.get("id")))
    if calls is None:
        advice = "Add it to the file of --answers, or take the row out."
        raise NotConvertible(f"no answer has the id {shown(row.get('id'))}", advice)
    if "answers" in row:
        raise NotConvertible('it has "answers" already', "Leave --answers out.")
    changes.note("answers joined by id")
    return {**row, "answers": calls}
