"""Several processes that train one job: two on the processors stand for two GPUs."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from orchestrator.server.trainers.interface import Method, Step
from orchestrator.server.trainers.lora.events import EventReader
from orchestrator.server.trainers.lora.folder import TrainingFolder
from orchestrator.server.trainers.lora.trainer import LoraTrainer

from .conftest import Make, Recorded, contents
from .test_training import preference

ADAPTER = "adapter_model.safetensors"


def tensors(weights: Path) -> dict[str, Any]:
    from safetensors.torch import load

    found: dict[str, Any] = load(contents(weights)[ADAPTER])
    return found


@pytest.mark.parametrize("method", ["supervised", "dpo"])
def test_two_processes_learn_what_one_does(make: Make, method: Method) -> None:
    import torch

    asked: dict[str, Any] = {"method": method, "n_epochs": 2, "precision": "fp32", "batch_size": 5}
    if method == "dpo":
        asked |= {"rows": [preference(f"question {number}", "yes sir", "no way") for number in range(12)]}
    one, two = Recorded(), Recorded()
    alone = LoraTrainer().train(make("one", **asked), one)
    together = LoraTrainer().train(make("two", **asked, num_processes=2), two)
    assert [step.step for step in two.steps] == [step.step for step in one.steps]
    for first, second in zip(one.steps, two.steps, strict=True):
        assert second.train_loss == pytest.approx(first.train_loss, rel=1e-4)
        assert second.train_accuracy == pytest.approx(first.train_accuracy, abs=0.02)
    mine, theirs = tensors(alone), tensors(together)
    assert mine.keys() == theirs.keys()
    assert all(torch.allclose(mine[name], theirs[name], atol=2e-4) for name in mine)


def test_a_dead_process_ends_the_others_and_the_next_attempt_continues(make: Make) -> None:
    training = make("killed", n_epochs=4, num_processes=2)

    class Killing(Recorded):
        def checkpoint(self, step: Step, weights: Path) -> None:
            super().checkpoint(step, weights)
            if len(self.checkpoints) == 1:
                self.killed = peers(training.folder)
                os.kill(self.killed[-1], signal.SIGKILL)

    report = Killing()
    with pytest.raises(OSError, match=r"SIGKILL|took the others along"):
        LoraTrainer().train(training, report)
    deadline = time.monotonic() + 10
    while any(is_alive(pid) for pid in report.killed):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    folder = TrainingFolder(training.folder)
    assert folder.attempt(1).result() is None
    LoraTrainer().train(training, Recorded())
    begun = next(iter(EventReader(folder.attempt(2).events).new()))
    assert begun["step"] > 0
    assert json.loads((folder.path / "attempts/2/result.json").read_text()) == {"status": "succeeded"}


def peers(folder: Path) -> list[int]:
    """The processes that train in this folder, the launcher's first."""
    mark = f"train\0{folder}\0".encode()
    found = []
    for path in Path("/proc").iterdir():
        if path.name.isdecimal() and mark in (path / "cmdline").read_bytes():
            found.append(int(path.name))
    return sorted(found)


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
