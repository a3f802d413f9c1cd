"""The job file: TOML in, a typed and validated `JobFile` out. Its format is explained in jobs/README.md."""

from __future__ import annotations

from orchestrator.jobfile.evaluation import Evaluation, Gate, ScoreName
from orchestrator.jobfile.job import JobFile
from orchestrator.jobfile.loading import job_from_document, load_job_file
from orchestrator.jobfile.method import MAX_SEED, Method, Preference, Reinforcement, Supervised
from orchestrator.jobfile.space import Axis, Choices, Point, Range, Space, Value
from orchestrator.jobfile.sweep import Asha, Median, Patience, Stop, Sweep
from orchestrator.jobfile.tables import Azure, Data, Deployment, Limits, Poll

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
    "Median",
    "Method",
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
    "load_job_file",
]
