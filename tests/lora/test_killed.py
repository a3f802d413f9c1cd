"""A training that is killed at any moment continues to the same adapter, byte for byte on a CPU."""

from __future__ import annotations

import json
import os
import random
import signal
import threading
from dataclasses import replace
from pathlib import Path

import pytest
from support.randomllama import named_rows

from orchestrator.server.trainers.interface import Base, Step, Training
from orchestrator.server.trainers.lora import job
from orchestrator.server.trainers.lora.folder import TrainingFolder
from orchestrator.server.trainers.lora.trainer import LoraTrainer

from .conftest import Make, Recorded, contents

KILLS = int(os.environ.get("FTORCH_KILLS", "3"))
"""Of each of the two trainings. With FTORCH_KILLS=10 it takes some minutes."""
LAST_KILLED = 16
"""Later the training could end before it is killed."""
WHOLE = {"n_epochs": 8, "lora_dropout": 0.1}
"""32 steps, with random numbers in each."""


class Killer(Recorded):
    """Kills the program of the next attempt, some time after it made a step of at least this number."""

    def __init__(self, training: Training, at_step: int, seconds: float) -> None:
        super().__init__()
        folder = TrainingFolder(training.folder)
        self._heartbeat = folder.attempt(folder.current_attempt() + 1).heartbeat
        self._at_step = at_step
        self._seconds = seconds
        self._has_begun = False

    def step(self, step: Step) -> None:
        super().step(step)
        # Before the attempt begins, steps of earlier ones may be reported.
        if step.step >= self._at_step and self._heartbeat.exists() and not self._has_begun:
            self._has_begun = True
            threading.Timer(self._seconds, self._kill).start()

    def _kill(self) -> None:
        os.kill(json.loads(self._heartbeat.read_bytes())["pid"], signal.SIGKILL)


@pytest.mark.parametrize("state_seconds", [0.0, 600.0], ids=["a state after each step", "a state after each epoch"])
def test_killed_at_random_moments_it_comes_to_the_same_adapter(
    make: Make, monkeypatch: pytest.MonkeyPatch, state_seconds: float
) -> None:
    monkeypatch.setattr(job, "STATE_SECONDS", state_seconds)
    whole = Recorded()
    expected = contents(LoraTrainer().train(make("whole", **WHOLE), whole))
    training = make("killed", **WHOLE)
    reports, weights, kills = trained_between_kills(training, random.Random(state_seconds))
    assert contents(weights) == expected
    assert kills == KILLS
    assert {step.step: step for report in reports for step in report.steps} == {s.step: s for s in whole.steps}
    assert dict(pair for report in reports for pair in report.checkpoints) == dict(whole.checkpoints)
    began = [event_from(training, number) for number in range(1, KILLS + 2)]
    assert began == sorted(began)
    assert began[-1] > 0


@pytest.mark.skipif("FTORCH_SMOLLM2" not in os.environ, reason="FTORCH_SMOLLM2 names no folder of the model")
def test_a_real_model_that_was_killed_comes_to_the_same_adapter(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job, "STATE_SECONDS", 0.0)
    base = Base("smollm2", Path(os.environ["FTORCH_SMOLLM2"]))
    whole, killed = (
        replace(
            make(name, n_epochs=2, batch_size=4, lora_rank=16, learning_rate=1e-3, rows=named_rows(8)), base=base
        )
        for name in ("whole", "killed")
    )
    expected = contents(LoraTrainer().train(whole, Recorded()))
    with pytest.raises(OSError, match="SIGKILL"):
        LoraTrainer().train(killed, Killer(killed, 2, 0.5))
    assert contents(LoraTrainer().train(killed, Recorded())) == expected
    assert event_from(killed, 2) >= 1


def trained_between_kills(training: Training, chance: random.Random) -> tuple[list[Recorded], Path, int]:
    """All that was reported, the final weights, and how often the program was killed."""
    reports: list[Recorded] = []
    for number, at_step in enumerate(sorted(chance.sample(range(1, LAST_KILLED), KILLS))):
        reports.append(Killer(training, at_step, chance.random() * 0.3))
        with pytest.raises(OSError, match="SIGKILL"):
            LoraTrainer().train(training, reports[-1])
        assert number + 1 == TrainingFolder(training.folder).current_attempt()
    reports.append(Recorded())
    return reports, LoraTrainer().train(training, reports[-1]), len(reports) - 1


def event_from(training: Training, attempt: int) -> int:
    """The step that an attempt continued from."""
    events = TrainingFolder(training.folder).attempt(attempt).events.read_text().splitlines()
    return next(event["step"] for event in map(json.loads, events) if event["kind"] == "from")
