"""What ftorch needs from the service that manages deployments, and how those of each host differ.

On Azure that is the Azure Resource Manager, on another host than training and inference. It accepts only Entra ID
tokens. Fireworks manages them with the key that trains.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Protocol

from orchestrator.config import EndpointConfig, EndpointType
from orchestrator.errors import AzureMissing, DeploymentsNotConfigured

SKUS = ("Standard", "GlobalStandard", "DataZoneStandard", "DeveloperTier")
"""Deployment types: in the account's region; in any region with capacity; in the data zone; without charge and for
24 hours."""

_RESOURCE = ("subscription_id", "resource_group", "account")


@dataclass(frozen=True)
class WantedDeployment:
    """A requested deployment. `capacity` is what `DeploymentRules.capacity` says."""

    name: str
    model: str
    sku: str
    capacity: int
    checkpoint: str | None = None
    """The id of the checkpoint that `model` is, if it is one."""
    temporary: bool = False
    """It is removed after an evaluation."""

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
    """Azure's `provisioningState`, or the same words for another host's: Accepted, Creating, Succeeded, Failed,
    Deleting, …; an open set."""
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

    async def sku_for(self, model: str) -> str | None:
        """The hosting that it would choose for a deployment of the model; None if we choose."""

    async def answers(self, model: str) -> bool:
        """Whether the model answers under its own name, without a deployment."""


@dataclass(frozen=True)
class DeploymentRules:
    """What the deployments of a host are like."""

    host: str
    """Its name in sentences."""
    capacity: int
    """Unless the user says otherwise."""
    capacity_words: str
    """What a capacity of `{capacity}` is."""
    longest_name: int
    allowed: str
    """A pattern of the characters that names have."""
    names_are: str
    """The same in words."""
    skus: tuple[str, ...]
    """The kinds of hosting; empty if there are too many to list."""
    end: str
    """When the host ends one that is not used."""
    idle_life: float | None = None
    """Seconds until it removes an unused one; None if it doesn't."""
    usual_hardware: str = ""
    """An example of a sku that is hardware."""
    lower_case: bool = False
    is_in_job_file: bool = False
    """Whether `[azure.deployment]` is about it."""


RULES: Mapping[EndpointType, DeploymentRules] = {
    "azure": DeploymentRules(
        host="Azure",
        capacity=50,  # thousands: at 1, a deployment answers about once a minute, too slow for an evaluation
        capacity_words="{capacity},000 tokens a minute",
        longest_name=64,
        allowed="[A-Za-z0-9._-]",
        names_are="letters and digits, with dots, dashes and underscores only between them",
        skus=SKUS,
        end="Azure removes it after 15 days unused",
        idle_life=15 * 86_400.0,
        is_in_job_file=True,
    ),
    "fireworks": DeploymentRules(
        host="Fireworks",
        capacity=1,
        capacity_words="at most {capacity} at a time",
        longest_name=63,
        allowed="[a-z0-9-]",
        names_are="lower-case letters and digits, with dashes only between them",
        skus=(),
        end="Fireworks stops it after an hour without requests and charges nothing until the next",
        usual_hardware="1xH200_141GB",
        lower_case=True,
    ),
}


def rules_of(config: EndpointConfig) -> DeploymentRules:
    """The rules of an endpoint with deployments."""
    return RULES[config.type]


def called_name(model: str | None, name: str) -> str:
    """The `model` of requests to a deployment: its name, on Fireworks with the account that its model belongs
    to."""
    found = re.fullmatch(r"(accounts/[^/]+)/models/[^/]+", model or "")
    return f"{found[1]}/deployments/{name}" if found else name


def gpus_of(sku: str) -> tuple[int, str] | None:
    """How many processors of which kind a sku is, such as 1xH200_141GB; None for one of another form."""
    found = re.fullmatch(r"(\d+)x([A-Z]\w+)", sku)
    return (int(found[1]), found[2]) if found else None


def manages(config: EndpointConfig) -> bool:
    """Whether the endpoint's deployments can be managed with this configuration."""
    return config.type in RULES and not missing_keys(config)


def require_manageable(config: EndpointConfig) -> None:
    """Raises DeploymentsNotConfigured, EndpointNotUsable or AzureMissing if the account can't be managed."""
    config.require_usable()
    if missing := missing_keys(config):
        listed = " and ".join([", ".join(missing[:-1]), missing[-1]] if missing[1:] else missing)
        verb = "is" if len(missing) == 1 else "are"
        raise DeploymentsNotConfigured(endpoint=config.name, missing=f"{listed} {verb}", source=config.source)
    if config.type == "azure" and not _is_installed():
        raise AzureMissing


def missing_keys(config: EndpointConfig) -> list[str]:
    """The keys of the account's resource that are not set."""
    if config.type != "azure":
        return []
    return [key for key in _RESOURCE if getattr(config, key) is None]


def _is_installed() -> bool:
    try:
        return all(find_spec(name) for name in ("azure.identity", "azure.mgmt.cognitiveservices"))
    except ModuleNotFoundError:
        return False
