"""Logs of real requests, with what people said of the answers, made into cases and further training examples."""

from __future__ import annotations

from orchestrator.evaluation.logs.conversion import LogConversion, Outputs, convert_log
from orchestrator.evaluation.logs.known import KnownFiles

__all__ = ["KnownFiles", "LogConversion", "Outputs", "convert_log"]
