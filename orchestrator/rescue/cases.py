"""Evaluation cases from evals: what a grader compares with, or an answer that passed, is the right answer.

The items become the rows of a log, which `evaluation/logs` turns into cases.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orchestrator.dataset.files import json_line
from orchestrator.errors import FtorchError
from orchestrator.evaluation.logs import LogConversion, Outputs, convert_log
from orchestrator.rescue.evals import Eval

Json = Mapping[str, Any]

TEXT = re.compile(r"\{\{\s*sample\.output_text\s*\}\}")
_ITEM = re.compile(r"\{\{\s*item\.([A-Za-z0-9_.\-\[\]]+)\s*\}\}")
_CALL = re.compile(
    r"\{\{\s*sample\.output_tools\[(\d+)\]\.function\.(name|arguments)((?:\.[A-Za-z0-9_\-]+)*)\s*\}\}"
)
_CONTAINED = ("eq", "like", "ilike")
"""Operations of a string check that say what the answer has."""


@dataclass(frozen=True)
class Cases:
    """The cases made of an eval; `written` is None if no item could become one, with the reason in `problem`."""

    eval: Eval
    written: LogConversion | None
    problem: str = ""
    unapplied: tuple[str, ...] = ()
    """Its graders that have no counterpart in an evaluation file."""


def write_cases(found: Eval, path: Path, log: Path) -> Cases:
    """Write the eval's cases to `path`, a new file; `log` is a file for the work, which is removed.

    Raises OutputUnwritable.
    """
    unapplied = tuple(
        str(each.get("name") or each.get("type")) for each in _criteria(found) if not _is_applied(each)
    )
    try:
        with log.open("wb") as stream:
            stream.writelines(json_line(row) + b"\n" for row in rows_of(found))
        return Cases(found, convert_log(log, Outputs(path, None)), unapplied=unapplied)
    except FtorchError as error:
        return Cases(found, None, " ".join(str(error).split()), unapplied)
    finally:
        log.unlink(missing_ok=True)


def rows_of(found: Eval) -> Iterator[Json]:
    """A row of a log for each different input: of its answers, one that is known to be right if there is any."""
    best: dict[str, Json] = {}
    for run_id, items in sorted(found.items.items(), key=lambda each: _created(found, each[0]), reverse=True):
        for item_id, item in items.items():
            row = _row(found, found.runs.get(run_id, {}), item_id, item)
            key = json.dumps([row["messages"], row.get("tools")], sort_keys=True)
            if key not in best or _value(row) > _value(best[key]):
                best[key] = row
    yield from best.values()


def _created(found: Eval, run_id: str) -> float:
    try:
        return float(found.runs.get(run_id, {}).get("created_at") or 0)
    except (TypeError, ValueError):
        return 0.0


def _value(row: Json) -> int:
    """What a grader compares with comes before an answer that passed, and that before the others."""
    return 2 if "correction" in row else 1 if row.get("rating") == "good" else 0


def _row(found: Eval, run: Json, item_id: str, item: Json) -> Json:
    sample = _table(item.get("sample"))
    messages = [_message(each) for each in sample.get("input") or () if isinstance(each, dict)]
    row: dict[str, Any] = {"id": item_id, "messages": messages, "slices": [found.name]}
    if tools := _tools(run):
        row["tools"] = tools
    outputs = [each for each in sample.get("output") or () if isinstance(each, dict)]
    if outputs:
        row["response"] = _message(outputs[-1], "assistant")
    results = [each for each in item.get("results") or () if isinstance(each, dict)]
    if results:
        row["rating"] = "good" if all(each.get("passed") is True for each in results) else "bad"
    return {**row, **_wanted(_criteria(found), _item(item))}


def _criteria(found: Eval) -> Sequence[Json]:
    return [each for each in found.about.get("testing_criteria") or () if isinstance(each, dict)]


def _is_applied(criterion: Json) -> bool:
    tested = str(criterion.get("input") or "")
    if criterion.get("type") != "string_check" or criterion.get("operation") not in _CONTAINED:
        return False
    is_call = _CALL.fullmatch(tested.strip()) is not None and criterion.get("operation") == "eq"
    return is_call or TEXT.fullmatch(tested.strip()) is not None


def _wanted(criteria: Sequence[Json], item: Json) -> Json:
    """The right answer by the graders that compare with a reference; {} if there is none."""
    texts: list[str] = []
    calls: dict[int, dict[str, Any]] = {}
    for criterion in filter(_is_applied, criteria):
        reference = _filled(str(criterion.get("reference") or ""), item)
        if reference is None or reference == "":
            continue
        if call := _CALL.fullmatch(str(criterion["input"]).strip()):
            _put(calls.setdefault(int(call[1]), {}), call[2], call[3], reference)
        else:
            texts.append(str(reference))
    if calls and all("name" in call for call in calls.values()):
        made = [calls[index] for index in sorted(calls)]
        return {"correction": [{"name": call["name"], "arguments": call.get("arguments", {})} for call in made]}
    return {"correction": texts[0], "must_contain": texts, "expect": "text"} if texts and not calls else {}


def _put(call: dict[str, Any], part: str, path: str, reference: Any) -> None:
    if part == "name":
        call["name"] = str(reference)
        return
    if not path:
        call["arguments"] = _parsed(reference)
        return
    inner = call.setdefault("arguments", {})
    *before, last = path[1:].split(".")
    for name in before:
        inner = inner.setdefault(name, {})
    inner[last] = reference


def _filled(template: str, item: Json) -> Any:
    """The reference with the item's values; as the value itself if the template is nothing else. None if the item
    lacks one."""
    if whole := _ITEM.fullmatch(template.strip()):
        return _looked_up(item, whole[1])
    missing = [each for each in _ITEM.findall(template) if _looked_up(item, each) is None]
    if missing or "{{" in _ITEM.sub("", template):
        return None
    return _ITEM.sub(lambda found: _text(_looked_up(item, found[1])), template)


def _looked_up(item: Json, path: str) -> Any:
    value: Any = item
    for name in re.findall(r"[A-Za-z0-9_\-]+", path):
        if isinstance(value, dict):
            value = value.get(name)
        elif isinstance(value, list) and name.isdigit() and int(name) < len(value):
            value = value[int(name)]
        else:
            return None
    return value


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _parsed(value: Any) -> Any:
    try:
        return json.loads(value) if isinstance(value, str) else value
    except ValueError:
        return value


def _item(item: Json) -> Json:
    """Exports hold the data of an item with or without the namespace that templates name."""
    data = _table(item.get("datasource_item"))
    inner = data.get("item")
    return inner if isinstance(inner, dict) else data


def _tools(run: Json) -> list[Json]:
    """The functions that a run offered, as the chat API takes them; a run of the Responses API has them flat."""
    parameters = _table(_table(run.get("data_source")).get("sampling_params"))
    found: list[Json] = []
    for tool in parameters.get("tools") or ():
        if isinstance(tool, dict) and isinstance(tool.get("function"), dict):
            found.append(tool)
        elif isinstance(tool, dict) and tool.get("type") == "function" and tool.get("name"):
            keys = ("name", "description", "parameters", "strict")
            function = {key: tool[key] for key in keys if tool.get(key) is not None}
            found.append({"type": "function", "function": function})
    return found


def _message(raw: Json, role: str = "") -> Json:
    """A chat message: parts of text become one text."""
    content = raw.get("content")
    if isinstance(content, dict):
        content = [content]
    if isinstance(content, list) and all(
        isinstance(part, dict) and isinstance(part.get("text"), str) for part in content
    ):
        content = "".join(part["text"] for part in content)
    kept = {key: raw[key] for key in ("name", "tool_calls", "tool_call_id") if raw.get(key)}
    return {"role": role or str(raw.get("role") or "user"), "content": content, **kept}


def _table(value: Any) -> Json:
    return value if isinstance(value, dict) else {}
