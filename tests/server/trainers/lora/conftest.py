"""A training whose program is a few lines of the test: the folder's protocol, without torch and without a model."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from textwrap import dedent, indent

import pytest
from httpx2 import MockTransport
from support.scripted_ray import ScriptedRay

from orchestrator.server.launchers import ray as launcher
from orchestrator.server.launchers.rayjobs import RayJobs
from orchestrator.server.launchers.settings import RaySettings
from orchestrator.server.trainers.interface import Base, Hyperparameters, Requested, Step, Training
from orchestrator.server.trainers.lora import attempts, following
from orchestrator.server.trainers.lora.trainer import LoraTrainer

PRELUDE = """
import sys, os, time, json, signal
from pathlib import Path
from orchestrator.server.trainers.interface import Step
from orchestrator.server.trainers.lora.training.fence import Fence, Left, beat
from orchestrator.server.trainers.lora.folder import TrainingFolder, put_json
from orchestrator.server.trainers.lora.lifeline import end_with_parent

command, path, number = sys.argv[-3:]
folder = TrainingFolder(Path(path))
attempt = folder.attempt(int(number))
end_with_parent()
if command == "train":
    fence = Fence(folder, attempt)

def step(number, total=4):
    return Step(number, total, 1, 1.0 / number, 0.5)

def keep(number):
    fence.state(number, {"state": str(number).encode()})

"""


@dataclass
class Recorded:
    """What a training reports, in order."""

    told: list[object] = field(default_factory=list)
    waits: int = 0

    def step(self, step: Step) -> None:
        self.told.append(step.step)

    def checkpoint(self, step: Step, weights: Path) -> None:
        self.told.append((step.step, (weights / "adapter").read_text()))
        weights.rename(weights.parents[3] / f"taken-{len(self.told)}")

    def note(self, message: str) -> None:
        self.told.append(message)

    def waiting(self) -> None:
        self.waits += 1


@pytest.fixture
def program(tmp_path: Path) -> Callable[[str], LoraTrainer]:
    """Makes a trainer whose program is this Python text, with `folder`, `attempt`, `fence`, `step` and `keep`."""

    def run(body: str) -> LoraTrainer:
        script, python = tmp_path / "program.py", tmp_path / "python"
        script.write_text(f"{PRELUDE}try:\n{indent(dedent(body), '    ')}\nexcept Left:\n    sys.exit(75)\n")
        python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{script}" "$@"\n')
        python.chmod(0o700)
        return LoraTrainer(str(python))

    return run


@pytest.fixture(autouse=True)
def devices_of_the_test(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The locks of devices are this test's, as other tests train at the same time."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A folder that looks like a model's from outside."""
    folder = tmp_path / "model"
    folder.mkdir()
    header = json.dumps(
        {"layer.q_proj.weight": {"dtype": "F32", "shape": [4, 4], "data_offsets": [0, 64]}}
    ).encode()
    (folder / "model.safetensors").write_bytes(len(header).to_bytes(8, "little") + header + bytes(64))
    (folder / "config.json").write_text('{"hidden_size": 4}')
    (folder / "tokenizer.json").write_text("{}")
    return folder


@pytest.fixture
def training(tmp_path: Path, model: Path) -> Training:
    rows = tmp_path / "training.jsonl"
    rows.write_text('{"messages": []}\n')
    numbers: Hyperparameters = LoraTrainer().resolve(20, "supervised", Requested())
    return Training(rows, None, "supervised", numbers, 1, tmp_path / "folder", Base("small", model))


@pytest.fixture
def ray(monkeypatch: pytest.MonkeyPatch) -> Iterator[ScriptedRay]:
    """A scripted cluster whose clock is also that of ftorch's side."""
    found = ScriptedRay()
    for module in (attempts, following, launcher):
        monkeypatch.setattr(module, "time", found)
    yield found
    found.close()


@pytest.fixture
def on_ray(ray: ScriptedRay, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LoraTrainer:
    """A trainer whose programs run on that cluster."""
    monkeypatch.setattr(launcher, "shared_package", lambda storage: storage / "packages" / "1")
    settings = RaySettings("http://ray:8265", tmp_path, token_env="RAY_TOKEN")
    monkeypatch.setattr(launcher, "RayJobs", lambda settings: RayJobs(settings, MockTransport(ray.answer)))
    return LoraTrainer("/opt/trainer/bin/python", ray=settings)
