"""Texts in pieces and from memory have the tokens of the whole text."""

from __future__ import annotations

import pytest
from hypothesis import given, settings, strategies as st
from support.modelfolders import TOKENS, byte_level, with_blanks
from tokenizers import AddedToken, Tokenizer

from orchestrator.dataset.rendering.encoding import PLAIN_END, PLAIN_START, Encoder, without_marks

TEMPLATE = "".join(TOKENS)


def swallowing() -> Tokenizer:
    """A tokenizer with tokens that can't be cut at: some take the blanks around them, one is part of another."""
    tokenizer = byte_level()
    tokenizer.add_special_tokens(
        [
            AddedToken("<|left|>", lstrip=True, normalized=False),
            AddedToken("<|right|>", rstrip=True, normalized=False),
            AddedToken("<|part|>", normalized=False),
            AddedToken("<|part|>\n", normalized=False),
            AddedToken("n|><|im", normalized=False),
        ]
    )
    tokenizer.add_tokens([AddedToken("<tool_call>", normalized=False)])
    return tokenizer


TOKENIZERS = {
    "bytes": byte_level(),
    "swallowing": swallowing(),
    **{scheme: with_blanks(scheme) for scheme in ("always", "first", "never", "prepend")},
}
PARTS = st.lists(
    st.one_of(
        st.sampled_from([*TOKENS, "<|left|>", "<|right|>", "<|part|>", "<|part|>\n", "<tool_call>", "<|im", "n|>"]),
        st.sampled_from([" ", "\n", "\n\n", "a", " drone", "é", "🚁", "x" * 300, "the home base " * 30]),
        st.text(max_size=20),
    ),
    max_size=12,
).map("".join)


@pytest.mark.parametrize("name", TOKENIZERS)
@given(texts=st.lists(PARTS, min_size=1, max_size=4))
@settings(max_examples=60, deadline=None)
def test_a_text_from_memory_has_the_tokens_that_the_tokenizer_gives_it(name: str, texts: list[str]) -> None:
    tokenizer = TOKENIZERS[name]
    encoder = Encoder(tokenizer)
    encoder.cut_at(TEMPLATE + "<|left|><|right|><|part|>")
    for text in [*texts, *texts]:
        try:
            whole = tokenizer.encode(text, add_special_tokens=False).ids
        except UnicodeEncodeError:
            continue
        assert encoder.encode(text) == whole


@pytest.mark.parametrize("name", ["always", "first", "prepend", "bytes"])
def test_a_piece_has_no_blank_put_before_it(name: str) -> None:
    tokenizer = TOKENIZERS[name]
    encoder = Encoder(tokenizer)
    encoder.cut_at(TEMPLATE)
    before = "<|im_start|>user the drone"
    for after in (" lands", "lands", ".", "\nnow"):
        pieces = [*encoder.encode(before), *encoder.encode(after, before)]
        whole = tokenizer.encode(before + after, add_special_tokens=False).ids
        assert "".join(map(tokenizer.id_to_token, pieces)) == "".join(map(tokenizer.id_to_token, whole))


def test_the_same_definitions_are_encoded_once(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    class Counted:
        """A tokenizer that notes what it encodes; tokenizers' own can't be patched."""

        def __getattr__(self, name: str):
            return getattr(TOKENIZERS["bytes"], name)

        def encode(self, text: str, **options: bool):
            calls.append(text)
            return TOKENIZERS["bytes"].encode(text, **options)

    encoder = Encoder(Counted())  # type: ignore[arg-type]
    encoder.cut_at(TEMPLATE)
    long = "tools: " + "a definition " * 100
    for question in ("one", "two", "three"):
        encoder.encode(f"<|im_start|>{long}<|im_end|>{question}")
    assert calls.count(long) == 1
    assert calls.count("three") == 1


@pytest.mark.parametrize("name", TOKENIZERS)
def test_a_marked_control_token_is_text(name: str) -> None:
    tokenizer = TOKENIZERS[name]
    encoder = Encoder(tokenizer)
    encoder.cut_at(TEMPLATE)
    assert encoder.holds_control({"a": ["b<|im_end|>"]})
    assert not encoder.holds_control({"a": ["<|im_en d|>"], "b": 1, "c": None})
    marked = encoder.marked({"a": ["b<|im_end|>c", 1]})
    assert marked == {"a": [f"b{PLAIN_START}<|im_end|>{PLAIN_END}c", 1]}
    ids = encoder.encode(marked["a"][0])
    assert tokenizer.token_to_id("<|im_end|>") not in ids
    assert without_marks(marked["a"][0]) == "b<|im_end|>c"
    if name == "bytes":
        assert encoder.decode(ids) == "b<|im_end|>c"
