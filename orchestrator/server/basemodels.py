"""The base models of an endpoint: open weights on this machine, and names whose place `tiny` takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from orchestrator.server.apierror import ApiError, not_found
from orchestrator.server.jobrequest import check_model_name
from orchestrator.server.store import Store
from orchestrator.server.store.jobs import BaseModel
from orchestrator.server.trainers import OPEN_WEIGHTS
from orchestrator.spelling import nearest

SINCE = 0
"""The creation time shown for a base model that no job has named yet."""


@dataclass(frozen=True)
class Origin:
    """What trains a base model, and the folder of its weights; None if the trainer has its own."""

    trainer: str
    folder: str | None = None


class BaseModels:
    """Finds base models by name."""

    def __init__(self, store: Store, folders: Mapping[str, Path], stand_in: str) -> None:
        """`folders` are those of open weights, by name; `stand_in` is the trainer for other names."""
        self._store = store
        self._folders = folders
        self._stand_in = stand_in

    def origin(self, name: str) -> Origin:
        """What trains this base model and answers for it.

        Raises ApiError 400 for an invalid name, and 404 for one that is close to the name of open weights here:
        otherwise a slip would train a stand-in.
        """
        check_model_name(name)
        if name in self._folders:
            return Origin(OPEN_WEIGHTS, str(self._folders[name]))
        known = self._store.jobs.base_model(name)
        if known is not None and known.folder is not None:
            return Origin(OPEN_WEIGHTS, known.folder)
        close = nearest(name, list(self._folders), cutoff=0.85)
        if close is not None:
            raise unknown_model(name, f" Did you mean '{close}'?")
        return Origin(self._stand_in)

    def folder(self, name: str, recorded: str | None) -> str | None:
        """Where the base of a fine-tuned model is now: in the folder recorded with the model or, if that is gone,
        where its name leads."""
        if recorded is None or Path(recorded).is_dir() or name not in self._folders:
            return recorded
        return str(self._folders[name])

    def all(self) -> Sequence[BaseModel]:
        """The trainer for other names, the open weights, and what jobs named."""
        named = {base.name: base for base in self._store.jobs.base_models()}
        folders = {name: BaseModel(name, SINCE, str(folder)) for name, folder in self._folders.items()}
        stand_in = BaseModel(self._stand_in, SINCE, None)
        return list({stand_in.name: stand_in, **folders, **named}.values())

    def get(self, name: str) -> BaseModel:
        """The base model of this name: it exists, if only in name. Raises what `origin` raises."""
        origin = self.origin(name)
        known = self._store.jobs.base_model(name)
        return BaseModel(name, SINCE if known is None else known.since, origin.folder)


def unknown_model(name: str, more: str = "") -> ApiError:
    """The 404 for an unknown model."""
    return not_found(f"The model '{name[:200]}' does not exist.{more}", "model", "model_not_found")


def shut_down(name: str) -> ApiError:
    """The 404 for a model after its shutdown date."""
    return not_found(f"The model '{name[:200]}' has been shut down.", "model", "model_not_found")
