"""What a generation came to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from orchestrator.dataset.checking.report import CheckReport
from orchestrator.generation.spec import Spec
from orchestrator.store.generations import Spent


@dataclass(frozen=True)
class Outcome:
    """What a generation came to, so far or in the end."""

    spec: Spec
    examples: int
    """New examples that are written."""
    targets: int
    report: CheckReport | None
    """What the check found in the training file; None where none is written yet."""
    drops: Mapping[str, int]
    """Words that were dropped, by reason."""
    spent: Spent | None = None
    """None for offline words."""
    id: str = ""
    waits: str = ""
    """What it waits for; "" once it has finished."""

    @property
    def unmade(self) -> int:
        """Targets without words."""
        return self.targets - self.examples if self.report else 0
