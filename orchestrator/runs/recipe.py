"""What a run is made of: a job file, the endpoint, and the bytes of its data files."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from orchestrator.config import EndpointConfig
from orchestrator.endpoints.azure.training import training_type_for
from orchestrator.jobfile import JobFile
from orchestrator.jobfile.addresses import Address


@dataclass(frozen=True)
class FileFacts:
    """What a run knows of a data file: where it lies, its SHA-256 as sent, its size in examples and in tokens.

    Behind an address nobody has counted: no examples, and no known number of tokens.
    """

    path: Path | Address
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
    def training_type(self) -> str | None:
        """Azure's way of training; None where nothing is said of it."""
        return training_type(self.job, self.config)

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
        if self.training_type:
            identity["training_type"] = self.training_type
        return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()


def training_type(job: JobFile, config: EndpointConfig) -> str | None:
    """Azure's way of training this job, which its price depends on; None where nothing is said of it."""
    return training_type_for(job.model, job.azure.training_type) if config.type == "azure" else None
