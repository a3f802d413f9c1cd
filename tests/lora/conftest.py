"""Tests that train: they need torch, and run in an environment of their own (`make test-lora`)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from support.randomllama import make_random_llama, short_rows, write_rows

from orchestrator.server.trainers.interface import Base, Method, Requested, Step, Training
from orchestrator.server.trainers.lora.events import EventReader, step_of
from orchestrator.server.trainers.lora.folder import TrainingFolder
from orchestrator.server.trainers.lora.job import prepared_job
from orchestrator.server.trainers.lora.trainer import LoraTrainer
from orchestrator.server.trainers.lora.training.fence import Fence

collect_ignore_glob = [] if find_spec("torch") else ["*.py"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            # Other packages announce their future there.
            item.add_marker(pytest.mark.filterwarnings("default"))


@dataclass
class Recorded:
    """What a training reports."""

    steps: list[Step] = field(default_factory=list)
    checkpoints: list[tuple[int, dict[str, bytes]]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def step(self, step: Step) -> None:
        self.steps.append(step)

    def checkpoint(self, step: Step, weights: Path) -> None:
        self.checkpoints.append((step.step, contents(weights)))

    def note(self, message: str) -> None:
        self.notes.append(message)

    def waiting(self) -> None:
        pass


Make = Callable[..., Training]


def contents(folder: Path) -> dict[str, bytes]:
    """The files of a weights folder."""
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def trained_here(training: Training, report: Recorded | None = None) -> Path:
    """The weights of a training in this process, without starting a program: it saves importing torch again."""
    from orchestrator.server.trainers.lora.training.run import run

    folder = TrainingFolder(training.folder)
    job = prepared_job(folder, training)
    attempt = folder.begin_attempt()
    run(folder, attempt, job, Fence(folder, attempt))
    for event in EventReader(attempt.events).new() if report is not None else ():
        if event["kind"] == "step":
            report.step(step_of(event))
        elif event["kind"] == "checkpoint":
            report.checkpoint(step_of(event), attempt.checkpoint(event["step"]))
        elif event["kind"] == "note":
            report.note(event["message"])
    return attempt.model


@pytest.fixture(autouse=True)
def devices_of_the_test(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The locks of devices are this test's: it waits for no other training on this machine."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))


@pytest.fixture(scope="session")
def base(tmp_path_factory: pytest.TempPathFactory) -> Base:
    return Base("random-llama", make_random_llama(tmp_path_factory.mktemp("models") / "random-llama"))


@pytest.fixture
def make(tmp_path: Path, base: Base) -> Make:
    """Makes a training on 20 short rows, in a folder of its name."""

    def run(
        name: str = "job",
        rows: Sequence[dict[str, Any]] | None = None,
        valid: Sequence[dict[str, Any]] = (),
        method: Method = "supervised",
        seed: int = 1,
        parent: Path | None = None,
        **asked: Any,
    ) -> Training:
        given = short_rows() if rows is None else list(rows)
        numbers = {name: asked.pop(name) for name in ("n_epochs", "batch_size", "beta") if name in asked}
        options = {"learning_rate": 1e-2, "lora_rank": 8, **asked}
        requested = Requested(**{"n_epochs": 2, "batch_size": 5, **numbers}, options=options)
        folder = tmp_path / name
        folder.mkdir()
        return Training(
            training=write_rows(folder / "training.jsonl", given),
            validation=write_rows(folder / "validation.jsonl", list(valid)) if valid else None,
            method=method,
            hyperparameters=LoraTrainer().resolve(len(given), method, requested),
            seed=seed,
            folder=folder / "folder",
            base=base,
            parent=parent,
        )

    return run
