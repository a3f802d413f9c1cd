"""The trainers, by name. Each is loaded on first use."""

from __future__ import annotations

from collections.abc import Callable

from orchestrator.server.trainers.interface import Machine, Trainer


def _tiny(_machine: Machine) -> Trainer:
    from orchestrator.server.trainers.tiny.trainer import TinyTrainer

    return TinyTrainer()


def _lora(machine: Machine) -> Trainer:
    from orchestrator.server.trainers.lora.serving.choosing import open_hosts
    from orchestrator.server.trainers.lora.trainer import LoraTrainer

    return LoraTrainer(machine.python, open_hosts(machine), machine.ray)


NAMES: dict[str, Callable[[Machine], Trainer]] = {"tiny": _tiny, "lora": _lora}
OPEN_WEIGHTS = "lora"
"""The trainer of open-weights base models."""


def trainer(name: str, machine: Machine) -> Trainer:
    """The trainer of this name; raises KeyError for a name that is not in NAMES."""
    return NAMES[name](machine)
