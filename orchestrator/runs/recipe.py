"""What a run is made of: a job file, the endpoint, and the bytes of its data files."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from orchestrator.config import EndpointConfig
from orchestrator.jobfile import JobFile


@dataclass(frozen=True)
class FileFacts:
    """What a run knows of a data file: where it lies, its SHA-256 as sent, its size in examples and in tokens."""

    path: Path
    sha256: str
    examples: int
    tokens: int | None


@dataclass(frozen=True)
class Recipe:
    """All that a run is recorded with."""

    job: JobFile
    config: EndpointConfig
    training: FileFacts
    validation: FileFacts | None
    cost_usd: float | None
    """The estimate; None where it is unknown."""

    @property
    def fingerprint(self) -> str:
        """SHA-256 (hex) of all that makes two runs the same: submitted again, the run is found, not paid again."""
        job = self.job
        identity = {
            "name": job.name,
            "endpoint": self.config.name,
            "model": job.model,
            "suffix": job.suffix,
            "seed": job.seed,
            "metadata": job.metadata,
            "method": job.method.model_dump(mode="json"),
            "training": self.training.sha256,
            "validation": self.validation.sha256 if self.validation else None,
        }
        return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()
