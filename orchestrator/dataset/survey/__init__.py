"""What no single line shows: duplicates, contradictions, coverage, balance, leaks, secrets."""

from __future__ import annotations

from orchestrator.dataset.survey.leaks import Leak, leaks_between, note_leaks
from orchestrator.dataset.survey.survey import Survey

__all__ = ["Leak", "Survey", "leaks_between", "note_leaks"]
