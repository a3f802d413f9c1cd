"""A job file's [evaluation] table by itself: what it holds when little is said, and what is refused."""

from __future__ import annotations

import tomllib

import pytest
from pydantic import ValidationError

from orchestrator.jobfile.tables import Evaluation


def read(text: str) -> Evaluation:
    return Evaluation.model_validate(tomllib.loads(text))


def test_a_file_is_enough() -> None:
    table = read('file = "cases.jsonl"')
    assert (table.models, table.variants, table.samples, table.auto) == (["base", "tuned"], None, 1, False)


def test_everything_can_be_said() -> None:
    table = read(
        """
        file = "cases.jsonl"
        models = ["base", "tuned", "checkpoints", "gpt-4.1"]
        variants = ["full", "no-descriptions", "no-parameters", "no-tools"]
        samples = 3
        temperature = 1
        max_concurrency = 50
        rejection_tools = ["reject_request"]
        metric = "rejection_recall"
        auto = true
        gate = {metric = "call_accuracy", min = 0.8, no_regression = true}
        """
    )
    assert table.gate is not None
    assert (table.gate.min, table.temperature, table.rejection_tools) == (0.8, 1.0, ["reject_request"])


@pytest.mark.parametrize(
    "line",
    [
        "models = []",
        "variants = []",
        'variants = ["full", "full"]',
        'models = ["base", "base"]',
        'variants = ["short"]',
        "samples = 0",
        "temperature = 3",
        "max_concurrency = 0",
        'metric = "niceness"',
        "gate = {min = 80}",
        'cases = "x"',
    ],
)
def test_what_makes_no_sense_is_refused(line: str) -> None:
    with pytest.raises(ValidationError):
        read(f'file = "cases.jsonl"\n{line}')
