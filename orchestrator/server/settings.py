"""How one endpoint is run: the only things a caller chooses."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from orchestrator.server.store.jobs import JobRoom

DAY = 24 * 3600.0
ProfileName = Literal["openai", "nebius"]


@dataclass(frozen=True)
class AzureSettings:
    """One resource in one region. Seconds are those of the endpoint's clock."""

    subscription: str = "00000000-0000-0000-0000-000000000001"
    resource_group: str = "ftorch"
    account: str = "ftorch"
    location: str = "swedencentral"
    signed_in_only: bool = False
    """Requests without a key or a token are refused even where no key was set."""
    token_seconds: float = 3600.0
    """How long a token lives."""
    file_seconds: float = 1.0
    """From the upload of a file until it is `processed` or in `error`."""
    files: int = 100
    file_bytes: int = 512 << 20
    all_bytes: int = 1 << 30
    room: JobRoom = field(default_factory=lambda: JobRoom(waiting=20, jobs=100))
    imports_from_here: bool = True
    """Whether files may be imported from this very machine; not for a resource that others can reach."""
    ignored_hyperparameters: frozenset[str] = frozenset()
    """Taken without a word, and neither used nor given back (https://github.com/openai/openai-python/issues/1276)."""
    deployments: int = 10
    """Of fine-tuned models."""
    capacity: int = 250
    """Thousand tokens a minute that all deployments of fine-tuned models may have together."""
    deploying_seconds: float = 1.0
    """From the request until the deployment is called Succeeded."""
    warming_seconds: float = 1.0
    """From there until it answers."""
    deleting_seconds: float = 20.0
    """How long the name of a deleted deployment can't be used again."""
    idle_seconds: float = 15 * DAY
    """A deployment of a fine-tuned model that nobody calls so long is deleted."""
    developer_seconds: float = DAY
    """How long a deployment of the developer tier lives."""


@dataclass(frozen=True)
class Settings:
    """Choices of the one who starts the endpoint; none of them is stored."""

    max_training: int = 2
    """Jobs trained at once, over all processes that share the store."""
    trainer: str = "tiny"
    """The trainer of jobs created from now on (a key of `trainers.NAMES`)."""
    api_key: str | None = None
    """The bearer every request must carry. None lets everybody in, or has `serve` draw one off loopback."""
    hosts: tuple[str, ...] = ()
    """Further names that a served endpoint answers to, such as that of a proxy before it."""
    now: Callable[[], float] = time.time
    """The clock, in Unix seconds."""
    profile: ProfileName = "openai"
    """Whose habits the answers show: the official description's, or those recorded from a compatible host."""
    organization: str = "org-local"
    """What job objects carry as `organization_id`."""
    azure: AzureSettings | None = None
    """The resource whose API is served as well; None where there is none."""


# --- Profiles: the habits of other endpoints, so that a client can be tried against each ----------------------
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
