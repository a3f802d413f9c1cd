"""Logs of real requests, with what people said of the answers, made into cases and further training examples."""

from __future__ import annotations

from orchestrator.evaluation.logs.conversion import KnownFiles, LogConversion, Outputs, convert_log

__all__ = ["KnownFiles", "LogConversion", "Outputs", "convert_log"]
