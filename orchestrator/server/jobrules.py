"""The differences in training between the APIs that create jobs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from orchestrator.server.resultfile import result_file
from orchestrator.server.store.jobs import Measured
from orchestrator.server.store.records import Failure, Job
from orchestrator.server.trainers.interface import Requested


@dataclass(frozen=True)
class JobRules:
    """The rules of one API."""

    result_file: Callable[[Sequence[Measured]], bytes]
    """The steps as returned by the API."""
    screen: Callable[[Path], Failure | None]
    """The API's objection to an otherwise valid file."""
    most_tokens: int | None
    """The most tokens, times epochs, that one job may train on."""


def requested_by(job: Job) -> Requested:
    """The hyperparameters of the job, for its trainer."""
    return Requested(
        n_epochs=job.n_epochs if job.n_epochs == "auto" else int(job.n_epochs),
        batch_size=job.batch_size if job.batch_size == "auto" else int(job.batch_size),
        learning_rate_multiplier=job.learning_rate_multiplier,
        beta=job.beta,
        options=job.options,
    )


OPENAI = JobRules(result_file=result_file, screen=lambda path: None, most_tokens=None)
