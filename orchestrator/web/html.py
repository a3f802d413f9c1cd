"""Text that is markup: made by templates and reports, which escape everything that they put into it."""

from __future__ import annotations

from typing import NewType

Html = NewType("Html", str)
NOTHING = Html("")
