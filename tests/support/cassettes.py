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
from orchestrator.endpoints.azure.endpoint import open_azure
from orchestrator.endpoints.interface import (
    JobPage,
    JobRequest,
    RemoteCheckpoint,
    RemoteEvent,
    RemoteFile,
    RemoteJob,
)
from orchestrator.endpoints.keys import key_of
from orchestrator.endpoints.openai import OpenAIEndpoint
from orchestrator.endpoints.retries import Retries
from support.contents import content_of

OPENAI = "openai"
AZURE = ("v1", "2024-10-21")
"""The APIs of Azure that are recorded."""
KEY_VARIABLE = "FTORCH_CASSETTE_KEY"
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
    file, created = await _begin(endpoint, data, sleep)
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


async def cancelled_job(endpoint: OpenAIEndpoint, data: Path, sleep: Sleep) -> RemoteJob:
    """Create a job and cancel it at once."""
    _, created = await _begin(endpoint, data, sleep)
    return await endpoint.cancel(created.id)


async def _begin(endpoint: OpenAIEndpoint, data: Path, sleep: Sleep) -> tuple[RemoteFile, RemoteJob]:
    file = await endpoint.upload(content_of(data), _name(data))
    while endpoint.capabilities.needs_processed_files and file.status != "processed":
        await sleep(0.5)
        file = await endpoint.file(file.id)
    method = {"type": "supervised", "hyperparameters": {"n_epochs": 2, "batch_size": "auto"}}
    wanted = JobRequest(MODEL, file.id, None, method, 7, "story", {"ftorch_token": TOKEN}, TOKEN)
    return file, await endpoint.create(wanted)


def cassette(story: str, dialect: str) -> str:
    """The name of a story's tape."""
    return story if dialect == OPENAI else f"{story}_azure_{dialect}"


def _name(data: Path) -> str:
    return sent_name(inspect_file(data))


@asynccontextmanager
async def connected(base_url: str, dialect: str = OPENAI) -> AsyncIterator[OpenAIEndpoint]:
    """The endpoint as the program makes it, with the key of KEY_VARIABLE: of type openai, or of an API of Azure.

    Nothing is asked twice, so a tape holds no trouble.
    """
    retries = Retries(attempts=1)
    if dialect == OPENAI:
        config = EndpointConfig("recorded", "openai", base_url, KEY_VARIABLE)
        async with openai.AsyncOpenAI(base_url=base_url, api_key=key_of(config)) as client:
            yield OpenAIEndpoint(config, client, capabilities_of(config), retries)
        return
    config = EndpointConfig("recorded", "azure", base_url, KEY_VARIABLE, api=dialect)
    async with (
        openai.DefaultAsyncHttpxClient() as http,
        open_azure(config, http, capabilities_of(config), retries) as azure,
    ):
        yield azure


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
    begin = re.search("/openai/|/v1/", parts.path)
    path = parts.path[begin.start() :] if begin else parts.path
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
