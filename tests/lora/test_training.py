"""What a training does with its rows, from the file to the adapter."""

from __future__ import annotations

import json
import math
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support.randomllama import make_random_llama, short_rows

from orchestrator.server.trainers.interface import Base, Step, Training, TrainingFailedError
from orchestrator.server.trainers.lora.folder import TrainingFolder
from orchestrator.server.trainers.lora.trainer import LoraTrainer

from .conftest import Make, Recorded, contents, trained_here

ADAPTER = "adapter_model.safetensors"


class PausedError(Exception):
    """What a report raises once its job was paused."""


class Pausing(Recorded):
    """Pauses after a step."""

    def __init__(self, at_step: int) -> None:
        super().__init__()
        self._at_step = at_step

    def step(self, step: Step) -> None:
        super().step(step)
        if step.step == self._at_step:
            raise PausedError


def test_twenty_examples_are_learned(make: Make) -> None:
    report = Recorded()
    trained_here(make(n_epochs=20, lora_rank=16, precision="fp32"), report)
    losses = [step.train_loss for step in report.steps]
    assert len(losses) == 80
    assert losses[0] > 5
    assert losses[-1] < 0.5
    assert report.steps[-1].train_accuracy > 0.9


def test_a_training_that_was_paused_continues_to_the_same_adapter(make: Make) -> None:
    whole = contents(LoraTrainer().train(make("whole", n_epochs=4), Recorded()))
    other = contents(LoraTrainer().train(make("other", n_epochs=4, seed=2), Recorded()))
    paused, training = Pausing(2), make("paused", n_epochs=4)
    with pytest.raises(PausedError):
        LoraTrainer().train(training, paused)
    state = TrainingFolder(training.folder).newest_state()
    assert state is not None
    assert 2 <= state[0] < 16
    assert contents(LoraTrainer().train(training, Recorded())) == whole
    assert other[ADAPTER] != whole[ADAPTER]


def test_validation_is_measured_at_the_steps_that_the_api_promises(make: Make) -> None:
    report = Recorded()
    trained_here(make(valid=short_rows(26)[20:], n_epochs=2), report)
    assert all(step.valid_loss is not None and step.valid_accuracy is not None for step in report.steps)
    assert [step.step for step in report.steps if step.full_valid_loss is not None] == [4, 8]
    assert [number for number, _ in report.checkpoints] == [4, 8]
    assert [step.epoch for step in report.steps] == [1] * 4 + [2] * 4


def test_events_hold_tokens_rates_and_memory(make: Make) -> None:
    training = make()
    trained_here(training)
    steps = [event for event in events_of(training) if event["kind"] == "step"]
    assert sum(step["tokens"] for step in steps) == 2 * LoraTrainer().check(training).tokens
    assert all(0 < step["targets"] < step["tokens"] for step in steps)
    assert all(step["peak_memory"] > 100e6 for step in steps)
    rates = [step["learning_rate"] for step in steps]
    assert max(rates) == rates[0] == pytest.approx(1e-2)
    assert rates == sorted(rates, reverse=True)


def test_the_weights_say_what_they_were_made_from(make: Make, base: Base) -> None:
    weights = trained_here(make(lora_dropout=0.1))
    about = json.loads((weights / "model.json").read_text())
    assert about["base"]["name"] == "random-llama"
    assert about["base"]["folder"] == str(base.folder)
    assert about["hyperparameters"]["lora_dropout"] == 0.1
    assert about["step"] == 8
    assert "<|im_start|>" in (weights / "chat_template.jinja").read_text()
    header = (weights / ADAPTER).read_bytes()
    assert header[8:].startswith(b'{"__metadata__":{"format":"pt"}')
    assert json.loads((weights / "adapter_config.json").read_text())["r"] == 8


def test_a_turn_of_weight_0_teaches_nothing(make: Make) -> None:
    def rows(answer: str) -> list[dict[str, Any]]:
        return [
            {
                "messages": [
                    {"role": "user", "content": "hi"},
                    {"role": "assistant", "content": answer, "weight": 0},
                    {"role": "user", "content": "and?"},
                    {"role": "assistant", "content": "that's all"},
                ]
            }
        ] * 4

    targets = len("that's all") + 1  # and the stop token
    losses = set()
    for answer in ("aaaa", "zzzz"):
        training = make(answer, rows(answer), batch_size=4, n_epochs=1)
        trained_here(training)
        (step,) = [event for event in events_of(training) if event["kind"] == "step"]
        assert step["targets"] == 4 * targets
        losses.add(step["train_loss"])
    assert len(losses) == 2  # it is read all the same


