"""Every kind of finding in one table: its code, what it says, and how to put it right.

FT1 is the file and its lines, FT2 messages, FT3 tools and calls, FT4 the methods other than supervised, FT5 size,
FT6 what only the file as a whole shows, FT7 what one endpoint refuses, FT8 what shows between
files. A code is never reused.
"""

from __future__ import annotations

from collections.abc import Mapping

from orchestrator.dataset.kinds.endpoints import BETWEEN_FILES, ENDPOINTS
from orchestrator.dataset.kinds.file import FILE
from orchestrator.dataset.kinds.kind import Kind, Severity
from orchestrator.dataset.kinds.messages import MESSAGES
from orchestrator.dataset.kinds.methods import METHODS
from orchestrator.dataset.kinds.survey import SURVEY
from orchestrator.dataset.kinds.tools import TOOLS

__all__ = ["KINDS", "Kind", "Severity"]

KINDS: Mapping[str, Kind] = {
    kind.code: kind for kind in (*FILE, *MESSAGES, *TOOLS, *METHODS, *SURVEY, *ENDPOINTS, *BETWEEN_FILES)
}
