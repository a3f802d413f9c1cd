"""How one endpoint is run: the only things a caller chooses."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from orchestrator.server.azure.settings import AzureSettings

ProfileName = Literal["openai", "nebius"]


@dataclass(frozen=True)
class Settings:
    """Choices of the one who starts the endpoint; none of them is stored."""

    max_training: int = 2
    """Jobs trained at once, over all processes that share the store."""
    trainer: str = "tiny"
    """The trainer of jobs created from now on (a key of `trainers.NAMES`)."""
    api_key: str | None = None
    """The bearer every request must carry; None lets everybody in."""
    now: Callable[[], float] = time.time
    """The clock, in Unix seconds."""
    profile: ProfileName = "openai"
    """Whose habits the answers show: the official description's, or those recorded from a compatible host."""
    organization: str = "org-local"
    """What job objects carry as `organization_id`."""
    azure: AzureSettings | None = None
    """The resource whose API is served as well; None where there is none."""
