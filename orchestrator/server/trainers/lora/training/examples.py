"""What is learned from: rows as token ids, with the places that are targets."""

from __future__ import annotations

from array import array
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Tokens:
    """One rendered conversation: 5 bytes a token."""

    ids: array[int]
    """Unsigned, of 32 bits."""
    learned: bytes
    """1 for a token that is a target, 0 for context. The first token is never a target: nothing precedes it."""

    @property
    def targets(self) -> int:
        return sum(self.learned)


@dataclass(frozen=True, slots=True)
class Example:
    """A row: one sequence, or the preferred and the other one of a preference."""

    key: str
    """Tells it from all others of a training: the file and the line."""
    sequences: tuple[Tokens, ...]

    @property
    def tokens(self) -> int:
        return sum(len(sequence.ids) for sequence in self.sequences)
