"""The process that works on one job: it checks the job's files, waits for nothing, trains, and ends.

It may be killed at any moment: the kernel then frees its locks, and the next worker continues from the last
checkpoint.
"""

from __future__ import annotations

import contextlib
import ctypes
import math
import os
import signal
import sqlite3
import sys
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from orchestrator.dataset.basemodels import is_fine_tuned
from orchestrator.dataset.checking.checks import CheckReport, check_file
from orchestrator.server import ids
from orchestrator.server.jobrules import (
    OPENAI,
    RESULT_FILENAME,
    RESULT_PURPOSE,
    JobRules,
    recorded_of,
    requested_by,
)
from orchestrator.server.locks import job_lock, slot_locks, take_any
from orchestrator.server.store import Store
from orchestrator.server.store.jobs import FileNotes, Measured, Metrics, NoLongerRunningError
from orchestrator.server.store.records import ACTIVE, Checkpoint, Failure, File, Job, JobStatus
from orchestrator.server.trainers import trainer
from orchestrator.server.trainers.interface import (
    Base,
    Checked,
    Hyperparameters,
    Machine,
    RowsRefusedError,
    Step,
    Trainer,
    Training,
    TrainingFailedError,
)
from orchestrator.server.trainers.rows import count_rows

Task = Callable[[Job], None]


def main(store_dir: str, job_id: str, slots: str, machine: str, job_lock_fd: str, slot_fd: str = "") -> None:
    """Work on the job as far as possible now. `machine` is a Machine as an argument.

    The lock of the job, and a training slot's if one was free, come as open descriptors from the parent: so no job
    is ever started twice, and no lock is free for a moment in between.
    """
    end_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.umask(0o077)  # also for the programs of trainers: what they write is for its owner only
    here = Machine.from_argument(machine)
    store = Store(Path(store_dir), here.storage)
    lock = job_lock(store.locks, job_id, int(job_lock_fd))
    lock.sign()
    work(store, job_id, int(slots), here, has_slot=bool(slot_fd))
    job = store.jobs.get(job_id)
    if job is not None and job.status not in ACTIVE:
        lock.discard()


def work(store: Store, job_id: str, slots: int, machine: Machine, *, has_slot: bool) -> None:
    """Take the job from its present state to the next state in which it has to wait, or to its end."""
    job = store.jobs.get(job_id)
    with contextlib.suppress(NoLongerRunningError):
        if job is not None and job.status is JobStatus.VALIDATING_FILES:
            _failing_cleanly(store, job, lambda job: _validate(store, job, machine))
            job = store.jobs.get(job_id)
        if job is None or job.status not in (JobStatus.QUEUED, JobStatus.RUNNING):
            return
        slot = None if has_slot else take_any(slot_locks(store.locks, slots))
        if has_slot or slot is not None:
            _failing_cleanly(store, job, lambda job: train(store, job, machine, time.time))


def _validate(store: Store, job: Job, machine: Machine) -> None:
    valid = validate_files(store, job, machine, time.time())
    store.progress.files_are_valid(job, valid.training_tokens, valid.notes, int(time.time()))


def _failing_cleanly(store: Store, job: Job, task: Task) -> None:
    """Run one part of the work. An error of the job ends the job; an error of the machine, only this process."""
    try:
        task(job)
    except (NoLongerRunningError, OSError, sqlite3.Error):
        raise
    except JobFailedError as error:
        store.progress.fail(job, error.failure, int(time.time()))
    except Exception as error:
        traceback.print_exc()
        message = f"The trainer {job.trainer} stopped with {type(error).__name__}: {error}"
        store.progress.fail(job, Failure("server_error", message, None), int(time.time()))


# --- Checking a job's files before anything is trained on them -------------------------------------------------


SHOWN_NOTES = 5
_ADVICE = "FT6"
"""Findings that need the whole file are for its author, before the upload; no service reports them on a job."""

Role = Literal["training_file", "validation_file"]


