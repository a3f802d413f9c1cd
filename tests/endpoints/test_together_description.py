"""Everything sent to Together, and what its simulator answers, held against Together's description and SDK.

Neither is part of this repository. FTORCH_TOGETHER_OPENAPI is the path of openapi.yaml from
https://github.com/togethercomputer/openapi, FTORCH_TOGETHER_PYTHON a Python with the package `together`.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections import Counter
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
import yaml
from support.exchanges import Kept
from support.together_life import exchanges

DESCRIPTION, SDK = os.environ.get("FTORCH_TOGETHER_OPENAPI"), os.environ.get("FTORCH_TOGETHER_PYTHON")
NEWER = "/fine-tunes/preview"
"""A path that the description of 28 April 2026 doesn't have, and the SDK 3.1.1 does."""

Json = Mapping[str, Any]


@pytest.mark.skipif(
    not DESCRIPTION, reason="FTORCH_TOGETHER_OPENAPI is not set: the path of Together's openapi.yaml"
)
def test_every_request_and_answer_fits_togethers_description(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    counts: Counter[str] = Counter()
    wrong = [
        f"{each.method} {each.path}: {problem}"
        for each in exchanges(tmp_path, "old")
        for problem in _problems(each, counts)
    ]
    with capsys.disabled():
        print(f"\n{DESCRIPTION}: {dict(counts)}")
    assert wrong == []
    assert counts["requests"] > 50
    assert counts["answers"] > 50


@pytest.mark.skipif(not SDK, reason="FTORCH_TOGETHER_PYTHON is not set: a Python with the package together")
def test_every_request_and_answer_fits_the_types_of_togethers_sdk(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = tmp_path / "exchanges.jsonl"
    kept.write_text("".join(_line(each) + "\n" for each in exchanges(tmp_path, "new")))
    script = Path(__file__).parents[1] / "support" / "together_types.py"
    done = subprocess.run(
        [SDK or "", str(script), str(kept)], capture_output=True, text=True, timeout=120, check=True
    )
    found = json.loads(done.stdout)
    with capsys.disabled():
        print(f"\ntogether {found['version']}: {found['counts']}")
    assert found["wrong"] == []
    assert found["counts"]["requests"] > 10
    assert found["counts"]["answers"] > 50


def _line(each: Kept) -> str:
    is_json = bool(each.body) and each.content_type == "application/json"
    return json.dumps(
        {
            "method": each.method,
            "path": each.path.removeprefix("/v1"),
            "request": json.loads(each.body) if is_json else None,
            "status": each.status,
            "answer": each.answer.decode(),
        }
    )


# --- The description ---------------------------------------------------------------------------------------------


@cache
def _document() -> dict[str, Any]:
    read = yaml.safe_load(Path(DESCRIPTION or "").read_text(encoding="utf-8"))
    found: dict[str, Any] = json.loads(json.dumps(read, default=str))  # examples of times are no JSON
    return found


def _problems(each: Kept, counts: Counter[str]) -> Iterator[str]:
    path = each.path.removeprefix("/v1")
    if path == NEWER:
        counts["not in the description"] += 1
        return
    operation = _operation(each.method.lower(), path)
    if operation is None:
        yield "the description has no such path"
        return
    yield from _of_request(each, operation, counts)
    yield from _of_answer(each, operation, counts)


def _operation(method: str, path: str) -> Json | None:
    fitting = [
        (template.count("{"), item[method])
        for template, item in _document()["paths"].items()
        if method in item and re.fullmatch(re.sub(r"\{[^}]+\}", "[^/]+", template), path)
    ]
    found: Json | None = min(fitting, key=lambda each: each[0])[1] if fitting else None
    return found


def _of_request(each: Kept, operation: Json, counts: Counter[str]) -> Iterator[str]:
    counts["requests"] += 1
    named = {parameter["name"] for parameter in operation.get("parameters", ()) if parameter["in"] == "query"}
    yield from (f"the query has {name}" for name, _ in each.query if name not in named)
    contents = operation.get("requestBody", {}).get("content", {})
    if not each.body:
        if operation.get("requestBody", {}).get("required"):
            yield "it has no body"
    elif "multipart/form-data" in contents:
        schema = contents["multipart/form-data"]["schema"]
        yield from (f"the form has {name}" for name in each.form_fields - schema["properties"].keys())
        yield from (f"the form lacks {name}" for name in set(schema["required"]) - each.form_fields)
    else:
        schema, body = _resolved(contents["application/json"]["schema"]), json.loads(each.body)
        if "chat" not in each.path:
            yield from (f"the body has {name}" for name in body.keys() - schema["properties"].keys())
        yield from _errors(schema, body)


def _of_answer(each: Kept, operation: Json, counts: Counter[str]) -> Iterator[str]:
    answers = operation["responses"].get(str(each.status), {}).get("content")
    if not answers or "application/json" not in answers:
        counts["answers without a schema"] += 1
        return
    counts["answers"] += 1
    yield from _errors(answers["application/json"]["schema"], json.loads(each.answer))


def _resolved(schema: Json) -> Json:
    if "$ref" not in schema:
        return schema
    found: Json = _document()["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    return found


def _errors(schema: Json, value: Any) -> Iterator[str]:
    whole = {**schema, "components": _document()["components"]}
    for error in jsonschema_rs.Draft202012Validator(whole).iter_errors(value):
        yield f"{'/'.join(map(str, error.instance_path))}: {error.message}"
