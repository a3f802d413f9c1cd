"""Nebius Token Factory: OpenAI's paths, hyperparameters of open-weights models, and checkpoints that answer once
they are served.

By https://docs.tokenfactory.nebius.com/api-reference (fine-tuning and models, description 20260506-297d05704) and
the notebooks of https://github.com/nebius/token-factory-cookbook, read in November 2026.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

import httpx2
from openai import AsyncOpenAI

from orchestrator.config import EndpointConfig
from orchestrator.endpoints.batches import Send
from orchestrator.endpoints.interface import (
    Capabilities,
    JobPage,
    JobRequest,
    RemoteJob,
    ServedModel,
    ServingRequest,
)
from orchestrator.endpoints.objects import Json, read_object, read_served_model
from orchestrator.endpoints.openai import OpenAIEndpoint
from orchestrator.endpoints.pages import read_page
from orchestrator.endpoints.retries import Retries
from orchestrator.errors import RequestRefused

_NAMES: Mapping[str, str] = {"lora_rank": "lora_r", "max_length": "context_length"}
"""Nebius' names of the settings that have another name in ftorch's requests."""
_OUR_NAMES = {theirs: ours for ours, theirs in _NAMES.items()}
_SERVED_AS: Mapping[str, str] = {
    "meta-llama/Llama-3.1-8B-Instruct": "meta-llama/Meta-Llama-3.1-8B-Instruct",  # by the cookbook's fine-tuning-1
}
"""By a base model's name in jobs: its name where its adapters are served, if that is another one."""
_JOBS_ROOT = "/v1"


class NebiusEndpoint(OpenAIEndpoint):
    """An open connection; see `interface.Endpoint` for the methods' guarantees. Jobs report their hyperparameters
    under ftorch's names."""

    def __init__(
        self,
        config: EndpointConfig,
        client: AsyncOpenAI,
        capabilities: Capabilities,
        retries: Retries | None = None,
    ) -> None:
        super().__init__(config, client, capabilities, retries)
        self.serving: NebiusServing = NebiusServing(config, self._client, self._repeat, self._once)

    async def create(self, request: JobRequest) -> RemoteJob:
        return _in_our_words(await super().create(request))

    async def job(self, job_id: str) -> RemoteJob:
        return _in_our_words(await super().job(job_id))

    async def jobs(self, after: str | None = None, metadata: Mapping[str, str] | None = None) -> JobPage:
        page = await super().jobs(after, metadata)
        return replace(page, jobs=tuple(map(_in_our_words, page.jobs)))

    async def cancel(self, job_id: str) -> RemoteJob:
        return _in_our_words(await super().cancel(job_id))

    async def delete_model(self, name: str) -> None:
        await self.serving.remove(name)

    async def chat(self, request: Mapping[str, Any], once: str) -> Mapping[str, Any]:
        return await super().chat({**request, "model": self.serving.served_as(str(request["model"]))}, once)

    def _numbers(self, method: Mapping[str, Any]) -> dict[str, Any]:
        """Adapters are always asked for: all weights are trained by default, and adapters are what is served."""
        numbers = {_NAMES.get(name, name): value for name, value in super()._numbers(method).items()}
        return {**numbers, "lora": True}


def _in_our_words(job: RemoteJob) -> RemoteJob:
    return replace(job, raw=_renamed(job.raw))


def _renamed(raw: Json) -> Json:
    """The job with ftorch's names of hyperparameters, at the top level and inside its method."""
    found = dict(raw)
    if isinstance(numbers := raw.get("hyperparameters"), dict):
        found["hyperparameters"] = {_OUR_NAMES.get(name, name): value for name, value in numbers.items()}
    method = raw.get("method")
    if isinstance(method, dict) and isinstance(inner := method.get(str(method.get("type"))), dict):
        found["method"] = {**method, method["type"]: _renamed(inner)}
    return found


# --- Serving -----------------------------------------------------------------------------------------------------


class NebiusServing:
    """See `interface.Serving` for the methods' guarantees. `repeat` sends what may be repeated, `once` what takes
    effect. The routes are beside those of the API that `base_url` names, under /v0."""

    def __init__(self, config: EndpointConfig, client: AsyncOpenAI, repeat: Send, once: Send) -> None:
        self._config = config
        self._client = client
        self._repeat = repeat
        self._once = once
        base_url = (config.base_url or "").rstrip("/")
        self._models = f"{base_url.removesuffix(_JOBS_ROOT)}/v0/models"

    def served_as(self, model: str) -> str:
        """The name of a base model where it answers, and where adapters of it do; any other name as it is."""
        return {**_SERVED_AS, **self._config.serving_models}.get(model, model)

    async def models(self) -> list[ServedModel]:
        found: list[ServedModel] = await self._repeat(
            "list served models", self._get, self._models, parse=_read_list, read=_served
        )
        return found

    async def serve(self, request: ServingRequest) -> ServedModel:
        body = {
            "name": request.name,
            "base_model": self.served_as(request.model),
            "source": f"{request.job_id}:{request.checkpoint_id}",
            "description": request.description,
        }
        options = {"timeout": self._config.timeout_seconds}
        made: ServedModel = await self._once(
            self._client.post,
            self._models,
            read=read_served_model,
            cast_to=httpx2.Response,
            body=body,
            options=options,
        )
        return made

    async def remove(self, name: str) -> None:
        path = f"{self._models}/{quote(name, safe='/')}"
        try:
            await self._repeat("remove a served model", self._delete, path, read=dict)
        except RequestRefused as error:
            if error.facts["status"] != HTTPStatus.NOT_FOUND:
                raise

    async def _get(self, path: str, *, timeout: float) -> httpx2.Response:
        return await self._client.get(path, cast_to=httpx2.Response, options={"timeout": timeout})

    async def _delete(self, path: str, *, timeout: float) -> httpx2.Response:
        return await self._client.delete(path, cast_to=httpx2.Response, options={"timeout": timeout})


def _read_list(content: bytes) -> Json:
    """The list comes as an array, or under `data` as in the rest of the API."""
    is_array = content.lstrip().startswith(b"[")
    return read_object(b'{"data": ' + content + b"}" if is_array else content)


def _served(raw: Json) -> list[ServedModel]:
    return [read_served_model(item) for item in read_page(raw).items if item.get("name")]
