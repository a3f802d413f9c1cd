"""Trainings on a scripted Ray cluster, in virtual time, in which everything is killed at random: our
process, the head, worker nodes and trainers, with requests that are lost, doubled or unclear in between."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from random import Random

import pytest
from httpx2 import MockTransport
from support.scripted_ray import TOTAL, Process, ScriptedRay

from orchestrator.server.launchers import ray as launcher
from orchestrator.server.launchers.rayjobs import RayJobs
from orchestrator.server.trainers.interface import Step, Training
from orchestrator.server.trainers.lora import attempts, following
from orchestrator.server.trainers.lora.folder import TrainingFolder
from orchestrator.server.trainers.lora.trainer import LoraTrainer

LIVES = 20 if os.environ.get("FTORCH_FAULTS") != "all" else 200
DAY = 24 * 3600.0
WHOLE = list(range(1, TOTAL + 1))


@dataclass
class Ledger:
    """What the store would have: it outlives all processes."""

    steps: dict[int, Step] = field(default_factory=dict)
    checkpoints: dict[int, list[int]] = field(default_factory=dict)
    models: list[tuple[int, list[int]]] = field(default_factory=list)
    """Each published model: the attempt that counted then, and what it learned."""
    deaths: int = 0
    taken: Path | None = None


class Life:
    """One training with its kills, from a seed."""

    def __init__(self, seed: int, ray: ScriptedRay, training: Training, trainer: LoraTrainer) -> None:
        self.random = Random(seed)
        self.ray, self.training, self.trainer = ray, training, trainer
        self.ledger = Ledger()
        self.process: Process | None = None
        self.happened: list[str] = []
        for _ in range(self.random.randint(1, 5)):
            ray.plan(self.random.uniform(0.0, self.random.choice([15.0, 60.0])), self.kill)
        kinds = ["", "lost request", "lost answer", "doubled", "error"]
        ray.faults = [self.random.choice(kinds) for _ in range(self.random.randint(0, 4))]
        self.doubled = ray.faults.count("doubled")

    def kill(self) -> None:
        kind = self.random.choice(["process", "head", "head that remembers", "node", "trainer"])
        self.happened.append(f"{self.ray.now:.0f} {kind}")
        if kind.startswith("head"):
            self.ray.kill_head(self.random.choice([1.0, 1.0, 1.0, 30.0, 600.0]), forgets=kind == "head")
        elif kind == "node":
            self.ray.kill_node(process_goes_on=self.random.random() < 0.5)
        elif kind == "trainer":
            self.ray.kill_trainers()
        elif self.process is not None and not self.process.was_killed:
            self.process.kill()

    def run(self) -> None:
        """As a scheduler does: another process for each that ended before the job."""
        while not self.ledger.models and self.ray.now < DAY:
            self.process = Process(self.work)
            self.process.run()
            if isinstance(self.process.error, OSError):
                self.ledger.deaths += 1
            elif self.process.error is not None:
                raise self.process.error
            self.process = None
            self.ray.sleep(self.random.choice([1.0, 30.0]))

    def work(self) -> None:
        weights = self.trainer.train(self.training, self)
        number = TrainingFolder(self.training.folder).current_attempt()
        assert weights.parent.name == str(number)
        taken = self.training.folder / f"taken-{self.random.random()}"
        weights.rename(taken)
        if self.random.random() < 0.1 and self.process is not None and self.ray.now < DAY / 2:
            self.happened.append(f"{self.ray.now:.0f} process, before it recorded the model")
            self.process.kill()
        self.ledger.models.append((number, json.loads((taken / "adapter").read_text())))

    # --- the report of the training ---

    def step(self, step: Step) -> None:
        self.ledger.steps[step.step] = step

    def checkpoint(self, step: Step, weights: Path) -> None:
        if step.step not in self.ledger.checkpoints:
            self.ledger.checkpoints[step.step] = json.loads((weights / "adapter").read_text())
            weights.rename(self.training.folder / f"checkpoint-{step.step}-{self.random.random()}")

    def note(self, message: str) -> None:
        """For people."""

    def waiting(self) -> None:
        """Nothing stops this job."""


@pytest.fixture
def lives(training: Training, on_ray: LoraTrainer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[Life]:
    lived: list[Life] = []
    for seed in range(LIVES):
        ray = ScriptedRay()
        for module in (attempts, following, launcher):
            monkeypatch.setattr(module, "time", ray)
        jobs = partial(RayJobs, transport=MockTransport(ray.answer))
        monkeypatch.setattr(launcher, "RayJobs", jobs)
        life = Life(seed, ray, replace(training, folder=tmp_path / f"job-{seed}"), on_ray)
        life.run()
        ray.close()
        lived.append(life)
    return lived


def test_each_training_gives_one_model_whatever_is_killed(lives: list[Life]) -> None:
    """And no key starts two programs that write, and no request is repeated but by the wire."""
    for life in lives:
        assert [learned for _, learned in life.ledger.models] == [WHOLE], life.happened
        assert sorted(life.ledger.steps) == WHOLE, life.happened
        for step, learned in life.ledger.checkpoints.items():
            assert learned == WHOLE[:step], life.happened
        assert not any(trainer.trespassed for _, trainer in life.ray.started), life.happened
        writers = [key for key, trainer in life.ray.started if trainer.wrote]
        assert len(writers) == len(set(writers)), (life.happened, writers)
        assert len(life.ray.posts) - len(set(life.ray.posts)) <= life.doubled
    kills = sum(len(life.happened) for life in lives)
    attempted = sum(len(set(life.ray.posts)) for life in lives)
    replaced = sum(trainer.was_replaced for life in lives for _, trainer in life.ray.started)
    assert replaced, "no trainer ran on after it was replaced: the fence was not tried"
    print(
        f"{len(lives)} trainings, {kills} kills, {attempted} attempts, {len(lives)} models, 0 lost, 0 doubled; "
        f"{replaced} trainers were replaced while they ran"
    )
