"""How one endpoint is run: the only things a caller chooses."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from orchestrator.server.azure.errors import AzureSettings

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


# --- The habits of the endpoints that clients meet, so that a client can be tried against each ----------------
#
# `openai` follows the official description to the letter. `nebius` shows what was recorded from that host: a job
# is running from its first answer on, files have no status, lists say nothing of further pages and take no
# cursor, events come oldest first.


@dataclass(frozen=True)
class Profile:
    """What differs between hosts that speak the same API."""

    pages: bool = True
    """Lists obey `after`."""
    has_more: bool = True
    """Lists say whether there is more."""
    list_ends: bool = True
    """Lists of files and checkpoints name their first and their last object."""
    file_status: bool = True
    """Files carry a status."""
    shows_waiting: bool = True
    """A job that waits says so; otherwise it is called running."""
    events_newest_first: bool = True
    metadata: bool = True
    """Jobs give back the metadata they were created with, and lists filter by it."""
    flat_hyperparameters: bool = False
    """Hyperparameters stand at the top level only, and "auto" is null."""


PROFILES: dict[ProfileName, Profile] = {
    "openai": Profile(),
    "nebius": Profile(
        pages=False,
        has_more=False,
        file_status=False,
        shows_waiting=False,
        events_newest_first=False,
        metadata=False,
        flat_hyperparameters=True,
    ),
}
