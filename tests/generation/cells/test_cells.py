"""Cells: which calls a function's schema allows, in full or by pairs, and how much of it is covered."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from itertools import combinations, product
from typing import Any

import jsonschema_rs
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st
from support.randomschemas import function, schemas

from orchestrator.errors import FunctionNotEnumerable
from orchestrator.generation.cells.cells import enumerate_cells
from orchestrator.generation.cells.choices import Bounded, LeftOut, Unsupported
from orchestrator.generation.cells.covering import Column, Space, covering_rows
from orchestrator.generation.cells.reading import choices_of
from orchestrator.generation.cells.values import values_of

QUICK = settings(deadline=None, max_examples=60, suppress_health_check=list(HealthCheck))
INTEGER, TEXT, SWITCH = {"type": "integer"}, {"type": "string"}, {"type": "boolean"}
LAMP = {"mode": {"enum": ["on", "off"]}, "level": {"type": "integer", "minimum": 1, "maximum": 9}, "warm": SWITCH}


def labels(properties, required=(), **more):
    """By cell, its labels by pointer."""
    return [dict(cell.forms[0].choices) for cell in enumerate_cells([function(properties, required, **more)])]


def all_forms(factor):
    """Every way to choose a factor and all under it, straight from the definition of choices."""
    for choice in factor.choices:
        own = [] if factor.only else [(factor.pointer, choice.label)]
        for inner in product(*(list(all_forms(each)) for each in choice.factors)):
            yield (*own, *(pair for part in inner for pair in part))


def pairs_in(forms):
    return {frozenset(pair) for form in forms for pair in combinations(form, 2)}


def test_the_full_product_has_every_combination_once():
    found = labels(LAMP, ["mode"])
    assert len(found) == 2 * 4 * 3
    assert {(each["/mode"], each["/level"], each["/warm"]) for each in found} == set(
        product(('"on"', '"off"'), ("absent", "min", "max", "any"), ("absent", "true", "false"))
    )


def test_a_function_without_parameters_has_one_cell():
    assert [cell.forms[0].choices for cell in enumerate_cells([function({})])] == [()]


def test_choices_under_an_object_exist_only_where_it_is_present():
    found = labels({"to": {"type": "object", "properties": {"near": SWITCH}, "required": ["near"]}})
    assert found == [{"/to": "absent"}, *({"/to": "present", "/to/near": each} for each in ("true", "false"))]


def test_each_branch_has_its_parameters_and_null_is_a_choice():
    branches = [
        {"type": "object", "properties": {"kind": {"const": kind}, "on": SWITCH}, "required": ["kind", "on"]}
        for kind in "ab"
    ]
    found = labels({"x": {"oneOf": [*branches, {"type": "null"}]}}, ["x"])
    assert Counter(each["/x"] for each in found) == {"branch 0": 2, "branch 1": 2, "null": 1}


def test_an_optional_value_of_the_pydantic_kind_is_a_value_or_null():
    found = labels({"x": {"anyOf": [{"enum": [1, 2]}, {"type": "null"}]}}, ["x"])
    assert [each["/x"] for each in found] == ["1", "2", "null"]


def test_arrays_are_empty_or_have_each_value_of_an_enum_first():
    found = labels({"tags": {"type": "array", "items": {"enum": ["a", "b"]}, "maxItems": 3}}, ["tags"])
    assert {(each["/tags"], each.get("/tags/0")) for each in found} == {
        ("empty", None),
        *product(("max", "any"), ('"a"', '"b"')),
    }


def test_merged_schemas_keep_to_all_of_their_parts():
    found = labels({"x": {"allOf": [{"$ref": "#/$defs/low"}, {"maximum": 5}]}}, ["x"], **{"$defs": {"low": {
        "type": "integer", "minimum": 5}}})  # fmt: skip
    assert found == [{}]


def test_enum_values_of_all_kinds_are_kept_apart():
    odd = [None, True, 1, "1", 1.5, [], {}, {"a": [1]}, "", " ", "é", "x" * 10_000, "x" * 9_999 + "y"]
    cells = enumerate_cells([function({"e": {"enum": odd}}, ["e"])])
    assert cells.coverage.shares["enum values"] == (13, 13)
    assert [
        values_of(cell, {"f": function({"e": {"enum": odd}}, ["e"])}, 0, 0)[0].arguments["e"] for cell in cells
    ] == odd
    assert all(len(dict(cell.forms[0].choices)["/e"]) <= 150 for cell in cells)


def test_ten_enums_of_ten_are_covered_by_pairs_in_few_cells():
    properties = {f"p{number}": {"enum": list(range(10))} for number in range(10)}
    cells = enumerate_cells([function(properties, properties)], seed=3)
    assert cells.coverage.full == 10**10
    assert cells.coverage.shares["pairs of choices"] == (4500, 4500)
    assert 100 <= len(cells) <= 200
    assert not cells.coverage.functions[0].is_full


@QUICK
@given(st.data())
def test_coverage_is_as_counted_by_hand(data):
    schema = data.draw(schemas())
    try:
        cells = enumerate_cells([function(**schema)], most_full=data.draw(st.sampled_from((1, 12, 200))))
    except FunctionNotEnumerable:
        return
    (counted,) = cells.coverage.functions
    choices = choices_of(function(**schema))
    if choices.size > 3000:
        return
    allowed, made = list(all_forms(choices.root)), [cell.forms[0].choices for cell in cells]
    assert len(allowed) == choices.size
    assert set(made) <= set(allowed)
    assert len(set(made)) == len(made) == counted.cells == len({cell.id for cell in cells})
    assert counted.pairs == (len(pairs_in(made)), len(pairs_in(allowed)))
    if not choices.needs_trial:
        assert pairs_in(made) == pairs_in(allowed)
        assert {pair for form in made for pair in form} == {pair for form in allowed for pair in form}
        assert counted.enum_values[0] == counted.enum_values[1]
        assert counted.is_full == (len(made) == len(allowed))


@QUICK
@given(
    st.lists(st.tuples(st.integers(2, 4), st.integers(0, 9), st.integers(1, 15)), min_size=1, max_size=6),
    st.integers(0, 99),
)
def test_covering_rows_contain_every_pair_that_any_row_contains(drawn, seed):
    columns: list[Column] = []
    for size, above, mask in drawn:
        chain = [len(columns) - 1]  # a column may depend on the last one, and on what that depends on
        while chain[-1] >= 0:
            chain.append(columns[chain[-1]].parent)
        parent = chain[above % len(chain)]
        under = frozenset(bit for bit in range(columns[parent].size if parent >= 0 else 0) if mask >> bit & 1)
        columns.append(Column(size, parent, under) if under else Column(size))
    space = Space(tuple(columns))
    every = list(space.rows())
    assert space.size == len(every) == len(set(every))
    assert [space.row_at(index) for index in range(space.size)] == every

    def pairs(rows):
        return {pair for row in rows for pair in combinations([(n, c) for n, c in enumerate(row) if c >= 0], 2)}

    rows = covering_rows(space, seed)
    assert set(rows) <= set(every)
    assert pairs(rows) == pairs(every)
    assert space.pairs == len(pairs(every))


def test_rows_that_break_the_schema_are_left_out_and_reported():
    cells = enumerate_cells([function({"a": SWITCH, "b": INTEGER}, dependentRequired={"a": ["b"]})])
    found = [dict(cell.forms[0].choices) for cell in cells]
    assert len(found) == 4
    assert {"/a": "true", "/b": "absent"} not in found
    assert [(note.forms, note.of) for note in cells.findings if isinstance(note, LeftOut)] == [(2, 6)]


def test_pairs_are_sought_in_valid_rows_where_the_first_row_breaks_the_schema():
    properties = {name: {"enum": list(range(5))} for name in "abcd"}
    rule = {"if": {"properties": {"a": {"const": 0}}}, "then": {"properties": {"b": {"const": 0}}}}
    cells = enumerate_cells([function(properties, properties, **rule)], seed=1)
    assert cells.coverage.shares["pairs of choices"] == (6 * 25 - 4, 6 * 25)


def test_recursion_is_bounded_and_reported():
    node = {"type": "object", "properties": {"v": INTEGER, "next": {"$ref": "#/$defs/node"}}, "required": ["v"]}
    cells = enumerate_cells([function({"list": {"$ref": "#/$defs/node"}}, ["list"], **{"$defs": {"node": node}})])
    assert [dict(cell.forms[0].choices) for cell in cells] == [{"/list/next": "absent"}, {"/list/next": "present"}]
    assert cells.findings == (Bounded("f", "/list/next/next", 2),)


def test_recursion_without_an_end_leaves_its_parameter_out():
    endless = {"type": "object", "properties": {"next": {"$ref": "#/$defs/e"}}, "required": ["next"]}
    optional = enumerate_cells([function({"x": {"$ref": "#/$defs/e"}}, **{"$defs": {"e": endless}})])
    assert len(optional) == 1
    assert optional.coverage.shares["optional present/absent"] == (1, 2)
    with pytest.raises(FunctionNotEnumerable, match="required"):
        enumerate_cells([function({"x": {"$ref": "#/$defs/e"}}, ["x"], **{"$defs": {"e": endless}})])


def test_deep_and_wide_schemas_end():
    deep: Any = {"type": "string"}
    for _ in range(60):
        deep = {"type": "object", "properties": {"a": deep}}
    wide = {f"p{number}": {"type": "object", "properties": {"a": TEXT, "b": TEXT}} for number in range(600)}
    cells = enumerate_cells([function({"deep": deep}, name="deep"), function(wide, name="wide")])
    assert {note.function for note in cells.findings if isinstance(note, Bounded)} == {"deep", "wide"}
    assert 0 < len(cells) < 1000


def test_what_is_not_made_is_reported_with_its_place():
    properties = {
        "code": {"type": "string", "pattern": "^(?=x)"},
        "no": {"type": "integer", "not": {"const": 3}},
        "far": {"$ref": "https://example.com/schema.json"},
        "essay": {"type": "string", "maxLength": 5000},
        "odd": {"type": "string", "format": "sonnet"},
        "bag": {"type": "object"},
        "e": {"type": "string", "enum": ["a", 1]},
        "none": {"type": "integer", "minimum": 5, "maximum": 4},
    }
    properties.pop("far")
    cells = enumerate_cells([function(properties)])
    assert {(note.pointer, note.keyword) for note in cells.findings if isinstance(note, Unsupported)} == {
        *(
            ("/code", "pattern"),
            ("/no", "not"),
            ("/essay", "maxLength"),
            ("/odd", "format"),
            ("/bag", "properties"),
        ),
        *(("/e", "enum"), ("/none", "minimum")),
    }
    assert all("f" in note and "/" in note for note in cells.notes)


@pytest.mark.parametrize(
    "schema",
    [{"properties": 1}, {"properties": {"a": {"type": "strin"}}}, {"properties": {"a": {"$ref": "#/$defs/b"}}},
     {"properties": {"a": {"maximum": 1 << 70}}}, {"$ref": "#"}],
)  # fmt: skip
def test_an_invalid_schema_is_refused_by_the_functions_name(schema):
    with pytest.raises(FunctionNotEnumerable, match=r"\bf\b"):
        enumerate_cells([function({}) if schema is None else function(**{"properties": {}, **schema})])


def test_a_function_that_cannot_be_called_has_no_cells_and_the_others_have_theirs():
    cells = enumerate_cells([function({"x": False}, ["x"], name="never"), function({"x": SWITCH}, name="f")])
    assert (len(cells.of("never")), len(cells.of("f")), len(cells)) == (0, 3, 3)
    assert any("never" in note for note in cells.notes)


def test_parallel_cells_meet_every_pair_of_functions_first():
    functions = [function({"on": SWITCH}, name=name) for name in "abcd"] + [function({}, name="stop")]
    cells = enumerate_cells(functions, parallel=14, seed=2)
    assert cells.coverage.function_pairs == (14, 10 + 4)  # "stop" twice says nothing
    assert cells.coverage.parallel == 14
    more = enumerate_cells(functions, parallel=60, seed=2)
    assert more.parallel[:14] == cells.parallel
    assert len({cell.id for cell in more}) == len(more)
    assert Counter(len(cell.forms) for cell in more.parallel).keys() == {2, 3}
    few = enumerate_cells(functions, parallel=3, seed=2).coverage.function_pairs
    assert few == (3, 14)


def test_cells_are_read_again_and_by_number():
    cells = enumerate_cells([function(LAMP, ["mode"])], parallel=3, seed=1)
    assert list(cells) == list(cells)
    assert len(list(cells)) == len(cells)
    assert [cells.of("f")[number] for number in range(len(cells.of("f")))] == list(cells.of("f"))


def test_cells_are_the_same_in_another_process_and_with_functions_in_another_order():
    properties = {f"p{number}": {"enum": list("abcd")} for number in range(6)}
    program = (
        "import json,sys; from orchestrator.generation.cells.cells import enumerate_cells;"
        "from orchestrator.generation.cells.values import values_of;"
        "from orchestrator.generation.calls import Function;"
        "d=json.loads(sys.argv[1]); f=[Function(n,'',s,{}) for n,s in d]; b={x.name:x for x in f};"
        "print(json.dumps([(c.id,[x.arguments for x in values_of(c,b,5,0)]) for c in enumerate_cells(f,seed=5)]))"
    )
    given_functions = [("f", function(properties).schema), ("g", function({"name": TEXT}, ["name"]).schema)]

    def run(functions, hashing):
        text = subprocess.run(
            [sys.executable, "-c", program, json.dumps(functions)], capture_output=True, check=True, text=True,
            env={"PYTHONHASHSEED": hashing, "PATH": ""},
        ).stdout  # fmt: skip
        return json.loads(text)

    first, second = run(given_functions, "1"), run(given_functions[::-1], "2")
    assert sorted(first, key=str) == sorted(second, key=str)
    assert len(first) > 16


@QUICK
@given(st.data())
def test_every_cell_has_a_valid_call_with_its_choices(data):
    schema = data.draw(schemas())
    one = function(**schema)
    try:
        cells = enumerate_cells([one], most_full=data.draw(st.sampled_from((4, 64))), seed=data.draw(st.integers()))
    except FunctionNotEnumerable:
        return
    validator = jsonschema_rs.Draft202012Validator(dict(one.schema))
    for cell in list(cells)[:80]:
        (call,) = values_of(cell, {"f": one}, data.draw(st.integers(0, 3)), 0)
        assert validator.is_valid(call.arguments)
        for pointer, label in cell.forms[0].choices:
            assert holds(call.arguments, pointer.split("/")[1:], label)


def holds(value, path, label):
    """Whether the value at the place is what a plain label says of it."""
    for part in path[:-1]:
        value = value[int(part)] if isinstance(value, list) else value[part]
    there = bool(path) and (int(path[-1]) < len(value) if isinstance(value, list) else path[-1] in value)
    if path and label in ("absent", "present"):
        return there == (label == "present")
    value = value if not path else value[int(path[-1])] if isinstance(value, list) else value[path[-1]]
    if label in ("true", "false", "null") or label[0] in '"[{-0123456789':
        return json.loads(label) == value
    return value in ([], {}) if label == "empty" else value is not None or label.startswith("branch")


def test_choices_too_many_for_every_pair_come_once_each_and_it_is_said():
    many = {"enum": list(range(4000))}
    cells = enumerate_cells([function({"a": many, "b": many}, "ab")])
    assert cells.coverage.shares["enum values"] == (8000, 8000)
    assert len(cells) <= 8000
    assert "too many choices to cover every pair" in cells.notes[0]


def test_a_schema_that_nothing_fits_ends_soon_with_the_reason():
    with pytest.raises(FunctionNotEnumerable, match="left out; the first breaks"):
        enumerate_cells([function({f"p{number}": {"enum": [1, 2, 3]} for number in range(9)}, **{"not": {}})])
