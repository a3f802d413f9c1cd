"""What no single line shows: duplicates, contradictions, coverage, balance, leaks, secrets."""

from __future__ import annotations

from orchestrator.dataset.profile.leaks import Leak, leaks_between, note_leaks
from orchestrator.dataset.profile.profile import Profile

__all__ = ["Leak", "Profile", "leaks_between", "note_leaks"]