def test_preferences_are_learned(make: Make) -> None:
    rows = [preference(f"question {number}", "yes sir", "no way") for number in range(12)]
    report = Recorded()
    training = make(rows=rows, valid=rows[:3], method="dpo", n_epochs=6, batch_size=4, beta=0.5, learning_rate=2e-3)
    trained_here(training, report)
    assert report.steps[0].train_loss == pytest.approx(math.log(2), abs=0.01)
    assert report.steps[-1].train_loss < 0.3
    assert report.steps[-1].train_accuracy == 1.0
    assert report.steps[-1].full_valid_loss < 0.3


def test_preferences_continue_from_the_same_reference(make: Make) -> None:
    rows = [preference(f"question {number}", "yes sir", "no way") for number in range(8)]
    asked = {"rows": rows, "method": "dpo", "n_epochs": 4, "batch_size": 4, "learning_rate": 2e-3}
    whole = contents(LoraTrainer().train(make("whole", **asked), Recorded()))
    training = make("paused", **asked)
    with pytest.raises(PausedError):
        LoraTrainer().train(training, Pausing(3))
    assert contents(LoraTrainer().train(training, Recorded())) == whole


def test_a_fine_tuned_model_is_trained_further(make: Make) -> None:
    first, second = Recorded(), Recorded()
    parent = trained_here(make("first", n_epochs=4), first)
    training = make("second", n_epochs=1, parent=parent, lora_rank=4)
    trained_here(training, second)
    assert second.steps[0].train_loss < first.steps[0].train_loss - 0.3
    assert any("lora_rank 8, lora_alpha 16" in note for note in second.notes)


def test_a_parent_of_another_base_is_refused(make: Make, tmp_path: Path) -> None:
    parent = trained_here(make("first", n_epochs=1))
    other = Base("other-llama", make_random_llama(tmp_path / "other", seed=7))
    with pytest.raises(
        TrainingFailedError, match="was trained on random-llama, and its files are not those of other"
    ):
        trained_here(replace(make("second", parent=parent), base=other))


def test_a_parent_that_was_deleted_is_named(make: Make, tmp_path: Path) -> None:
    with pytest.raises(TrainingFailedError, match=r"gone/model\.json"):
        trained_here(make(parent=tmp_path / "gone"))


def test_targets_that_the_model_does_not_have_are_named_with_those_it_has(make: Make) -> None:
    with pytest.raises(
        TrainingFailedError, match=r"lora_targets qproj names nothing .* It has down_proj, gate_proj"
    ):
        trained_here(make(lora_targets=["qproj"]))


def test_only_the_targets_are_trained(make: Make) -> None:
    weights = (trained_here(make(lora_targets=["q_proj", "lm_head"], n_epochs=1)) / ADAPTER).read_bytes()
    assert b"q_proj.lora_A" in weights
    assert b"lm_head.lora_A" in weights
    assert b"v_proj" not in weights
    assert b"base_layer" not in weights


def test_a_full_disk_ends_the_attempt_and_the_training_goes_on(make: Make) -> None:
    """The machine's fault, not the job's: it raises OSError, and what was reached is kept."""
    whole = contents(LoraTrainer().train(make("whole", n_epochs=2, lora_rank=32), Recorded()))
    training = make("full", n_epochs=2, lora_rank=32)
    with files_of_at_most(100_000), pytest.raises(OSError, match="File too large"):
        LoraTrainer().train(training, Recorded())
    assert TrainingFolder(training.folder).attempt(1).result() is None
    assert contents(LoraTrainer().train(training, Recorded())) == whole


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """Processes that are started now can't write longer files: as on a full disk, from within one process."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def preference(question: str, good: str, bad: str) -> dict[str, Any]:
    return {
        "input": {"messages": [{"role": "user", "content": question}]},
        "preferred_output": [{"role": "assistant", "content": good}],
        "non_preferred_output": [{"role": "assistant", "content": bad}],
    }


def events_of(training: Training) -> list[dict[str, Any]]:
    """Of the first attempt."""
    lines = TrainingFolder(training.folder).attempt(1).events.read_text().splitlines()
    return [json.loads(line) for line in lines]
