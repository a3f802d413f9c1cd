"""Rows as two places turn them into tokens: whether both learn the same of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

_BEFORE, _AFTER = 40, 60
"""Characters that are shown around a difference."""


@dataclass(frozen=True)
class Tokens:
    """A row as tokens, with whether each is learned."""

    ids: Sequence[int]
    learned: Sequence[bool]

    @property
    def learned_ids(self) -> list[int]:
        return [number for number, learns in zip(self.ids, self.learned, strict=True) if learns]


@dataclass(frozen=True)
class Differing:
    """The texts around the first place where two texts differ."""

    ours: str
    theirs: str


@dataclass(frozen=True)
class RowComparison:
    """One row here and there; `ours` is None if the row can't be rendered here, for the `problem`."""

    line: int
    ours: Tokens | None
    theirs: Tokens
    is_cut: bool = False
    """It was longer than the context there."""
    problem: str | None = None
    learned: Differing | None = None
    """None if the same text is learned."""
    context: Differing | None = None
    """None if the same text is read; in other tokens, perhaps."""

    @property
    def is_same(self) -> bool:
        return self.ours is not None and self.ours == self.theirs

    @property
    def is_learned_alike(self) -> bool:
        """Whether training on either teaches to write the same text."""
        return self.ours is not None and self.learned is None


def compare_row(
    line: int, ours: Tokens, theirs: Tokens, decode: Callable[[Sequence[int]], str], *, is_cut: bool = False
) -> RowComparison:
    """Compare by text: `decode` is the tokenizer of both."""
    return RowComparison(
        line,
        ours,
        theirs,
        is_cut,
        learned=_differing(decode(ours.learned_ids), decode(theirs.learned_ids)),
        context=_differing(decode(ours.ids), decode(theirs.ids)),
    )


def _differing(ours: str, theirs: str) -> Differing | None:
    if ours == theirs:
        return None
    both = zip(ours, theirs, strict=False)
    shorter = min(len(ours), len(theirs))
    at = next((place for place, (mine, other) in enumerate(both) if mine != other), shorter)
    return Differing(_around(ours, at), _around(theirs, at))


def _around(text: str, at: int) -> str:
    start, end = max(0, at - _BEFORE), at + _AFTER
    return f"{'…' if start else ''}{text[start:end]}{'…' if end < len(text) else ''}"
