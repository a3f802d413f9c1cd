"""An open-weights base model without weights worth the name, and a trainer that only writes an adapter's files."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from orchestrator.dataset.rendering.renderer import open_renderer
from orchestrator.server import trainers
from orchestrator.server.trainers.interface import (
    Answer,
    Base,
    Checked,
    Hyperparameters,
    Method,
    Question,
    Report,
    Requested,
    Step,
    ToolCall,
    Training,
)
from orchestrator.server.trainers.lora.bases import base_fingerprint

SPECIALS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]


def make_base(folder: Path, template: str = "", **files: str) -> Path:
    """A folder with the files of a model, whose tokenizer reads bytes and ChatML's special tokens. `files` are
    texts by name."""
    folder.mkdir(parents=True)
    settings = {"bos_token": SPECIALS[1], "eos_token": SPECIALS[2], "pad_token": SPECIALS[2]}
    chat = {"chat_template": template} if template else {}
    texts = {
        "config.json": json.dumps({"model_type": "llama", "_name_or_path": str(folder)}),
        "tokenizer.json": _tokenizer(),
        "tokenizer_config.json": json.dumps({**settings, **chat, "name_or_path": str(folder)}),
        "generation_config.json": json.dumps({"eos_token_id": 2}),
        **files,
    }
    for name, text in texts.items():
        (folder / name).write_text(text)
    write_tensors(folder / "model.safetensors")
    return folder


def _tokenizer() -> str:
    """One of its tokens is the name of a key that an export removes elsewhere."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers

    alphabet = [*SPECIALS, *sorted(pre_tokenizers.ByteLevel.alphabet()), "name_or_path"]
    tokenizer = Tokenizer(models.BPE(vocab={text: number for number, text in enumerate(alphabet)}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(SPECIALS)
    return str(tokenizer.to_str())


def write_tensors(path: Path) -> None:
    """A file of one tensor in the format of safetensors."""
    header = json.dumps({"weight": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}).encode()
    path.write_bytes(len(header).to_bytes(8, "little") + header + bytes(8))


class Scribe:
    """A trainer whose adapter is only a folder of the right files. It gives every answer with a call, and a call
    that is right once it is tuned."""

    name = "lora"

    def resolve(self, examples: int, method: Method, requested: Requested) -> Hyperparameters:
        options = {"lora_rank": 12, "quantization": "none", **requested.options}
        epochs = 1 if requested.n_epochs == "auto" else requested.n_epochs
        return Hyperparameters(epochs, 2, 1.0, None, options)

    def check(self, training: Training) -> Checked:
        return Checked(tokens=1234)

    def train(self, training: Training, report: Report) -> Path:
        step = Step(6, 6, 1, 0.5, 1.0)
        report.step(step)
        report.checkpoint(step, self._written(training, "checkpoint"))
        return self._written(training, "model")

    def load(self, weights: Path | None, base: Base | None) -> Caller:
        return Caller(is_tuned=weights is not None)

    def close(self) -> None:
        """It has started nothing."""

    def _written(self, training: Training, name: str) -> Path:
        assert training.base is not None
        folder = training.folder / name
        write_adapter(folder, training.base, training.training.read_bytes(), training.hyperparameters)
        return folder


class Caller:
    """Calls the first tool, with the last word that the user said if it is tuned."""

    def __init__(self, *, is_tuned: bool) -> None:
        self._is_tuned = is_tuned

    def answer(self, question: Question) -> Answer:
        word = str(question.messages[-1]["content"]).split()[-1]
        name = str(question.tools[0]["name"])
        return Answer(None, (ToolCall(name, {"room": word if self._is_tuned else "nowhere"}),))


def write_adapter(folder: Path, base: Base, data: bytes, numbers: Hyperparameters) -> None:
    """The files that a training leaves, with tensors that stand for none."""
    folder.mkdir(parents=True)
    write_tensors(folder / "adapter_model.safetensors")
    config = {"r": 12, "peft_type": "LORA", "base_model_name_or_path": str(base.folder), "revision": None}
    (folder / "adapter_config.json").write_text(json.dumps(config))
    (folder / "chat_template.jinja").write_text(open_renderer(base.folder).template.text)
    (folder / "model.json").write_text(json.dumps(_facts(base, data, numbers)))


def _facts(base: Base, data: bytes, numbers: Hyperparameters) -> Mapping[str, Any]:
    return {
        "base": {"name": base.name, "folder": str(base.folder), "fingerprint": base_fingerprint(base.folder)},
        "template": {"source": "the model's own", "sha256": "ab" * 32, "family": "hermes"},
        "method": "supervised",
        "hyperparameters": {"n_epochs": numbers.n_epochs, "beta": None, **numbers.options},
        "seed": 3,
        "training_file_sha256": hashlib.sha256(data).hexdigest(),
        "step": 6,
    }


def train_by_scribe(patch: pytest.MonkeyPatch) -> None:
    """Have open-weights jobs of this process trained by the Scribe until the patch is undone."""
    patch.setitem(trainers.NAMES, "lora", lambda _machine: Scribe())
