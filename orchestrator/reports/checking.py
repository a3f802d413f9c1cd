"""What a user sees while large files are checked."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from orchestrator.reports.console import stderr
from orchestrator.reports.formats import printable

if TYPE_CHECKING:
    from orchestrator.dataset.checking.sources import Source

_SLOW_BYTES = 8 << 20
"""Smaller files are checked before anybody wonders."""


@contextmanager
def announced() -> Iterator[Callable[[Source], None] | None]:
    """Yields what a check tells of each file; on a terminal, a large one is named on stderr while it is read."""
    console = stderr()
    if not console.is_terminal:
        yield None
        return
    status = console.status("")

    def announce(source: Source) -> None:
        size = os.path.getsize(source.path) if source.path.exists() else 0
        if size < _SLOW_BYTES:
            status.stop()
            return
        status.update(f"checking {printable(str(source.path))} ({size / 1e6:,.0f} MB)")
        status.start()

    try:
        yield announce
    finally:
        status.stop()
