"""Every kind of finding in one table: its code, what it says, and how to fix it.

FT1 is the file and its lines, FT2 messages, FT3 tools and calls, FT4 the methods other than supervised, FT5 size,
FT6 the file as a whole, FT7 refusals of one endpoint, FT8 several files compared, FT9 rendering for an open-weights
model. A code is never reused.
"""

from __future__ import annotations

from collections.abc import Mapping

from orchestrator.dataset.rules.file import BETWEEN_FILES, ENDPOINTS, FILE
from orchestrator.dataset.rules.messages import MESSAGES, METHODS
from orchestrator.dataset.rules.profile import SURVEY
from orchestrator.dataset.rules.rendering import RENDERING
from orchestrator.dataset.rules.rule import Rule, Severity
from orchestrator.dataset.rules.tools import TOOLS

__all__ = ["RULES", "Rule", "Severity"]

RULES: Mapping[str, Rule] = {
    rule.code: rule
    for rule in (*FILE, *MESSAGES, *TOOLS, *METHODS, *SURVEY, *ENDPOINTS, *BETWEEN_FILES, *RENDERING)
}
