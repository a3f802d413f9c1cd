"""Deployments through the Azure Resource Manager, by Microsoft's management library.

The library's synchronous half is used, in threads: the other needs another HTTP library. Its retries and its
waiting for an operation to end are not used; the caller looks again, and may have died in between.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Any, TypeVar
from urllib.parse import urlsplit

import httpx2
from azure.core.exceptions import AzureError, ClientAuthenticationError, HttpResponseError
from azure.identity import DefaultAzureCredential
from azure.mgmt.cognitiveservices import CognitiveServicesManagementClient, models as arm_models

from orchestrator.config import EndpointConfig
from orchestrator.dataset.basemodels import base_model, is_fine_tuned
from orchestrator.endpoints.azure.models import ArmModel, arm_model, model_name
from orchestrator.endpoints.azure.signin import why_not_signed_in
from orchestrator.endpoints.failures import of_proxy
from orchestrator.endpoints.management import QuotaUse, RemoteDeployment, Room, WantedDeployment
from orchestrator.endpoints.refusals import Refusal, quoted, read_refusal
from orchestrator.endpoints.retries import retry_after
from orchestrator.errors import (
    DeployLinkedRoleMissing,
    DeploymentRefused,
    DeployQuotaFull,
    DeployRoleMissing,
    DeploySignInFailed,
    EndpointBusy,
    EndpointError,
    EndpointUnreachable,
    SignInRefused,
)

T = TypeVar("T")
_PUBLIC_CLOUD = "https://management.azure.com"
logging.getLogger("azure").addHandler(logging.NullHandler())  # our errors summarise its warnings
_SCOPE = "https://management.azure.com/.default"


@asynccontextmanager
async def open_arm(config: EndpointConfig) -> AsyncIterator[Arm]:
    """Connect to the configured resource, signed in by DefaultAzureCredential."""
    credential = DefaultAzureCredential()
    client = CognitiveServicesManagementClient(
        credential,
        str(config.subscription_id),
        base_url=config.arm_url or _PUBLIC_CLOUD,
        credential_scopes=[_SCOPE],
        retry_total=0,
        connection_timeout=config.timeout_seconds,
        read_timeout=config.timeout_seconds,
    )
    try:
        yield Arm(config, client)
    finally:
        await asyncio.to_thread(client.close)
        await asyncio.to_thread(credential.close)


class Arm:
    """An open connection; see `management.Management` for the methods' guarantees."""

    def __init__(self, config: EndpointConfig, client: CognitiveServicesManagementClient) -> None:
        self._config = config
        self._client = client
        self._place = {"resource_group_name": str(config.resource_group), "account_name": str(config.account)}
        # The library sends tokens only over https; an address on this machine never leaves it.
        is_encrypted = urlsplit(config.arm_url or _PUBLIC_CLOUD).scheme == "https"
        self._options: dict[str, Any] = {} if is_encrypted else {"enforce_https": False}

    async def get(self, name: str) -> RemoteDeployment | None:
        def ask() -> Any:
            return self._client.deployments.get(deployment_name=name, **self._place, **self._options)

        try:
            return _read(await asyncio.to_thread(ask))
        except AzureError as error:
            if is_missing(error):
                return None
            raise explain(error, self._config) from error

    async def all(self) -> list[RemoteDeployment]:
        def ask() -> list[Any]:
            return list(self._client.deployments.list(**self._place, **self._options))

        return [_read(each) for each in await self._call(ask)]

    async def room(self, model: str) -> Room | None:
        base = arm_model(base_model(model))
        if base.version is None:
            return None  # the request needs a version
        return await self._call(lambda: self._room(base, is_tuned=is_fine_tuned(model)))

    def _room(self, base: ArmModel, *, is_tuned: bool) -> Room:
        account = self._client.accounts.get(**self._place, **self._options)
        region = str(account.location)
        found = self._client.location_based_model_capacities.list(
            region, base.format, base.name, str(base.version), **self._options
        )
        left: dict[str, float] = {}
        for each in (item.properties for item in found if item.properties):
            capacity = each.available_finetune_capacity if is_tuned else each.available_capacity
            if each.sku_name and capacity is not None:
                left[each.sku_name] = capacity
        return Room(region, left)

    async def put(self, wanted: WantedDeployment) -> None:
        model = arm_model(wanted.model)
        named = arm_models.DeploymentModel(format=model.format, name=model.name, version=model.version)
        if wanted.checkpoint:
            named.name = wanted.checkpoint
        body = arm_models.Deployment(
            sku=arm_models.Sku(name=wanted.sku, capacity=wanted.capacity),
            properties=arm_models.DeploymentProperties(model=named),
        )

        def ask() -> Any:
            return self._client.deployments.begin_create_or_update(
                deployment_name=wanted.name, deployment=body, polling=False, **self._place, **self._options
            )

        try:
            await asyncio.to_thread(ask)
        except AzureError as error:
            if is_quota(error):
                raise await self._quota_full(error, wanted) from error
            raise explain(error, self._config) from error

    async def delete(self, name: str) -> None:
        def ask() -> Any:
            return self._client.deployments.begin_delete(
                deployment_name=name, polling=False, **self._place, **self._options
            )

        try:
            await asyncio.to_thread(ask)
        except AzureError as error:
            if not is_missing(error):
                raise explain(error, self._config) from error

    async def sku_for(self, model: str) -> str | None:
        return None

    async def answers(self, model: str) -> bool:
        return False

    async def _quota_full(self, error: AzureError, wanted: WantedDeployment) -> DeployQuotaFull:
        facts = explain(error, self._config).facts
        try:
            found = await self._call(lambda: self._usages(wanted))
        except EndpointError as trouble:
            return DeployQuotaFull(**facts, use=f"unknown ({trouble.facts['problem']})")
        used = ", ".join(f"{each.name} {each.used:g} of {each.limit:g}" for each in found)
        return DeployQuotaFull(**facts, use=used or "no quota for this model")

    def _usages(self, wanted: WantedDeployment) -> list[QuotaUse]:
        """The quotas of the account's region for this model."""
        account = self._client.accounts.get(**self._place, **self._options)
        family = arm_model(base_model(wanted.model)).name.lower()
        found = self._client.usages.list(location=str(account.location), **self._options)
        uses = (
            QuotaUse(str(each.name.value), each.current_value or 0, each.limit or 0) for each in found if each.name
        )
        of_model = [use for use in uses if family in use.name.lower() and use.limit]
        return [use for use in of_model if f".{wanted.sku.lower()}." in use.name.lower()] or of_model

    async def _call(self, ask: Callable[[], T]) -> T:
        try:
            return await asyncio.to_thread(ask)
        except AzureError as error:
            raise explain(error, self._config) from error


