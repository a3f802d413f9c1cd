"""From a signature and a docstring to the definition that a model gets."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from enum import Enum
from threading import Event
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field

from orchestrator.errors import FunctionUnusable
from orchestrator.tools.functions import tool_of


class Colour(Enum):
    """A colour of the palette."""

    RED = "red"
    BLUE = "blue"


@dataclass
class Place:
    latitude: float
    longitude: float


class Shape(BaseModel):
    """What is drawn."""

    title: str
    corners: int = Field(default=4, description="How many corners")


class Node(BaseModel):
    name: str
    children: list[Node] = []


def definition(function: Any) -> dict[str, Any]:
    found = tool_of(function).definition
    assert found["type"] == "function"
    return dict(found["function"])


def properties(function: Any) -> dict[str, Any]:
    return dict(definition(function)["parameters"]["properties"])


def google(ticker: str, days: int) -> str:
    """Get the closing prices of a share
    on each of the last days.

    Args:
        ticker (str): Symbol of the share,
            in capitals.
        days: How many days.

    Returns:
        Not for the model.
    """


def numpy(ticker: str, days: int) -> str:
    """Get the closing prices of a share
    on each of the last days.

    Parameters
    ----------
    ticker : str
        Symbol of the share,
        in capitals.
    days : int
        How many days.

    Returns
    -------
    str
        Not for the model.
    """


@pytest.mark.parametrize("function", [google, numpy])
def test_a_definition_is_as_one_writes_it_by_hand(function: Any) -> None:
    assert definition(function) == {
        "name": function.__name__,
        "description": "Get the closing prices of a share on each of the last days.",
        "parameters": {
            "type": "object",
            "properties": {
                "ticker": {"type": "string", "description": "Symbol of the share, in capitals."},
                "days": {"type": "integer", "description": "How many days."},
            },
            "required": ["ticker", "days"],
        },
    }


def test_a_function_without_parameters_and_docstring_has_the_shortest_definition() -> None:
    def land() -> None: ...

    assert definition(land) == {"name": "land", "parameters": {"type": "object", "properties": {}}}


def test_types_become_schemas_without_titles_and_references() -> None:
    def draw(colour: Colour, shape: Shape, where: list[Place], on: date, how: Literal["fast", "slow"]) -> None: ...

    assert properties(draw) == {
        "colour": {"type": "string", "enum": ["red", "blue"], "description": "A colour of the palette."},
        "shape": {
            "type": "object",
            "description": "What is drawn.",
            "properties": {
                "title": {"type": "string"},
                "corners": {"type": "integer", "default": 4, "description": "How many corners"},
            },
            "required": ["title"],
        },
        "where": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"latitude": {"type": "number"}, "longitude": {"type": "number"}},
                "required": ["latitude", "longitude"],
            },
        },
        "on": {"type": "string", "format": "date"},
        "how": {"type": "string", "enum": ["fast", "slow"]},
    }


def test_what_has_a_default_is_optional_and_none_by_default_is_left_out() -> None:
    def draw(width: int, colour: Colour = Colour.RED, place: Place | None = None, note: str | None = "-") -> None:
        """Draw it.

        Args:
            colour: The colour of the pen.
        """

    assert definition(draw)["parameters"]["required"] == ["width"]
    found = properties(draw)
    assert found["colour"]["default"] == "red"
    assert found["colour"]["description"] == "The colour of the pen."
    assert (found["place"]["type"], "default" in found["place"]) == ("object", False)
    assert found["note"] == {"anyOf": [{"type": "string"}, {"type": "null"}], "default": "-"}


def test_annotations_say_what_hints_can_not() -> None:
    def climb(height: Annotated[int, Field(ge=1, le=120, description="In metres.")]) -> None: ...

    assert properties(climb)["height"] == {
        "type": "integer",
        "minimum": 1,
        "maximum": 120,
        "description": "In metres.",
    }


def test_a_type_that_contains_itself_keeps_its_references() -> None:
    def hang(tree: Node) -> None: ...

    tool = tool_of(hang)
    assert tool.parameters.problems({"tree": {"name": "a", "children": [{"name": "b"}]}}) == []
    assert tool.parameters.problems({"tree": {"name": "a", "children": [{"nme": "b"}]}}) != []
    assert "title" not in str(tool.definition)


def test_methods_and_wrapped_functions_are_tools_too() -> None:
    class Drone:
        def land(self, gently: bool = True) -> None: ...

    assert list(properties(Drone().land)) == ["gently"]


def without_hint(x) -> None: ...
def many(*numbers: int) -> None: ...
def open_ended(**options: int) -> None: ...
def unknown_hint(x: Nowhere) -> None: ...  # type: ignore[name-defined]  # noqa: F821
def no_json(done: Event) -> None: ...
def field_as_default(x: int = Field(description="no")) -> None: ...
def größe(x: int) -> None: ...


@pytest.mark.parametrize(
    ("function", "problem"),
    [
        (without_hint, "the parameter x has no type hint. Write x: str"),
        (many, "*numbers has no schema. Name each parameter"),
        (open_ended, "**options has no schema"),
        (unknown_hint, "its type hints can't be read: name 'Nowhere' is not defined"),
        (no_json, "the parameter done takes Event, which has no JSON form"),
        (field_as_default, "the default of x is a Field. Write x: Annotated"),
        (größe, "its name is not allowed"),
    ],
)
def test_a_function_that_can_not_be_a_tool_is_named_with_its_place(function: Any, problem: str) -> None:
    with pytest.raises(FunctionUnusable) as caught:
        tool_of(function)
    line = function.__code__.co_firstlineno
    assert f"test_functions.py:{line}: the function {function.__name__} can't be a tool" in str(caught.value)
    assert problem in str(caught.value)
    assert caught.value.exit_code == 2
