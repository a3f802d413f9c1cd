"""One endpoint's settings, and whether it can be used with them."""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from orchestrator.errors import EndpointNotUsable

EndpointType = Literal["local", "openai", "compatible", "azure"]
Auth = Literal["key", "entra"]


@dataclass(frozen=True)
class EndpointConfig:
    """One `[endpoints.NAME]` table. Times are in seconds."""

    name: str
    type: EndpointType
    base_url: str | None = None
    api_key_env: str | None = None
    max_active: int = 3
    poll_seconds: float = 5.0
    settling_seconds: float = 120.0
    timeout_seconds: float = 60.0
    max_cost_usd_per_month: float | None = None
    allow_http: bool = False
    """Go to `base_url` without encryption even where it leads off this machine."""
    prices: Path | None = None
    """The user's own table of prices, whose rows come before the shipped ones."""
    source: str = field(default="built in", compare=False)
    api: str = "v1"
    """Azure: the dialect, "v1" or the date of an api-version."""
    auth: Auth = "key"
    """Azure: a key, or a token of Entra ID."""
    subscription_id: str | None = None
    resource_group: str | None = None
    account: str | None = None
    """Azure: with the two above, the resource as its management knows it."""
    arm_url: str | None = None
    """Azure: where deployments are managed; None for the public cloud."""

    @property
    def problem(self) -> str | None:
        """Why this endpoint can't be used now, with the next step; None when it can."""
        if self.type in _EXAMPLES and not self.base_url:
            return f'it has no base_url; set one in {self.source}, such as base_url = "{_EXAMPLES[self.type]}"'
        for address in (self.base_url, self.arm_url):
            if address and not self.allow_http and not _is_safe_way(address):
                return (
                    f"on the way to {address} anybody can read the key and the data; "
                    f"give an https:// address, or set allow_http = true in {self.source}"
                )
        if self.type == "azure" and (found := self._azure_problem()):
            return found
        if self.api_key_env and not os.environ.get(self.api_key_env):
            state = "empty" if self.api_key_env in os.environ else "not set"
            return f"the environment variable {self.api_key_env} is {state}; export {self.api_key_env}=… first"
        return None

    def _azure_problem(self) -> str | None:
        if "/api/projects" in urlsplit(self.base_url or "").path:
            return (
                f"{self.base_url} is the address of a project; give its resource's in {self.source}, "
                "which is the same without /api/projects/…"
            )
        if urlsplit(self.base_url or "").query:
            return (
                f"its base_url in {self.source} has a query (?…); leave that away, and name the API's version with "
                'api = "v1" or its date'
            )
        if self.auth == "entra" and not _is_installed("azure.identity"):
            return "signing in with Entra ID needs azure-identity; run: pip install 'ftorch[azure]'"
        return None

    def require_usable(self) -> None:
        """Raises EndpointNotUsable where `problem` is not None."""
        if self.problem:
            raise EndpointNotUsable(name=self.name, problem=self.problem)


_EXAMPLES: Mapping[str, str] = {"compatible": "https://host/v1", "azure": "https://RESOURCE.openai.azure.com"}
"""Addresses of the types that have none by themselves."""
DEFAULTS: Mapping[EndpointType, Mapping[str, Any]] = {
    "local": {"max_active": 2, "poll_seconds": 0.2, "settling_seconds": 2.0},
    "openai": {"base_url": "https://api.openai.com/v1", "api_key_env": "OPENAI_API_KEY"},
    "compatible": {},
    "azure": {"api_key_env": "AZURE_OPENAI_API_KEY"},
}
"""What a type sets where the table says nothing."""


def _is_safe_way(base_url: str) -> bool:
    """Whether requests to the address are encrypted, or never leave this machine."""
    address = urlsplit(base_url)
    host = address.hostname or ""
    if address.scheme == "https" or host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _is_installed(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:
        return False
