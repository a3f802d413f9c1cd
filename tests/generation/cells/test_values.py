"""Values: what free parameters get, and how people would say it."""

from __future__ import annotations

import re
from datetime import date, datetime
from ipaddress import IPv4Address
from typing import Any
from uuid import UUID

import jsonschema_rs
import pytest
from hypothesis import given, settings, strategies as st
from support.randomschemas import function

from orchestrator.errors import CellOutdated
from orchestrator.generation.calls import Cell, Form
from orchestrator.generation.cells import plausible
from orchestrator.generation.cells.cells import enumerate_cells
from orchestrator.generation.cells.chance import Chance
from orchestrator.generation.cells.patterns import UnsupportedPattern, maker_of
from orchestrator.generation.cells.values import call_of, values_of

TEXT, INTEGER, NUMBER = {"type": "string"}, {"type": "integer"}, {"type": "number"}


def drawn(schema, name="x", count=40):
    """Values of one required parameter, over several seeds, by the label of its choice."""
    one = function({name: schema}, [name])
    found: dict[str, list[Any]] = {}
    for cell in enumerate_cells([one]):
        label = dict(cell.forms[0].choices).get(f"/{name}", "any")
        for number in range(count):
            found.setdefault(label, []).append(values_of(cell, {"f": one}, 0, number)[0].arguments[name])
    return found


def test_a_call_depends_on_seed_form_and_function_alone():
    one = function({"name": TEXT, "at": NUMBER}, ["name", "at"])
    (cell,) = enumerate_cells([one])
    first = call_of(cell.forms[0], one, 1)
    assert all(call_of(cell.forms[0], one, 1) == first for _ in range(3))
    assert len({str(call_of(cell.forms[0], one, seed)) for seed in range(30)}) > 25


def test_ends_of_a_range_are_as_chosen_and_the_rest_lies_between():
    found = drawn({"type": "integer", "minimum": 3, "exclusiveMaximum": 100, "multipleOf": 5})
    assert set(found["min"]) == {5}
    assert set(found["max"]) == {95}
    assert set(found["any"]) <= set(range(10, 91, 5))
    assert len(set(found["any"])) > 5


@pytest.mark.parametrize(
    ("schema", "low", "high"),
    [
        ({"type": "number", "minimum": 0, "maximum": 1}, 0, 1),
        ({"type": "number", "exclusiveMinimum": 0.25, "maximum": 0.5, "multipleOf": 0.05}, 0.3, 0.5),
        ({"type": "integer", "minimum": -(1 << 63), "maximum": (1 << 63) - 1}, -(1 << 63), (1 << 63) - 1),
        ({"type": "integer", "minimum": 0.5, "maximum": 2.5}, 1, 2),
        ({"type": "number", "minimum": 1e-9, "maximum": 1e300}, 1e-9, 1e300),
    ],
)
def test_boundaries_are_exact(schema, low, high):
    found = drawn(schema, count=3)
    assert (found["min"][0], found["max"][0]) == (low, high)
    assert all(low <= value <= high for values in found.values() for value in values)


def test_numbers_are_round_as_people_say_them():
    wide = drawn({"type": "integer", "minimum": 0, "maximum": 1_000_000})["any"]
    assert all(value % 1000 == 0 for value in wide)
    assert all(round(value, 2) == value for value in drawn({"type": "number", "minimum": 0, "maximum": 1})["any"])
    assert all(1 <= value <= 100 for value in drawn(INTEGER)["any"])


def test_coordinates_are_of_places_and_in_range():
    position = {"type": "object", "properties": {"latitude": NUMBER, "longitude": NUMBER}}
    position["required"] = ["latitude", "longitude"]
    towns = {(latitude, longitude) for _, latitude, longitude in plausible.places()}
    values = drawn(position, "coordinates")["any"]
    assert all((each["latitude"], each["longitude"]) in towns for each in values)
    assert all(-90 <= each["latitude"] <= 90 and -180 <= each["longitude"] <= 180 for each in values)


@pytest.mark.parametrize(
    ("form", "is_one"),
    [
        ("date", date.fromisoformat),
        ("date-time", datetime.fromisoformat),
        ("uuid", UUID),
        ("ipv4", IPv4Address),
        *(
            (name, None)
            for name in ("time", "email", "uri", "hostname", "ipv6", "duration", "json-pointer", "regex")
        ),
    ],
)
def test_formats_are_kept(form, is_one):
    checked = jsonschema_rs.Draft202012Validator({"format": form}, validate_formats=True)
    values = drawn({"type": "string", "format": form}, count=20)["any"]
    assert all(map(checked.is_valid, values))
    assert all(is_one is None or is_one(value) for value in values)


