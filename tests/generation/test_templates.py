from __future__ import annotations

from string import ascii_lowercase
from typing import Any

from hypothesis import HealthCheck, given, settings, strategies as st
from support.dronerows import drone_functions, drone_rows

from orchestrator.generation.calls import Call, Function, Kind, Style, Target
from orchestrator.generation.checks.evidence import unproven
from orchestrator.generation.templates import template_words

FUNCTIONS = drone_functions()
NAMES = st.text(ascii_lowercase + "_", min_size=1, max_size=12) | st.sampled_from(
    ["set_mode", "flashOn", "altitude", "use_cache", "no_sound", "distance_km", "x", "_"]
)
DESCRIPTIONS = st.sampled_from(
    [
        "",
        "Height in metres.",
        "Degrees: positive looks up, negative looks down.",
        "Speed in kilometres per hour.",
        "Turn it on or off, or leave it.",
        "Temperature in °C.",
        "How long, in hours. Only for video.",
    ]
)
WORDS = st.text(min_size=1, max_size=12).filter(lambda text: any(map(str.isalnum, text)))
SCALARS: list[tuple[dict[str, Any], st.SearchStrategy[Any]]] = [
    ({"type": "integer"}, st.integers(-10_000, 10_000_000)),
    ({"type": "number"}, st.floats(-1e9, 1e9, allow_nan=False) | st.decimals(0, 99, places=2).map(float)),
    ({"type": "boolean"}, st.booleans()),
    ({"type": "string"}, WORDS),
    ({"type": "string", "enum": ["on", "off"]}, st.sampled_from(["on", "off"])),
    (
        {"type": "string", "enum": ["home_base", "fastLane", "C++"]},
        st.sampled_from(["home_base", "fastLane", "C++"]),
    ),
    ({"type": "string", "format": "date"}, st.dates().map(str)),
]


@st.composite
def parameters(draw: st.DrawFn, deep: bool = True) -> tuple[dict[str, Any], Any]:
    """A schema and a value that it allows."""
    choice = draw(st.integers(0, 2)) if deep else 0
    if choice == 0:
        schema, values = draw(st.sampled_from(SCALARS))
        return {**schema, "description": draw(DESCRIPTIONS)}, draw(values)
    if choice == 1:
        schema, values = draw(st.sampled_from(SCALARS[:4]))
        return {"type": "array", "items": schema}, draw(st.lists(values, max_size=3))
    inner = draw(st.dictionaries(NAMES, parameters(deep=False), max_size=3))
    properties = {name: schema for name, (schema, _) in inner.items()}
    return {"type": "object", "properties": properties}, {name: value for name, (_, value) in inner.items()}


@st.composite
def called(draw: st.DrawFn) -> tuple[Function, Call]:
    found = draw(st.dictionaries(NAMES, parameters(), max_size=4))
    schema = {"type": "object", "properties": {name: schema for name, (schema, _) in found.items()}}
    name = draw(st.sampled_from(["set_lamp", "takeoff", "getPrice", "x_", "turn_on"]))
    described = draw(st.sampled_from(["", "Returns the price of a thing.", "Set the lamp to a mode."]))
    return Function(name, described, schema, {}), Call(name, {key: value for key, (_, value) in found.items()})


@given(called(), st.sampled_from(Style), st.integers(0, 1 << 30))
@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_words_for_any_call_give_all_of_its_values(found: tuple[Function, Call], style: Style, seed: int) -> None:
    function, call = found
    target = Target("t", Kind.CALL, style, (call,), "c")
    written = template_words(target, {function.name: function}, seed)
    assert written.text.strip()
    assert unproven(written, {function.name: function}) == []


@given(
    st.sampled_from(drone_rows("train.jsonl")), st.sampled_from(drone_rows("train.jsonl")), st.integers(0, 1 << 30)
)
@settings(max_examples=60, deadline=None)
def test_words_of_every_kind_pass_the_check_of_evidence(
    one: tuple[str, Call], two: tuple[str, Call], seed: int
) -> None:
    targets = [
        Target("a", Kind.CALL, style, (one[1], two[1]), "c") for style in Style
    ] + [
        Target("b", Kind.TURNS, Style.TERSE, (one[1],), "c", then=(two[1],)),
        Target("c", Kind.REJECT, Style.DIRECT, (one[1],), "c"),
    ]  # fmt: skip
    targets += [
        Target("d", Kind.MISSING, Style.DIRECT, (one[1],), "c", lacking=f"/{name}")
        for name in FUNCTIONS[one[1].name].schema["required"]
    ]
    for target in targets:
        assert unproven(template_words(target, FUNCTIONS, seed), FUNCTIONS) == []


def test_a_question_back_offers_what_the_definition_allows() -> None:
    call = Call("control_drone_movement", {"direction": "up", "distance": 5})
    lacking = [
        Target("t", Kind.MISSING, Style.DIRECT, (call,), "c", lacking=key) for key in ("/direction", "/distance")
    ]
    direction, distance = (template_words(target, FUNCTIONS, 1).answer for target in lacking)
    assert "forward, backward, left, right, up or down?" in direction
    assert "distance" in distance
    assert "metres" in distance


def test_a_refused_request_asks_for_something_else_than_the_call() -> None:
    call = Call("set_drone_lighting", {"mode": "sos"})
    target = Target("t", Kind.REJECT, Style.DIRECT, (call,), "c")
    asked = [template_words(target, FUNCTIONS, seed) for seed in range(60)]
    assert all("sos" not in written.text.lower() and written.answer for written in asked)
    assert len({written.text for written in asked}) > 30


def test_the_same_seed_gives_the_same_words_and_another_one_others() -> None:
    call = Call("control_gimbal", {"tilt": -20, "pan": 15})
    target = Target("t", Kind.CALL, Style.UNITS, (call,), "c")
    assert template_words(target, FUNCTIONS, 1) == template_words(target, FUNCTIONS, 1)
    assert len({template_words(target, FUNCTIONS, seed).text for seed in range(30)}) > 8


def test_styles_differ() -> None:
    call = Call("takeoff_drone", {"altitude": 30})

    def texts(style: Style) -> list[str]:
        targets = [Target(str(i), Kind.CALL, style, (call,), "c") for i in range(30)]
        return [template_words(target, FUNCTIONS, 0).text for target in targets]

    assert any("thirty" in text or "feet" in text for text in texts(Style.UNITS))
    assert all(
        "please" in text.lower() or "kindly" in text.lower() or "may i" in text.lower()
        for text in texts(Style.POLITE)
    )
    assert max(map(len, texts(Style.TERSE))) < max(map(len, texts(Style.DISTRACTORS)))
    assert not set(texts(Style.TYPO)) <= set(texts(Style.DIRECT))
