"""Trains one job from its files to its model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from orchestrator.dataset.basemodels import is_fine_tuned
from orchestrator.dataset.files import open_as_sent
from orchestrator.dataset.jsontext import parse_json
from orchestrator.dataset.lines import numbered_lines
from orchestrator.server import ids, resultfile
from orchestrator.server.jobrules import rules_of
from orchestrator.server.recorder import Recorder
from orchestrator.server.store import Store
from orchestrator.server.store.records import Checkpoint, Failure, File, Job, JobStatus
from orchestrator.server.trainers import trainer
from orchestrator.server.trainers.interface import Hyperparameters, Trainer, Training
from orchestrator.server.validation import JobFailedError, file_blob


def train(store: Store, job: Job, now: Callable[[], float]) -> None:
    """Train the job, going on from its last checkpoint if it has one, and record its model.

    Raises JobFailedError where it cannot succeed, NoLongerRunningError where it was paused or cancelled meanwhile.
    """
    training_rows = _rows(store.blobs.path(file_blob(store, job, "training_file", now())))
    validation_rows = _validation_rows(store, job, now())
    school = trainer(job.trainer)
    numbers = _resolved(school, job, len(training_rows))
    _check_size(job, numbers)
    checkpoint = store.progress.last_checkpoint(job)
    training = Training(
        training=training_rows,
        validation=validation_rows,
        hyperparameters=numbers,
        seed=job.seed,
        parent=_parent_weights(store, job),
        resume=store.blobs.read(checkpoint.blob) if checkpoint else None,
    )
    store.progress.begin(job, asdict(numbers), _opening(job, checkpoint), int(now()))
    recorder = Recorder(store, job, now)
    weights = school.train(training, recorder.step, recorder.checkpoint)
    recorder.flush()
    _record_outcome(store, job, numbers, weights, int(now()))


def _resolved(school: Trainer, job: Job, examples: int) -> Hyperparameters:
    # A job that started before has its numbers already; resolving them again gives the same.
    return school.resolve(
        examples,
        n_epochs=job.n_epochs if job.n_epochs == "auto" else int(job.n_epochs),
        batch_size=job.batch_size if job.batch_size == "auto" else int(job.batch_size),
        learning_rate_multiplier=job.learning_rate_multiplier,
        beta=job.beta,
    )


def _check_size(job: Job, numbers: Hyperparameters) -> None:
    most, wanted = rules_of(job).most_tokens, (job.training_tokens or 0) * numbers.n_epochs
    if most is not None and wanted > most:
        message = (
            f"{wanted:,} tokens (tokens of the file times epochs) are more than the {most:,} one job may train on."
        )
        raise JobFailedError(Failure("quotaExceeded", message, "training_file"))


def _opening(job: Job, checkpoint: Checkpoint | None) -> str:
    if job.started_at is None:
        return "Fine-tuning job started"
    place = (
        f"from the checkpoint at step {checkpoint.step}"
        if checkpoint
        else "from the start, as it has no checkpoint yet"
    )
    if job.status is JobStatus.RUNNING:
        return f"The process that trained this job ended before the job did; it goes on {place}"
    return f"Fine-tuning job goes on {place}"


def _validation_rows(store: Store, job: Job, now: float) -> list[dict[str, Any]]:
    if job.validation_file is None:
        return []
    return _rows(store.blobs.path(file_blob(store, job, "validation_file", now)))


def _rows(path: Path) -> list[dict[str, Any]]:
    with open_as_sent(path) as stream:
        return [parse_json(line.decode()) for _, line in numbered_lines(stream) if line is not None]


def _parent_weights(store: Store, job: Job) -> bytes | None:
    if not is_fine_tuned(job.model):
        return None
    parent = store.models.get(job.model)
    if parent is None:
        message = f"The model {job.model} was deleted before training could start from it."
        raise JobFailedError(Failure("model_not_found", message, "model"))
    return store.blobs.read(parent.blob)


def _record_outcome(store: Store, job: Job, numbers: Hyperparameters, weights: bytes, now: int) -> None:
    model_blob = store.blobs.put(weights)
    result = rules_of(job).result_file(store.progress.steps(job))
    result_blob = store.blobs.put(result)
    file = File(ids.file_id(), now, None, resultfile.FILENAME, len(result), resultfile.PURPOSE, result_blob)
    try:
        tokens = (job.training_tokens or 0) * numbers.n_epochs
        store.progress.succeed(job, model_blob, file, tokens, now)
    except BaseException:
        store.blobs.delete(model_blob)
        store.blobs.delete(result_blob)
        raise
