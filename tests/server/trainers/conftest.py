"""A small world of tools, with requests to learn from and others to be asked."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from orchestrator.server.trainers import trainer
from orchestrator.server.trainers.interface import Hyperparameters, Model, Row, Step, ToolCall, Training

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


@dataclass(frozen=True)
class Trained:
    """What a training gave."""

    weights: bytes
    steps: list[Step]
    checkpoints: list[tuple[Step, bytes]]

    def epoch_loss(self, epoch: int) -> float:
        losses = [step.train_loss for step in self.steps if step.epoch == epoch]
        return sum(losses) / len(losses)

    @property
    def valid_losses(self) -> list[float]:
        return [step.full_valid_loss for step, _ in self.checkpoints if step.full_valid_loss is not None]


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
def train() -> Train:
    """Trains on rows, by default for 3 epochs from the base model with seed 1."""

    def run(rows: Sequence[Row], valid: Sequence[Row] = (), **wanted: Any) -> Trained:
        numbers = Hyperparameters(
            wanted.get("epochs", 3), wanted.get("batch", 1), wanted.get("rate", 1.0), wanted.get("beta")
        )
        steps: list[Step] = []
        checkpoints: list[tuple[Step, bytes]] = []
        training = Training(rows, valid, numbers, wanted.get("seed", 1), wanted.get("parent"), wanted.get("resume"))
        weights = trainer("tiny").train(
            training, steps.append, lambda step, content: checkpoints.append((step, content))
        )
        return Trained(weights, steps, checkpoints)

    return run


@pytest.fixture(scope="session")
def trained(train: Train, taught: list[Row], row: Callable[..., Row], unseen: list[Case]) -> Trained:
    return train(taught, [row(*case) for case in unseen])


@pytest.fixture(scope="session")
def base() -> Model:
    return trainer("tiny").load(None)


@pytest.fixture(scope="session")
def model(trained: Trained) -> Model:
    return trainer("tiny").load(trained.weights)
