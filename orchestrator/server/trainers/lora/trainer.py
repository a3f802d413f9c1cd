"""The lora trainer, ftorch's side: it prepares the folder, starts the program, and reports what that one writes."""

from __future__ import annotations

import errno
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

from orchestrator.server.trainers.interface import (
    AnswerError,
    Base,
    Checked,
    Hyperparameters,
    Method,
    Model,
    Report,
    Requested,
    RowsRefusedError,
    Training,
    TrainingFailedError,
)
from orchestrator.server.trainers.lora import hyperparameters
from orchestrator.server.trainers.lora.devices import Held, held_device
from orchestrator.server.trainers.lora.events import Event, EventReader, report_history, step_of
from orchestrator.server.trainers.lora.failures import (
    MEMORY_ADVICE,
    kills_for_memory,
    needs_packages,
)
from orchestrator.server.trainers.lora.folder import DISK_FAILED, LEFT, Attempt, Limits, TrainingFolder, read_json
from orchestrator.server.trainers.lora.job import prepared_job
from orchestrator.server.trainers.lora.running import last_output, running
from orchestrator.server.trainers.lora.serving.choosing import ModelHosts

LOOK_SECONDS = 0.1
"""Between two looks for new events."""
WAITING_SECONDS = 0.5
"""Without an event for this long, the report is called all the same."""
STOP_SECONDS = 20.0
"""The time that the program gets to finish its step and write its state once it is told to stop."""
_SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
"""What somebody sends, and no program gets for its own mistakes."""


class LoraTrainer:
    """Fine-tunes open-weights models with LoRA, in a Python that has torch. See docs/open-weights.md."""

    name = "lora"

    def __init__(self, python: str = sys.executable, hosts: ModelHosts | None = None) -> None:
        """`python` has the packages of ftorch[lora]. `hosts` answer; a process that only trains needs none."""
        self._python = python
        self._hosts = hosts

    def resolve(self, examples: int, method: Method, requested: Requested) -> Hyperparameters:
        """See `Trainer.resolve` and `hyperparameters.py`."""
        return hyperparameters.resolve(examples, method, requested)

    def check(self, training: Training) -> Checked:
        """Render every row with the model's own tokenizer and template. See `Trainer.check`."""
        folder = TrainingFolder(training.folder)
        prepared_job(folder, training)
        folder.checked.unlink(missing_ok=True)
        log = folder.path / "check.log"
        with running(self._python, ["check", str(folder.path), "0"], _package(folder), log) as process:
            process.wait()
        found = read_json(folder.checked)
        if found is None:
            raise _ending(process.returncode, log)
        if "missing" in found:
            raise TrainingFailedError(needs_packages(self._python, found["missing"]))
        if "failed" in found:
            raise TrainingFailedError(found["failed"])
        if "refused" in found:
            raise RowsRefusedError(found["refused"], found["role"])
        return Checked(found["tokens"], found["notes"])

    def train(self, training: Training, report: Report) -> Path:
        """Train in a program of the trainer's Python. See `Trainer.train`.

        Raises OSError if the machine ended the program, and not the training itself: it may be tried again.
        """
        folder = TrainingFolder(training.folder)
        prepared_job(folder, training)
        with held_device(
            report.waiting, lambda: report.note("Waiting for another training on this machine")
        ) as held:
            state = folder.newest_state()
            report_history(folder, 0 if state is None else state[0], report)
            return self._trained(folder, held, report)

    def load(self, weights: Path | None, base: Base | None) -> Model:
        """A light handle; the model itself is in a host process. See `Trainer.load`."""
        if self._hosts is None or base is None:
            raise AnswerError("This process has no host for open-weights models.")
        return self._hosts.handle(weights, base)

    def close(self) -> None:
        """End the host processes."""
        if self._hosts is not None:
            self._hosts.close()

    def _trained(self, folder: TrainingFolder, held: Held, report: Report) -> Path:
        """Train, with tighter limits each time that the kernel ends the program for its memory."""
        limits = Limits()
        while True:
            try:
                return self._attempted(folder, folder.begin_attempt(limits), held, report)
            except _MemoryRanOut as error:
                limits = tighter(error.plan)
            how = "gradient checkpointing and " if limits.must_checkpoint else ""
            report.note(
                "The machine's memory ran out and the kernel ended the program; training continues with "
                f"{how}micro-batches of at most {limits.most_tokens:,} tokens"
            )

    def _attempted(self, folder: TrainingFolder, attempt: Attempt, held: Held, report: Report) -> Path:
        arguments = ["train", str(folder.path), str(attempt.number)]
        gpu = held.device.gpu
        chosen = {} if gpu is None else {"CUDA_VISIBLE_DEVICES": gpu}
        kills = kills_for_memory()
        with running(
            self._python, arguments, _package(folder), attempt.log, [held.descriptor], **chosen
        ) as process:
            follower = _Follower(attempt, report)
            try:
                follower.follow(process)
            except BaseException:
                folder.stop.touch()
                with suppress(subprocess.TimeoutExpired):
                    process.wait(STOP_SECONDS)
                raise
        if process.returncode == -signal.SIGKILL and kills_for_memory() > kills:
            raise _MemoryRanOut(follower.plan)
        return _outcome(self._python, attempt, process.returncode)


