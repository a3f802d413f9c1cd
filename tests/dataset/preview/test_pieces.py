from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given, settings, strategies as st
from support.modelfolders import byte_level

from orchestrator.dataset.preview.pieces import Piece, pieces_of

TOKENIZER = byte_level()
CONTROL = frozenset(range(3))


class Decoder:
    def decode(self, ids: Sequence[int]) -> str:
        return str(TOKENIZER.decode(list(ids), skip_special_tokens=False))


class Words:
    """Like SentencePiece: a word is decoded without the blank before it."""

    def decode(self, ids: Sequence[int]) -> str:
        return " ".join(("You", "steer", "")[number] for number in ids)


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet=st.characters(codec="utf-8", exclude_characters="\ufffd"), max_size=60))
def test_pieces_are_the_text_and_all_its_tokens(text: str) -> None:
    ids = TOKENIZER.encode(text, add_special_tokens=False).ids
    pieces = pieces_of(text, ids, Decoder(), CONTROL)
    assert "".join(piece.text for piece in pieces) == text
    assert sum(piece.tokens for piece in pieces) == len(ids)


def test_each_token_is_a_piece() -> None:
    text = "You steer a drone.<|im_end|>"
    ids = TOKENIZER.encode(text, add_special_tokens=False).ids
    pieces = pieces_of(text, ids, Decoder(), CONTROL)
    assert [piece.tokens for piece in pieces] == [1] * len(ids)
    assert pieces[-1] == Piece("<|im_end|>", 1, is_control=True)
    assert not any(piece.is_control for piece in pieces[:-1])


def test_the_tokens_of_one_character_are_one_piece() -> None:
    ids = TOKENIZER.encode("🚁", add_special_tokens=False).ids
    assert len(ids) > 1
    assert pieces_of("🚁", ids, Decoder(), CONTROL) == [Piece("🚁", len(ids))]


def test_a_blank_that_is_not_decoded_belongs_to_its_word() -> None:
    assert [piece.text for piece in pieces_of("You steer ", [0, 1, 2], Words(), ())] == ["You", " steer", " "]


def test_a_text_that_its_tokenizer_changes_is_one_piece() -> None:
    ids = TOKENIZER.encode("you steer", add_special_tokens=False).ids
    assert pieces_of("YOU STEER", ids, Decoder(), CONTROL) == [Piece("YOU STEER", len(ids))]
    assert pieces_of("you steer it", ids, Decoder(), CONTROL) == [Piece("you steer it", len(ids))]
