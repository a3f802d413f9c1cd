"""Azure OpenAI and Foundry: two dialects of the same API, two kinds of sign-in."""

from __future__ import annotations

from orchestrator.endpoints.azure.dialects import Dialect, dialect_of, is_project

__all__ = ["Dialect", "dialect_of", "is_project"]