def _package(folder: TrainingFolder) -> Path:
    """Where the program finds this package."""
    return folder.path / "package"


def tighter(plan: Event | None) -> Limits:
    """What to try after this plan didn't fit: smaller micro-batches down to one row, then gradient checkpointing.

    Raises TrainingFailedError if neither is left.
    """
    if plan is None:
        raise TrainingFailedError(
            "The machine's memory ran out while the base model was loaded, and the kernel ended the training. "
            "Choose a smaller base model, or free memory."
        )
    tokens, longest = plan["tokens"], plan["longest"]
    if tokens > longest:
        return Limits(max(longest, tokens // 2), plan["is_checkpointing"])
    if plan["may_checkpoint"] and not plan["is_checkpointing"]:
        return Limits(tokens, must_checkpoint=True)
    raise TrainingFailedError(
        f"The machine's memory ran out with a single example of {longest:,} tokens at a time, and the kernel ended "
        f"the training. {MEMORY_ADVICE}"
    )


class _MemoryRanOut(Exception):
    """The kernel ended the program because the machine, or its control group, had no memory left."""

    def __init__(self, plan: Event | None) -> None:
        super().__init__(plan)
        self.plan = plan


class _Follower:
    """Reports the events of one attempt as they come."""

    def __init__(self, attempt: Attempt, report: Report) -> None:
        self.plan: Event | None = None
        """What the program does with the memory, as it last said; None while it loads the base model."""
        self._attempt = attempt
        self._report = report
        self._events = EventReader(attempt.events)
        self._told = time.monotonic()

    def follow(self, process: subprocess.Popen[bytes]) -> None:
        """Until the program has ended and all its events are reported. What the report raises is passed on."""
        while True:
            has_ended = process.poll() is not None
            self._tell_new()
            if has_ended:
                return
            try:
                process.wait(LOOK_SECONDS)
            except subprocess.TimeoutExpired:
                continue

    def _tell_new(self) -> None:
        now = time.monotonic()
        for event in self._events.new():
            self._told = now
            if event["kind"] == "step":
                self._report.step(step_of(event))
            elif event["kind"] == "note":
                self._report.note(event["message"])
            elif event["kind"] == "checkpoint":
                self._report.checkpoint(step_of(event), self._attempt.checkpoint(event["step"]))
            elif event["kind"] == "plan":
                self.plan = event
        if now - self._told >= WAITING_SECONDS:
            self._told = now
            self._report.waiting()


def _outcome(python: str, attempt: Attempt, status: int) -> Path:
    """The folder of the final weights; raises what the program ended with otherwise."""
    result = attempt.result()
    if result is not None and result["status"] == "succeeded":
        return attempt.model
    if result is not None and "missing" in result:
        raise TrainingFailedError(needs_packages(python, result["missing"]))
    if result is not None:
        raise TrainingFailedError(result["message"])
    raise _ending(status, attempt.log)


def _ending(status: int, log: Path) -> Exception:
    """What a program that ended with this status, and without a result, stands for."""
    output = last_output(log)
    if status == LEFT:
        return OSError(errno.EAGAIN, "Another process continues this training, or it was told to stop")
    if status == DISK_FAILED:
        return OSError(errno.EIO, f"The training could not read or write beside {log}: {output}")
    if -status in _SIGNALS:
        return OSError(errno.EINTR, f"The training program was ended by {signal.Signals(-status).name}: {output}")
    how = f"with status {status}" if status >= 0 else f"by {signal.Signals(-status).name}"
    return TrainingFailedError(f"The training program ended {how}. Its last output: {output}")
