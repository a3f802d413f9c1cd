"""The settings of one endpoint, chosen by the caller."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Literal

from orchestrator.dataset.basemodels import base_model, is_version_of
from orchestrator.server.launchers.settings import RaySettings
from orchestrator.server.store.jobs import JobRoom

DAY = 24 * 3600.0
ProfileName = Literal["openai", "nebius"]


@dataclass(frozen=True)
class AzureSettings:
    """One resource in one region. Seconds are those of the endpoint's clock."""

    subscription: str = "00000000-0000-0000-0000-000000000001"
    resource_group: str = "ftorch"
    account: str = "ftorch"
    project: str = "ftorch"
    """The Foundry project, whose address has neither dated versions nor uploads in parts."""
    location: str = "swedencentral"
    signed_in_only: bool = False
    """Requests without a key or a token are refused even if no key was set."""
    token_seconds: float = 3600.0
    """How long a token is valid."""
    file_seconds: float = 1.0
    """From the upload of a file until it is `processed` or in `error`."""
    files: int = 100
    file_bytes: int = 512 << 20
    all_bytes: int = 1 << 30
    room: JobRoom = field(default_factory=lambda: JobRoom(waiting=20, jobs=100))
    imports_from_here: bool = True
    """Whether files may be imported from this machine; not for a resource that others can reach."""
    ignored_hyperparameters: frozenset[str] = frozenset()
    """Accepted silently, and neither used nor returned (https://github.com/openai/openai-python/issues/1276)."""
    deployments: int = 10
    """Of fine-tuned models."""
    capacity: int = 250
    """Thousand tokens per minute for all deployments of fine-tuned models together."""
    deploying_seconds: float = 1.0
    """From the request until the deployment is called Succeeded."""
    warming_seconds: float = 1.0
    """From there until it answers."""
    deleting_seconds: float = 20.0
    """How long the name of a deleted deployment can't be used again."""
    idle_seconds: float = 15 * DAY
    """A deployment of a fine-tuned model that is unused for this long is deleted."""
    developer_seconds: float = DAY
    """The lifetime of a deployment of the developer tier."""


@dataclass(frozen=True)
class Settings:
    """Settings of an endpoint's start; none of them is stored."""

    max_training: int = 2
    """Jobs trained at once, over all processes that share the store."""
    trainer: str = "tiny"
    """The trainer of jobs whose base model is not in `models` (a key of `trainers.NAMES`)."""
    models: Mapping[str, Path] = field(default_factory=dict)
    """The open-weights base models on this machine: names, and folders in Hugging Face's format."""
    python: str = sys.executable
    """The Python that trains and serves them."""
    serving: Literal["transformers", "vllm"] = "transformers"
    """What answers with them."""
    vllm_url: str | None = None
    """The vLLM server to use; None starts one."""
    constrained: bool = True
    """Whether their calls are decoded under the schemas of the offered tools."""
    ray: RaySettings | None = None
    """The cluster that trains them; None for child processes of this machine."""
    api_key: str | None = None
    """The bearer key of every request. None accepts everybody; off loopback, `serve` then draws a key."""
    hosts: tuple[str, ...] = ()
    """Additional host names of a served endpoint, such as that of a proxy before it."""
    now: Callable[[], float] = time.time
    """The clock, in Unix seconds."""
    profile: ProfileName = "openai"
    """The host that the answers imitate: the official description, or answers recorded from a compatible host."""
    organization: str = "org-local"
    """The `organization_id` in job objects."""
    azure: AzureSettings | None = None
    """The resource whose API is served as well; None if there is none."""
    shutdown_dates: Mapping[str, date] = field(default_factory=dict)
    """When models shut down, by the name of a model, or of a base model or its family for all that was tuned from
    it. From that day on (UTC) they are neither listed nor answer."""

    def shutdown_date(self, model: str) -> date | None:
        """When this model shuts down; None if that was not announced."""
        base = base_model(model)
        days = [day for name, day in self.shutdown_dates.items() if name == model or is_version_of(base, name)]
        return min(days, default=None)

    def is_shut_down(self, model: str) -> bool:
        ends = self.shutdown_date(model)
        return ends is not None and datetime.fromtimestamp(self.now(), UTC).date() >= ends


# --- Profiles: the behaviour of other endpoints, so that a client can be tried against each -------------------
#
# `openai` follows the official description exactly. `nebius` imitates what was recorded from that host: a job is
# running from its first answer on, files have no status, lists do not mention further pages and ignore cursors,
# events come oldest first.


@dataclass(frozen=True)
class Profile:
    """The differences between hosts with the same API."""

    pages: bool = True
    """Lists follow `after`."""
    has_more: bool = True
    """Lists say whether there is more."""
    list_ends: bool = True
    """Lists of files and checkpoints name their first and their last object."""
    file_status: bool = True
    """Files carry a status."""
    shows_waiting: bool = True
    """A waiting job has that status; otherwise it is called running."""
    events_newest_first: bool = True
    metadata: bool = True
    """Jobs return the metadata they were created with, and lists filter by it."""
    flat_hyperparameters: bool = False
    """Hyperparameters are only at the top level, and "auto" is null."""


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
