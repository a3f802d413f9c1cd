"""What the kinds of endpoints refuse beyond what all of them refuse."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from orchestrator.dataset.methods import Method

_ALL: frozenset[Method] = frozenset({"supervised", "dpo", "reinforcement"})


@dataclass(frozen=True)
class Limits:
    """Of one type of endpoint."""

    endpoint: str
    methods: frozenset[Method] = _ALL
    any_file_size: bool = False
    """True where no limit of a file's size is known; else 512 MiB, which the large services share."""
    most_trained_tokens: int | None = None
    """Tokens of an epoch × epochs, of one job; None where there is no limit."""


# OpenAI's API reference on files and Azure's page on quotas and limits, read in November 2026; for `local`, what
# its own server answers. Compatible hosts differ, and nothing holds for all of them.
_LIMITS: Mapping[str, Limits] = {
    "openai": Limits("openai"),
    "azure": Limits("azure", most_trained_tokens=2_000_000_000),
    "local": Limits("local", frozenset({"supervised", "dpo"})),
    "compatible": Limits("compatible", any_file_size=True),
}
ENDPOINT_TYPES = tuple(_LIMITS)


def limits_of(endpoint_type: str) -> Limits:
    """The limits of an endpoint type of the configuration."""
    return _LIMITS[endpoint_type]
