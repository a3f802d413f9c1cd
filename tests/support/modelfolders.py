"""Folders of open-weights models as rendering sees them: a tokenizer made here, settings and a chat template."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

CHATML = (
    "{% for message in messages %}"
    "{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
"""A chat template without tools, as many models have it."""

TOKENS = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")

_LETTERS = ["▁", *"abcdefghijklmnopqrstuvwxyz", ".", "\n", " "]
_SENTENCES = (
    "You steer a small drone. Answer with one call.",
    'Take off to {"altitude": 50} meters, then land at the home base.',
    "functions and tools: name, arguments, description, parameters, type, object, properties, required",
)


def byte_level(tokens: Sequence[str] = TOKENS, size: int = 400) -> Tokenizer:
    """A tokenizer over bytes with some merges, and special tokens before them."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        special_tokens=[AddedToken(token, special=True, normalized=False) for token in tokens],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(_SENTENCES * 20, trainer)
    return tokenizer


def with_blanks(scheme: str) -> Tokenizer:
    """A tokenizer that puts a blank before a text: "always", "first", "never", or "prepend" as Llama 2's does."""
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True))
    if scheme == "prepend":  # as Llama 2's
        tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    else:
        tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme=scheme)
    special = [AddedToken(token, special=True, normalized=False) for token in ("<unk>", *TOKENS)]
    trainer = trainers.BpeTrainer(
        vocab_size=120, special_tokens=special, initial_alphabet=_LETTERS, show_progress=False
    )
    tokenizer.train_from_iterator(["the drone lands at the home base now"] * 9, trainer)
    return tokenizer


def model_folder(
    path: Path,
    template: str | None = CHATML,
    *,
    tokenizer: Tokenizer | None = None,
    eos: str = "<|im_end|>",
    bos: str | None = None,
    **config: Any,
) -> Path:
    """A model's folder without weights."""
    tokenizer = tokenizer or byte_level()
    path.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(path / "tokenizer.json"))
    named = {"eos_token": eos, "pad_token": eos, **({"bos_token": bos} if bos else {})}
    _write(path / "tokenizer_config.json", named)
    length = {"max_position_embeddings": 512}
    _write(path / "config.json", {"eos_token_id": tokenizer.token_to_id(eos), **length, **config})
    if template is not None:
        (path / "chat_template.jinja").write_text(template, encoding="utf-8")
    return path


def _write(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value), encoding="utf-8")
