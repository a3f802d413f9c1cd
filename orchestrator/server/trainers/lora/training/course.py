"""The loop: from the first step, or from a state, to the last."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from math import ceil

import torch

from orchestrator.dataset.rendering.renderer import Renderer
from orchestrator.server.trainers.interface import Step
from orchestrator.server.trainers.lora.job import Job
from orchestrator.server.trainers.lora.training.batches import epoch_batches
from orchestrator.server.trainers.lora.training.examples import Example
from orchestrator.server.trainers.lora.training.fence import Fence, Left
from orchestrator.server.trainers.lora.training.learning import Learner, Mean
from orchestrator.server.trainers.lora.training.memory import peak_memory
from orchestrator.server.trainers.lora.training.models import LanguageModel
from orchestrator.server.trainers.lora.training.state import Progress, State, state_of
from orchestrator.server.trainers.lora.training.weights import weight_folder

WARMUP = 0.05
"""The share of the steps in which the learning rate rises, linearly; then it falls linearly."""
LAST_RATE = 0.1
"""The share of the learning rate at the last step."""
LONGEST_GRADIENT = 1.0
"""Gradients with a larger norm are scaled down to it."""
VALIDATED = 100
"""The approximate number of steps with a measurement on a slice of the validation rows."""
SLICE = 8
"""One validation row in a slice for this many examples of a batch: so it costs about a twentieth of the step."""


class Course:
    """One training in progress."""

    def __init__(
        self,
        job: Job,
        model: LanguageModel,
        learner: Learner,
        renderer: Renderer,
        training: Sequence[Example],
        validation: Sequence[Example],
        *,
        grouped: bool,
    ) -> None:
        self._job = job
        self._model = model
        self._learner = learner
        self._renderer = renderer
        self._training = training
        self._validation = validation
        self._grouped = grouped
        self._lengths = [max(len(sequence.ids) for sequence in example.sequences) for example in training]
        numbers = job.hyperparameters
        self._steps_per_epoch = ceil(len(training) / numbers.batch_size)
        self.total = self._steps_per_epoch * numbers.n_epochs
        self._optimizer = torch.optim.AdamW(model.learned.values(), lr=0.0, weight_decay=0.0)
        self._written = time.monotonic()

    @property
    def progress(self) -> Progress:
        return self._learner.progress

    def restore(self, state: State) -> None:
        state.restore(self._model.learned, self._optimizer)

    def run(self, fence: Fence) -> None:
        """Train to the end and leave the weights. Raises Left after writing a state, if it is told to stop."""
        for epoch in self._epochs_left():
            began, tokens = time.monotonic(), 0
            for batch in self._batches_left(epoch):
                step = self._step(epoch, batch, fence)
                tokens += sum(example.tokens for example in batch)
                if step.step < epoch * self._steps_per_epoch:
                    self._pause(fence)
            fence.note(self._summary(epoch, tokens, time.monotonic() - began))
            fence.checkpoint(step, self._weights())
            self.keep(fence)
        fence.finish(self._weights())

    def _epochs_left(self) -> range:
        return range(self.progress.step // self._steps_per_epoch + 1, self._job.hyperparameters.n_epochs + 1)

    def _batches_left(self, epoch: int) -> Iterator[list[Example]]:
        size, seed = self._job.hyperparameters.batch_size, self._job.seed
        batches = epoch_batches(self._lengths, size, seed, epoch, grouped=self._grouped)
        done = self.progress.step - (epoch - 1) * self._steps_per_epoch
        for batch in batches[done:]:
            yield [self._training[index] for index in batch]

    def _step(self, epoch: int, batch: Sequence[Example], fence: Fence) -> Step:
        fence.hold()
        began = time.monotonic()
        number = self.progress.step + 1
        trained = self._learner.gradient(batch, seed=(self._job.seed << 24) + number)
        norm = torch.nn.utils.clip_grad_norm_(self._model.learned.values(), LONGEST_GRADIENT)
        for group in self._optimizer.param_groups:
            group["lr"] = rate(number, self.total) * self._job.options["learning_rate"]
        self._optimizer.step()
        self._optimizer.zero_grad(set_to_none=True)
        self.progress.step = number
        valid, whole = self._validated(number)
        step = Step(
            step=number,
            total_steps=self.total,
            epoch=epoch,
            train_loss=trained.loss,
            train_accuracy=trained.accuracy,
            valid_loss=valid.loss if valid else None,
            valid_accuracy=valid.accuracy if valid else None,
            full_valid_loss=whole.loss if whole else None,
            full_valid_accuracy=whole.accuracy if whole else None,
        )
        fence.step(
            step,
            tokens=sum(example.tokens for example in batch),
            targets=self._learner.objective.count(batch),
            seconds=round(time.monotonic() - began, 3),
            gradient_norm=float(norm),
            learning_rate=self._optimizer.param_groups[0]["lr"],
            peak_memory=peak_memory(self._model.precision.device),
        )
        return step

    def _validated(self, number: int) -> tuple[Mean | None, Mean | None]:
        """The measurements on a slice and on all of the validation rows, at the steps that have them."""
        rows = self._validation
        if not rows:
            return None, None
        is_last = number % self._steps_per_epoch == 0
        if not is_last and number != 1 and number % ceil(self.total / VALIDATED):
            return None, None
        count = min(len(rows), max(1, self._job.hyperparameters.batch_size // SLICE))
        chosen = [rows[(number * count + offset) % len(rows)] for offset in range(count)]
        return self._learner.mean(chosen), self._learner.mean(rows) if is_last else None

    def _pause(self, fence: Fence) -> None:
        """Between two steps of an epoch: keep a state if it is time, or if training is to stop."""
        if fence.must_stop():
            self.keep(fence)
            raise Left("told to stop")
        if time.monotonic() - self._written >= self._job.state_seconds:
            self.keep(fence)

    def keep(self, fence: Fence) -> None:
        """Write a state."""
        fence.state(self.progress.step, state_of(self.progress, self._model.learned, self._optimizer).files())
        self._written = time.monotonic()

    def _weights(self) -> dict[str, bytes]:
        return weight_folder(self._model, self._job, self._renderer, self.progress.step)

    def _summary(self, epoch: int, tokens: int, seconds: float) -> str:
        memory = peak_memory(self._model.precision.device) / 1e9
        return (
            f"Epoch {epoch}/{self._job.hyperparameters.n_epochs}: {tokens:,} tokens in {seconds:,.0f} s, "
            f"{tokens / max(seconds, 1e-3):,.0f} per second; peak memory {memory:.1f} GB"
        )


def rate(step: int, total: int) -> float:
    """The share of the learning rate at a step (from 1): linear warmup, then linear decay to LAST_RATE."""
    rising = min(1.0, step / max(1, round(total * WARMUP)))
    return rising * (1.0 - (1.0 - LAST_RATE) * (step - 1) / total)