@pytest.mark.parametrize(
    ("name", "description", "kind"),
    [
        ("city", "", "city"),
        ("destinationCity", "", "city"),
        ("first_name", "", "first_name"),
        ("name", "Name of the customer", "person"),
        ("name", "The company to invoice", "company"),
        ("recipient_email", "", "email"),
        ("colour", "", "color"),
        ("currency", "", "currency"),
        ("body", "Text of the email", "message"),
        ("product_name", "", "product"),
        ("shipping_address", "", "street"),
        ("start_date", "", "date"),
        ("user_id", "", "id"),
        ("xyz", "", "word"),
    ],
)
def test_texts_are_what_the_parameter_is_called(name, description, kind):
    assert plausible.kind_of(name, description) == kind
    values = drawn({**TEXT, "description": description}, name)["any"]
    assert len(set(values)) > 5
    assert all(0 < len(value) <= 60 for value in values)


def test_examples_of_the_schema_are_used_among_others():
    values = drawn({**TEXT, "examples": ["ZX-9", "ZX-8", 5], "maxLength": 30})["any"]
    assert {"ZX-9", "ZX-8"} < set(values)
    assert 5 not in values


@pytest.mark.parametrize(("low", "high"), [(1, 8), (0, 3), (12, 12), (200, 300), (3, None)])
def test_lengths_are_kept(low, high):
    schema = {**TEXT, "minLength": low, **({} if high is None else {"maxLength": high})}
    found = drawn(schema, "city", 10)
    assert all(low <= len(value) <= (high or 99) for values in found.values() for value in values)
    assert {len(value) for value in found.get("min", ())} <= {low}
    assert {len(value) for value in found.get("max", ())} <= {high}


def test_arrays_keep_their_sizes_and_their_items_differ_where_they_must():
    limits = {"uniqueItems": True, "minItems": 2, "maxItems": 5}
    found = drawn({"type": "array", "items": {"enum": list("abcde")}, **limits})
    assert {len(value) for value in found["min"]} == {2}
    assert {len(value) for value in found["max"]} == {5}
    assert all(len(set(value)) == len(value) for values in found.values() for value in values)


@pytest.mark.parametrize(
    "pattern",
    [
        *("^[A-Z]{3}-\\d{4}$", "^(red|blue)(-\\w+)?$", "[^a-z]", "^\\+?[0-9 ]{7,15}$", "a|b", "^x{2,}y*?$"),
        *("^[\\w.-]+@\\w+\\.com$", "^(?:[01]\\d|2[0-3]):[0-5]\\d$", "^\\u0041[\\d\\-]+$", "^(?<year>\\d{4})$", ""),
    ],
)
def test_texts_for_a_pattern_fit_it(pattern):
    fits = jsonschema_rs.Draft202012Validator({"pattern": pattern}).is_valid
    maker = maker_of(pattern)
    values = [maker(Chance(b"%d" % number)) for number in range(50)]
    assert all(map(fits, values))
    assert max(map(len, values)) <= 40


@given(st.text("ab[](){}|^$\\d.,?*+-1", max_size=12))
@settings(deadline=None, max_examples=300)
def test_a_pattern_is_read_or_refused(pattern):
    try:
        maker = maker_of(pattern)
    except UnsupportedPattern:
        return
    assert isinstance(maker(Chance(b"1")), str)


def test_a_pattern_with_examples_needs_no_generation():
    assert set(drawn({**TEXT, "pattern": "^(?=a)", "examples": ["ab", "b"]})["any"]) == {"ab"}


def test_two_calls_of_one_function_differ_in_their_values():
    one = function({"city": TEXT}, ["city"])
    form = Form("f", ())
    for number in range(60):
        first, second = values_of(Cell("0", (form, form)), {"f": one}, 0, number)
        assert first != second


def test_a_form_of_another_definition_is_refused():
    one = function({"mode": {"enum": ["on", "off"]}}, ["mode"])
    with pytest.raises(CellOutdated, match="blink"):
        call_of(Form("f", (("/mode", '"blink"'),)), one, 0)
    with pytest.raises(CellOutdated, match="no longer exists"):
        values_of(Cell("0", (Form("g", ()),)), {"f": one}, 0, 0)


def test_chance_is_even_and_fixed():
    chance = Chance(b"seed")
    rolls = [chance.randint(1, 6) for _ in range(6000)]
    assert all(850 < rolls.count(face) < 1150 for face in range(1, 7))
    assert rolls[:8] == [Chance(b"seed").randint(1, 6), *rolls[1:8]]
    assert sorted(Chance(b"x").sample(range(9), 9)) == list(range(9))
    assert 0 <= Chance(b"y").below(1 << 600) < 1 << 600
    assert re.fullmatch(r"\d+", str(Chance(b"z").below(10)))
