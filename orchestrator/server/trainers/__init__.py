"""The trainers, by name. Each is loaded on first use."""

from __future__ import annotations

from collections.abc import Callable

from orchestrator.server.trainers.interface import Trainer


def _tiny() -> Trainer:
    from orchestrator.server.trainers.tiny.trainer import TinyTrainer

    return TinyTrainer()


NAMES: dict[str, Callable[[], Trainer]] = {"tiny": _tiny}


def trainer(name: str) -> Trainer:
    """The trainer of this name; raises KeyError for a name that is not in NAMES."""
    return NAMES[name]()
