"""What services refuse in definitions that are sound JSON Schema, and in calls that are well formed."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
from support.rows import CALL, DECLARED, EXAMPLE, MISSING, PREFERENCE, TOOL, Row, changed, check_rows, codes, said

from orchestrator.dataset.checking import refused


def found(tmp_path: Path, row: Row, **options: Any) -> list[tuple[str, str]]:
    report = check_rows(tmp_path, row, row, **options)
    return [(each.code, each.reason) for each in report.findings if not each.code.startswith("FT6")]


def with_property(schema: object) -> Row:
    return changed(EXAMPLE, *DECLARED, "parameters", "properties", "route", schema)


@pytest.mark.parametrize(
    ("schema", "where", "words"),
    [
        ({"type": "array"}, "parameters.properties.route", '"items"'),
        ({"type": ["array", "null"]}, "parameters.properties.route", '"items"'),
        ({"anyOf": [{"type": "array", "prefixItems": [{}]}]}, "parameters.properties.route.anyOf.0", '"items"'),
        ({"type": "array", "items": {"type": "array"}}, "parameters.properties.route.items", '"items"'),
        ({"type": "string", "enum": []}, "parameters.properties.route", "the enum has no value"),
        ({"type": "object", "properties": {}, "required": ["a"]}, "parameters.properties.route", '"a"'),
    ],
)
def test_a_schema_that_services_refuse_is_one_finding_with_its_place(
    tmp_path: Path, schema: object, where: str, words: str
) -> None:
    findings = found(tmp_path, with_property(schema))
    assert [code for code, _ in findings] == ["FT333"]
    assert findings[0][1].startswith('2 definition(s) of "climb"')
    assert f"at {where}: " in findings[0][1]
    assert words in findings[0][1]


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "array", "items": {}},
        {"type": "object"},
        {"type": "object", "additionalProperties": {"type": "string"}},
        {"type": "string", "enum": ["a"]},
    ],
)
def test_a_schema_that_services_take_is_no_finding(tmp_path: Path, schema: object) -> None:
    assert found(tmp_path, with_property(schema)) == []


@pytest.mark.parametrize("parameters", [{}, {"type": "object"}])
def test_parameters_need_properties_even_if_there_are_none(tmp_path: Path, parameters: Row) -> None:
    bare = changed(EXAMPLE, *DECLARED, "parameters", parameters)
    assert [code for code, _ in found(tmp_path, bare)] == ["FT333"]
    empty = {"type": "object", "properties": {}}
    for row in (
        changed(EXAMPLE, *DECLARED, "parameters", empty),
        changed(EXAMPLE, *DECLARED, "parameters", MISSING),
    ):
        assert found(tmp_path, row) == []


def test_every_object_of_a_strict_function_must_be_closed_and_fully_required(tmp_path: Path) -> None:
    point = {"type": "object", "properties": {"x": {"type": "number"}}, "required": ["x"]}
    row = changed(with_property(point), *DECLARED, "strict", True)
    reasons = [reason for _, reason in found(tmp_path, row)]
    assert len(reasons) == 3
    assert 'at parameters: an object needs "additionalProperties": false' in reasons[0]
    assert '"required" must name every property; it lacks "route"' in reasons[1]
    assert 'at parameters.properties.route: an object needs "additionalProperties": false' in reasons[2]
    assert found(tmp_path, changed(row, *DECLARED, "strict", False)) == []


def test_a_description_of_1024_characters_is_accepted_and_one_more_is_not(tmp_path: Path) -> None:
    for length, expected in ((1024, []), (1025, ["FT335"])):
        row = changed(EXAMPLE, *DECLARED, "description", "x" * length)
        assert [code for code, _ in found(tmp_path, row)] == expected


def test_the_place_in_preference_data_is_in_its_input(tmp_path: Path) -> None:
    tool = changed(TOOL, "function", "parameters", {})
    row = changed(PREFERENCE, "input", "tools", [tool])
    for finding in check_rows(tmp_path, row, row, method="dpo").findings:
        if finding.code == "FT333":
            assert finding.pointer == "/input/tools/0/function/parameters"


@pytest.mark.parametrize("key", ["tools", "functions"])
def test_an_empty_list_of_tools_beside_calls_is_the_same_as_none(tmp_path: Path, key: str) -> None:
    row = changed(changed(EXAMPLE, "tools", MISSING), key, [])
    assert codes(check_rows(tmp_path, row, row)) == ["FT331"]


def test_parallel_calls_are_held_against_what_the_row_allows(tmp_path: Path) -> None:
    row = changed(EXAMPLE, "messages", EXAMPLE["messages"][:3])
    row = changed(row, "messages", 2, "tool_calls", [CALL, {**CALL, "id": "call_2"}])
    assert [code for code, _ in found(tmp_path, {**row, "parallel_tool_calls": False})] == ["FT337"]
    assert found(tmp_path, {**row, "parallel_tool_calls": True}) == []
    assert [code for code, _ in found(tmp_path, {**said("Hi"), "parallel_tool_calls": True})] == ["FT336"]


def test_types_of_python_and_gemini_are_named_all_at_once(tmp_path: Path) -> None:
    inner = {
        "a": {"type": "str"},
        "b": {"type": "int, optional"},
        "c": {"type": "list[str]"},
        "d": {"type": "STRING"},
    }
    for outer, code in (("dict", "FT304"), ("object", "FT306")):
        row = changed(EXAMPLE, *DECLARED, "parameters", {"type": outer, "properties": inner})
        [(found_code, reason)] = set(found(tmp_path, row))
        assert found_code == code
        assert '"str" (string), "int, optional" (integer), "list[str]" (array), "STRING" (string)' in reason
    plain = {"type": "object", "properties": {"a": {"type": "quantity"}}}
    assert "other names" not in found(tmp_path, changed(EXAMPLE, *DECLARED, "parameters", plain))[0][1]


def test_parameters_as_json_text_are_named_as_what_they_are(tmp_path: Path) -> None:
    row = changed(EXAMPLE, *DECLARED, "parameters", '{"type": "object", "properties": {}}')
    assert "found the JSON text of one" in found(tmp_path, row)[0][1]


def test_a_description_that_is_no_text_has_its_own_finding(tmp_path: Path) -> None:
    assert [code for code, _ in found(tmp_path, changed(EXAMPLE, *DECLARED, "description", 5))] == ["FT301"] * 2


def test_the_quick_look_passes_over_nothing_that_is_refused() -> None:
    rng = random.Random(5)
    plain = 0
    for _ in range(2000):
        schema = _schema(rng)
        if refused._is_plain(schema, 0):
            plain += 1
            assert refused._problems(schema, refused._refused) == ()
    assert plain > 200


def _schema(rng: random.Random, depth: int = 0) -> dict[str, Any]:
    found: dict[str, Any] = {"type": rng.choice(["object", "array", "string", ["array", "null"]])}
    if rng.random() < 0.1:
        found["enum"] = rng.choice([[], ["a"]])
    if depth < 3 and rng.random() < 0.5:
        found["properties"] = {name: _schema(rng, depth + 1) for name in rng.sample("abc", rng.randint(0, 3))}
    if rng.random() < 0.4:
        found["required"] = rng.sample("abc", rng.randint(0, 2))
    if depth < 3 and rng.random() < 0.4:
        found["items"] = _schema(rng, depth + 1)
    if rng.random() < 0.1:
        found[rng.choice(["anyOf", "additionalProperties"])] = rng.choice([[_schema(rng, 3)], _schema(rng, 3)])
    return found
