from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from support.rows import DECLARED, EXAMPLE, FUNCTION, changed, check_rows, codes

from orchestrator.dataset.checking.schemas import MOST_PROBLEMS, InvalidSchema, parameters_of


def schema(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties}


@pytest.mark.parametrize(
    ("parameters", "arguments", "problem"),
    [
        (
            schema(altitude={"type": "integer"}),
            {"altitude": "fifty"},
            'altitude is "fifty", but must be an integer',
        ),
        (schema(to={"type": ["string", "null"]}), {"to": 5}, "to is 5, but must be null or a string"),
        (schema(mode={"enum": ["on", "off"]}), {"mode": "sos"}, 'mode is "sos", but must be one of "on", "off"'),
        (schema(unit={"const": "m"}), {"unit": "ft"}, 'unit is "ft", but must be "m"'),
        ({**schema(to={}), "required": ["to"]}, {}, "to is missing, but required"),
        (schema(at={**schema(lat={}), "required": ["lat"]}), {"at": {}}, "at.lat is missing, but required"),
        (schema(path={"items": {"type": "number"}}), {"path": [1, "x"]}, 'path[1] is "x", but must be a number'),
        (
            schema(path={"items": {"type": "number"}}),
            {"path": [1, {}]},
            "path[1] is an object, but must be a number",
        ),
        ({**schema(to={}), "additionalProperties": False}, {"ot": 1}, 'the function takes no "ot"'),
        (schema(percent={"maximum": 100}), {"percent": 101}, "percent is 101, but must be at most 100"),
        (schema(percent={"minimum": 0}), {"percent": -1}, "percent is -1, but must be at least 0"),
        (schema(code={"pattern": "^[A-Z]+$"}), {"code": "a"}, 'code: "a" does not match "^[A-Z]+$"'),
        ({"type": "object", "minProperties": 1}, {}, "{} has less than 1 property"),
        (
            {**schema(place={"$ref": "#/$defs/place"}), "$defs": {"place": {"type": "string"}}},
            {"place": 1},
            "place is 1, but must be a string",
        ),
        (
            {**schema(on={}), "dependentRequired": {"on": ["mode"]}},  # of draft 2020-12, not of draft 7
            {"on": True},
            "mode is missing, but required",
        ),
    ],
)
def test_a_problem_names_the_argument_its_value_and_the_rule(
    parameters: dict[str, Any], arguments: dict[str, Any], problem: str
) -> None:
    assert parameters_of(parameters).problems(arguments) == [problem]


@pytest.mark.parametrize(
    ("parameters", "problem", "path"),
    [
        (schema(to={"type": "int"}), '"int" is not a type; the types are array', ("properties", "to", "type")),
        (schema(to={"enum": "on"}), '"on" is not of type "array"', ("properties", "to", "enum")),
        (schema(to={"required": True}), 'true is not of type "array"', ("properties", "to", "required")),
        (schema(to={"pattern": "("}), '"(" is not a "regex"', ("properties", "to", "pattern")),
        (schema(to={"$ref": "#/$defs/place"}), "'/$defs/place' does not exist", ()),
    ],
)
def test_an_invalid_schema_says_where_and_why(
    parameters: dict[str, Any], problem: str, path: tuple[str, ...]
) -> None:
    for _ in range(2):  # the second time from memory
        with pytest.raises(InvalidSchema) as raised:
            parameters_of(parameters)
        assert problem in raised.value.problem
        assert raised.value.path == path


def test_a_reference_to_an_address_is_refused_and_never_fetched() -> None:
    with pytest.raises(InvalidSchema, match="disabled"):
        parameters_of(schema(to={"$ref": "http://127.0.0.1:9/schema.json"}))


def test_a_schema_may_name_an_older_draft_and_an_unknown_one_is_read_as_the_newest() -> None:
    older = {**schema(to={"type": "string"}), "$schema": "http://json-schema.org/draft-07/schema#"}
    unknown = {**older, "$schema": "https://example.org/ours"}
    for parameters in (older, unknown):
        assert len(parameters_of(parameters).problems({"to": 1})) == 1


def test_names_that_required_lists_and_properties_lacks_are_legal() -> None:
    parameters = parameters_of({**schema(to={"type": "string"}), "required": ["to", "speed"]})
    assert parameters.problems({"to": "a", "speed": 3}) == []


def test_a_call_with_countless_mistakes_shows_the_first_ones() -> None:
    parameters = parameters_of(schema(path={"items": {"type": "number"}}))
    assert len(parameters.problems({"path": ["x"] * 1000})) == MOST_PROBLEMS


def test_a_value_from_a_file_cannot_reach_the_terminal_as_it_is() -> None:
    problems = parameters_of(schema(to={"type": "integer"})).problems({"to": "\x1b[2J" + "x" * 1000})
    assert problems[0].isprintable()
    assert len(problems[0]) < 120


@pytest.mark.parametrize(
    ("parameters", "undeclared"),
    [
        (schema(to={}), ["speed"]),
        ({**schema(to={}), "additionalProperties": {"type": "integer"}}, []),
        ({**schema(to={}), "patternProperties": {"^s": {}}}, []),
        (schema(), []),
        ({"type": "object"}, []),
    ],
)
def test_an_argument_is_undeclared_where_the_schema_says_nothing_about_it(
    parameters: dict[str, Any], undeclared: list[str]
) -> None:
    assert parameters_of(parameters).undeclared({"to": 1, "speed": 2}) == undeclared


def test_the_calls_of_a_line_are_checked_against_the_tools_of_that_line(tmp_path: Path) -> None:
    text = changed(EXAMPLE, *DECLARED, "parameters", "properties", "metres", "type", "string")
    five = json.dumps({"metres": "five"})
    report = check_rows(tmp_path, EXAMPLE, text, changed(text, *FUNCTION, "arguments", five), EXAMPLE)
    assert [(finding.line, finding.code) for finding in report.errors] == [(2, "FT322")]
    assert report.errors[0].reason == "metres is 5, but must be a string"


def test_each_broken_rule_is_a_finding_of_its_own(tmp_path: Path) -> None:
    row = changed(EXAMPLE, *FUNCTION, "arguments", '{"metres": "x"}')
    row = changed(row, *DECLARED, "parameters", "required", ["metres", "speed"])
    assert codes(check_rows(tmp_path, row)) == ["FT322", "FT322", "FT333"]
