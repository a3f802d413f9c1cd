from __future__ import annotations

from typing import Any

import pytest
from support.surveys import asks, call, noted, says, survey_of, tool


def shown(tools: list[Any], *calls: Any) -> dict[str, str]:
    return noted([asks(f"prompt {number}", each, tools=tools) for number, each in enumerate(calls)])


MODE = {"type": "string", "enum": ["on", "off", "dim"]}


def test_unshown_values_are_named_by_function_and_parameter() -> None:
    light = tool(mode=dict(MODE, required=True), room={"type": "string", "enum": ["hall"], "required": True})
    found = shown([light], call("light", mode="on", room="hall"))
    assert found["FT613"] == 'some values of 1 parameter(s) appear in no call: light.mode: "off" and "dim"'


def test_enums_inside_objects_and_arrays_are_held_to_the_same() -> None:
    place = {"type": "object", "properties": {"floor": {"enum": [1, 2]}}, "required": True}
    rooms = {"type": "array", "items": {"enum": ["hall", "bath"]}, "required": True}
    found = shown([tool(place=place, rooms=rooms)], call("light", place={"floor": 1}, rooms=["hall"]))
    assert 'light.place.floor: 2; light.rooms[]: "bath"' in found["FT613"]


def test_long_enums_and_null_are_not_asked_for() -> None:
    long = {"enum": [f"c{number}" for number in range(21)], "required": True}
    nullable = {"enum": ["a", None], "required": True}
    assert "FT613" not in shown([tool(country=long, mark=nullable)], call("light", country="c1", mark="a"))


def test_the_text_1_is_not_the_number_1() -> None:
    assert "light.n: 1" in shown([tool(n={"enum": [1, "1"], "required": True})], call("light", n="1"))["FT613"]


@pytest.mark.parametrize(
    ("calls", "missing"),
    [
        ([{}], ["with a and without b", "with b and without a", "with a and b"]),
        ([{}, {"a": 1}, {"b": 1}], ["with a and b"]),
        ([{}, {"a": 1}, {"b": 1}, {"a": 1, "b": 1}], []),
    ],
)
def test_every_way_to_give_two_optional_parameters_is_asked_for(calls: list[Any], missing: list[str]) -> None:
    found = shown([tool(a={"type": "integer"}, b={"type": "integer"})], *(call("light", **each) for each in calls))
    assert ("FT614" in found) is bool(missing)
    for each in missing:
        assert f"light {each}" in found["FT614"]


def test_of_three_optional_parameters_each_is_to_be_given_and_left_out_once() -> None:
    three = [tool(a={}, b={}, c={})]
    assert "FT614" not in shown(three, call("light", a=1, b=1), call("light", c=1))
    assert shown(three, call("light", a=1, b=1))["FT614"].startswith("3 combination(s)")


def test_a_function_that_is_never_called_is_named_once_and_not_for_its_parameters() -> None:
    tools = [tool(), tool("lock", mode=MODE)]
    found = shown(tools, call("light"))
    assert found["FT612"] == "1 of 2 function(s) are declared and never called: lock"
    assert "FT613" not in found
    assert "FT612" not in noted([asks("a", call("light"), tools=tools)], "validation")


def test_functions_that_few_examples_declare_are_not_asked_to_be_shown() -> None:
    rows = [asks(f"p{number}", call("light"), tools=[tool()]) for number in range(11)]
    other = asks("q", call("light"), tools=[tool(), tool("lock")])
    assert "FT612" not in noted([*rows, other])
    assert "FT612" in noted([*rows[:9], other])


def test_two_definitions_of_a_function_are_shown_where_they_differ() -> None:
    rows = [
        asks("a", call("light", mode="on"), tools=[tool(mode=MODE)]),
        asks("b", call("light", mode="on"), tools=[tool(mode={**MODE, "enum": ["on"]})]),
    ]
    expected = "1 function(s) have more than one definition in this file: light in 2 ways, at "
    assert noted(rows)["FT611"] == f'{expected}"parameters.properties.mode.enum": lines 1 and 2'


