"""Ask a teacher for requests, and read what it wrote."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import Any

from orchestrator.dataset.jsontext import NotJson, parse_json
from orchestrator.dataset.profile.fingerprints import json_text
from orchestrator.evaluation.answers import read_answer
from orchestrator.generation.calls import Call, Drop, Function, Kind, Target, Written
from orchestrator.jobfile.generate import Generate

PROMPTS = "words-1"
"""The version of the prompts: the name of their file under `prompts/`. Recorded with each answer."""

_STRING = {"type": "string"}
_EVIDENCE = {
    "type": "object",
    "properties": {"value": _STRING, "words": _STRING},
    "required": ["value", "words"],
    "additionalProperties": False,
}
_REQUEST = {
    "type": "object",
    "properties": {
        "number": {"type": "integer"},
        "text": _STRING,
        "evidence": {"type": "array", "items": _EVIDENCE},
        "answer": _STRING,
        "then": _STRING,
    },
    "required": ["number", "text", "evidence", "answer", "then"],
    "additionalProperties": False,
}
_SCHEMA = {
    "type": "object",
    "properties": {"requests": {"type": "array", "items": _REQUEST}},
    "required": ["requests"],
    "additionalProperties": False,
}
"""Uses the subset of JSON Schema that structured outputs accept: every property required, none additional
(OpenAI, "Structured model outputs", supported schemas)."""
_MOST_FAULTS = 3


def request_for(
    targets: Sequence[Target],
    functions: Mapping[str, Function],
    settings: Generate,
    faults: Mapping[str, Sequence[Drop]] | None = None,
) -> dict[str, Any]:
    """The body of a chat completion request that asks a teacher to write these targets.

    `faults` holds the drops of earlier requests by the target's id.
    """
    names = dict.fromkeys(call.name for target in targets for call in (*target.calls, *target.then))
    asked = {
        "functions": [functions[name].definition["function"] for name in names],
        "other_functions": [
            {"name": each.name, "description": each.description}
            for each in functions.values()
            if each.name not in names
        ]
        if any(target.kind == Kind.REJECT for target in targets)
        else [],
        "items": [_item(number, target, faults or {}) for number, target in enumerate(targets)],
    }
    body: dict[str, Any] = {
        "model": settings.model,
        "messages": [
            {"role": "system", "content": prompt()},
            {"role": "user", "content": json_text(asked).decode()},
        ],
    }
    if settings.temperature is not None:
        body["temperature"] = settings.temperature
    if settings.structured:
        schema = {"name": "requests", "strict": True, "schema": _SCHEMA}
        body["response_format"] = {"type": "json_schema", "json_schema": schema}
    return body


def read_words(completion: Mapping[str, Any], targets: Sequence[Target]) -> tuple[list[Written], list[Drop]]:
    """The requests that a teacher wrote for these targets, and a drop for each other target."""
    answer = read_answer(completion)
    if answer.refused:
        return [], _all(
            targets, "teacher-refused", f"The teacher refused: {answer.text or 'no reason given'}", answer.text
        )
    entries = _entries(answer.text)
    if entries is None:
        said = "The teacher's answer is not the requested JSON" if answer.text else "The teacher's answer is empty"
        return [], _all(targets, "teacher-not-json", f"{said}.", answer.text)
    written, drops = [], []
    for number, target in enumerate(targets):
        entry = entries.get(number)
        if entry is None:
            drops.append(Drop(target.id, "teacher-left-out", "The teacher wrote no request for it."))
        else:
            written.append(_written(target, entry))
    return written, drops


@cache
def prompt() -> str:
    """The instructions to the teacher."""
    return files("orchestrator.generation").joinpath("prompts", f"{PROMPTS}.md").read_text("utf-8").strip()


def _item(number: int, target: Target, faults: Mapping[str, Sequence[Drop]]) -> dict[str, Any]:
    item: dict[str, Any] = {"number": number, "kind": target.kind.value, "style": target.style.value}
    item |= {"id": target.id, "language": target.language, "calls": [_call(call) for call in target.calls]}
    if target.then:
        item["then"] = [_call(call) for call in target.then]
    if target.lacking:
        item["lacking"] = target.lacking
    if dropped := faults.get(target.id):
        item["rejected"] = [{"text": each.text, "reason": each.detail} for each in dropped[-_MOST_FAULTS:]]
    return item


def _call(call: Call) -> dict[str, Any]:
    return {"name": call.name, "arguments": call.arguments}


def _entries(text: str) -> dict[int, Mapping[str, Any]] | None:
    """The entries of an answer by number; None if it has another form."""
    for candidate in _objects(text):
        try:
            value = parse_json(candidate)
        except NotJson:
            continue
        requests = value.get("requests") if isinstance(value, Mapping) else value
        if isinstance(requests, list):
            return {
                each["number"]: each
                for each in requests
                if isinstance(each, Mapping)
                and isinstance(each.get("number"), int)
                and isinstance(each.get("text"), str)
            }
    return None


def _objects(text: str) -> Iterator[str]:
    """The parts of an answer that may be the JSON: all of it, a code fence, or the text in braces."""
    yield text
    if "```" in text:
        yield text.split("```")[1].removeprefix("json")
    start, end = text.find("{"), text.rfind("}")
    if 0 <= start < end:
        yield text[start : end + 1]


def _written(target: Target, entry: Mapping[str, Any]) -> Written:
    evidence = entry.get("evidence")
    told = {
        each["value"]: each["words"]
        for each in (evidence if isinstance(evidence, list) else ())
        if isinstance(each, Mapping) and isinstance(each.get("value"), str) and isinstance(each.get("words"), str)
    }
    answer, then = (entry.get(key) for key in ("answer", "then"))
    return Written(
        target,
        str(entry["text"]).strip(),
        told,
        answer.strip() if isinstance(answer, str) else "",
        then.strip() if isinstance(then, str) else "",
    )


def _all(targets: Sequence[Target], reason: str, detail: str, text: str) -> list[Drop]:
    return [Drop(target.id, reason, detail, text[:500]) for target in targets]
