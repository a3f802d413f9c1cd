"""The job file: TOML in, a typed and validated `JobFile` out. jobs/README.md explains the format."""

from __future__ import annotations

from orchestrator.jobfile.job import JobFile
from orchestrator.jobfile.loading import job_from_document, load_job_file, load_job_to_evaluate
from orchestrator.jobfile.overrides import Override, leaks_allowed, overrides_of
from orchestrator.jobfile.sweep import (
    Asha,
    Axis,
    Choices,
    Median,
    Patience,
    Point,
    Range,
    Space,
    Stop,
    Sweep,
    Value,
)
from orchestrator.jobfile.tables import (
    MAX_SEED,
    Azure,
    Data,
    Deployment,
    Evaluation,
    Gate,
    Limits,
    Lora,
    Method,
    Poll,
    Preference,
    Reinforcement,
    ScoreName,
    Supervised,
)

__all__ = [
    "MAX_SEED",
    "Asha",
    "Axis",
    "Azure",
    "Choices",
    "Data",
    "Deployment",
    "Evaluation",
    "Gate",
    "JobFile",
    "Limits",
    "Lora",
    "Median",
    "Method",
    "Override",
    "Patience",
    "Point",
    "Poll",
    "Preference",
    "Range",
    "Reinforcement",
    "ScoreName",
    "Space",
    "Stop",
    "Supervised",
    "Sweep",
    "Value",
    "job_from_document",
    "leaks_allowed",
    "load_job_file",
    "load_job_to_evaluate",
    "overrides_of",
]
