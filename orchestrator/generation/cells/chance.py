"""Pseudorandom draws from a text: the same in any process and Python version, and cheap to seed.

`random.Random` takes longer to seed than a whole call takes to make.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")

_BITS = 256
_SPENT = 1 << 96
"""Below this, the rest of a digest is too small to draw from without bias."""


class Chance:
    """Draws from the SHA-256 of a seed, then of the seed with a counter."""

    def __init__(self, seed: bytes) -> None:
        self._seed = seed
        self._turn = 0
        self._left = int.from_bytes(hashlib.sha256(seed).digest(), "big")

    def below(self, count: int) -> int:
        """A whole number from 0 up to, but not including, `count`."""
        if self._left < _SPENT or count > 1 << 64:
            self._refill(count)
        self._left, drawn = divmod(self._left, count)
        return drawn

    def randint(self, low: int, high: int) -> int:
        """A whole number from `low` to `high`, both included."""
        return low + self.below(high - low + 1)

    def random(self) -> float:
        """A number from 0 up to, but not including, 1."""
        return self.below(1 << 32) / (1 << 32)

    def choice(self, values: Sequence[T]) -> T:
        """One of the values."""
        return values[self.below(len(values))]

    def choices(self, values: Sequence[T], count: int) -> list[T]:
        """Values, possibly repeated."""
        return [self.choice(values) for _ in range(count)]

    def sample(self, values: Sequence[T], count: int) -> list[T]:
        """Distinct values in any order."""
        left = list(values)
        return [left.pop(self.below(len(left))) for _ in range(min(count, len(left)))]

    def _refill(self, count: int) -> None:
        self._left = 0
        for _ in range(1 + (count.bit_length() + 64) // _BITS):
            self._turn += 1
            digest = hashlib.sha256(self._seed + self._turn.to_bytes(8, "big")).digest()
            self._left = self._left << _BITS | int.from_bytes(digest, "big")
