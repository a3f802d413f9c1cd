"""How the simulated Azure resource is set up."""

from __future__ import annotations

from dataclasses import dataclass, field

from orchestrator.server.store.jobs import JobRoom

DAY = 24 * 3600.0


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
