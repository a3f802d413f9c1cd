"""Files as an endpoint is given them."""

from __future__ import annotations

from pathlib import Path

from orchestrator.dataset.files import inspect_file
from orchestrator.dataset.outgoing import Content


def content_of(path: Path) -> Content:
    """The whole file, as it is now."""
    file = inspect_file(path)
    return Content(path, file.sha256, file.size)
