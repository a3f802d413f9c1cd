"""A language model that a test can make and train in seconds: a random Llama of two layers over bytes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
DRONE = Path(__file__).parents[2] / "jobs" / "drone" / "train.jsonl"


def make_random_llama(folder: Path, hidden: int = 128, context: int = 4096, seed: int = 0) -> Path:
    """Write the model's folder: some 330,000 parameters, ChatML's special tokens, and no chat template."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    alphabet = [*SPECIAL, *sorted(pre_tokenizers.ByteLevel.alphabet())]
    tokenizer = Tokenizer(models.BPE(vocab={text: number for number, text in enumerate(alphabet)}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(SPECIAL)
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token=SPECIAL[1],
        eos_token=SPECIAL[2],
        unk_token=SPECIAL[0],
        pad_token=SPECIAL[2],
    ).save_pretrained(folder)
    torch.manual_seed(seed)
    LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(alphabet),
            hidden_size=hidden,
            intermediate_size=2 * hidden,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=2,
            max_position_embeddings=context,
            tie_word_embeddings=True,
            initializer_range=0.1,  # large enough for an adapter to change what is said
            pad_token_id=2,
            bos_token_id=1,
            eos_token_id=2,
        )
    ).save_pretrained(folder)
    return folder


def short_rows(count: int = 20) -> list[dict[str, Any]]:
    """Rows of the drone job without definitions and system message, as a model over bytes sees every letter."""
    lines = DRONE.read_text(encoding="utf-8").splitlines()[:count]
    return [{"messages": json.loads(line)["messages"][1:]} for line in lines]


def named_rows(count: int) -> list[dict[str, Any]]:
    """Rows of the drone job with the names of its functions only."""
    rows = [json.loads(line) for line in DRONE.read_text(encoding="utf-8").splitlines()[:count]]
    names = [{"type": "function", "function": {"name": tool["function"]["name"]}} for tool in rows[0]["tools"]]
    return [{**row, "tools": names} for row in rows]


def write_rows(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path
