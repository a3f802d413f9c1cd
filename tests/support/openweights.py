"""Folders like those of open-weights models, and a trainer for them that only writes down what it is given."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from orchestrator.server import trainers
from orchestrator.server.trainers.interface import (
    Answer,
    AnswerError,
    Base,
    Checked,
    Hyperparameters,
    Method,
    Question,
    Report,
    Requested,
    Step,
    Training,
)
from support import modelfolders

REVISION = "0123456789abcdef0123456789abcdef01234567"


def model_folder(path: Path, weights: bytes = b"weights") -> Path:
    """A folder with the files that a model's folder must have; different weights make another model."""
    modelfolders.model_folder(path, max_position_embeddings=8192)
    (path / "model.safetensors").write_bytes(weights)
    return path


def cached_model(cache: Path, hub_id: str, weights: bytes = b"weights") -> Path:
    """The same in a Hugging Face cache, laid out as its library does: links to files named by their hashes."""
    model = cache / f"models--{hub_id.replace('/', '--')}"
    (model / "refs").mkdir(parents=True)
    (model / "refs" / "main").write_text(REVISION)
    folder = model_folder(model / "snapshots" / REVISION, weights)
    blob = model / "blobs" / "5ca1ab1e"
    blob.parent.mkdir()
    (folder / "model.safetensors").rename(blob)
    (folder / "model.safetensors").symlink_to("../../blobs/5ca1ab1e")
    return folder


class Scribe:
    """Takes the place of the trainer of open-weights models; its weights are what it was asked to train."""

    name = "lora"

    def resolve(self, examples: int, method: Method, requested: Requested) -> Hyperparameters:
        return Hyperparameters(1, 4, 1.0, None, {"lora_rank": 16, **requested.options})

    def check(self, training: Training) -> Checked:
        return Checked(tokens=1234)

    def train(self, training: Training, report: Report) -> Path:
        assert training.base is not None
        report.step(Step(1, 1, 1, 0.5, 1.0, valid_loss=0.5, full_valid_loss=0.5))
        folder = training.folder / "model"
        folder.mkdir()
        said = {"options": dict(training.hyperparameters.options), "base": training.base.name}
        (folder / "said.json").write_text(json.dumps(said))
        return folder

    def load(self, weights: Path | None, base: Base | None) -> Echo:
        assert base is not None
        return Echo(json.loads((weights / "said.json").read_text()) if weights else {}, base)

    def close(self) -> None:
        """It has started nothing."""


class Echo:
    """Answers with the folder of its base model and the options it was trained with."""

    def __init__(self, said: Mapping[str, Any], base: Base) -> None:
        self._said = said
        self._base = base

    def answer(self, question: Question) -> Answer:
        if not self._base.folder.is_dir():
            raise AnswerError(f"the folder {self._base.folder} is gone")
        return Answer(json.dumps({**self._said, "folder": str(self._base.folder)}))


@pytest.fixture
def scribe(monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands inside this process train open-weights models with Scribe."""
    monkeypatch.setitem(trainers.NAMES, "lora", lambda _machine: Scribe())
