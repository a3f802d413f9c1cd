"""The differences in training between the APIs that create jobs."""

from __future__ import annotations

import base64
from collections.abc import Callable, Collection, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from orchestrator.server.store.jobs import Measured
from orchestrator.server.store.records import Failure, Job
from orchestrator.server.trainers.interface import Hyperparameters, Requested


@dataclass(frozen=True)
class JobRules:
    """The rules of one API."""

    result_file: Callable[[Sequence[Measured]], bytes]
    """The steps as returned by the API."""
    screen: Callable[[Path], Failure | None]
    """The API's objection to an otherwise valid file."""
    most_tokens: int | None
    """The most tokens, times epochs, that one job may train on."""
    untrained: frozenset[str] = frozenset()
    """The hyperparameters that it takes and returns, but that no trainer here has."""


def requested_by(job: Job, untrained: Collection[str]) -> Requested:
    """The hyperparameters of the job, for its trainer; without the `untrained` ones of its API."""
    return Requested(
        n_epochs=job.n_epochs if job.n_epochs == "auto" else int(job.n_epochs),
        batch_size=job.batch_size if job.batch_size == "auto" else int(job.batch_size),
        learning_rate_multiplier=job.learning_rate_multiplier,
        beta=job.beta,
        options={name: value for name, value in job.options.items() if name not in untrained},
    )


def recorded_of(job: Job, resolved: Hyperparameters, rules: JobRules) -> dict[str, Any]:
    """The job's hyperparameters once its trainer has resolved them."""
    untrained = {name: value for name, value in job.options.items() if name in rules.untrained}
    return {**asdict(resolved), "options": {**resolved.options, **untrained}}


# --- The result file ----------------------------------------------------------------------------------------------


RESULT_FILENAME = "step_metrics.csv"
RESULT_PURPOSE = "fine-tune-results"
_HEADER = "step,train_loss,train_accuracy,valid_loss,valid_mean_token_accuracy"


def result_file(steps: Sequence[Measured]) -> bytes:
    """The steps as CSV, base64-encoded as by the official service. A missing number is an empty cell."""
    return base64.b64encode(csv_of(steps, _HEADER))


def csv_of(steps: Sequence[Measured], header: str) -> bytes:
    """The steps as plain CSV under a header of five names."""
    lines = [header, *(_line(step) for step in steps)]
    return ("\n".join(lines) + "\n").encode()


def _line(step: Measured) -> str:
    numbers = (step.train_loss, step.train_accuracy, step.valid_loss, step.valid_accuracy)
    return ",".join([str(step.step), *("" if number is None else str(round(number, 5)) for number in numbers)])


OPENAI = JobRules(result_file=result_file, screen=lambda path: None, most_tokens=None)
