"""What rendering gives: tokens, which of them are learned, and the texts they come from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Method = Literal["prefix", "markers"]
"""How the learned texts were found: by what an answer adds to its prompt, or by the template's own marks."""


@dataclass(frozen=True)
class Span:
    """A stretch of the rendered text that is learned, or is context, as a whole."""

    text: str
    learned: bool
    tokens: int


@dataclass(frozen=True)
class Rendered:
    """One conversation as training sees it."""

    ids: list[int]
    learned: list[bool]
    """For each of `ids`, whether the model learns to write it."""
    spans: Sequence[Span]
    """The same text in stretches that were encoded apart; their tokens add up to `ids`."""
    method: Method


@dataclass(frozen=True)
class Prompt:
    """A conversation up to the next answer, with the generation prompt."""

    text: str
    ids: list[int]
