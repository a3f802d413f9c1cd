"""Values by key in bounded memory: a cache for what is not made from its key alone, as `lru_cache` asks."""

from __future__ import annotations

from typing import TypeVar

K = TypeVar("K")
V = TypeVar("V")


class Remembered(dict[K, V]):
    """At most `most` values. Threads may share it, since each change is one step of the dictionary."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self._most = most

    def keep(self, key: K, value: V) -> V:
        """Keep a value and return it. One too many takes the place of all others."""
        if len(self) >= self._most:
            self.clear()
        self[key] = value
        return value
