"""What CONTRIBUTING.md and SECURITY.md name is there, and their examples work."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from support.rows import check, codes
from support.trainers import HERE, ask, train

from orchestrator import config, endpointtables
from orchestrator.dataset import findings
from orchestrator.dataset.checking import conversation
from orchestrator.dataset.rules import RULES, Rule
from orchestrator.endpoints.interface import Endpoint
from orchestrator.runs import states, steps
from orchestrator.server import trainers
from orchestrator.server.trainers.interface import Hyperparameters, Model, Requested, Trainer

ROOT = Path(__file__).parents[2]
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text()
PAGES = {name: (ROOT / name).read_text() for name in ("CONTRIBUTING.md", "SECURITY.md")}


def _block(language: str, start: str) -> str:
    """The first code block of this language that has `start` in it."""
    blocks = re.findall(rf"^```{language}\n(.*?)^```$", CONTRIBUTING, flags=re.MULTILINE | re.DOTALL)
    return next(block for block in blocks if start in block)


@pytest.mark.parametrize("page", PAGES)
def test_files_that_are_named_are_there(page: str) -> None:
    names = re.findall(r"`((?:orchestrator|tests|migrations|docs)/[\w./-]*)`", PAGES[page])
    names += re.findall(r"\]\(([\w./-]+)[#)]", PAGES[page])
    names += re.findall(r"pytest (tests/[\w./-]+)", PAGES[page])
    assert len(names) >= 4
    assert [name for name in names if not (ROOT / name).exists()] == []


def test_make_targets_that_are_named_are_there() -> None:
    targets = set(re.findall(r"^([a-z-]+):.*## ", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))
    named = set(re.findall(r"(?:`|\$ )make ([a-z-]+)", CONTRIBUTING))
    assert len(named) >= 8
    assert named <= targets


def test_names_in_the_code_are_there() -> None:
    for place, name in (
        (endpointtables, "EndpointType"),
        (endpointtables, "DEFAULTS"),
        (states, "MOVES"),
        (states, "POLLED"),
        (steps, "STEPS"),
        (trainers, "NAMES"),
    ):
        assert f"`{name}`" in CONTRIBUTING
        assert hasattr(place, name)
    assert Endpoint.__doc__
    assert "raise" in Endpoint.__doc__


def test_the_rule_shown_is_found_in_its_wrong_example_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names: dict[str, Any] = {}
    exec(_block("python", "FT298"), names)
    rule = names["rule"]
    assert isinstance(rule, Rule)
    assert rule.code not in RULES
    reported = compile(_block("python", "notes.add"), "CONTRIBUTING.md", "exec")
    whole = conversation._check_message

    def check_message(message: Any, role: str, where: Any, *others: Any) -> None:
        whole(message, role, where, *others)
        if (content := message.get("content", "")).isupper():
            exec(reported, {"notes": others[-1], "where": where, "content": content})

    monkeypatch.setattr(findings, "RULES", {**RULES, rule.code: rule})
    monkeypatch.setattr(conversation, "_check_message", check_message)
    around = "".join(rule.right.replace("Climb.", f"Climb to {metres} m.") + "\n" for metres in range(10, 20))
    wrong = check(tmp_path, (around + rule.wrong).encode(), purpose="training")
    assert codes(wrong) == [rule.code]
    assert wrong.errors[0].reason == "the content is 5 capital letters and nothing else"
    assert codes(check(tmp_path, (around + rule.right).encode(), purpose="training")) == []


def test_the_endpoint_shown_is_one(monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    text = _block("toml", "[endpoints.mine]")
    assert tomllib.loads(text)
    (home / "ftorch.toml").write_text(text)
    assert config.find_workspace().endpoints["mine"].problem is None


def test_the_trainer_shown_trains_and_answers(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    names: dict[str, Any] = {}
    exec(_block("python", "class Parrot"), names)
    monkeypatch.setitem(trainers.NAMES, "parrot", lambda _machine: names["Parrot"]())
    parrot: Trainer = trainers.trainer("parrot", HERE)
    numbers = parrot.resolve(3, "supervised", Requested())
    assert isinstance(numbers, Hyperparameters)
    said = [
        {"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": text}]} for text in "xy"
    ]
    trained = train(said, (), numbers, folder=tmp_path, by=parrot)
    model: Model = parrot.load(trained.weights, None)
    assert len(trained.checkpoints) == 1
    assert ask(model, [{"role": "user", "content": "a"}]).content == "y"
    assert ask(parrot.load(None, None), []).content == ""
