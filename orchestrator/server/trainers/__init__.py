"""The trainers, by name. Each is loaded on first use."""

from __future__ import annotations

from collections.abc import Callable

from orchestrator.server.trainers.interface import Machine, Trainer


def _tiny(_machine: Machine) -> Trainer:
    from orchestrator.server.trainers.tiny.trainer import TinyTrainer

    return TinyTrainer()


NAMES: dict[str, Callable[[Machine], Trainer]] = {"tiny": _tiny}
OPEN_WEIGHTS = "lora"
"""The trainer of open-weights base models."""


def trainer(name: str, machine: Machine) -> Trainer:
    """The trainer of this name; raises KeyError for a name that is not in NAMES."""
    return NAMES[name](machine)
