"""Turns a judged log entry into a case and a training example."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from orchestrator.dataset.checking.rows import row_of_line
from orchestrator.dataset.convert.cells import ColumnNames
from orchestrator.dataset.convert.changes import Changes, NotConvertible
from orchestrator.dataset.convert.shapes import modern_example, shape_of
from orchestrator.dataset.files import json_line
from orchestrator.dataset.profile.fingerprints import read_example
from orchestrator.dataset.toollists import Reader
from orchestrator.evaluation.casefile import case_problems
from orchestrator.evaluation.cases import CASE_KEYS, MESSAGE_KEYS, read_case
from orchestrator.evaluation.logs.entries import Entry, read_entry, read_judgement
from orchestrator.evaluation.scoring.rules import InvalidCase
from orchestrator.evaluation.scoring.tools import Toolsets

Kind = Literal["corrected", "confirmed"]
UNJUDGED = "the answer has no rating"
BAD = "the answer was rated bad and has no correction"

_TRAINED_KEYS = ("messages", "tools", "parallel_tool_calls")
_IDS = ("id", "custom_id", "request_id")


@dataclass(frozen=True)
class Judged:
    """A request with its right answer, as the last of `messages`."""

    line: int
    kind: Kind
    row: Mapping[str, Any]
    """In the training format, plus the keys of a case."""

    @property
    def case(self) -> Mapping[str, Any]:
        """The line of an evaluation file. Its slice says whether the model was right."""
        slices = [*_listed(self.row.get("slice")), *_listed(self.row.get("slices"))]
        kept = {key: value for key, value in self.row.items() if key not in ("slice", "slices")}
        return {**kept, "slices": list(dict.fromkeys([*slices, self.kind]))}

    @property
    def training(self) -> Mapping[str, Any]:
        """The line of a training file. Only the last answer was judged, so the earlier ones are not trained on."""
        *before, answer = self.row["messages"]
        earlier = [{**each, "weight": 0} if each["role"] == "assistant" else each for each in before]
        kept = {key: self.row[key] for key in _TRAINED_KEYS if key in self.row}
        return {**kept, "messages": [*earlier, answer]}


class LogReader:
    """Reads the lines of one log; repeated tool definitions are checked once."""

    def __init__(self) -> None:
        self._reader = Reader()
        self._toolsets = Toolsets()

    def read(self, line: int, row: Any) -> Judged:
        """The request on a line with its right answer. Raises NotConvertible with the reason if there is none."""
        entry = read_entry(row)
        judgement = read_judgement(entry.row)
        if judgement.correction is None and judgement.is_good is not True:
            raise NotConvertible(BAD if judgement.is_good is False else UNJUDGED, 'Add a "correction".')
        answer = judgement.correction or entry.answer
        if answer is None:
            raise NotConvertible("it was rated but has no answer", 'Add a "response".')
        found = Judged(line, "confirmed", _example(entry, answer))
        self._require_sound(found)
        return (
            found
            if judgement.correction is None or _repeats(entry, found.row)
            else replace(found, kind="corrected")
        )

    def _require_sound(self, judged: Judged) -> None:
        """Check the requirements of training and evaluation."""
        sound = row_of_line(judged.line, _line(judged.training), self._reader)
        if sound.problem is not None:
            raise NotConvertible(sound.problem, "Correct this line.")
        try:
            case = read_case(judged.line, judged.case, self._toolsets)
            problem = next(case_problems(case), None)
        except InvalidCase as error:
            problem = error.problem
        if problem is not None:
            raise NotConvertible(problem, "Correct this line.")


def _example(entry: Entry, answer: Mapping[str, Any]) -> Mapping[str, Any]:
    """Request and answer in the training format, with tools in place of functions."""
    request = {key: value for key, value in entry.request.items() if key in ("messages", *MESSAGE_KEYS)}
    row = {key: value for key, value in request.items() if value is not None}
    row["messages"] = [*entry.request["messages"], answer]
    choice = row.pop("function_call", None)
    example = modern_example(row, shape_of(row, ColumnNames()), ColumnNames(), renumber=False, changes=Changes())
    if choice is not None:
        example["tool_choice"] = choice if isinstance(choice, str) else {"type": "function", "function": choice}
    name = next((str(entry.row[key]) for key in _IDS if entry.row.get(key)), None)
    said = {key: entry.row[key] for key in CASE_KEYS if key != "id" and entry.row.get(key) is not None}
    return {**({"id": name} if name else {}), **example, **said}


def _repeats(entry: Entry, right: Mapping[str, Any]) -> bool:
    """Whether the model's answer was the same, written in any way."""
    if entry.answer is None:
        return False
    try:
        said, should = read_example(_example(entry, entry.answer)), read_example(right)
    except NotConvertible:
        return False
    return (said.calls, said.text) == (should.calls, should.text)


def _line(row: Mapping[str, Any]) -> bytes:
    try:
        return json_line(row)
    except ValueError as error:
        raise NotConvertible(f"it can't be written as JSON: {error}", "Remove that value.") from None


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]
