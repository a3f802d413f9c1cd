"""The outcome of a generation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from orchestrator.dataset.checking.report import CheckReport
from orchestrator.generation.spec import Spec
from orchestrator.store.generations import Spent


@dataclass(frozen=True)
class Outcome:
    """The outcome of a generation, so far or at the end."""

    spec: Spec
    examples: int
    """New examples written."""
    targets: int
    report: CheckReport | None
    """The check of the training file; None before one is written."""
    drops: Mapping[str, int]
    """Dropped requests by reason."""
    spent: Spent | None = None
    """None for template requests."""
    id: str = ""
    waits: str = ""
    """What it waits for; "" once it has finished."""

    @property
    def unmade(self) -> int:
        """Targets without a request."""
        return self.targets - self.examples if self.report else 0
