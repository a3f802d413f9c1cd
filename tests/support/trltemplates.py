"""The chat templates in TRL's wheel, with the tokens of their models. Nothing of the wheel is kept here.

FTORCH_TRL_WHEEL names the wheel, or a folder that it was unpacked to.
"""

from __future__ import annotations

import os
import zipfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path

FOLDER = "trl/chat_templates/"


@cache
def templates() -> Mapping[str, str]:
    """Each template by name, in order; empty where there is no wheel."""
    given = os.environ.get("FTORCH_TRL_WHEEL")
    if not given:
        return {}
    if Path(given).is_dir():
        found = {path.stem: path.read_text(encoding="utf-8") for path in Path(given, FOLDER).glob("*.jinja")}
    else:
        with zipfile.ZipFile(given) as wheel:
            names = [name for name in wheel.namelist() if name.startswith(FOLDER) and name.endswith(".jinja")]
            found = {Path(name).stem: wheel.read(name).decode("utf-8") for name in names}
    return dict(sorted(found.items()))


TOKENS = {
    "cohere": ("<BOS_TOKEN>", ("<|END_OF_TURN_TOKEN|>",), ("<|START_OF_TURN_TOKEN|>", "<|CHATBOT_TOKEN|>")),
    "deepseek": ("<｜begin▁of▁sentence｜>", ("<｜end▁of▁sentence｜>",), ()),
    "diffusion_gemma": ("<bos>", ("<turn|>", "<|tool_response>", "<eos>"), ("<|turn>",)),
    "gemma": ("<bos>", ("<end_of_turn>", "<eos>"), ("<start_of_turn>",)),
    "gemma4": ("<bos>", ("<turn|>", "<|tool_response>", "<eos>"), ("<|turn>",)),
    "glm4moe": ("", ("<|user|>", "<|observation|>", "<|endoftext|>"), ("<|assistant|>", "<|system|>")),
    "gptoss": ("", ("<|return|>", "<|call|>"), ("<|start|>", "<|end|>", "<|message|>", "<|channel|>")),
    "idefics3": ("", ("<end_of_utterance>",), ()),
    "lfm2": ("<|startoftext|>", ("<|im_end|>",), ("<|im_start|>",)),
    "llama3": ("<|begin_of_text|>", ("<|eot_id|>", "<|eom_id|>"), ("<|start_header_id|>", "<|end_header_id|>")),
    "llava_next": ("<s>", ("</s>",), ()),
    "muse_glimmer": ("<|bot|>", ("<|eot|>",), ("<|start|>", "<|message|>", "<|eom|>")),
    "nemotron": ("", ("<|im_end|>",), ("<|im_start|>",)),
    "phi3": ("<s>", ("<|end|>", "<|endoftext|>"), ("<|user|>", "<|assistant|>", "<|system|>")),
    "qwen": ("", ("<|im_end|>", "<|endoftext|>"), ("<|im_start|>",)),
    "smolvlm": ("", ("<end_of_utterance>",), ("<|im_start|>",)),
}
"""By the beginning of a template's name: the first token, the tokens that stop, and other special ones, as the
models' tokenizer_config.json and generation_config.json have them."""


def tokens_of(name: str) -> tuple[dict[str, str], frozenset[str], frozenset[str]]:
    """The variables, the stop tokens and all special tokens for a template."""
    start = max((each for each in TOKENS if name.startswith(each)), key=len)
    bos, stops, others = TOKENS[start]
    variables = {"eos_token": stops[-1], **({"bos_token": bos} if bos else {})}
    return variables, frozenset(stops), frozenset({*stops, *others, *([bos] if bos else [])})
