"""The result file of a job, in the form the official service gives it."""

from __future__ import annotations

import base64
from collections.abc import Sequence

from orchestrator.server.store.progress import Measured

FILENAME = "step_metrics.csv"
PURPOSE = "fine-tune-results"
HEADER = "step,train_loss,train_accuracy,valid_loss,valid_mean_token_accuracy"


def result_file(steps: Sequence[Measured]) -> bytes:
    """The steps as CSV, base64-encoded as the official service serves it. A missing number is an empty cell."""
    lines = [HEADER, *(_line(step) for step in steps)]
    return base64.b64encode(("\n".join(lines) + "\n").encode())


def _line(step: Measured) -> str:
    numbers = (step.train_loss, step.train_accuracy, step.valid_loss, step.valid_accuracy)
    return ",".join([str(step.step), *("" if number is None else str(round(number, 5)) for number in numbers)])
