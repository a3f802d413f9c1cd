"""A schema that is made to keep a validator busy for hours becomes a finding, in no time."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from orchestrator.dataset.checking.checks import check_file
from orchestrator.dataset.checking.schemacost import is_too_much

STRING = {"type": "string"}


def doubling(levels, word="allOf"):
    definitions: dict[str, Any] = {"d0": STRING}
    for level in range(1, levels + 1):
        definitions[f"d{level}"] = {word: [{"$ref": f"#/$defs/d{level - 1}"}] * 2}
    return {"type": "object", "properties": {"a": {"$ref": f"#/$defs/d{levels}"}}, "$defs": definitions}


def recursive(**node):
    return {"type": "object", "$defs": {"n": node}, "properties": {"a": {"$ref": "#/$defs/n"}}}


AGAIN = {"$ref": "#/$defs/n"}
INSIDE = {"properties": {"a": AGAIN}}


@pytest.mark.parametrize(
    "schema",
    [
        doubling(27),
        doubling(60, "anyOf"),
        doubling(3000, "oneOf"),
        recursive(allOf=[INSIDE, INSIDE]),
        recursive(allOf=[{"additionalProperties": AGAIN}, INSIDE]),
        recursive(additionalProperties=AGAIN, patternProperties={"a": AGAIN}),
        recursive(items=AGAIN, contains=AGAIN),
        recursive(**AGAIN),
        recursive(anyOf=[{"not": AGAIN}]),
        {"type": "object", "properties": {"a": {"allOf": [{"$ref": "#"}, {"$ref": "#"}]}}},
        {"$id": "https://x/y", "properties": {"a": {"allOf": [{"$ref": "https://x/y"}, {"$ref": "https://x/y#"}]}}},
    ],
)
def test_schemas_that_multiply_are_too_much(schema):
    started = time.process_time()
    assert is_too_much(schema)
    assert time.process_time() - started < 2


@pytest.mark.parametrize(
    "schema",
    [
        doubling(5),
        recursive(type="object", properties={"left": AGAIN, "right": AGAIN, "value": STRING}),
        recursive(anyOf=[STRING, {"items": AGAIN}, {"additionalProperties": AGAIN}]),
        recursive(properties={"left": AGAIN, "right": AGAIN}, additionalProperties=AGAIN),
        recursive(prefixItems=[AGAIN, AGAIN], items=STRING),
        {"properties": {f"p{n}": {"$ref": "#/$defs/x"} for n in range(2000)}, "$defs": {"x": STRING}},
        {"$ref": "https://json-schema.org/draft/2020-12/schema"},
        {"properties": {"a": {"$ref": "#text"}}, "$defs": {"x": {"$anchor": "text", **STRING}}},
    ],
)
def test_schemas_that_people_write_are_not(schema):
    assert not is_too_much(schema)


def test_a_file_with_such_a_schema_gets_a_finding_and_is_checked_at_once(tmp_path):
    function = {"name": "f", "parameters": doubling(27)}
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": '{"a": "x"}'}}
    row = {
        "messages": [{"role": "user", "content": "x"}, {"role": "assistant", "tool_calls": [call]}],
        "tools": [{"type": "function", "function": function}],
    }
    path = tmp_path / "train.jsonl"
    path.write_text(f"{json.dumps(row)}\n" * 12)
    started = time.process_time()
    report = check_file(path, method=None, purpose="training")
    assert time.process_time() - started < 5
    assert "its references multiply" in report.errors[0].reason
