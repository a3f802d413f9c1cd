"""Trained weights in the local endpoint's store, read without starting the endpoint."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from orchestrator.errors import MergeFailed, WeightsGone
from orchestrator.server.store import Store
from orchestrator.server.store.records import FineTunedModel
from orchestrator.server.trainers import OPEN_WEIGHTS
from orchestrator.server.trainers.lora import merging
from orchestrator.server.trainers.lora.bases import base_fingerprint

CONFIG, TENSORS = "adapter_config.json", "adapter_model.safetensors"
TEMPLATE, FACTS = "chat_template.jinja", "model.json"
"""The files of an adapter's folder: PEFT's two, the template it was trained with, and its trainer's facts."""


@dataclass(frozen=True)
class StoredModel:
    """A fine-tuned model or checkpoint, as the store has it."""

    name: str
    trainer: str
    base: str
    base_folder: Path | None
    """Where the base model was when training began; None for a trainer that has its own."""
    weights: Path
    created_at: int
    """Unix seconds."""
    parent: str | None = None
    """The fine-tuned model that training started from; None for the base model."""
    method: str = "supervised"
    training_file: str | None = None
    validation_file: str | None = None
    """The names of the files as uploaded; None if there was none, or it was deleted."""

    @property
    def is_open_weights(self) -> bool:
        """Whether other programs can load it."""
        return self.trainer == OPEN_WEIGHTS


@dataclass(frozen=True)
class Adapter:
    """A LoRA adapter on disk, with the facts that its trainer wrote beside it."""

    folder: Path
    config: Mapping[str, Any]
    """PEFT's adapter_config.json."""
    fingerprint: str
    """SHA-256 (hex) of the base model that it was trained on."""
    hyperparameters: Mapping[str, Any]
    seed: int
    step: int | None
    training_sha256: str | None
    template: Mapping[str, Any] = field(default_factory=dict)
    """Of its chat template: "source", "sha256" and "family", the format of its tool calls."""


def find_model(store: Path, name: str) -> StoredModel | None:
    """The model of this name in the store of a local endpoint; None if it has no such model.

    Raises EndpointStoreUnusable and EndpointStoreNewer.
    """
    if not (store / "endpoint.db").exists():
        return None  # opening the store would create it
    opened = Store(store)
    found = opened.models.get(name)
    return None if found is None else _stored(opened, found)


def read_adapter(model: StoredModel) -> Adapter:
    """The adapter of an open-weights model. Raises WeightsGone if a file is missing or can't be read."""
    for name in (TENSORS, TEMPLATE):
        if not (model.weights / name).is_file():
            raise WeightsGone(model=model.name, path=model.weights / name, problem="it does not exist")
    facts, config = _read(model, FACTS), _read(model, CONFIG)
    return Adapter(
        folder=model.weights,
        config=config,
        fingerprint=facts["base"]["fingerprint"],
        hyperparameters=facts["hyperparameters"],
        seed=facts["seed"],
        step=facts.get("step"),
        training_sha256=facts.get("training_file_sha256"),
        template=facts.get("template") or {},
    )


def is_trained_on(adapter: Adapter, base: Path) -> bool:
    """Whether the base model in this folder is the one that the adapter was trained on."""
    try:
        return base_fingerprint(base) == adapter.fingerprint
    except (OSError, ValueError):
        return False


def merge_memory(base: Path) -> tuple[int, int | None]:
    """The bytes of memory that merging into this base model takes, about, and those that are free, if known."""
    return merging.memory_needed(base), merging.free_memory()


def merge(model: StoredModel, base: Path, target: Path, python: str) -> None:
    """Write the base model with the model's adapter merged into it into the folder `target`, by a program that runs
    in `python`. Raises MergeFailed."""
    try:
        merging.merge(python, base, model.weights, target)
    except merging.MergeError as error:
        raise MergeFailed(model=model.name, problem=error) from error


def _stored(store: Store, found: FineTunedModel) -> StoredModel:
    job = store.jobs.get(found.job)
    return StoredModel(
        name=found.name,
        trainer=found.trainer,
        base=found.base,
        base_folder=Path(found.base_folder) if found.base_folder else None,
        weights=store.weights.path(found.weights),
        created_at=found.created_at,
        parent=job.model if job and job.model != found.base else None,
        method=job.method if job else "supervised",
        training_file=_file_name(store, job.training_file if job else None),
        validation_file=_file_name(store, job.validation_file if job else None),
    )


def _file_name(store: Store, file_id: str | None) -> str | None:
    file = store.files.get(file_id, time.time()) if file_id else None
    return file.filename if file else None


def _read(model: StoredModel, name: str) -> dict[str, Any]:
    path = model.weights / name
    try:
        found: dict[str, Any] = json.loads(path.read_bytes())
    except FileNotFoundError as error:
        raise WeightsGone(model=model.name, path=path, problem="it does not exist") from error
    except (OSError, ValueError) as error:
        raise WeightsGone(model=model.name, path=path, problem=str(error)) from error
    return found
