"""Everything that ftorch asks of Together, once, over a host in this process."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import httpx2
import pytest
from faults.training import advance
from openai import AsyncOpenAI

from orchestrator.config import EndpointConfig
from orchestrator.endpoints import capabilities_of
from orchestrator.endpoints.interface import JobRequest, RemoteJob
from orchestrator.endpoints.together.endpoint import TogetherEndpoint
from orchestrator.errors import EndpointError
from support.contents import content_of
from support.exchanges import Kept, Recorder
from support.together_host import BASE, TogetherState, together_app

CONFIG = EndpointConfig("together", "together", "https://together/v1")
_LORA: dict[str, Any] = {
    "lora_rank": 8,
    "lora_alpha": 32,
    "lora_dropout": 0.1,
    "lora_targets": ["q_proj", "v_proj"],
}
_ROW = {"messages": [{"role": "user", "content": "Climb to 50 m"}, {"role": "assistant", "content": "Climbing."}]}
_PAIR = {
    "input": {"messages": [{"role": "user", "content": "Climb"}]},
    "preferred_output": [{"role": "assistant", "content": "Climbing."}],
    "non_preferred_output": [{"role": "assistant", "content": "No."}],
}


def connected(recorder: Recorder) -> TogetherEndpoint:
    """The endpoint over the recorder, without a key."""
    client = AsyncOpenAI(
        base_url=CONFIG.base_url, api_key="none", http_client=httpx2.AsyncClient(transport=recorder)
    )
    return TogetherEndpoint(CONFIG, client, capabilities_of(CONFIG))


def wanted(
    file_id: str, *, method: str = "supervised", validation: str | None = None, **numbers: Any
) -> JobRequest:
    """A request for a job on this file."""
    return JobRequest(
        model=BASE,
        training_file=file_id,
        validation_file=validation,
        method={"type": method, "hyperparameters": {"n_epochs": "auto", "batch_size": "auto", **numbers}},
        seed=7,
        suffix="climb-01234567",
        metadata={},
        token="01M8",
    )


def exchanges(folder: Path, age: str) -> list[Kept]:
    """All that is said in one life of each kind of job; `age`: the form of files and prices, see TogetherState."""
    state = TogetherState(age=age)
    app = together_app(folder / "host", state)
    recorder = Recorder(app)
    asyncio.run(_live(connected(recorder), app.state.context.store, folder, state))
    return recorder.kept


async def _live(endpoint: TogetherEndpoint, store: Any, folder: Path, state: TogetherState) -> None:
    await endpoint.check()
    rows, pairs = folder / "rows.jsonl", folder / "pairs.jsonl"
    rows.write_text("".join(json.dumps(_ROW) + "\n" for _ in range(10)))
    pairs.write_text("".join(json.dumps(_PAIR) + "\n" for _ in range(10)))
    file = await endpoint.upload(content_of(rows), "ftorch-0123456789abcdef-rows.jsonl")
    other = await endpoint.upload(content_of(pairs), "ftorch-fedcba9876543210-pairs.jsonl")
    await endpoint.file(file.id)
    await endpoint.files()
    await endpoint.find_files("ftorch-0123456789abcdef-rows.jsonl")
    await endpoint.file_hash(file.id, 10_000)
    await endpoint.preview(BASE, file.id, 5)
    for request in (
        wanted(file.id),
        wanted(file.id, n_epochs=2, batch_size=8, learning_rate=1e-4, validation=file.id, **_LORA),
        wanted(file.id, lora_rank=16, max_length=4096, packing=False),
        wanted(other.id, method="dpo", beta=0.2),
        wanted(other.id, method="dpo", n_epochs=3, lora_rank=4),
    ):
        await endpoint.price(request)
        job = await endpoint.create(request)
        await _followed(endpoint, job, store)
    cancelled = await endpoint.create(wanted(file.id))
    await endpoint.cancel(cancelled.id)
    name = (await endpoint.job(job.id)).fine_tuned_model or ""
    assert await endpoint.has_model(name)
    await endpoint.chat({"model": BASE, "messages": [{"role": "user", "content": "Climb"}]}, "once")
    state.problem = "line 3 has no messages"
    await endpoint.price(wanted(file.id))
    await endpoint.file(file.id)
    state.problem = None
    for refused in (endpoint.job("ft-none"), endpoint.cancel(job.id), endpoint.create(wanted("file-none"))):
        with pytest.raises(EndpointError):
            await refused
    await endpoint.delete_file(file.id)


async def _followed(endpoint: TogetherEndpoint, job: RemoteJob, store: Any) -> None:
    for _ in range(4):
        advance(store, 1_800_000_000.0)
        await endpoint.jobs()
        await endpoint.job(job.id)
        await endpoint.events(job.id)
    await endpoint.checkpoints(job.id)
