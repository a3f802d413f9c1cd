"""The tiny trainer: fine-tunes the log-linear tool caller by stochastic gradient descent, on one core."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from math import ceil
from pathlib import Path
from random import Random

from orchestrator.server.trainers.interface import (
    Answer,
    Base,
    Checked,
    Hyperparameters,
    Method,
    Question,
    Report,
    Requested,
    Row,
    Step,
    Training,
)
from orchestrator.server.trainers.rows import read_rows
from orchestrator.server.trainers.tiny.chain import answering, decisions_of
from orchestrator.server.trainers.tiny.conversation import Turn, functions_of, preference_of, prompt_of, turns_of
from orchestrator.server.trainers.tiny.decisions import Decision, taken
from orchestrator.server.trainers.tiny.learning import (
    Demonstration,
    Example,
    Gradient,
    Measure,
    Preference,
    descend,
    preference,
)
from orchestrator.server.trainers.tiny.memory import Memory
from orchestrator.server.trainers.tiny.weights import FILE, Weights, decoded, encoded, read, write

RATE = 2.0
"""The learning rate at multiplier 1.0, chosen by cross-validation (tests/quality)."""
LAST_RATE = 0.1
"""The share of the learning rate at the last step; it falls linearly."""
SLICE = 3
"""Validation rows measured at every step."""
KEPT = 1_000
"""Examples whose features are kept in memory; any more are read again each time."""
EPOCHS = ((100, 4), (500, 3), (2_000, 2))
BETA = 0.1


class TinyTrainer:
    """See docs/local.md for what it can and cannot do."""

    name = "tiny"

    def resolve(self, examples: int, method: Method, requested: Requested) -> Hyperparameters:
        """Auto: fewer epochs the more examples there are, a batch of 0.2 % of the examples, multiplier 1."""
        if requested.options:
            raise ValueError(f"'{next(iter(requested.options))}' is for open-weights base models only")
        epochs = next((epochs for below, epochs in EPOCHS if examples < below), 1)
        size = min(256, max(1, round(examples * 0.002)))
        rate = requested.learning_rate_multiplier
        return Hyperparameters(
            n_epochs=epochs if requested.n_epochs == "auto" else requested.n_epochs,
            batch_size=size if requested.batch_size == "auto" else requested.batch_size,
            learning_rate_multiplier=1.0 if rate == "auto" else rate,
            beta=BETA if requested.beta == "auto" else requested.beta,
        )

    def check(self, training: Training) -> Checked:
        """Nothing: it reads every valid file."""
        return Checked()

    def train(self, training: Training, report: Report) -> Path:
        """Train and return the folder of the final weights; raises UnreadableWeights for a parent of another kind.
        See `Trainer.train`."""
        state = training.folder / "state"
        course = _Course(training, read(state) if (state / FILE).exists() else None)
        for epoch in course.epochs_left():
            for step in course.epoch(epoch):
                report.step(step)
            content = course.checkpoint()
            report.checkpoint(step, write(content, training.folder / "checkpoint"))
            # Written last: a crash before this line repeats the epoch, and no checkpoint is ever skipped.
            write(content, state)
        return write(encoded(course.weights), training.folder / "model")

    def load(self, weights: Path | None, base: Base | None) -> TinyModel:
        """The model of these weights; raises UnreadableWeights."""
        return TinyModel(Weights() if weights is None else read(weights))

    def close(self) -> None:
        """Nothing: it starts no process."""


@dataclass(frozen=True)
class TinyModel:
    """A base or fine-tuned model. Answering does not change it."""

    weights: Weights

    def answer(self, question: Question) -> Answer:
        """Answer a conversation: the most probable option at every decision."""
        functions = functions_of({"tools": list(question.tools)})
        prompt, memory = prompt_of(question.messages), self.weights.memory
        steps = answering(prompt, functions, memory, question.choice, question.parallel)
        return taken(steps, self.weights.rows)


class _Course:
    """One training in progress, from the first step, or from the `state` after an epoch, to the last."""

    def __init__(self, training: Training, state: Weights | None) -> None:
        self._numbers = training.hyperparameters
        self._seed = training.seed
        parent = Weights() if training.parent is None else read(training.parent)
        rows = read_rows(training.training)
        if state is not None:
            self.weights = state
        else:
            learned = parent.memory.with_turns(turn for row in rows for turn in _taught(row))
            self.weights = Weights({name: dict(row) for name, row in parent.rows.items()}, learned)
        reading = _Reading(parent, self.weights.memory, self._numbers.beta)
        self._training = _Examples(rows, reading, own=True)
        self._validation = _Examples(read_rows(training.validation), reading, own=False)
        self._steps_an_epoch = ceil(len(rows) / self._numbers.batch_size)
        self._total = self._steps_an_epoch * self._numbers.n_epochs

    def epochs_left(self) -> range:
        done = self.weights.step // max(1, self._steps_an_epoch)
        return range(done + 1, self._numbers.n_epochs + 1) if self._total else range(0)

    def epoch(self, number: int) -> Iterator[Step]:
        """The steps of one epoch, in an order that depends only on seed and epoch."""
        order = list(range(len(self._training)))
        Random(f"{self._seed}:{number}").shuffle(order)
        size = self._numbers.batch_size
        for first in range(0, len(order), size):
            last = first + size >= len(order)
            yield self._step(number, order[first : first + size], last)

    def checkpoint(self) -> bytes:
        """The weights as bytes. Training continues from those bytes, as it would after a crash."""
        content = encoded(self.weights)
        self.weights.rows = decoded(content).rows
        return content

    def _step(self, epoch: int, batch: Sequence[int], last: bool) -> Step:
        gradient: Gradient = []
        trained = _total(self._training[i].measure(self.weights.rows, gradient) for i in batch)
        descend(self.weights.rows, gradient, self._rate() / len(batch) ** 0.5)
        self.weights.step += 1
        valid = self._validated(self._slice()) if self._validation else None
        whole = self._validated(range(len(self._validation))) if self._validation and last else None
        return Step(
            step=self.weights.step,
            total_steps=self._total,
            epoch=epoch,
            train_loss=trained.mean_loss,
            train_accuracy=trained.accuracy,
            valid_loss=valid.mean_loss if valid else None,
            valid_accuracy=valid.accuracy if valid else None,
            full_valid_loss=whole.mean_loss if whole else None,
            full_valid_accuracy=whole.accuracy if whole else None,
        )

    def _rate(self) -> float:
        """The learning rate of the next step. A batch's gradients are summed and divided by the root of its size,
        so that a larger batch takes larger, steadier steps."""
        left = 1.0 - self.weights.step / self._total
        return RATE * self._numbers.learning_rate_multiplier * (LAST_RATE + (1.0 - LAST_RATE) * left)

    def _slice(self) -> Iterator[int]:
        """The next few validation rows, in turn."""
        first = self.weights.step * SLICE
        return (i % len(self._validation) for i in range(first, first + min(SLICE, len(self._validation))))

    def _validated(self, indices: Iterator[int] | range) -> Measure:
        return _total(self._validation[i].measure(self.weights.rows) for i in indices)


@dataclass(frozen=True)
class _Reading:
    """How rows become examples."""

    parent: Weights
    memory: Memory
    beta: float | None

    def example(self, row: Row, own: bool) -> Example:
        """One row; `own` if it is in memory."""
        pair = preference_of(row)
        if pair is None:
            return Demonstration([d for turn in turns_of(row) for d in decisions_of(turn, self.memory, own=own)])
        preferred, other = (_reachable(decisions_of(turn, self.memory, own=own)) for turn in pair)
        reference = preference(preferred, other, self.parent.rows)
        return Preference(preferred, other, reference, BETA if self.beta is None else self.beta)


@dataclass
class _Examples:
    """Rows as examples, read on first use."""

    rows: Sequence[Row]
    reading: _Reading
    own: bool
    _read: dict[int, Example] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> Example:
        found = self._read.get(index)
        if found is None:
            found = self.reading.example(self.rows[index], self.own)
            if len(self._read) < KEPT:
                self._read[index] = found
        return found


def _taught(row: Row) -> Sequence[Turn]:
    """The turns that a row adds to memory: for a preference, the preferred one."""
    pair = preference_of(row)
    return turns_of(row) if pair is None else pair[:1]


def _reachable(decisions: Sequence[Decision]) -> list[Decision]:
    return [decision for decision in decisions if decision.right]


def _total(measures: Iterator[Measure]) -> Measure:
    return sum(measures, start=Measure())
