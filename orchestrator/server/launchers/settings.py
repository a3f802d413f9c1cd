"""Where trainings run, if not as child processes of this machine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class RaySettings:
    """A Ray cluster."""

    address: str
    """Of its dashboard, which serves the Jobs API."""
    storage: Path
    """A folder that this machine and every worker have at the same path."""
    token_env: str | None = None
    """The environment variable with the cluster's token; None for a cluster without."""
    python: str | None = None
    """The trainer's Python on the workers; None for the same path as here."""
    gpus: float = 1
    """Of each process of a training."""
    cpus: float = 1
    runtime_env: Mapping[str, Any] = field(default_factory=dict)
    """Passed on to Ray as it is."""

    @property
    def secrets(self) -> tuple[str, ...]:
        """The variables that a process needs to reach the cluster."""
        return (self.token_env,) if self.token_env else ()
