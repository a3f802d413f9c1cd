"""The result file of a job, in the formats of the services."""

from __future__ import annotations

import base64
from collections.abc import Sequence

from orchestrator.server.store.jobs import Measured

FILENAME = "step_metrics.csv"
PURPOSE = "fine-tune-results"
HEADER = "step,train_loss,train_accuracy,valid_loss,valid_mean_token_accuracy"


def result_file(steps: Sequence[Measured]) -> bytes:
    """The steps as CSV, base64-encoded as by the official service. A missing number is an empty cell."""
    return base64.b64encode(csv_of(steps, HEADER))


def csv_of(steps: Sequence[Measured], header: str) -> bytes:
    """The steps as plain CSV under a header of five names."""
    lines = [header, *(_line(step) for step in steps)]
    return ("\n".join(lines) + "\n").encode()


def _line(step: Measured) -> str:
    numbers = (step.train_loss, step.train_accuracy, step.valid_loss, step.valid_accuracy)
    return ",".join([str(step.step), *("" if number is None else str(round(number, 5)) for number in numbers)])