def _read(found: Any) -> RemoteDeployment:
    """Read tolerantly: an older api-version, or an unfinished deployment, leaves fields out."""
    properties, sku, system = found.properties, found.sku, found.system_data
    model = properties.model if properties else None
    return RemoteDeployment(
        name=str(found.name),
        model=model_name(str(model.name), model.version) if model else "",
        state=str(getattr(properties, "provisioning_state", None) or "unknown"),
        sku=sku.name if sku else None,
        capacity=sku.capacity if sku else None,
        created_at=system.created_at.timestamp() if system and system.created_at else None,
    )


# --- Errors of the management API --------------------------------------------------------------------------------


_PASSING = (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.CONFLICT)
"""409: the account does one thing at a time."""
_NO_QUOTA = ("insufficientquota", "quotaexceeded")


def explain(error: AzureError, config: EndpointConfig) -> EndpointError:
    """The EndpointError for an exception of the library; all facts are as in `endpoints.failures`."""
    if not isinstance(error, HttpResponseError) or error.response is None:
        if isinstance(error, ClientAuthenticationError):
            return DeploySignInFailed(endpoint=config.name, **why_not_signed_in(str(error)))
        return _of_connection(error, config)
    status, code, message = int(error.status_code or 0), _code(error), quoted(_message(error), config)
    response: Any = error.response
    facts: dict[str, Any] = {
        "endpoint": config.name,
        "status": status,
        "code": quoted(code, config),
        "param": None,
        "message": message,
        "problem": f"{message} (HTTP {status}{', ' + quoted(code, config) if code else ''})",
        "retry_after": retry_after(response.headers),
    }
    if status == HTTPStatus.UNAUTHORIZED:
        return SignInRefused(**facts)
    if status == HTTPStatus.FORBIDDEN:
        return (DeployLinkedRoleMissing if _is_linked(code) else DeployRoleMissing)(**facts)
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return EndpointBusy(**facts)
    if status in _PASSING or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return EndpointUnreachable(sent=True, **facts)
    return DeploymentRefused(**{**facts, "problem": facts["problem"] + _advice(error, config)})


