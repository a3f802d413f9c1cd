"""A call is checked, then the function gets what its hints promise, and its result becomes text."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from datetime import date
from enum import Enum
from typing import Annotated, Any

import pytest
from pydantic import AfterValidator, BaseModel, Field
from support.awaiting import finished

from orchestrator.tools.calls import Call, CallRefused, execute, ready
from orchestrator.tools.functions import tool_of
from orchestrator.tools.results import LONGEST_RESULT


class Colour(Enum):
    RED = "red"


@dataclass
class Place:
    x: float


class Point(BaseModel):
    y: int = 1


def even(value: int) -> int:
    if value % 2:
        raise ValueError("only even numbers")
    return value


SEEN: list[tuple[Any, ...]] = []


def draw(
    width: int,
    colour: Colour = Colour.RED,
    /,
    place: Place | None = None,
    on: date = date(2026, 1, 2),
    points: tuple[Point, ...] = (),
    *,
    layers: Annotated[int, Field(ge=2), AfterValidator(even)] = 2,
) -> str:
    """Draw it."""
    SEEN.append((width, colour, place, on, points, layers))
    return "drawn"


TOOLS = [tool_of(draw)]


def run(result: Any, arguments: str = "{}") -> str:
    def give() -> Any:
        return result() if callable(result) else result

    return execute(ready(Call("1", "give", arguments), [tool_of(give)]), finished)


def draw_with(**arguments: Any) -> tuple[Any, ...]:
    call = ready(Call("1", "draw", json.dumps(arguments)), TOOLS)
    assert execute(call, finished) == "drawn"
    return SEEN.pop()


def test_a_function_gets_values_of_its_types() -> None:
    given = {"width": 3, "colour": "red", "place": {"x": 1}, "on": "2026-11-21", "points": [{"y": 2}], "layers": 4}
    assert draw_with(**given) == (3, Colour.RED, Place(1.0), date(2026, 11, 21), (Point(y=2),), 4)
    assert draw_with(width=3.0, on="2026-11-21") == (3, Colour.RED, None, date(2026, 11, 21), (), 2)
    assert type(draw_with(width=3.0)[0]) is int


def test_null_for_what_is_none_by_default_is_leaving_it_out() -> None:
    assert draw_with(width=1, place=None)[2] is None
    with pytest.raises(CallRefused, match="layers is null"):
        draw_with(width=1, layers=None)


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ('{"width": 3', "the arguments are not valid JSON"),
        ("[3]", "the arguments must be an object"),
        ('"{}"', "the arguments must be an object"),
        ("{}", "width is missing, but required"),
        ('{"width": "3"}', 'width is "3", but must be an integer'),
        ('{"width": true}', "width is true, but must be an integer"),
        ('{"width": 3, "colour": "green"}', 'colour is "green", but must be one of "red"'),
        ('{"width": 3, "layers": 1}', "layers is 1, but must be at least 2"),
        ('{"width": 3, "layers": 3}', "layers: Value error, only even numbers"),
        ('{"width": 3, "on": "soon"}', "on: Input should be a valid date"),
        ('{"width": 3, "heigth": 1}', 'draw takes no "heigth"'),
        ('{"width": 3, "points": [{"y": "a"}]}', "points[0].y"),
    ],
)
def test_a_call_that_breaks_the_definition_is_never_executed(arguments: str, problem: str) -> None:
    with pytest.raises(CallRefused) as caught:
        ready(Call("1", "draw", arguments), TOOLS)
    assert problem in str(caught.value)
    assert not SEEN


def test_arguments_are_not_passed_over_where_a_function_takes_none() -> None:
    def give() -> None: ...

    with pytest.raises(CallRefused, match='give takes no "x"'):
        ready(Call("1", "give", '{"x": 1}'), [tool_of(give)])


@pytest.mark.parametrize(
    ("name", "said"), [("drow", "did you mean draw"), ("os.system", "there are draw"), ("", "")]
)
def test_a_tool_that_nobody_named_is_unknown(name: str, said: str) -> None:
    with pytest.raises(CallRefused, match="there is no tool") as caught:
        ready(Call("1", name, "{}"), TOOLS)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("result", "text"),
    [
        ("a text, as it is\n", "a text, as it is\n"),
        (None, "null"),
        (3.5, "3.5"),
        ({"p": Place(1.0), "c": Colour.RED, "d": date(2026, 1, 2)}, '{"p":{"x":1.0},"c":"red","d":"2026-01-02"}'),
        (Point(), '{"y":1}'),
        ({"a"}, '["a"]'),
        (float("nan"), "null"),
        ("ü", "ü"),
    ],
)
def test_results_become_text(result: Any, text: str) -> None:
    assert run(result) == text


def test_an_asynchronous_function_is_waited_for() -> None:
    async def later() -> dict[str, int]:
        await asyncio.sleep(0)
        return {"price": 3}

    assert run(later) == '{"price":3}'


@pytest.mark.parametrize("result", [object(), lambda: print, {"a": "\ud800"}])
def test_a_result_that_is_no_json_is_an_error_of_the_function(result: Any) -> None:
    with pytest.raises(TypeError, match="which can't be written as JSON"):
        run(lambda: result)
    with pytest.raises(TypeError, match="not valid Unicode"):
        run("half of a pair: \ud800")


def test_a_result_by_far_too_long_is_cut_and_says_so() -> None:
    text = run("x" * (LONGEST_RESULT + 1))
    assert text.endswith("… (cut: 100,001 characters in total)")
    assert len(text) < LONGEST_RESULT + 100
    assert run("x" * LONGEST_RESULT) == "x" * LONGEST_RESULT
