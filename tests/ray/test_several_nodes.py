"""One training over two nodes of a real cluster, with torch: it learns what one process learns, and a dead process
or node costs what came after the last state."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from support.randomllama import short_rows, write_rows

from orchestrator.server.launchers.rayjobs import RayJobs
from orchestrator.server.launchers.settings import RaySettings
from orchestrator.server.trainers.interface import Base, Requested, Step, Training
from orchestrator.server.trainers.lora.events import EventReader
from orchestrator.server.trainers.lora.folder import TrainingFolder
from orchestrator.server.trainers.lora.trainer import LoraTrainer

from .conftest import LORA_PYTHON, TOKEN, Head, Node, needs_lora, trainers

pytestmark = needs_lora


@dataclass
class Recorded:
    """What is reported; `at_first_checkpoint` is done once."""

    at_first_checkpoint: Callable[[], None] = lambda: None
    steps: dict[int, Step] = field(default_factory=dict)
    checkpoints: set[int] = field(default_factory=set)

    def step(self, step: Step) -> None:
        self.steps[step.step] = step

    def checkpoint(self, step: Step, weights: Path) -> None:
        if not self.checkpoints:
            self.checkpoints.add(step.step)
            self.at_first_checkpoint()
        self.checkpoints.add(step.step)

    def note(self, message: str) -> None:
        """For people."""

    def waiting(self) -> None:
        """Nothing stops it."""


class SecondNode(Node):
    """It joins the head's cluster."""

    def __init__(self, folder: Path, head: Head) -> None:
        super().__init__("node", folder)
        self._head = head

    def start(self) -> None:
        self.launch(f"--address=127.0.0.1:{self._head.port}")
        self.await_(lambda: self._head.nodes() == 2)


@pytest.fixture
def node(head: Head, tmp_path: Path) -> Iterator[SecondNode]:
    found = SecondNode(tmp_path, head)
    found.start()
    yield found
    found.kill()
    found.await_(lambda: head.nodes() == 1)


@pytest.fixture
def ray(head: Head, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RaySettings:
    monkeypatch.setenv("FTORCH_RAY_TOKEN", TOKEN)
    return RaySettings(head.address, tmp_path / "storage", "FTORCH_RAY_TOKEN", LORA_PYTHON, gpus=1, cpus=1)


@pytest.fixture
def make(ray: RaySettings, llama: Path, tmp_path: Path) -> Callable[..., Training]:
    """Makes a training of this many processes, each of which asks for a GPU."""
    (tmp_path / "storage").mkdir()

    def training(processes: int, epochs: int = 2) -> Training:
        options = {"learning_rate": 1e-2, "lora_rank": 8, "precision": "fp32", "num_processes": processes}
        requested = Requested(n_epochs=epochs, batch_size=5, options=options)
        return Training(
            training=write_rows(tmp_path / "rows.jsonl", short_rows()),
            validation=None,
            method="supervised",
            hyperparameters=LoraTrainer(ray=ray).resolve(20, "supervised", requested),
            seed=1,
            folder=tmp_path / "storage" / f"job-{os.urandom(4).hex()}",
            base=Base("llama", llama),
        )

    return training


def trained(training: Training, ray: RaySettings, report: Recorded) -> Path:
    """The weights, with another try for each time that a process died, as the scheduler does it."""
    for _ in range(5):
        try:
            return LoraTrainer(ray=ray).train(training, report)
        except OSError as error:
            print(f"again after: {error}")
    raise AssertionError("it died too often")


def require_continued(training: Training, weights: Path, report: Recorded, epochs: int) -> None:
    """One model, of the second attempt, which began where the first one had kept a state."""
    folder = TrainingFolder(training.folder)
    assert [attempt.number for attempt in folder.attempts()] == [1, 2]
    assert weights == folder.attempt(2).model
    assert (folder.attempt(1).result(), folder.attempt(2).result()) == (None, {"status": "succeeded"})
    begun = next(iter(EventReader(folder.attempt(2).events).new()))
    assert begun["step"] > 0
    assert sorted(report.steps) == list(range(1, 4 * epochs + 1))
    assert sorted(report.checkpoints) == list(range(4, 4 * epochs + 1, 4))
    assert trainers(training.folder) == []


def test_two_nodes_learn_what_one_process_does(
    make: Callable[..., Training], ray: RaySettings, node: SecondNode
) -> None:
    one, two, training = Recorded(), Recorded(), make(2)
    trained(make(1), ray, one)
    trained(training, ray, two)
    assert list(two.steps) == list(one.steps) == list(range(1, 9))
    for number, step in one.steps.items():
        assert two.steps[number].train_loss == pytest.approx(step.train_loss, rel=1e-4)
    said = RayJobs(ray).logs(f"{training.folder.name}-1")
    places = [line.split("node ")[1].split(",")[0] for line in said.splitlines() if line.startswith("Process ")]
    assert len(places) == len(set(places)) == 2


def test_a_dead_process_ends_the_group_and_the_next_attempt_continues(
    make: Callable[..., Training], ray: RaySettings, node: SecondNode
) -> None:
    training = make(2, epochs=12)

    def kill_one() -> None:
        os.kill(max(trainers(training.folder)), signal.SIGKILL)

    report = Recorded(kill_one)
    weights = trained(training, ray, report)
    require_continued(training, weights, report, 12)


def test_a_dead_node_costs_what_came_after_the_last_state(
    make: Callable[..., Training], ray: RaySettings, node: SecondNode
) -> None:
    training = make(2, epochs=12)

    def lose_node() -> None:
        node.kill()
        deadline = time.monotonic() + 30
        while trainers(training.folder):
            assert time.monotonic() < deadline, "a process outlived its group"
            time.sleep(0.1)
        node.start()

    report = Recorded(lose_node)
    weights = trained(training, ray, report)
    require_continued(training, weights, report, 12)
