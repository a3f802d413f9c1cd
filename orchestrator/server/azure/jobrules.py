"""Azure's checks on a job that is training."""

from __future__ import annotations

import re
from pathlib import Path

from orchestrator.dataset.files import open_as_sent
from orchestrator.dataset.lines import numbered_lines
from orchestrator.server.jobrules import JobRules, csv_of
from orchestrator.server.store.records import Failure

HARMFUL = re.compile(rb"ftorch-harmful:(hate_fairness|self_harm|sexual|violence)")
"""What counts as harmful content in a training file."""
MOST_TOKENS = 2_000_000_000
"""Tokens times epochs of one job (Azure's quotas and limits)."""
_HEADER = "step,train_loss,train_mean_token_accuracy,valid_loss,validation_mean_token_accuracy"


def _screen(path: Path) -> Failure | None:
    """The failure of a job that Azure's content filter ends (its page on safety evaluation of fine-tuning)."""
    found: set[str] = set()
    with open_as_sent(path) as stream:
        for _, line in numbered_lines(stream):
            found.update(kind.decode() for kind in HARMFUL.findall(line or b""))
    if not found:
        return None
    kinds = ", ".join(sorted(found))
    message = f"The provided training data failed RAI checks for harm types: [{kinds}]. Please fix the data."
    return Failure("contentFilter", message, "training_file")


AZURE = JobRules(
    result_file=lambda steps: csv_of(steps, _HEADER),
    screen=_screen,
    most_tokens=MOST_TOKENS,
    untrained=frozenset({"prompt_loss_weight", "l2_multiplier"}),
)
