"""Models in memory: the few used last stay loaded."""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from dataclasses import dataclass

from orchestrator.dataset.basemodels import is_fine_tuned
from orchestrator.server.apierror import not_found
from orchestrator.server.jobspec import check_model_name
from orchestrator.server.store import Store
from orchestrator.server.trainers import trainer
from orchestrator.server.trainers.interface import Model

CAPACITY = 4


@dataclass(frozen=True)
class Loaded:
    """A model that answers, and the fingerprint of what answers: it changes when the weights do."""

    model: Model
    fingerprint: str


class LoadedModels:
    """Finds models by name and loads their weights once."""

    def __init__(self, store: Store, base_trainer: str) -> None:
        self._store = store
        self._base_trainer = base_trainer
        self._loaded: OrderedDict[tuple[str, str | None], Loaded] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, name: str) -> Loaded:
        """The fine-tuned model of this name; any other name is played by the untrained base model.

        Raises ApiError 404 where there is no such fine-tuned model.
        """
        if not is_fine_tuned(name):
            check_model_name(name)
            return self._load(self._base_trainer, None)
        model = self._store.models.get(name)
        if model is None:
            raise unknown_model(name)
        return self._load(model.trainer, model.blob)

    def _load(self, trainer_name: str, blob: str | None) -> Loaded:
        key = (trainer_name, blob)
        with self._lock:
            if key not in self._loaded:
                weights = None if blob is None else self._store.blobs.read(blob)
                self._loaded[key] = Loaded(trainer(trainer_name).load(weights), _fingerprint(key))
            self._loaded.move_to_end(key)
            while len(self._loaded) > CAPACITY:
                self._loaded.popitem(last=False)
            return self._loaded[key]


def unknown_model(name: str) -> Exception:
    """The 404 for a model that is not there."""
    return not_found(f"The model '{name[:200]}' does not exist.", "model", "model_not_found")


def _fingerprint(key: tuple[str, str | None]) -> str:
    return "fp_" + hashlib.sha256(repr(key).encode()).hexdigest()[:10]
