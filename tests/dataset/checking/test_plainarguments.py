"""The quick look at arguments says nothing that the compiled schema would not say."""

from __future__ import annotations

import random
from typing import Any

import pytest

from orchestrator.dataset.checking.schemas import fit_plainly, parameters_of

NAMES = "abc"
TYPES = ("string", "integer", "number", "boolean", "array", "object", "null", ["string", "null"])
VALUES: tuple[Any, ...] = ("on", "", 0, 1, -1, 1.0, 0.5, True, False, None, [], {}, ["on"], {"a": 1})


def test_what_it_lets_through_keeps_to_the_schema() -> None:
    rng = random.Random(3)
    fitting = 0
    for _ in range(5000):
        schema, arguments = _schema(rng), {name: rng.choice(VALUES) for name in NAMES if rng.random() < 0.6}
        if fit_plainly(arguments, schema):
            fitting += 1
            assert parameters_of(schema).validator.is_valid(arguments), (schema, arguments)
    assert fitting > 200


def _schema(rng: random.Random) -> dict[str, Any]:
    found: dict[str, Any] = {"type": "object", "properties": {name: _inner(rng) for name in NAMES}}
    if rng.random() < 0.3:
        found["required"] = rng.sample(NAMES, rng.randint(0, 2))
    if rng.random() < 0.2:
        found[rng.choice(("minProperties", "maxProperties"))] = rng.randint(0, 2)
    if rng.random() < 0.2:
        found["additionalProperties"] = rng.choice((True, False, {"type": "string"}))
    return found


def _inner(rng: random.Random) -> dict[str, Any]:
    found: dict[str, Any] = {"description": "What it is."} if rng.random() < 0.5 else {}
    if rng.random() < 0.8:
        found["type"] = rng.choice(TYPES)
    if rng.random() < 0.2:
        found["enum"] = rng.sample(VALUES, rng.randint(1, 4))
    if rng.random() < 0.1:
        found |= rng.choice(({"minimum": 1}, {"minLength": 1}, {"const": "on"}, {"not": {}}))
    return found


@pytest.mark.parametrize("wrong", ["five", 1.5, True, None])
def test_a_wrong_value_is_found_however_often_the_function_is_called(wrong: Any) -> None:
    properties = {"metres": {"type": "integer"}}
    parameters = parameters_of({"type": "object", "properties": properties, "title": f"of {wrong}"})
    for _ in range(40):
        assert parameters.problems({"metres": 5}) == []
        assert len(parameters.problems({"metres": wrong})) == 1
