"""Whether weights are there, and their base model is the one that they were trained on."""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path

from orchestrator.server.trainers.interface import AnswerError, Base
from orchestrator.server.trainers.lora.bases import base_fingerprint

ADAPTER = "adapter_config.json"

_State = tuple[tuple[str, int, int, int], ...]


def check_weights(weights: Path) -> None:
    """Raises AnswerError if the folder has no adapter, such as one that was deleted."""
    if not (weights / ADAPTER).is_file():
        raise AnswerError(f"The weights of this model are gone: {weights} has no {ADAPTER}. Train the model again.")


def check_base(weights: Path, base: Base) -> None:
    """Raises AnswerError if the base is not the one that the weights were trained on."""
    try:
        trained: str = json.loads((weights / "model.json").read_bytes())["base"]["fingerprint"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise AnswerError(f"The weights in {weights} don't say which base model they belong to: {error}") from error
    if trained != fingerprint_now(base):
        raise AnswerError(
            f"The base model {base.name} in {base.folder} has changed since this model was trained on it. Put the "
            "former files back, or train again on the new ones."
        )


def fingerprint_now(base: Base) -> str:
    """The base's fingerprint, computed again when a file changed. Raises AnswerError for an unreadable folder."""
    try:
        return _fingerprint(base.folder, _state(base.folder))
    except (OSError, ValueError) as error:
        raise AnswerError(f"The base model {base.name} can't be read: {error}") from error


@lru_cache(maxsize=64)
def _fingerprint(folder: Path, _: _State) -> str:
    return base_fingerprint(folder)


def _state(folder: Path) -> _State:
    """What changes when a file of the model does."""
    found = [(each.name, each.stat()) for each in sorted(folder.iterdir()) if each.is_file()]
    return tuple((name, about.st_size, about.st_mtime_ns, about.st_ino) for name, about in found)