class JobFailedError(Exception):
    """This job cannot succeed; `failure` goes into its object."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.message)
        self.failure = failure


@dataclass(frozen=True)
class Validated:
    """The results of the checks: tokens of one epoch, and what their owner should know."""

    training_tokens: int
    notes: FileNotes


def validate_files(store: Store, job: Job, machine: Machine, now: float) -> Validated:
    """Check the training file and the validation file, if there is one: by the rules of the API, then as their
    trainer reads them.

    Raises JobFailedError with the first invalid line.
    """
    report = _check(store, job, "training_file", now)
    notes = _notes("Training file", report)
    if job.validation_file is not None:
        notes += _notes("Validation file", _check(store, job, "validation_file", now))
    checked = _checked_by_trainer(store, job, machine, now)
    tokens = report.tokens or 0 if checked.tokens is None else checked.tokens
    return Validated(tokens, FileNotes(notes, checked.notes))


def _checked_by_trainer(store: Store, job: Job, machine: Machine, now: float) -> Checked:
    school = trainer(job.trainer, machine)
    training = _training(store, job, school, now)
    try:
        return school.check(training)
    except RowsRefusedError as error:
        raise JobFailedError(Failure(f"invalid_{error.role}", str(error), error.role)) from error
    except TrainingFailedError as error:
        raise JobFailedError(Failure("trainer_failed", str(error), None)) from error


def file_blob(store: Store, job: Job, role: Role, now: float) -> str:
    """The blob of the job's file; JobFailedError if the file was deleted after the job was created."""
    file_id = job.training_file if role == "training_file" else job.validation_file
    file = store.files.get(file_id or "", now)
    if file is None:
        message = f"The file {file_id} was deleted before it could be used."
        raise JobFailedError(Failure("file_not_found", message, role))
    return file.blob


def _check(store: Store, job: Job, role: Role, now: float) -> CheckReport:
    path = store.blobs.path(file_blob(store, job, role, now))
    report = check_file(
        path, method=job.method, purpose="training" if role == "training_file" else "validation", model=job.base
    )
    if not report.ok:
        raise JobFailedError(Failure(f"invalid_{role}", _complaint(role, report, path), role))
    failure = rules_of(job).screen(path)
    if failure is not None:
        raise JobFailedError(failure)
    return report


def _complaint(role: Role, report: CheckReport, path: Path) -> str:
    first = report.errors[0]
    place = "" if first.line else f" (up to line {_lines(path)}, its last)"
    others = report.total("error") - 1
    more = f" ({others} more in this file.)" if others else ""
    return f"The {role.replace('_', ' ')} is invalid. {first.message}{place}. {first.fix}{more}"


def _lines(path: Path) -> int:
    with path.open("rb") as lines:
        return sum(1 for _ in lines)


def _notes(name: str, report: CheckReport) -> list[str]:
    told = [finding for finding in report.warnings if not finding.code.startswith(_ADVICE)]
    notes = [f"{name}: {finding.message}" for finding in told[:SHOWN_NOTES]]
    left = sum(report.counts[code] for code in {finding.code for finding in told}) - len(notes)
    if left:
        notes.append(f"{name}: {left} more warnings")
    return notes


def rules_of(job: Job) -> JobRules:
    """The rules of the API that created the job."""
    if job.dialect == "openai":
        return OPENAI
    from orchestrator.server.azure.jobrules import AZURE

    return AZURE


# --- Training one job from its files to its model ---------------------------------------------------------------


def train(store: Store, job: Job, machine: Machine, now: Callable[[], float]) -> None:
    """Train the job, from where an earlier process left it, and record its model.

    Raises JobFailedError if it cannot succeed, NoLongerRunningError if it was paused or cancelled meanwhile.
    """
    school = trainer(job.trainer, machine)
    training = _training(store, job, school, now())
    _check_size(job, training.hyperparameters)
    opening = _opening(job, store.progress.last_checkpoint(job))
    store.progress.begin(job, recorded_of(job, training.hyperparameters, rules_of(job)), opening, int(now()))
    recorder = Recorder(store, job, now)
    try:
        weights = school.train(training, recorder)
    except TrainingFailedError as error:
        raise JobFailedError(Failure("trainer_failed", str(error), None)) from error
    recorder.flush()
    _record_outcome(store, job, training.hyperparameters, weights, int(now()))
    store.end_training(job.id)


def _training(store: Store, job: Job, school: Trainer, now: float) -> Training:
    files = {role: file_blob(store, job, role, now) for role in _roles(job)}
    path = store.blobs.path(files["training_file"])
    return Training(
        training=path,
        validation=store.blobs.path(files["validation_file"]) if job.validation_file is not None else None,
        method=job.method,
        # A job that was started before has its numbers already; resolving them again gives the same.
        hyperparameters=school.resolve(count_rows(path), job.method, requested_by(job, rules_of(job).untrained)),
        seed=job.seed,
        folder=store.training_folder(job.id),
        base=Base(job.base, Path(job.base_folder)) if job.base_folder is not None else None,
        parent=_parent_weights(store, job),
    )


def _roles(job: Job) -> Sequence[Role]:
    return ("training_file",) if job.validation_file is None else ("training_file", "validation_file")


def _check_size(job: Job, numbers: Hyperparameters) -> None:
    most, wanted = rules_of(job).most_tokens, (job.training_tokens or 0) * numbers.n_epochs
    if most is not None and wanted > most:
        message = (
            f"{wanted:,} tokens (tokens of the file times epochs) are more than the {most:,} one job may train on."
        )
        raise JobFailedError(Failure("quotaExceeded", message, "training_file"))


