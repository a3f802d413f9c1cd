"""Turns logs of real requests with feedback into evaluation cases and training examples."""

from __future__ import annotations

from orchestrator.evaluation.logs.conversion import KnownFiles, LogConversion, Outputs, convert_log

__all__ = ["KnownFiles", "LogConversion", "Outputs", "convert_log"]
