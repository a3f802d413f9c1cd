"""Writes what a training reports into the store, often enough to follow it and seldom enough not to slow it."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

from orchestrator.server import ids
from orchestrator.server.store import Store
from orchestrator.server.store.progress import Measured, Metrics
from orchestrator.server.store.records import Checkpoint, Job
from orchestrator.server.trainers.interface import Step

WRITE_SECONDS = 0.05
"""Steps are gathered this long: a request to stop is seen that fast, and a commit costs about as much as a step."""
METRICS_EVENTS = 200
"""About as many metrics events a job gets, however many steps it has; the result file has them all."""


class Recorder:
    """Takes the steps and checkpoints of one training. NoLongerRunningError ends the training from inside."""

    def __init__(self, store: Store, job: Job, now: Callable[[], float]) -> None:
        self._store = store
        self._job = job
        self._now = now
        self._told_until = store.progress.last_step(job)
        self._began = self._written = time.monotonic()
        self._done = 0
        self._waiting: list[Step] = []

    def step(self, step: Step) -> None:
        """Take one step; it is written within WRITE_SECONDS of the next ones."""
        self._done += 1
        self._waiting.append(step)
        if time.monotonic() - self._written >= WRITE_SECONDS:
            self.flush()

    def checkpoint(self, step: Step, weights: bytes) -> None:
        """Write the steps so far, then the checkpoint: it never stands before what led to it."""
        self.flush()
        job, number = self._job, step.step
        blob = self._store.blobs.put(weights)
        name = f"{job.model_name}:ckpt-step-{number}"
        metrics = {"step": number, **_numbers(step)}
        checkpoint = Checkpoint(ids.checkpoint_id(), job.id, int(self._now()), number, name, metrics, blob)
        try:
            self._store.progress.add_checkpoint(job, checkpoint)
        except BaseException:
            self._store.blobs.delete(blob)
            raise

    def flush(self) -> None:
        """Write the steps that wait."""
        steps, self._waiting = self._waiting, []
        self._written = time.monotonic()
        if steps:
            told = [_metrics(step) for step in steps if step.step > self._told_until and _is_told(step)]
            finish = self._estimated_finish(steps[-1])
            self._store.progress.add_steps(self._job, [_row(s) for s in steps], told, finish, int(self._now()))

    def _estimated_finish(self, last: Step) -> int:
        pace = (time.monotonic() - self._began) / self._done
        return math.ceil(self._now() + pace * (last.total_steps - last.step))


def _is_told(step: Step) -> bool:
    every = math.ceil(step.total_steps / METRICS_EVENTS)
    full = step.full_valid_loss is not None
    return full or step.step in (1, step.total_steps) or step.step % every == 0


def _metrics(step: Step) -> Metrics:
    data = {"step": step.step, "total_steps": step.total_steps, **_numbers(step)}
    told = [("training", step.train_loss), ("validation", step.valid_loss)]
    told.append(("full validation", step.full_valid_loss))
    losses = ", ".join(f"{name} loss={loss:.2f}" for name, loss in told if loss is not None)
    return Metrics(f"Step {step.step}/{step.total_steps}: {losses}", data)


def _numbers(step: Step) -> dict[str, float]:
    """The measurements under their official names; one that is missing or not finite has no place in JSON."""
    named = {
        "train_loss": step.train_loss,
        "train_mean_token_accuracy": step.train_accuracy,
        "valid_loss": step.valid_loss,
        "valid_mean_token_accuracy": step.valid_accuracy,
        "full_valid_loss": step.full_valid_loss,
        "full_valid_mean_token_accuracy": step.full_valid_accuracy,
    }
    return {name: value for name, value in named.items() if value is not None and math.isfinite(value)}


def _row(step: Step) -> Measured:
    numbers = _numbers(step)
    return Measured(
        step.step,
        numbers.get("train_loss"),
        numbers.get("train_mean_token_accuracy"),
        numbers.get("valid_loss"),
        numbers.get("valid_mean_token_accuracy"),
    )
