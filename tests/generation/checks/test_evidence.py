from __future__ import annotations

from typing import Any

import pytest
from support.dronerows import drone_functions, drone_rows

from orchestrator.generation.calls import Call, Function, Kind, Style, Target, Written
from orchestrator.generation.checks.evidence import Synonyms, unproven


def function(name: str, properties: dict[str, Any], description: str = "", **more: Any) -> Function:
    return Function(name, description, {"type": "object", "properties": properties, **more}, {})


def reasons(
    text: str,
    arguments: dict[str, Any],
    properties: dict[str, Any],
    *,
    told: dict[str, str] | None = None,
    kind: Kind = Kind.CALL,
    style: Style = Style.DIRECT,
    lacking: str = "",
    language: str = "en",
) -> list[str]:
    call = Call("act", arguments)
    target = Target("t", kind, style, (call,), "c", lacking=lacking, language=language)
    drops = unproven(Written(target, text, told or {}), {"act": function("act", properties)})
    return [drop.reason for drop in drops]


def number_is_given(text: str, value: float, description: str = "", language: str = "en") -> bool:
    properties = {"amount": {"type": "number", "description": description}}
    return not reasons(text, {"amount": value}, properties, language=language)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("Make it 30", 30),
        ("Make it 1,500", 1500),
        ("Make it 1.500", 1500),
        ("Make it 1 500", 1500),
        ("Make it 2,5", 2.5),
        ("Make it 52.5200", 52.52),
        ("Make it 1,234.5", 1234.5),
        ("Between 10-20", 20),
        ("Make it twenty-five", 25),
        ("Make it a hundred and fifty", 150),
        ("Make it one", 1),
        ("Make it two and a half", 2.5),
        ("Make it 1.5 million", 1_500_000),
        ("Half a dozen, please", 6),
        ("The thirty second clip", 30),
        ("Take the third", 3),
        ("10k will do", 10_000),
        ("minus thirty", -30),
        ("It is -7.25 now", -7.25),
        ("at \u22127", -7),
        ("1e-7 of it", 1e-07),
        ("zero", 0),
    ],
)
def test_a_number_is_found_in_any_common_format(text: str, value: float) -> None:
    assert number_is_given(text, value)
    assert not number_is_given(text, value + 3.75)


@pytest.mark.parametrize(("text", "value"), [("Make it 30", 3), ("Make it 305", 30), ("v30x", 30), ("none", 1)])
def test_a_part_of_a_number_is_not_the_number(text: str, value: float) -> None:
    assert not number_is_given(text, value)


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("de", "fünfundzwanzig Meter"),
        ("fr", "vingt-cinq mètres"),
        ("es", "veinticinco metros"),
        ("it", "venticinque metri"),
        ("pt", "vinte e cinco metros"),
        ("nl", "vijfentwintig meter"),
    ],
)
def test_number_words_are_read_in_other_languages(language: str, text: str) -> None:
    assert number_is_given(text, 25, "Height in metres.", language)
    assert not number_is_given(text, 26, "Height in metres.", language)


def test_seconds_are_no_ordinal_in_portuguese() -> None:
    assert number_is_given("grave trinta segundos", 30, "Length in seconds.", "pt")


def test_told_words_are_believed_where_number_words_cannot_be_read() -> None:
    properties = {"amount": {"type": "integer"}}
    told = {"/0/amount": "пятьдесят"}
    assert reasons("Взлети на пятьдесят метров", {"amount": 50}, properties, told=told, language="ru") == []
    assert reasons("Взлети на 40 метров", {"amount": 50}, properties, told={"/0/amount": "40"}, language="ru")


