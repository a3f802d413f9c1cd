"""Everything that ftorch asks of Nebius, once, over a host in this process."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import httpx2
from openai import AsyncOpenAI

from orchestrator.config import EndpointConfig
from orchestrator.endpoints import capabilities_of
from orchestrator.endpoints.interface import JobRequest, RemoteCheckpoint, RemoteFile, RemoteJob, ServingRequest
from orchestrator.endpoints.nebius import NebiusEndpoint
from orchestrator.endpoints.retries import Retries
from orchestrator.errors import EndpointError
from orchestrator.server import worker
from support.contents import content_of
from support.exchanges import Kept, Recorder
from support.nebius_host import TRAINED, NebiusState, nebius_app
from support.trainers import HERE

CONFIG = EndpointConfig(
    "nebius", "nebius", "https://nebius/v1", hyperparameters="top-level", result="served-checkpoint"
)
_ROW = {"messages": [{"role": "user", "content": "Climb to 50 m"}, {"role": "assistant", "content": "Climbing."}]}
ROWS = "".join(json.dumps(_ROW).replace("50", str(number)) + "\n" for number in range(12)).encode()


@dataclass
class Nebius:
    """A host in this process, and the endpoint that speaks with it."""

    endpoint: NebiusEndpoint
    state: NebiusState
    store: Any
    folder: Path
    kept: list[Kept] = field(default_factory=list)

    async def upload(self, name: str) -> RemoteFile:
        path = self.folder / name
        path.write_bytes(ROWS)
        return await self.endpoint.upload(content_of(path), name)

    async def trained(self, **numbers: Any) -> RemoteJob:
        """A job that has succeeded."""
        file = await self.upload("train.jsonl")
        job = await self.endpoint.create(wanted(file.id, **numbers))
        worker.work(self.store, job.id, 1, HERE, has_slot=True)
        return await self.endpoint.job(job.id)

    async def last_checkpoint(self, job: RemoteJob) -> RemoteCheckpoint:
        return (await self.endpoint.checkpoints(job.id))[-1]


def wanted(file_id: str, **numbers: Any) -> JobRequest:
    """A request for a job on this file."""
    return JobRequest(
        model=TRAINED,
        training_file=file_id,
        validation_file=None,
        method={"type": "supervised", "hyperparameters": {"n_epochs": "auto", "batch_size": "auto", **numbers}},
        seed=7,
        suffix="climb-01234567",
        metadata={},
        token="01M8",
    )


def serving(job: RemoteJob, checkpoint: RemoteCheckpoint) -> ServingRequest:
    """The request to serve a checkpoint."""
    return ServingRequest("climb-01234567", TRAINED, job.id, checkpoint.id, "ftorch run 01234567")


@asynccontextmanager
async def nebius(folder: Path, state: NebiusState | None = None, **settings: Any) -> AsyncIterator[Nebius]:
    """The host over the store in this folder; `settings` are fields of the endpoint's table."""
    app = nebius_app(folder, state)
    recorder = Recorder(app)
    config = replace(CONFIG, **settings)
    async with AsyncOpenAI(
        base_url=config.base_url, api_key="none", http_client=httpx2.AsyncClient(transport=recorder)
    ) as client:
        endpoint = NebiusEndpoint(config, client, capabilities_of(config), Retries(base=0.01))
        yield Nebius(endpoint, app.state.nebius, app.state.context.store, folder, recorder.kept)


def exchanges(folder: Path) -> list[Kept]:
    """All that is said in a job's life, and in that of the model which is served."""
    return asyncio.run(_life(folder))


async def _life(folder: Path) -> list[Kept]:
    async with nebius(folder) as host:
        await host.endpoint.check()
        numbers = {"learning_rate": 0.0002, "lora_rank": 16, "lora_alpha": 32, "lora_dropout": 0.1}
        job = await host.trained(**numbers, max_length=4096, packing=False)
        await host.endpoint.jobs()
        await host.endpoint.files()
        await host.endpoint.file(str(job.training_file))
        await host.endpoint.events(job.id)
        checkpoint = await host.last_checkpoint(job)
        made = await host.endpoint.serving.serve(serving(job, checkpoint))
        for _ in range(2):
            await host.endpoint.serving.models()
        await host.endpoint.chat({"model": made.name, "messages": _ROW["messages"][:1]}, "01")
        await host.endpoint.serving.remove(made.name)
        await host.endpoint.serving.remove(made.name)
        file = await host.upload("other.jsonl")
        other = await host.endpoint.create(wanted(file.id))
        await host.endpoint.cancel(other.id)
        await _refused(host, replace(serving(job, checkpoint), model="Qwen/Qwen3-4B"))
        await host.endpoint.delete_file(file.id)
        return host.kept


async def _refused(host: Nebius, request: ServingRequest) -> None:
    try:
        await host.endpoint.serving.serve(request)
    except EndpointError:
        return
    raise AssertionError(request)
