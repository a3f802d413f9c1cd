"""The texts of tokens: a stretch of rendered text, cut where its tokens meet."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Protocol

_MOST_TOGETHER = 16
"""Tokens that may make one character: four bytes in the Unicode of today, and some to spare."""


class Decoder(Protocol):
    """What turns tokens into text."""

    def decode(self, ids: Sequence[int]) -> str:
        """The text of these tokens, special ones included."""


@dataclass(frozen=True)
class Piece:
    """The text of one token, or of several that make one character."""

    text: str
    tokens: int = 1
    is_control: bool = False


def pieces_of(text: str, ids: Sequence[int], decoder: Decoder, control: Collection[int]) -> list[Piece]:
    """The pieces of a text with these tokens; one if the tokenizer changes texts, so that they can't be found."""
    pieces: list[Piece] = []
    at = 0
    together: list[int] = []
    for number in ids:
        together.append(number)
        length = _length_at(text, at, decoder.decode(together))
        if length:
            pieces.append(Piece(text[at : at + length], len(together), together[0] in control))
            at += length
            together = []
        elif len(together) >= _MOST_TOGETHER:
            break
    return pieces if at == len(text) and not together else [Piece(text, len(ids))]


def _length_at(text: str, at: int, decoded: str) -> int:
    """How much of the text from `at` on is this token; 0 if it is not there.

    Some tokenizers leave out the blank before the first word that they decode.
    """
    for form in (decoded, f" {decoded}"):
        if form and text.startswith(form, at):
            return len(form)
    return 0