@pytest.mark.parametrize(
    ("text", "value", "description"),
    [
        ("100 feet up", 30.48, "Height in metres."),
        ("100 feet up", 30, "Height in metres."),
        ("half a mile", 805, "Distance in metres."),
        ("2 km", 2000, "Distance in metres."),
        ("10 miles", 16.1, "Distance in kilometres."),
        ("150 lbs", 68, "Weight in kg."),
        ("68 °F", 20, "Temperature in degrees Celsius."),
        ("twenty degrees", 20, "Temperature in °C."),
        ("two minutes", 120, "Length in seconds."),
        ("an hour", 60, "Length in minutes."),
        ("1 hour 30 minutes", 90, "Length in minutes."),
        ("1 hour and 30 minutes", 5400, "Length in seconds."),
        ("50 mph", 80.5, "Speed in kilometres per hour."),
        ("seventy-two kilometers an hour", 72, "Speed in kilometres per hour."),
        ("10 metres per second", 36, "Speed in kilometres per hour."),
        ("15s", 15, "Length in seconds."),
        ("40 percent", 0.4, "Share between 0 and 1."),
        ("40%", 40, "Volume in percent."),
        ("$20", 20, "Price in dollars."),
    ],
)
def test_an_amount_in_another_unit_gives_the_value(text: str, value: float, description: str) -> None:
    assert number_is_given(text, value, description)


@pytest.mark.parametrize(
    ("text", "value", "description"),
    [
        ("100 feet up", 100, "Height in metres."),
        ("100 feet up", 31, "Height in metres."),
        ("30 seconds", 30, "Height in metres."),
        ("2 minutes", 2, "Length in seconds."),
        ("40 minutes", 1, "Length in hours."),
        ("15 euros", 15, "Price in dollars."),
    ],
)
def test_an_amount_that_converts_to_something_else_does_not(text: str, value: float, description: str) -> None:
    assert not number_is_given(text, value, description)


LONGITUDE = "Decimal degrees, negative west of Greenwich."
TILT = "Degrees from level: positive looks up, negative looks down."


@pytest.mark.parametrize(
    ("text", "value", "description", "given"),
    [
        ("at 0.1246 W", -0.1246, LONGITUDE, True),
        ("at 0.1246 W", 0.1246, LONGITUDE, False),
        ("at 99.1332 west", -99.1332, LONGITUDE, True),
        ("at 12.5683 E", 12.5683, LONGITUDE, True),
        ("at 12.5683 E", -12.5683, LONGITUDE, False),
        ("at -12.5", 12.5, LONGITUDE, False),
        ("at 12.5", -12.5, LONGITUDE, False),
        ("look down by 20 degrees", -20, TILT, True),
        ("look down by 20 degrees", 20, TILT, False),
        ("look up by 20 degrees", 20, TILT, True),
        ("look up by 20 degrees", -20, TILT, False),
        ("20 degrees", 20, TILT, True),
    ],
)
def test_the_sign_must_fit(text: str, value: float, description: str, given: bool) -> None:
    assert number_is_given(text, value, description) is given


MODE = {"mode": {"type": "string", "enum": ["home_base", "pulse", "rainbow"], "description": ""}}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("to the Home Base", "home_base"),
        ("use homeBase", "home_base"),
        ("make it pulsing", "pulse"),
        ("it pulses", "pulse"),
        ("all rainbows", "rainbow"),
    ],
)
def test_the_value_of_an_enum_is_found_in_its_forms(text: str, value: str) -> None:
    assert reasons(text, {"mode": value}, MODE) == []
    others = [each for each in MODE["mode"]["enum"] if each != value]
    assert all(reasons(text, {"mode": other}, MODE) == ["no-evidence"] for other in others)


def test_a_description_explains_values_in_other_words() -> None:
    parts = "Steady, flashing, swelling and fading, or all colours in turn."
    values = ["solid", "blink", "pulse", "rainbow"]
    properties = {"pattern": {"type": "string", "enum": values, "description": parts}}
    assert reasons("Flash it", {"pattern": "blink"}, properties) == []
    assert reasons("Flash it", {"pattern": "solid"}, properties) == ["no-evidence"]
    assert reasons("a glow that swells and fades", {"pattern": "pulse"}, properties) == []


def test_a_further_argument_implies_the_value_that_it_goes_with() -> None:
    properties = {
        "mode": {"type": "string", "enum": ["photo", "video"]},
        "duration": {"type": "integer", "description": "Length in seconds. Only for video."},
    }
    assert reasons("Shoot it for 20 seconds", {"mode": "video", "duration": 20}, properties) == []
    assert reasons("Shoot it for 20 seconds", {"mode": "photo", "duration": 20}, properties) == ["no-evidence"]
    assert reasons("Shoot it", {"mode": "video"}, properties) == ["no-evidence"]


