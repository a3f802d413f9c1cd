"""Nebius Token Factory: OpenAI's paths, with hyperparameters for open-weights models.

By https://docs.tokenfactory.nebius.com/api-reference/fine-tuning/create-a-fine-tuning-job, read in November 2026.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from orchestrator.endpoints.openai import OpenAIEndpoint

_NAMES: Mapping[str, str] = {"lora_rank": "lora_r", "max_length": "context_length"}
"""Nebius' names of the settings that have another name in ftorch's requests."""


class NebiusEndpoint(OpenAIEndpoint):
    """An open connection; see `interface.Endpoint` for the methods' guarantees."""

    def _numbers(self, method: Mapping[str, Any]) -> dict[str, Any]:
        """Adapters are always asked for: all weights are trained by default, and such models answer only on a
        dedicated endpoint."""
        numbers = {_NAMES.get(name, name): value for name, value in super()._numbers(method).items()}
        return {**numbers, "lora": True}
