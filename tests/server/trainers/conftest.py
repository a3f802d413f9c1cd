"""A small world of tools, with requests to learn from and others to be asked."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from support.trainers import Trained, loaded, train as train_on

from orchestrator.server.trainers.interface import Hyperparameters, Model, Row, ToolCall

LAMP = {
    "name": "set_lamp",
    "description": "Switch a lamp.",
    "parameters": {
        "type": "object",
        "properties": {
            "status": {"type": "string", "enum": ["on", "off"]},
            "brightness": {"type": "integer", "description": "Brightness in percent"},
        },
        "required": ["status"],
    },
}
PRICE = {
    "name": "get_price",
    "description": "Price of a share.",
    "parameters": {"type": "object", "properties": {"ticker": {"type": "string"}}, "required": ["ticker"]},
}
PLACE = {
    "name": "mark_place",
    "description": "Remember a place.",
    "parameters": {
        "type": "object",
        "properties": {
            "coordinates": {
                "type": "object",
                "properties": {"latitude": {"type": "number"}, "longitude": {"type": "number"}},
                "required": ["latitude", "longitude"],
            }
        },
        "required": ["coordinates"],
    },
}
REFUSE = {
    "name": "refuse",
    "description": "None of the others fits.",
    "parameters": {"type": "object", "properties": {}},
}
TOOLS = [LAMP, PRICE, PLACE, REFUSE]

LIT = ["make it bright in the {}", "I can't see a thing in the {}", "it's dark in the {}", "light up the {}"]
DIMMED = ["too bright in the {}, go dark", "I want to sleep in the {}", "kill the glare in the {}"]
ASKED = ["how much is {} worth", "what does {} cost a share", "quote me {}", "what is {} trading at"]
MARKED = ["pin {}, {}", "keep {} / {} in mind", "save the spot {}, {}"]
REFUSED = ["sing about the {}", "paint the {} blue", "sell the {}", "clean the {} with a mop", "photograph the {}"]
ROOMS = ["kitchen", "hall", "cellar", "bedroom", "garage"]
FIRMS = {"Microsoft": "MSFT", "Apple": "AAPL", "Tesla": "TSLA", "QRX": "QRX", "Zorbo": "Zorbo", "VUMP": "VUMP"}
SPOTS = [(47.5, 8.25), (-33.9, 18.4), (40.7, -74.0), (1.5, 2.5)]

Case = tuple[str, ToolCall]


Train = Callable[..., Trained]


def _cases(rooms: Sequence[str], firms: dict[str, str], spots: Sequence[tuple[float, float]]) -> list[Case]:
    on, off = ToolCall("set_lamp", {"status": "on"}), ToolCall("set_lamp", {"status": "off"})
    found = [(text.format(room), on) for text in LIT for room in rooms]
    found += [(text.format(room), off) for text in DIMMED for room in rooms]
    found += [(text.format(room), ToolCall("refuse", {})) for text in REFUSED for room in rooms]
    found += [(text.format(f), ToolCall("get_price", {"ticker": t})) for text in ASKED for f, t in firms.items()]
    for text in MARKED:
        for latitude, longitude in spots:
            place = {"coordinates": {"latitude": latitude, "longitude": longitude}}
            found.append((text.format(latitude, longitude), ToolCall("mark_place", place)))
    return found


def _row(text: str, *calls: ToolCall) -> Row:
    called = [
        {"id": f"c{i}", "type": "function", "function": {"name": c.name, "arguments": json.dumps(c.arguments)}}
        for i, c in enumerate(calls)
    ]
    messages = [{"role": "user", "content": text}, {"role": "assistant", "content": None, "tool_calls": called}]
    return {"messages": messages, "tools": [{"type": "function", "function": tool} for tool in TOOLS]}


@pytest.fixture(scope="session")
def tools() -> list[dict[str, Any]]:
    return TOOLS


@pytest.fixture(scope="session")
def row() -> Callable[..., Row]:
    """Makes a training row of a request and its calls."""
    return _row


@pytest.fixture(scope="session")
def taught() -> list[Row]:
    return [_row(text, call) for text, call in _cases(ROOMS, FIRMS, SPOTS)]


@pytest.fixture(scope="session")
def unseen() -> list[Case]:
    """Requests with rooms, firms and places that training does not have."""
    return _cases(["attic", "office"], {"Wumpus": "Wumpus", "KXLM": "KXLM"}, [(12.75, -3.5), (-7.0, 99.5)])


@pytest.fixture(scope="session")
def train(tmp_path_factory: pytest.TempPathFactory) -> Train:
    """Trains on rows, by default for 3 epochs from the base model with seed 1."""

    def run(rows: Sequence[Row], valid: Sequence[Row] = (), **wanted: Any) -> Trained:
        numbers = Hyperparameters(
            wanted.pop("epochs", 3), wanted.pop("batch", 1), wanted.pop("rate", 1.0), wanted.pop("beta", None)
        )
        folder = wanted.pop("folder", None) or tmp_path_factory.mktemp("training")
        return train_on(rows, valid, numbers, folder=folder, **wanted)

    return run


@pytest.fixture(scope="session")
def trained(train: Train, taught: list[Row], row: Callable[..., Row], unseen: list[Case]) -> Trained:
    return train(taught, [row(*case) for case in unseen])


@pytest.fixture(scope="session")
def base() -> Model:
    return loaded()


@pytest.fixture(scope="session")
def model(trained: Trained) -> Model:
    return loaded(trained.weights)