def test_told_words_give_a_value_if_they_are_in_the_request() -> None:
    told = {"/0/mode": "breathe  gently"}
    assert reasons("Let it Breathe gently", {"mode": "pulse"}, MODE, told=told) == []
    assert reasons("Let it be", {"mode": "pulse"}, MODE, told=told)[0] == "evidence-not-in-text"


def test_told_words_that_name_another_value_give_none() -> None:
    assert reasons("Make it a rainbow", {"mode": "pulse"}, MODE, told={"/0/mode": "rainbow"}) == ["no-evidence"]


def test_a_switch_must_be_named() -> None:
    call = Call("set_lamp", {"state": "off"})
    lamp = function("set_lamp", {"state": {"type": "string", "enum": ["on", "off"]}}, "Switch the lamp.")
    target = Target("t", Kind.CALL, Style.DIRECT, (call,), "c")
    assert unproven(Written(target, "Lamp off"), {"set_lamp": lamp}) == []
    assert unproven(Written(target, "Kill the lamp"), {"set_lamp": lamp}) == []
    assert unproven(Written(target, "Take the day off"), {"set_lamp": lamp}) != []


@pytest.mark.parametrize(
    ("text", "value", "given"),
    [
        ("Delete the folder, recursive please", True, True),
        ("Delete the folder", True, False),
        ("Delete the folder but not recursively", False, True),
        ("Delete the folder, recursive please", False, False),
        ("Delete the folder, no recursive stuff", True, False),
    ],
)
def test_yes_and_no_are_said_by_name_or_negation(text: str, value: bool, given: bool) -> None:
    assert (reasons(text, {"recursive": value}, {"recursive": {"type": "boolean"}}) == []) is given


@pytest.mark.parametrize(
    ("text", "value", "given"),
    [
        ("Weather in paris?", "Paris", True),
        ("Weather in Paris's suburbs?", "Paris", True),
        ("Cafe ole, please", "Café Olé", True),
        ("Say \u201chello, world\u201d", "Hello world", True),
        ("Weather in Parisville?", "Paris", False),
        ("明日は東京へ行く", "東京", True),
        ("Mail alice@example.com", "alice@example.com", True),
        ("Mail bob@example.com", "alice@example.com", False),
        ("Rate it C++", "+", True),
    ],
)
def test_a_string_stands_literally_in_the_request(text: str, value: str, given: bool) -> None:
    assert (reasons(text, {"q": value}, {"q": {"type": "string"}}) == []) is given


@pytest.mark.parametrize(
    ("text", "form", "value", "given"),
    [
        ("on June 5th 2026", "date", "2026-06-05", True),
        ("on June fifth, 2026", "date", "2026-06-05", True),
        ("on 5 June 2026", "date", "2026-06-05", True),
        ("am 5. Juni 2026", "date", "2026-06-05", True),
        ("on 5/6/2026", "date", "2026-06-05", True),
        ("on 6/5/2026", "date", "2026-06-05", True),
        ("on 2026-06-05", "date", "2026-06-05", True),
        ("tomorrow", "date", "2026-06-05", False),
        ("on June 6th 2026", "date", "2026-06-05", False),
        ("at 7:30 pm", "time", "19:30:00", True),
        ("at half past seven", "time", "19:30:00", True),
        ("at noon", "time", "12:00:00Z", True),
        ("at 7:30 am", "time", "19:30:00", False),
        ("June 5 2026 at 7pm", "date-time", "2026-06-05T19:00:00Z", True),
        ("June 5 2026", "date-time", "2026-06-05T19:00:00Z", False),
        ("for ninety minutes", "duration", "PT1H30M", True),
        ("for an hour", "duration", "PT1H30M", False),
    ],
)
def test_dates_and_times_have_many_spellings(text: str, form: str, value: str, given: bool) -> None:
    assert (reasons(text, {"when": value}, {"when": {"type": "string", "format": form}}) == []) is given


def test_every_item_and_every_part_needs_words() -> None:
    properties = {
        "tags": {"type": "array", "items": {"type": "string"}},
        "at": {"type": "object", "properties": {"lat": {"type": "number"}, "lon": {"type": "number"}}},
    }
    arguments = {"tags": ["red", "blue"], "at": {"lat": 1.5, "lon": 2.5}}
    assert reasons("red and blue at 1.5 2.5", arguments, properties) == []
    assert reasons("red at 1.5", arguments, properties) == ["no-evidence", "no-evidence"]


