"""A process that follows one training on Ray, as a worker of the endpoint does: `follower.py FOLDER ADDRESS MODEL`.

It writes what is reported to `reported.jsonl` in the folder above the training's, and publishes the model there.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path

from orchestrator.server.launchers import package, ray as launcher
from orchestrator.server.launchers.settings import RaySettings
from orchestrator.server.trainers.interface import Base, Requested, Step, Training
from orchestrator.server.trainers.lora.trainer import LoraTrainer


class Report:
    def __init__(self, path: Path) -> None:
        self._path = path

    def say(self, **said: object) -> None:
        with self._path.open("a") as file:
            file.write(json.dumps(said) + "\n")

    def step(self, step: Step) -> None:
        self.waiting()
        self.say(step=step.step)

    def checkpoint(self, step: Step, weights: Path) -> None:
        self.say(checkpoint=step.step, learned=json.loads((weights / "adapter").read_text()))

    def note(self, message: str) -> None:
        self.say(note=message)

    def waiting(self) -> None:
        if (self._path.parent / "pause").exists():
            raise InterruptedError("paused")


def stub_package(storage: Path) -> Path:
    """This package with the program of these tests in place of the one that needs torch."""
    folder = storage / "packages" / "stub"
    if not folder.exists():
        made = package.shared_package(storage)
        draft = folder.with_name(f".stub.{os.getpid()}")
        shutil.copytree(made, draft)
        program = draft / "orchestrator/server/trainers/lora/training/program.py"
        shutil.copyfile(Path(__file__).with_name("program.py"), program)
        draft.rename(folder)
    return folder


def main(top: Path, address: str, model: Path) -> None:
    launcher.shared_package = stub_package  # type: ignore[attr-defined]
    settings = RaySettings(address, top.parent, "FTORCH_RAY_TOKEN", sys.executable, gpus=1, cpus=0.5)
    lora = LoraTrainer(sys.executable, ray=settings)
    numbers = lora.resolve(20, "supervised", Requested())
    rows = top / "training.jsonl"
    report = Report(top / "reported.jsonl")
    training = Training(rows, None, "supervised", numbers, 1, top / top.name, Base("small", model))
    weights = lora.train(training, report)
    report.say(model=json.loads((weights / "adapter").read_text()), attempt=weights.parent.name)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3]))
