"""What differs in the training of a job by the API that created it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from orchestrator.server.resultfile import result_file
from orchestrator.server.store.jobs import Measured
from orchestrator.server.store.records import Failure


@dataclass(frozen=True)
class JobRules:
    """The rules of one API."""

    result_file: Callable[[Sequence[Measured]], bytes]
    """The steps as the API serves them."""
    screen: Callable[[Path], Failure | None]
    """What the API finds wrong with a file that is valid otherwise."""
    most_tokens: int | None
    """How many tokens, times epochs, one job may train on."""


OPENAI = JobRules(result_file=result_file, screen=lambda path: None, most_tokens=None)
