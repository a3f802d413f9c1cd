"""What each type of endpoint can do."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from orchestrator.config import EndpointConfig, EndpointType
from orchestrator.endpoints.azure.dialects import dialect_of
from orchestrator.endpoints.interface import EVERY_LORA_KEY, Capabilities, Parts
from orchestrator.endpoints.together import DEFAULT_EPOCHS

_IN_PARTS = Parts(above=100_000_000, size=64 << 20)
"""By OpenAI's reference of uploads a part has at most 64 MB; Microsoft's advises parts from 100 MB."""


def capabilities_of(config: EndpointConfig) -> Capabilities:
    """The capabilities of an endpoint with this configuration, without connecting to it."""
    found = CAPABILITIES[config.type](config)
    return replace(found, longest_suffix=config.suffix_max or found.longest_suffix)


def _of_local(_config: EndpointConfig) -> Capabilities:
    return Capabilities(
        metadata=True,
        pause=True,
        checkpoints=True,
        accepts_auto=True,
        needs_processed_files=False,
        charges=False,
        outlives_us=False,
        lora=EVERY_LORA_KEY - {"max_length", "packing"},
        learning_rate=True,
        batch=True,
        parts=_IN_PARTS,
    )


def _of_openai(_config: EndpointConfig) -> Capabilities:
    return Capabilities(
        metadata=True,
        pause=True,
        checkpoints=True,
        accepts_auto=True,
        needs_processed_files=False,
        charges=True,
        outlives_us=True,
        batch=True,
        wandb=True,
        evals=True,
        checks_graders=True,
        parts=_IN_PARTS,
    )


def _of_compatible(_config: EndpointConfig) -> Capabilities:
    return Capabilities(
        metadata=False,
        pause=False,
        checkpoints=True,
        accepts_auto=False,
        needs_processed_files=False,
        charges=True,
        outlives_us=True,
        lora=EVERY_LORA_KEY,
        learning_rate=True,
    )


def _of_azure(config: EndpointConfig) -> Capabilities:
    return Capabilities(
        metadata=False,  # v1 declares it, but no recorded response has it
        pause=dialect_of(config.api).pause,
        checkpoints=True,
        accepts_auto=False,
        needs_processed_files=True,
        charges=True,
        outlives_us=True,
        parts=_IN_PARTS,
        longest_suffix=40,
        suffix_takes_dots=False,
        imports=True,
        checks_graders=dialect_of(config.api).is_v1,
        cancelling_charges=True,
        needs_deployment=True,
        deletes_models=False,  # Microsoft's reference of the data plane, version 2024-10-21, has no such request
    )


def _of_nebius(_config: EndpointConfig) -> Capabilities:
    """By the API reference of Nebius Token Factory, read in November 2026."""
    return Capabilities(
        metadata=False,
        pause=False,
        checkpoints=True,
        accepts_auto=False,
        needs_processed_files=False,
        charges=True,
        outlives_us=True,
        lora=frozenset({"rank", "alpha", "dropout", "max_length", "packing"}),
        learning_rate=True,
        learning_rate_multiplier=False,
        default_epochs=3,
        serves_on_request=True,
    )


def _of_together(_config: EndpointConfig) -> Capabilities:
    """By Together's description (openapi.yaml of 28 April 2026) and its SDK 3.1.1, read in November 2026."""
    return Capabilities(
        metadata=False,
        pause=False,
        checkpoints=True,
        accepts_auto=False,
        needs_processed_files=True,
        charges=True,
        outlives_us=True,
        longest_suffix=40,  # of the SDK's `suffix`; the description names no limit
        suffix_takes_dots=False,
        cancelling_charges=True,
        lora=frozenset({"rank", "alpha", "dropout", "targets", "max_length", "packing"}),
        learning_rate=True,
        learning_rate_multiplier=False,
        default_epochs=DEFAULT_EPOCHS,
        quotes=True,
        previews=True,
        needs_dedicated=True,
        deletes_models=False,  # the description has no such request
    )


def _of_fireworks(_config: EndpointConfig) -> Capabilities:
    """By the SDK fireworks-ai 1.2.30 and https://docs.fireworks.ai/fine-tuning/deploying-loras, November 2026."""
    return Capabilities(
        metadata=False,
        pause=False,
        checkpoints=False,
        accepts_auto=False,
        needs_processed_files=True,
        charges=True,
        outlives_us=True,
        longest_suffix=63,
        needs_deployment=True,
        returns_files=False,  # only result files, through signed addresses
        lora=frozenset({"rank", "max_length"}),
        validation_file=frozenset({"supervised"}),
        learning_rate=True,
        learning_rate_multiplier=False,
        seed=False,
        default_epochs=1,  # by https://docs.fireworks.ai/fine-tuning/fine-tuning-models
        chosen_ids=True,
    )


CAPABILITIES: Mapping[EndpointType, Callable[[EndpointConfig], Capabilities]] = {
    "local": _of_local,
    "openai": _of_openai,
    "compatible": _of_compatible,
    "azure": _of_azure,
    "nebius": _of_nebius,
    "together": _of_together,
    "fireworks": _of_fireworks,
}
