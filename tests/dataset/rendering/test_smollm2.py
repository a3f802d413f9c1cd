"""The drone data for SmolLM2-135M-Instruct, in the folder that FTORCH_SMOLLM2 names: every row, token by token."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from orchestrator.dataset.rendering.calls import parse_answer
from orchestrator.dataset.rendering.renderer import Renderer, open_renderer

JOB = Path(__file__).parents[3] / "jobs" / "drone"
BENCH = Path(__file__).parents[2] / "bench" / "rendering.py"
MODEL = os.environ.get("FTORCH_SMOLLM2", "")
PYTHON = os.environ.get("FTORCH_LORA_PYTHON", "")

pytestmark = pytest.mark.skipif(
    not MODEL, reason="FTORCH_SMOLLM2 names no folder of the model (make test-lora has one)"
)


def rows(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (JOB / name).read_text(encoding="utf-8").splitlines()]


@pytest.fixture(scope="module")
def renderer() -> Renderer:
    return open_renderer(Path(MODEL))


def test_the_model_gets_our_template_and_says_so(renderer: Renderer) -> None:
    assert renderer.template.source.startswith("ftorch's ChatML template with tools (SHA-256 ")
    assert renderer.template.source.endswith("because chat_template.jinja of the model writes no calls")
    assert (renderer.template.family, renderer.context_length, set(renderer.stop_tokens)) == ("hermes", 8192, {2})


@pytest.mark.parametrize("name", ["train.jsonl", "validation.jsonl", "evaluation.jsonl"])
def test_every_answer_is_learned_and_nothing_else(renderer: Renderer, name: str) -> None:
    for row in rows(name):
        rendered = renderer.supervised(row)
        learned = [token for token, learns in zip(rendered.ids, rendered.learned, strict=True) if learns]
        assert rendered.learned == [False] * (len(rendered.ids) - len(learned)) + [True] * len(learned)
        assert learned[-1] in renderer.stop_tokens
        assert rendered.method == "prefix"
        parsed = parse_answer(renderer.decode(learned[:-1]), "hermes", row["tools"])
        message = row["messages"][-1]
        calls = [each["function"] for each in message.get("tool_calls") or ()]
        assert list(parsed.calls) == [(each["name"], json.loads(each["arguments"])) for each in calls]
        assert parsed.content == message.get("content")


def test_a_prompt_has_the_tokens_that_training_reads_before_the_answer(renderer: Renderer) -> None:
    for row in rows("evaluation.jsonl"):
        prompt = renderer.prompt(row["messages"][:-1], row["tools"])
        whole = renderer.supervised({**row, "parallel_tool_calls": None}).ids
        assert whole[: len(prompt.ids)] == prompt.ids
        assert renderer.decode(prompt.ids) == prompt.text


@pytest.mark.skipif(not PYTHON, reason="FTORCH_LORA_PYTHON names no Python with trl and datasets")
def test_what_is_learned_is_what_trl_learns_with_the_same_template_marked() -> None:
    done = subprocess.run([sys.executable, BENCH, "1"], capture_output=True, text=True, check=False)
    assert "rendering over TRL" in done.stdout, f"it ends with an error if a row differs: {done.stderr}"
