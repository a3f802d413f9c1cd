"""Azure's fine-tuning API, as far as it differs from OpenAI's."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Any, TypeVar
from urllib.parse import quote

import httpx2
from openai import AsyncOpenAI

from orchestrator.config import EndpointConfig
from orchestrator.endpoints.azure.dialects import Dialect, dialect_of, is_project, resource_url
from orchestrator.endpoints.azure.fitting import spelled
from orchestrator.endpoints.azure.refusals import advised, is_full
from orchestrator.endpoints.azure.signin import EntraSignIn
from orchestrator.endpoints.clients import PlainAzureClient, PlainClient, common, keep_secrets_from_logs
from orchestrator.endpoints.failures import Unexplained, explain
from orchestrator.endpoints.interface import Capabilities, JobRequest, RemoteJob
from orchestrator.endpoints.keys import key_of
from orchestrator.endpoints.openai import PAGE, OpenAIEndpoint
from orchestrator.endpoints.retries import Retries
from orchestrator.errors import (
    EndpointBusy,
    EndpointError,
    RequestRefused,
    SignInRefused,
)

T = TypeVar("T")

_LOOK_AGAIN_SECONDS = 60.0
"""How soon a full queue may have room again: a training job takes at least minutes."""


class AzureEndpoint(OpenAIEndpoint):
    """An open connection; see `interface.Endpoint` for the methods' guarantees."""

    def __init__(
        self,
        config: EndpointConfig,
        client: AsyncOpenAI,
        capabilities: Capabilities,
        dialect: Dialect,
        sign_in: EntraSignIn | None = None,
        retries: Retries | None = None,
    ) -> None:
        super().__init__(config, client, capabilities, retries)
        self._dialect = dialect
        self._sign_in = sign_in
        if not dialect.pages_of_files:
            self._files_limit = None

    async def check(self) -> str:
        how = "Entra ID" if self._config.auth == "entra" else "a key"
        return f"{await super().check()} (Azure, {self._dialect.api}, signed in with {how})"

    async def open_upload(self, sent_name: str, size: int) -> str | None:
        """The address of a project may lack the route, which the resource's address has."""
        try:
            return await super().open_upload(sent_name, size)
        except RequestRefused as error:
            if error.facts["status"] != HTTPStatus.NOT_FOUND or not is_project(self._config.base_url):
                raise
            return None

    async def create(self, request: JobRequest) -> RemoteJob:
        try:
            return await super().create(request)
        except (EndpointBusy, RequestRefused) as error:
            if not is_full(error):
                raise
            facts = {**error.facts, "problem": f"{error.facts['problem']}; {await self._use()}"}
            facts["retry_after"] = error.facts.get("retry_after") or _LOOK_AGAIN_SECONDS
            raise EndpointBusy(**facts) from error

    def _job_fields(self, request: JobRequest) -> dict[str, Any]:
        fields = {**super()._job_fields(request), "metadata": None}
        if self._dialect.method_field != "whole" and self._config.hyperparameters == "method":
            fields["hyperparameters"] = self._numbers(request.method) or None
            is_told = self._dialect.method_field == "type"
            fields["method"] = {"type": request.method["type"]} if is_told else None
        if request.training_type and self._dialect.training_type:
            fields["extra_body"] = {"trainingType": spelled(request.training_type)}
        return fields

    def _chat_path(self, request: Mapping[str, Any]) -> str:
        """Azure's models are called by deployment name; in the dated dialects, in the path."""
        if self._dialect.is_v1:
            return super()._chat_path(request)
        return f"/deployments/{quote(str(request['model']), safe='')}/chat/completions"

    async def _use(self) -> str:
        """How full the resource is, as far as it says."""
        try:
            page = await self.jobs()
        except EndpointError:
            return "its number of jobs is unknown"
        statuses = [job.status for job in page.jobs]
        running, waiting = statuses.count("running"), sum(status in _WAITING for status in statuses)
        more = " or more" if page.next and len(page.jobs) >= PAGE else ""
        return f"it has {len(statuses)}{more} jobs, {running} of them running and {waiting} waiting"

    async def _send(
        self, call: Callable[..., Awaitable[Any]], *args: Any, read: Callable[[Any], T], **fields: Any
    ) -> T:
        """Like every request; a refused token is renewed once, since a refusal had no effect."""
        try:
            return await super()._send(call, *args, read=read, **fields)
        except SignInRefused:
            if self._sign_in is None:
                raise
            await self._sign_in.renew()
        return await super()._send(call, *args, read=read, **fields)

    def _without_secrets(self, content: bytes) -> bytes:
        """A token gives the same access as a key, for an hour."""
        known = super()._without_secrets(content)
        return self._sign_in.hidden_in(known.decode("latin-1")).encode("latin-1") if self._sign_in else known

    def _explained(self, error: Unexplained) -> EndpointError:
        if self._sign_in is None:
            return advised(super()._explained(error), self._config)
        return advised(explain(error, self._config, self._sign_in.hidden_in), self._config)


_WAITING = ("created", "pending", "queued", "validating_files")


# --- Connecting --------------------------------------------------------------------------------------------------


@asynccontextmanager
async def open_azure(
    config: EndpointConfig, http: httpx2.AsyncClient, capabilities: Capabilities, retries: Retries
) -> AsyncIterator[AzureEndpoint]:
    """Connect over `http`. Raises EndpointNotUsable if the key can't be one."""
    entra = EntraSignIn(config) if config.auth == "entra" else None
    try:
        async with _client(config, http, entra) as client:
            yield AzureEndpoint(config, client, capabilities, dialect_of(config.api), entra, retries)
    finally:
        if entra is not None:
            await entra.close()


def _client(config: EndpointConfig, http: httpx2.AsyncClient, entra: EntraSignIn | None) -> AsyncOpenAI:
    """AzureOpenAI's client adds an api-version to every request, which `/openai/v1/` refuses."""
    keep_secrets_from_logs(config)
    resource, given = resource_url(config.base_url or ""), {**common(config), "http_client": http}
    if config.api == "v1":
        return PlainClient(base_url=f"{resource}/openai/v1/", api_key=entra or key_of(config), **given)
    return PlainAzureClient(
        azure_endpoint=resource,
        api_version=config.api,
        api_key=None if entra else key_of(config),
        azure_ad_token_provider=entra,
        **given,
    )