def _of_connection(error: AzureError, config: EndpointConfig) -> EndpointError:
    said = quoted(_first_cause(error), config)
    if proxy := re.match(r"Tunnel connection failed: (.+)", said):
        return of_proxy(proxy[1], httpx2.URL(config.arm_url or _PUBLIC_CLOUD), config)
    problem = f"the connection to its management failed: {said}"
    return EndpointUnreachable(endpoint=config.name, problem=problem, sent=True)


def _first_cause(error: BaseException) -> str:
    """The text of the innermost exception: the outer ones add Python's classes and quotes."""
    for _ in range(_DEEPEST):
        held = (*error.args, *(getattr(error, name, None) for name in ("inner_exception", "reason", "__cause__")))
        inner = next((each for each in held if isinstance(each, BaseException)), None)
        if inner is None:
            break
        error = inner
    return re.sub(r"^(<[^>]*>|\w+\(host=[^)]*\)): ", "", str(error)) or type(error).__name__


_DEEPEST = 10


def _is_linked(code: str) -> bool:
    return code.lower() == "linkedauthorizationfailed"


def is_missing(error: AzureError) -> bool:
    """Whether it says that there is no such deployment, as opposed to no such account."""
    if not isinstance(error, HttpResponseError) or error.status_code != HTTPStatus.NOT_FOUND:
        return False
    return not _lacks_account(error)


def is_quota(error: AzureError) -> bool:
    """Whether the capacity quota is used up: Azure says so with 400 or 429, and the same code."""
    return isinstance(error, HttpResponseError) and _code(error).lower() in _NO_QUOTA


_NO_ACCOUNT = ("resourcegroupnotfound", "subscriptionnotfound", "parentresourcenotfound")


def _lacks_account(error: HttpResponseError) -> bool:
    """The code ResourceNotFound means either; then the message names the account, and no deployment."""
    message = _message(error).lower()
    return _code(error).lower() in _NO_ACCOUNT or ("accounts/" in message and "deployment" not in message)


def _advice(error: HttpResponseError, config: EndpointConfig) -> str:
    code, message = _code(error).lower(), _message(error).lower()
    if _lacks_account(error) or error.status_code == HTTPStatus.NOT_FOUND:
        return (
            f"; check subscription_id, resource_group and account of [endpoints.{config.name}] in {config.source}"
        )
    if "sku" in code or "sku" in message:
        return "; choose another --sku: not every model and region has each of them"
    return ""


def _code(error: HttpResponseError) -> str:
    return _refusal(error).code or ""


def _message(error: HttpResponseError) -> str:
    return _refusal(error).message or error.reason or "no reason given"


def _refusal(error: HttpResponseError) -> Refusal:
    """Read from the response: the library keeps only a reason in OData's shape, without its details."""
    response: Any = error.response
    return read_refusal(response.text(), response.headers.get("content-type", "")) if response else Refusal()
