"""HTTP exchanges as they were, and the two stories that are recorded: how, and what is kept of them."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import openai
import vcr
from vcr.request import Request

from orchestrator.config import EndpointConfig
from orchestrator.dataset.files import inspect_file, sent_name
from orchestrator.endpoints import capabilities_of
from orchestrator.endpoints.interface import (
    JobPage,
    JobRequest,
    RemoteCheckpoint,
    RemoteEvent,
    RemoteFile,
    RemoteJob,
)
from orchestrator.endpoints.openai import OpenAIEndpoint
from orchestrator.endpoints.retries import Retries
from support.contents import content_of

CASSETTES = Path(__file__).parent.parent / "endpoints" / "cassettes"
TOKEN = "01ARZ3NDEKTSV4RRFFQ69G5FAV"
MODEL = "gpt-4.1-mini-2025-04-14"
_KEPT_HEADERS = {"content-type", "retry-after"}
_OVER = ("succeeded", "failed", "cancelled")

Sleep = Callable[[float], Awaitable[None]]


@dataclass(frozen=True)
class Story:
    """What our reading made of the answers."""

    file: RemoteFile
    found: list[RemoteFile]
    created: RemoteJob
    listed: JobPage
    last: RemoteJob
    events: list[RemoteEvent]
    checkpoints: list[RemoteCheckpoint]
    rows: list[Any]


async def whole_job(endpoint: OpenAIEndpoint, data: Path, sleep: Sleep) -> Story:
    """Upload, create, find, wait, and read everything the job left."""
    file, created = await _begin(endpoint, data)
    listed = await endpoint.jobs(metadata={"ftorch_token": TOKEN})
    last = created
    while last.status not in _OVER:
        await sleep(0.5)
        last = await endpoint.job(created.id)
    return Story(
        file=await endpoint.file(file.id),
        found=await endpoint.find_files(_name(data)),
        created=created,
        listed=listed,
        last=last,
        events=await endpoint.events(created.id),
        checkpoints=await endpoint.checkpoints(created.id),
        rows=[row for result in last.result_files for row in await endpoint.result_rows(result)],
    )


async def cancelled_job(endpoint: OpenAIEndpoint, data: Path, _sleep: Sleep) -> RemoteJob:
    """Create a job and cancel it at once."""
    _, created = await _begin(endpoint, data)
    return await endpoint.cancel(created.id)


async def _begin(endpoint: OpenAIEndpoint, data: Path) -> tuple[RemoteFile, RemoteJob]:
    file = await endpoint.upload(content_of(data), _name(data))
    method = {"type": "supervised", "hyperparameters": {"n_epochs": 2, "batch_size": "auto"}}
    wanted = JobRequest(MODEL, file.id, None, method, 7, "story", {"ftorch_token": TOKEN})
    return file, await endpoint.create(wanted)


def _name(data: Path) -> str:
    return sent_name(inspect_file(data))


@asynccontextmanager
async def connected(base_url: str, key: str) -> AsyncIterator[OpenAIEndpoint]:
    """The endpoint as the program makes it, of type openai; nothing is asked twice, so a tape holds no trouble."""
    config = EndpointConfig("recorded", "openai", base_url=base_url)
    async with openai.AsyncOpenAI(base_url=base_url, api_key=key) as client:
        yield OpenAIEndpoint(config, client, capabilities_of(config), Retries(attempts=1))


def tape(*, is_recording: bool) -> vcr.VCR:
    """Matches by method, path, query and JSON body; keeps no key, no account, no id of a request, no host."""
    recorder = vcr.VCR(
        record_mode="all" if is_recording else "none",
        cassette_library_dir=str(CASSETTES),
        path_transformer=vcr.VCR.ensure_suffix(".yaml"),
        before_record_request=scrub_request,
        before_record_response=scrub_response,
        decode_compressed_response=True,
        match_on=("method", "path_and_query", "json_body"),
    )
    recorder.register_matcher("path_and_query", _same_place)
    recorder.register_matcher("json_body", _same_json)
    return recorder


def scrub_request(request: Request) -> Request:
    """A multipart body holds a random boundary, and the file itself: neither is kept."""
    kind = str(request.headers.get("content-type", "")).split(";")[0]
    parts = urlsplit(request.uri)
    path = parts.path[parts.path.index("/v1") :]
    request.uri = f"https://endpoint.test{path}" + (f"?{parts.query}" if parts.query else "")
    request.headers = {"content-type": kind} if kind else {}
    if kind.startswith("multipart/"):
        request.body = b""
    return request


def scrub_response(response: dict[str, Any]) -> dict[str, Any]:
    headers = response["headers"]
    response["headers"] = {name: value for name, value in headers.items() if name.lower() in _KEPT_HEADERS}
    body = response["body"]["string"]
    text = body if isinstance(body, bytes) else body.encode()
    response["body"]["string"] = re.sub(rb'("organi[sz]ation_id": ?)"[^"]*"', rb'\1"org-kept-out"', text)
    return response


def _same_place(one: Request, other: Request) -> None:
    first, second = (urlsplit(request.uri) for request in (one, other))
    assert first.path == second.path
    assert sorted(parse_qsl(first.query)) == sorted(parse_qsl(second.query))


def _same_json(one: Request, other: Request) -> None:
    if all("json" in str(request.headers.get("content-type")) and request.body for request in (one, other)):
        assert json.loads(one.body) == json.loads(other.body)
