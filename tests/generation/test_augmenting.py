"""`data augment --from-failures`: examples like the cases that a model got wrong, never the cases."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support.project import Project
from support.teacher import TOOLS


@pytest.fixture
def evaluated(project: Project) -> Project:
    """A project whose base model was asked eight cases of the lamp and the height on `local`."""
    cases: list[tuple[str, str, dict[str, object]]] = [
        ("Light in the hall, please", "set_lamp", {"mode": "on", "room": "hall"}),
        ("Make the kitchen lamp flicker", "set_lamp", {"mode": "blink", "room": "kitchen"}),
        ("Darkness in the hall", "set_lamp", {"mode": "off", "room": "hall"}),
        ("Up to ninety metres", "climb_to", {"altitude": 90}),
        ("Rise until you are at 15 m", "climb_to", {"altitude": 15}),
        ("Make me a sandwich", "reject_request", {}),
        ("Kitchen lamp off", "set_lamp", {"mode": "off", "room": "kitchen"}),
        ("Sing me a song about lamps", "reject_request", {}),
    ]
    with (project.root / "cases.jsonl").open("w") as target:
        for number, (text, name, arguments) in enumerate(cases):
            target.write(json.dumps(_row(number, text, name, arguments)) + "\n")
    done = project.ftorch(
        *("evaluate", "gpt-4.1-mini", "--endpoint", "local", "--file", "cases.jsonl"),
        *("--rejection-tool", "reject_request", "--json"),
    )
    assert done.code == 0, done.err
    return project


def _row(number: int, text: str, name: str, arguments: dict[str, object]) -> dict[str, object]:
    call = {"id": "c", "type": "function", "function": {"name": name, "arguments": json.dumps(arguments)}}
    answer = {"role": "assistant", "content": None, "tool_calls": [call]}
    return {"id": f"case-{number}", "messages": [{"role": "user", "content": text}, answer], "tools": TOOLS}


def rows(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_examples_are_like_the_wrong_cases_and_never_the_cases(evaluated: Project) -> None:
    assert evaluated.ftorch("data", "generate", "tools.json", "-o", "train.jsonl", "--offline").code == 0
    augmented = evaluated.ftorch(
        *("data", "augment", "train.jsonl", "--from-failures", "gpt-4.1-mini", "-o", "more.jsonl"),
        *("--offline", "--seed", "3", "--json"),
    )
    assert augmented.code == 0, augmented.err
    outcome = json.loads(augmented.out)
    assert outcome["examples"] > 0
    known = {str(row["messages"]) for row in rows(evaluated.root / "train.jsonl")}
    texts = {row["messages"][0]["content"] for row in rows(evaluated.root / "cases.jsonl")}  # type: ignore[index]
    for row in rows(evaluated.root / "more.jsonl"):
        assert row["messages"][0]["content"] not in texts  # type: ignore[index]
        assert str(row["messages"]) not in known


def test_an_evaluation_that_is_not_there_is_named(evaluated: Project) -> None:
    assert evaluated.ftorch("data", "generate", "tools.json", "-o", "train.jsonl", "--offline").code == 0
    refused = evaluated.ftorch(
        "data", "augment", "train.jsonl", "--from-failures", "nowhere", "-o", "m.jsonl", "--offline"
    )
    assert refused.code == 2
    assert 'No finished evaluation has the name "nowhere"' in refused.err
    assert "gpt-4.1-mini" in refused.err


def test_a_changed_evaluation_file_is_named(evaluated: Project) -> None:
    assert evaluated.ftorch("data", "generate", "tools.json", "-o", "train.jsonl", "--offline").code == 0
    with (evaluated.root / "cases.jsonl").open("a") as target:
        target.write(json.dumps(_row(9, "Lamp on", "set_lamp", {"mode": "on"})) + "\n")
    refused = evaluated.ftorch(
        "data", "augment", "train.jsonl", "--from-failures", "gpt-4.1-mini", "-o", "m.jsonl", "--offline"
    )
    assert refused.code == 2
    assert "cases.jsonl has changed since evaluation" in refused.err
