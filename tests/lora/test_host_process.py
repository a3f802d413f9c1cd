"""The host as a process, asked from ftorch's side."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from support.randommodel import write_adapter, write_base

from orchestrator.server.trainers.interface import AnswerError, Base, Question
from orchestrator.server.trainers.lora.serving.hosting import Hosts

# peft asks transformers for what it deprecates.
pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning")

SMOLLM2 = os.environ.get("FTORCH_SMOLLM2")
CASES = Path(__file__).parents[2] / "jobs" / "drone" / "evaluation.jsonl"
LAND = {"name": "land", "parameters": {"type": "object", "properties": {}, "additionalProperties": False}}


@pytest.fixture(scope="module")
def random(tmp_path_factory) -> Base:
    return Base("random", write_base(tmp_path_factory.mktemp("models") / "random"))


@pytest.fixture(scope="module")
def weights(random, tmp_path_factory) -> Path:
    return write_adapter(random.folder, tmp_path_factory.mktemp("weights") / "adapter")


@pytest.fixture
def hosts(tmp_path) -> Iterator[Hosts]:
    made = Hosts(sys.executable, tmp_path / "hosts")
    yield made
    made.close()


def ask(content: str, **more: Any) -> Question:
    return Question([{"role": "user", "content": content}], **{"max_tokens": 20, **more})


def test_models_of_one_base_answer_side_by_side_and_again_after_a_kill(hosts, random, weights) -> None:
    handles = [hosts.handle(None, random), hosts.handle(weights, random)]
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda number: handles[number % 2].answer(ask(f"{number // 2}")), range(8)))
    assert len({answer.content for answer in answers}) > 4
    assert all(answer.prompt_tokens for answer in answers)
    [(_, process)] = hosts._running.values()
    assert process._process is not None
    os.kill(process._process.pid, signal.SIGKILL)
    assert handles[1].answer(ask("0")) == answers[1]


def test_a_call_is_made_and_tokens_are_told(hosts, random, weights) -> None:
    handle = hosts.handle(weights, random)
    answer = handle.answer(ask("Down", tools=[LAND], choice="required", parallel=False, max_tokens=200))
    assert [(call.name, call.arguments) for call in answer.calls] == [("land", {})]
    tokens = handle.tokenize([{"role": "user", "content": "Down"}], [LAND], parallel=False)
    assert len(tokens) == answer.prompt_tokens


def test_a_folder_that_holds_no_language_model_is_named(hosts, random, tmp_path) -> None:
    folder = tmp_path / "odd"
    folder.mkdir()
    for each in random.folder.iterdir():
        (folder / each.name).write_bytes(each.read_bytes())
    (folder / "config.json").write_text(json.dumps({"model_type": "bert", "eos_token_id": 1}))
    with pytest.raises(
        AnswerError, match=r"odd can't answer: The model in .* can't be loaded: its files lack .* of a Bert"
    ):
        hosts.handle(None, Base("odd", folder)).answer(ask("Hello"))


@pytest.mark.skipif(SMOLLM2 is None, reason="FTORCH_SMOLLM2 names no folder of SmolLM2-135M-Instruct")
def test_smollm2_calls_functions_of_the_drone_held_to_their_schemas(hosts) -> None:
    handle = hosts.handle(None, Base("smollm2", Path(SMOLLM2 or "")))
    cases = [json.loads(line) for line in CASES.read_text().splitlines()[:4]]
    questions = [
        Question(
            case["messages"][:-1], [tool["function"] for tool in case["tools"]], choice="required", max_tokens=96
        )
        for case in cases
    ]
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(handle.answer, questions))
    names = {tool["name"] for tool in questions[0].tools}
    assert all(call.name in names for answer in answers for call in answer.calls)
    assert sum(bool(answer.calls) for answer in answers) >= 3
