"""The Batch API (https://developers.openai.com/api/docs/guides/batch), through the official SDK."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Any

import httpx2
import openai
from openai import AsyncOpenAI

from orchestrator.config import EndpointConfig
from orchestrator.endpoints.failures import explain
from orchestrator.endpoints.interface import BatchPage, RemoteBatch
from orchestrator.endpoints.keys import content_without_key
from orchestrator.endpoints.objects import has_usable_id, read_batch
from orchestrator.endpoints.pages import Page, read_page
from orchestrator.endpoints.retries import Retries
from orchestrator.errors import EndpointUnreachable, RequestRefused

PAGE = 100
CHAT = "/v1/chat/completions"
WINDOW = "24h"
"""The only allowed value."""

Send = Callable[..., Awaitable[Any]]


class OpenAIBatches:
    """See `interface.Batches` for the methods' guarantees. `repeat` sends what may be repeated, `once` what takes
    effect."""

    def __init__(
        self, config: EndpointConfig, client: AsyncOpenAI, retries: Retries, repeat: Send, once: Send
    ) -> None:
        self._config = config
        self._client = client
        self._retries = retries
        self._repeat = repeat
        self._once = once

    async def create(self, input_file: str, metadata: Mapping[str, str], token: str) -> RemoteBatch:
        fields = {"input_file_id": input_file, "endpoint": CHAT, "completion_window": WINDOW}
        options: dict[str, Any] = {"metadata": dict(metadata), "timeout": self._config.timeout_seconds}
        options["extra_headers"] = {"Idempotency-Key": token}
        made: RemoteBatch = await self._once(self._raw.create, read=read_batch, **fields, **options)
        return made

    async def get(self, batch_id: str) -> RemoteBatch:
        found: RemoteBatch = await self._repeat("get batch", self._raw.retrieve, batch_id, read=read_batch)
        return found

    async def page(self, after: str | None = None) -> BatchPage:
        query: dict[str, Any] = {"limit": PAGE} if after is None else {"limit": PAGE, "after": after}
        page: Page = await self._repeat("list batches", self._raw.list, read=read_page, **query)
        batches = tuple(read_batch(item) for item in page.items if has_usable_id(item))
        if not page.items or page.has_more is False:
            return BatchPage(batches, None, is_last=True)
        repeats_itself = not batches or batches[-1].id == after
        return BatchPage(batches, None if repeats_itself else batches[-1].id, is_last=False)

    async def cancel(self, batch_id: str) -> RemoteBatch:
        try:
            ended: RemoteBatch = await self._repeat("cancel batch", self._raw.cancel, batch_id, read=read_batch)
        except EndpointUnreachable as error:
            if error.facts.get("status") == HTTPStatus.CONFLICT:  # it has finished: asking again changes nothing
                raise RequestRefused(**error.facts) from error
            raise
        return ended

    async def download(self, file_id: str, path: Path) -> None:
        await self._retries("get output file", lambda: self._fetch(file_id, path))

    async def _fetch(self, file_id: str, path: Path) -> None:
        streamed = self._client.files.with_streaming_response.content
        try:
            async with streamed(file_id, timeout=self._config.timeout_seconds) as answer:
                with path.open("wb") as target:
                    async for line in _lines(answer.iter_bytes()):
                        target.write(content_without_key(line, self._config))
        except openai.OpenAIError as error:
            raise explain(error, self._config) from error
        except httpx2.HTTPError as error:  # the SDK converts only errors before the body
            problem = str(error) or type(error).__name__
            raise EndpointUnreachable(endpoint=self._config.name, problem=problem, sent=True) from error

    @property
    def _raw(self) -> Any:
        return self._client.batches.with_raw_response


async def _lines(pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Whole lines, however the bytes arrive: a key quoted in an answer must not be split between two pieces."""
    rest = b""
    async for piece in pieces:
        *whole, rest = (rest + piece).split(b"\n")
        for line in whole:
            yield line + b"\n"
    if rest:
        yield rest
