"""What the page's own work has to say, for as long as somebody may want to read it."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

_KEPT = 200
_SHOWN_SECONDS = 600.0


@dataclass(frozen=True)
class Notice:
    subject: str
    """What it is about, such as `run:ID`."""
    text: str
    is_bad: bool
    at: float


class Notices:
    """For any number of threads. They are kept in memory: what matters is in the database."""

    def __init__(self, noted: Callable[[], None] = lambda: None) -> None:
        self._noted = noted
        self._lock = threading.Lock()
        self._kept: deque[Notice] = deque(maxlen=_KEPT)

    def add(self, subject: str, text: str, *, is_bad: bool = False) -> None:
        with self._lock:
            self._kept.append(Notice(subject, text, is_bad, time.time()))
        self._noted()

    def of(self, subject: str) -> list[Notice]:
        """The last ones, the newest first."""
        since = time.time() - _SHOWN_SECONDS
        with self._lock:
            return [each for each in reversed(self._kept) if each.subject == subject and each.at >= since][:5]
