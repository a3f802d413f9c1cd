"""What answers with open weights on this machine: host processes, or vLLM."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from orchestrator.server.trainers.interface import Base, Machine, Model


class ModelHosts(Protocol):
    """Where the models of a trainer answer."""

    def handle(self, weights: Path | None, base: Base) -> Model:
        """The model of these weights; None is the base model. Raises AnswerError."""

    def close(self) -> None:
        """End the processes that were started."""


def open_hosts(machine: Machine) -> ModelHosts:
    """The hosts that the machine's settings choose; nothing is started before the first question."""
    folder = machine.folder / "hosts"
    if machine.serving == "transformers":
        from orchestrator.server.trainers.lora.serving.hosting import Hosts

        return Hosts(machine.python, folder, constrained=machine.constrained)
    from orchestrator.server.trainers.lora.serving.vllm import VllmHosts
    from orchestrator.server.trainers.lora.serving.vllmserver import (
        GivenServer,
        Servers,
        StartedServer,
        key_of_environment,
    )

    adapters = folder / "adapters"
    servers: Servers = StartedServer(machine.python, adapters, folder / "vllm.log")
    if machine.vllm_url is not None:
        servers = GivenServer(machine.vllm_url, key_of_environment())
    return VllmHosts(servers, adapters, constrained=machine.constrained)
