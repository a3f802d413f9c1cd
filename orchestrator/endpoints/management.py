"""What ftorch needs from the service that manages deployments.

On Azure that is the Azure Resource Manager, on another host than training and inference. It accepts only Entra ID
tokens.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Protocol

from orchestrator.config import EndpointConfig
from orchestrator.errors import AzureMissing, DeploymentsNotConfigured

SKUS = ("Standard", "GlobalStandard", "DataZoneStandard", "DeveloperTier")
"""Deployment types: in the account's region; in any region with capacity; in the data zone; without charge and for
24 hours."""

_RESOURCE = ("subscription_id", "resource_group", "account")


@dataclass(frozen=True)
class WantedDeployment:
    """A requested deployment. `capacity` is in thousands of tokens per minute."""

    name: str
    model: str
    sku: str
    capacity: int
    checkpoint: str | None = None
    """The id of the checkpoint that `model` is, if it is one."""

    @property
    def account_model(self) -> str:
        """The account's name of the model: a checkpoint's is its id, by Microsoft's page on deploying."""
        return self.checkpoint or self.model


@dataclass(frozen=True)
class RemoteDeployment:
    """A deployment as the account has it."""

    name: str
    model: str
    """As ftorch names models: a base model followed by its version."""
    state: str
    """Azure's `provisioningState`: Accepted, Creating, Succeeded, Failed, Deleting, …; an open set."""
    sku: str | None
    capacity: int | None
    created_at: float | None


@dataclass(frozen=True)
class QuotaUse:
    """How much of a quota the subscription uses in the account's region, in thousands of tokens per minute."""

    name: str
    used: float
    limit: float


@dataclass(frozen=True)
class Room:
    """The capacity that is left for deployments of one model, in thousands of tokens per minute."""

    region: str
    by_sku: Mapping[str, float]
    """A sku that is not in it may have room or not."""


class Management(Protocol):
    """An open connection. Every call may be repeated: a deployment is identified by its name.

    All raise EndpointUnreachable, EndpointBusy, SignInFailed, SignInRefused, DeployRoleMissing or
    DeploymentRefused.
    """

    async def get(self, name: str) -> RemoteDeployment | None:
        """The deployment of that name; None if there is none."""

    async def all(self) -> list[RemoteDeployment]:
        """Every deployment of the account."""

    async def room(self, model: str) -> Room | None:
        """The capacity left in the account's region for this model; None if the account does not say."""

    async def put(self, wanted: WantedDeployment) -> None:
        """Request a deployment without waiting for it. Raises DeployQuotaFull too."""

    async def delete(self, name: str) -> None:
        """Request its removal without waiting for it; a missing one is not an error."""


def manages(config: EndpointConfig) -> bool:
    """Whether the endpoint's deployments can be managed with this configuration."""
    return config.type == "azure" and not missing_keys(config)


def require_manageable(config: EndpointConfig) -> None:
    """Raises DeploymentsNotConfigured, EndpointNotUsable or AzureMissing if the account can't be managed."""
    config.require_usable()
    if missing := missing_keys(config):
        listed = " and ".join([", ".join(missing[:-1]), missing[-1]] if missing[1:] else missing)
        verb = "is" if len(missing) == 1 else "are"
        raise DeploymentsNotConfigured(endpoint=config.name, missing=f"{listed} {verb}", source=config.source)
    if not _is_installed():
        raise AzureMissing


def missing_keys(config: EndpointConfig) -> list[str]:
    """The keys of the account's resource that are not set."""
    return [key for key in _RESOURCE if getattr(config, key) is None]


def _is_installed() -> bool:
    try:
        return all(find_spec(name) for name in ("azure.identity", "azure.mgmt.cognitiveservices"))
    except ModuleNotFoundError:
        return False