def test_defaults_constants_nulls_and_what_is_empty_need_no_words() -> None:
    properties = {
        "unit": {"$ref": "#/$defs/unit"},
        "kind": {"const": "circle"},
        "only": {"enum": ["one"]},
        "note": {"type": ["string", "null"]},
        "tags": {"type": "array"},
        "more": {"type": "object", "default": {"depth": 3}},
    }
    arguments = {"unit": "km", "kind": "circle", "only": "one", "note": None, "tags": [], "more": {"depth": 3}}
    call = Call("act", arguments)
    definitions: dict[str, Any] = {"$defs": {"unit": {"type": "string", "default": "km"}}}
    schema = function("act", properties, **definitions)
    target = Target("t", Kind.CALL, Style.DIRECT, (call,), "c")
    assert unproven(Written(target, "Go"), {"act": schema}) == []


WITH_HEIGHT = {
    "height": {"type": "integer", "description": "In metres."},
    "mode": {"type": "string", "enum": ["fast", "slow"]},
}


@pytest.mark.parametrize(
    ("text", "lacking", "expected"),
    [
        ("Climb fast", "/height", []),
        ("Climb fast to 30 metres", "/height", ["value-given"]),
        ("Climb fast to 40 metres", "/height", ["value-given"]),
        ("Climb to 30 metres", "/mode", []),
        ("Climb slow to 30 metres", "/mode", ["value-given"]),
        ("Climb", "/mode", ["no-evidence"]),
    ],
)
def test_a_request_that_lacks_a_value_gives_all_others(text: str, lacking: str, expected: list[str]) -> None:
    arguments = {"height": 30, "mode": "fast"}
    assert reasons(text, arguments, WITH_HEIGHT, kind=Kind.MISSING, lacking=lacking) == expected


def test_a_second_request_may_refer_to_the_first_but_not_the_other_way() -> None:
    functions = {"act": function("act", WITH_HEIGHT)}
    first, second = Call("act", {"mode": "fast", "height": 30}), Call("act", {"mode": "fast", "height": 50})
    target = Target("t", Kind.TURNS, Style.DIRECT, (first,), "c", then=(second,))
    assert unproven(Written(target, "Fast to 30 m", then="Now 50"), functions) == []
    assert unproven(Written(target, "Fast to 50 m", then="Now 30"), functions) != []


def test_a_typing_error_in_a_value_is_read_where_the_style_asks_for_errors() -> None:
    assert reasons("make it ranibow", {"mode": "rainbow"}, MODE, style=Style.TYPO) == []
    assert reasons("make it ranibow", {"mode": "rainbow"}, MODE) == ["no-evidence"]


def test_words_told_for_two_values_count_for_the_first() -> None:
    def told(value: str) -> Written:
        target = Target("t", Kind.CALL, Style.DIRECT, (Call("act", {"mode": value}),), "c")
        return Written(target, "Do the usual", {"/0/mode": "the usual"})

    synonyms = Synonyms()
    assert synonyms.conflicts(told("pulse")) == []
    synonyms.add(told("pulse"))
    assert synonyms.conflicts(told("pulse")) == []
    assert [drop.reason for drop in synonyms.conflicts(told("rainbow"))] == ["ambiguous-synonym"]


def test_requests_by_people_mostly_give_their_values_and_hardly_ever_those_of_others() -> None:
    """Nobody told words for their values here; those that fail say a value of an enum in words of their own."""
    functions, rows = drone_functions(), drone_rows("train.jsonl") + drone_rows("evaluation.jsonl")

    def passes(text: str, call: Call) -> bool:
        target = Target("t", Kind.CALL, Style.DIRECT, (call,), "c")
        return not unproven(Written(target, text), functions)

    right = sum(passes(text, call) for text, call in rows)
    wrong = [
        passes(text, rows[(i + step) % len(rows)][1]) for step in (1, 7, 31) for i, (text, _) in enumerate(rows)
    ]
    assert right / len(rows) > 0.83
    assert sum(wrong) / len(wrong) < 0.03
