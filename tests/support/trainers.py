"""Training and asking without a server: rows in, weights and answers out."""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from orchestrator.server.trainers import trainer
from orchestrator.server.trainers.interface import (
    Answer,
    Hyperparameters,
    Machine,
    Model,
    Question,
    Row,
    Step,
    Trainer,
    Training,
)

HERE = Machine(Path(tempfile.gettempdir()), sys.executable)


def tiny() -> Trainer:
    """The trainer of the base install."""
    return trainer("tiny", HERE)


def loaded(weights: Path | None = None) -> Model:
    """The model that `tiny` makes of these weights."""
    return tiny().load(weights, None)


def ask(model: Model, messages: Sequence[Mapping[str, Any]], tools: Any = (), **more: Any) -> Answer:
    """What the model answers; `more` are fields of Question."""
    return model.answer(Question(messages, tools, **more))


class StoppedError(Exception):
    """The report ended the training."""


@dataclass
class Kept:
    """A report that keeps what it is told, with copies of the checkpoints."""

    folder: Path
    stop_after: int | None = None
    """Raise StoppedError after this many checkpoints."""
    steps: list[Step] = field(default_factory=list)
    checkpoints: list[tuple[Step, Path]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def step(self, step: Step) -> None:
        if self.stop_after is not None and len(self.checkpoints) > self.stop_after:
            raise StoppedError
        self.steps.append(step)

    def checkpoint(self, step: Step, weights: Path) -> None:
        kept = self.folder / f"kept-{step.step}"
        shutil.rmtree(kept, ignore_errors=True)
        weights.rename(kept)
        self.checkpoints.append((step, kept))

    def note(self, message: str) -> None:
        self.notes.append(message)

    def waiting(self) -> None:
        """Nothing to keep."""


@dataclass(frozen=True)
class Trained:
    """What a training gave."""

    weights: Path
    steps: list[Step]
    checkpoints: list[tuple[Step, Path]]

    def epoch_loss(self, epoch: int) -> float:
        losses = [step.train_loss for step in self.steps if step.epoch == epoch]
        return sum(losses) / len(losses)

    @property
    def valid_losses(self) -> list[float]:
        return [step.full_valid_loss for step, _ in self.checkpoints if step.full_valid_loss is not None]


def train(
    rows: Sequence[Row],
    valid: Sequence[Row] = (),
    numbers: Hyperparameters | None = None,
    *,
    seed: int = 1,
    parent: Path | None = None,
    folder: Path | None = None,
    stop_after: int | None = None,
    by: Trainer | None = None,
) -> Trained:
    """Train on these rows, by default with `tiny` for 3 epochs in a new folder."""
    folder = folder or Path(tempfile.mkdtemp())
    numbers = numbers or Hyperparameters(3, 1, 1.0)
    method: Any = "dpo" if numbers.beta is not None else "supervised"
    validation = _written(folder / "validation.jsonl", valid) if valid else None
    data = _written(folder / "training.jsonl", rows)
    report = Kept(folder, stop_after)
    training = Training(data, validation, method, numbers, seed, folder, parent=parent)
    return Trained((by or tiny()).train(training, report), report.steps, report.checkpoints)


def _written(path: Path, rows: Sequence[Row]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path