def test_the_order_of_keys_makes_no_other_definition() -> None:
    turned = tool()
    turned["function"] = dict(reversed(turned["function"].items()))
    rows = [asks("a", call("light"), tools=[tool()]), asks("b", call("light"), tools=[turned])]
    assert "FT611" not in noted(rows)


def test_a_function_defined_anew_on_every_line_is_one_finding() -> None:
    rows = [asks(f"p{n}", call("light"), tools=[tool(description=f"Number {n}")]) for n in range(50)]
    assert "light in more than 8 ways" in noted(rows)["FT611"]


def test_missing_descriptions_are_counted_unless_all_are() -> None:
    bare = tool("lock", None, door={"description": ""})
    rows = [asks("a", call("light"), tools=[tool(), bare])]
    assert noted(rows)["FT615"].startswith("2 of 3 functions and parameters")
    assert noted(rows)["FT615"].endswith("lock and lock.door")
    assert "FT615" not in noted([asks("a", call("lock"), tools=[bare])])


def test_the_name_of_a_parameter_without_a_description_is_printable() -> None:
    lock = tool("lock", None, **{"door\x1b[2J": {"description": ""}})
    assert noted([asks("a", call("light"), tools=[tool(), lock])])["FT615"].endswith("lock.door\\x1b[2J")


def test_a_varying_system_prompt_is_shown_with_its_figures() -> None:
    rows = [says(f"q{number}", "a", system="Be kind.") for number in range(5)]
    assert "FT623" not in noted(rows)
    found = noted([*rows, says("q", "a")])["FT623"]
    assert (
        found
        == 'there are 2 different system prompts: "Be kind." (5 of 6 examples), none at all (1, first on line 6)'
    )


def test_a_system_prompt_of_each_examples_own_is_a_template() -> None:
    assert "FT623" not in noted([says(f"q{number}", "a", system=f"Today is day {number}.") for number in range(6)])
    assert "FT623" not in noted([says("q", "a", system=f"Day {number % 250}") for number in range(999)])


# --- what is kept of calls -----------------------------------------------------------------------------------


def test_the_same_list_of_tools_is_counted_for_every_example() -> None:
    shared, alike = [tool()], [tool()]
    survey = survey_of([asks("a", call("light"), tools=[]) | {"tools": each} for each in (shared, shared, alike)])
    survey.tools.settle()
    survey.tools.settle()
    assert survey.tools.functions["light"].declared == 3


def test_more_lists_of_tools_than_are_kept_are_still_counted() -> None:
    rows = [asks(f"p{n}", call("light"), tools=[tool(), tool(f"other{n}")]) for n in range(600)]
    survey = survey_of(rows)
    survey.tools.settle()
    assert survey.tools.functions["light"].declared == 600
    assert survey.tools.functions["other7"].declared == 1


def test_different_values_are_kept_apart_up_to_a_limit() -> None:
    survey = survey_of([asks("a", call("light", n=number), tools=[tool(n={})]) for number in range(500)])
    argument = survey.tools.functions["light"].arguments["n"]
    assert (argument.given, len(argument.values)) == (500, 200)


def test_functions_that_only_their_names_tell_apart_are_noted() -> None:
    def room() -> dict[str, Any]:
        return {"type": "string", "required": True}

    one = tool("light_on", "Switch the light of a room on.", room=room())
    same = tool("lamp_on", "Switch the light of the room on.", room=room())
    other = tool("light_off", "Switch the light of a room off.", room=room())
    found = shown([one, same, other], call("light_on", room="hall"))
    assert found["FT617"] == "2 function(s) differ only in their names: light_on and lamp_on"
    assert "FT617" not in shown([one, other], call("light_on", room="hall"))
    assert "FT617" not in shown([one, tool("lamp_on", "Switch the light of a room on.")], call("light_on"))
    assert "FT617" not in shown([tool("a", ""), tool("b", "")], call("a"))