def _opening(job: Job, checkpoint: int) -> str:
    if job.started_at is None:
        return "Fine-tuning job started"
    place = (
        f"from the checkpoint at step {checkpoint}" if checkpoint else "from the start, as it has no checkpoint yet"
    )
    if job.status is JobStatus.RUNNING:
        return f"The process that trained this job ended before the job did; it continues {place}"
    return f"Fine-tuning job continues {place}"


def _parent_weights(store: Store, job: Job) -> Path | None:
    if not is_fine_tuned(job.model):
        return None
    parent = store.models.get(job.model)
    if parent is None:
        message = f"The model {job.model} was deleted before training could start from it."
        raise JobFailedError(Failure("model_not_found", message, "model"))
    return store.weights.path(parent.weights)


def _record_outcome(store: Store, job: Job, numbers: Hyperparameters, weights: Path, now: int) -> None:
    model_weights = store.weights.take(weights)
    result = rules_of(job).result_file(store.progress.steps(job))
    result_blob = store.blobs.put(result)
    file = File(ids.file_id(), now, None, RESULT_FILENAME, len(result), RESULT_PURPOSE, result_blob)
    try:
        tokens = (job.training_tokens or 0) * numbers.n_epochs
        store.progress.succeed(job, model_weights, file, tokens, now)
    except BaseException:
        store.weights.delete(model_weights)
        store.blobs.delete(result_blob)
        raise


# --- Recording what a training reports -------------------------------------------------------------------------
#
# Often enough to follow the training, and rarely enough not to slow it.


WRITE_SECONDS = 0.05
"""Steps are collected for this long: a request to stop takes effect as fast; a commit takes as long as a step."""
METRICS_EVENTS = 200
"""The approximate number of metrics events of a job, however many its steps; the result file has all steps."""


class Recorder:
    """Takes what one training reports. NoLongerRunningError ends the training from inside."""

    def __init__(self, store: Store, job: Job, now: Callable[[], float]) -> None:
        self._store = store
        self._job = job
        self._now = now
        self._told_until = store.progress.last_step(job)
        self._saved_until = store.progress.last_checkpoint(job)
        self._began = self._written = time.monotonic()
        self._done = 0
        self._waiting: list[Step] = []

    def step(self, step: Step) -> None:
        """Take one step; it is written together with those of the next WRITE_SECONDS."""
        self._done += 1
        self._waiting.append(step)
        if time.monotonic() - self._written >= WRITE_SECONDS:
            self.flush()

    def checkpoint(self, step: Step, weights: Path) -> None:
        """Write the steps so far, then the checkpoint: it is never recorded before the steps that led to it.

        One that was recorded before a crash stays as it was.
        """
        self.flush()
        if step.step > self._saved_until:
            self._add_checkpoint(step, self._store.weights.take(weights))

    def note(self, message: str) -> None:
        """Write an event, after the steps so far."""
        self.flush()
        self._store.progress.note(self._job, message, int(self._now()))

    def waiting(self) -> None:
        """Write the collected steps; raises NoLongerRunningError if there are none and the job was stopped."""
        if self._waiting:
            self.flush()
        else:
            self._store.progress.demand_running(self._job)

    def _add_checkpoint(self, step: Step, weights: str) -> None:
        job, number = self._job, step.step
        name = f"{job.model_name}:ckpt-step-{number}"
        metrics = {"step": number, **_numbers(step)}
        checkpoint = Checkpoint(ids.checkpoint_id(), job.id, int(self._now()), number, name, metrics, weights)
        try:
            self._store.progress.add_checkpoint(job, checkpoint)
        except BaseException:
            self._store.weights.delete(weights)
            raise

    def flush(self) -> None:
        """Write the collected steps."""
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
    """The measurements by their official names; a missing or non-finite one is left out, as JSON has no such
    number."""
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


# --- The tie to the parent process ----------------------------------------------------------------------------


PR_SET_PDEATHSIG = 1
"""From linux/prctl.h: the signal this process gets when its parent dies."""


def end_with_parent() -> None:
    """End this process as soon as the parent closes its end of our standard input or dies.

    The pipe alone is enough on every system; Linux's death signal also covers a pipe end that another child of the
    parent inherited.
    """
    threading.Thread(target=_exit_at_end_of_input, name="lifeline", daemon=True).start()
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def _exit_at_end_of_input() -> None:
    with contextlib.suppress(OSError):
        while os.read(0, 1024):
            pass
    os._exit(0)


if __name__ == "__main__":
    main(*sys.argv[1:])
