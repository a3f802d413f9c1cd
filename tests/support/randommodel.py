"""A base model with random weights over bytes, and adapters for it: as folders, in the formats of the real ones."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from orchestrator.server.trainers.lora.bases import base_fingerprint

SPECIAL = ("<|im_start|>", "<|im_end|>", "<|pad|>")
CHATML = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
SIZE: dict[str, Any] = {
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 4096,
}


def write_tokenizer(folder: Path) -> int:
    """A tokenizer with a token for each byte; the size of its vocabulary."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE(vocab={letter: number for number, letter in enumerate(letters)}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(text, special=True) for text in SPECIAL])
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    named = {"eos_token": SPECIAL[1], "pad_token": SPECIAL[2], "tokenizer_class": "PreTrainedTokenizerFast"}
    (folder / "tokenizer_config.json").write_text(json.dumps(named))
    (folder / "chat_template.jinja").write_text(CHATML)
    return int(tokenizer.get_vocab_size())


def write_base(folder: Path, kind: str = "llama", seed: int = 0, **more: Any) -> Path:
    """A model of this type with random weights, large enough that its answers differ."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    size = write_tokenizer(folder)
    torch.manual_seed(seed)
    fixed = {"vocab_size": size, "eos_token_id": size - 2, "bos_token_id": size - 3, "pad_token_id": size - 1}
    config = AutoConfig.for_model(kind, **{**SIZE, "initializer_range": 0.3, **fixed, **more})
    AutoModelForCausalLM.from_config(config, dtype=torch.float32).save_pretrained(folder)
    return folder


def write_adapter(base: Path, folder: Path, seed: int = 1) -> Path:
    """An adapter with random weights, as the trainer leaves one."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    from orchestrator.dataset.rendering.renderer import open_renderer

    torch.manual_seed(seed)
    model = get_peft_model(
        AutoModelForCausalLM.from_pretrained(base),
        LoraConfig(r=4, target_modules="all-linear", task_type="CAUSAL_LM"),
    )
    for name, parameter in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.3)
    model.save_pretrained(folder)
    renderer = open_renderer(base)
    (folder / "chat_template.jinja").write_text(renderer.template.text)
    about = {"base": {"name": base.name, "folder": str(base), "fingerprint": base_fingerprint(base)}}
    (folder / "model.json").write_text(json.dumps(about))
    return folder
