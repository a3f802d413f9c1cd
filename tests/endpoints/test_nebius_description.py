"""Everything sent to Nebius, and what its simulator answers, held against Nebius' description.

It is not part of this repository. FTORCH_NEBIUS_OPENAPI is the path of https://api.tokenfactory.nebius.com/openapi.json,
or of a document made of the parts of it that the pages of docs.tokenfactory.nebius.com show.
"""

from __future__ import annotations

import json
import os
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from support.exchanges import Kept
from support.nebius_life import exchanges

DESCRIPTION = os.environ.get("FTORCH_NEBIUS_OPENAPI")

Json = Mapping[str, Any]


@pytest.mark.skipif(not DESCRIPTION, reason="FTORCH_NEBIUS_OPENAPI is not set: the path of Nebius' openapi.json")
def test_every_request_and_answer_fits_nebius_description(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    counts: Counter[str] = Counter()
    wrong = [
        f"{each.method} {each.path}: {problem}"
        for each in exchanges(tmp_path)
        for problem in _problems(each, counts)
    ]
    with capsys.disabled():
        print(f"\n{DESCRIPTION}: {dict(counts)}")
    assert wrong == []
    assert counts["requests"] > 3
    assert counts["answers"] > 5


def test_a_life_asks_for_everything_that_a_host_of_this_type_is_asked_for(tmp_path: Path) -> None:
    asked = {
        (each.method, re.sub(r"ftjob-\w+|file-\w+|meta-llama/.+", "ID", each.path)) for each in exchanges(tmp_path)
    }
    job = "/v1/fine_tuning/jobs"
    assert asked == {
        *((method, "/v1/files") for method in ("GET", "POST")),
        *((method, "/v1/files/ID") for method in ("GET", "DELETE")),
        *((method, job) for method in ("GET", "POST")),
        *(("GET", f"{job}/ID{rest}") for rest in ("", "/events", "/checkpoints")),
        ("POST", f"{job}/ID/cancel"),
        ("POST", "/v1/chat/completions"),
        *((method, "/v0/models") for method in ("GET", "POST")),
        ("DELETE", "/v0/models/ID"),
    }


@cache
def _document() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(Path(DESCRIPTION or "").read_text(encoding="utf-8"))
    return found


def _problems(each: Kept, counts: Counter[str]) -> Iterator[str]:
    operation = _operation(each.method.lower(), each.path)
    if operation is None:
        counts["not in the description"] += 1
        return
    body = operation.get("requestBody", {}).get("content", {}).get("application/json")
    if body is not None:
        counts["requests"] += 1
        yield from _errors(_closed(body["schema"]), json.loads(each.body))
    answer = operation["responses"].get(str(each.status), {}).get("content", {}).get("application/json")
    if answer is None:
        counts["answers without a schema"] += 1
    else:
        counts["answers"] += 1
        yield from _errors(answer["schema"], json.loads(each.answer))


def _operation(method: str, path: str) -> Json | None:
    fitting = [
        (template.count("{"), item[method])
        for template, item in _document()["paths"].items()
        if method in item and re.fullmatch(re.sub(r"\{[^}]+\}", "[^/]+", template), path)
    ]
    return min(fitting, key=lambda found: found[0])[1] if fitting else None


def _closed(schema: Json) -> Json:
    """The schema of a request, without fields that it doesn't name: a host may read past a misspelled one."""
    if "$ref" in schema:
        schema = _document()["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    return {"additionalProperties": False, **schema}


def _errors(schema: Json, value: Any) -> Iterator[str]:
    whole = {**schema, "components": _document()["components"]}
    for error in jsonschema_rs.validator_for(whole).iter_errors(value):
        yield f"{'/'.join(map(str, error.instance_path))}: {error.message}"
