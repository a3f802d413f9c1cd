"""OpenAI's Evals API (https://developers.openai.com/api/docs/guides/evals), only to read.

It ends on 30 November 2026.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

from openai import AsyncOpenAI

Pages = Callable[..., AsyncIterator[list[Mapping[str, Any]]]]
"""Sends the requests for a list, page by page."""


class OpenAIEvals:
    """See `interface.Evals` for the methods' guarantees."""

    def __init__(self, client: AsyncOpenAI, pages: Pages) -> None:
        self._client = client
        self._pages = pages

    async def evals(self) -> list[Mapping[str, Any]]:
        return await self._all("list evals", self._client.evals.with_raw_response.list)

    async def runs(self, eval_id: str) -> list[Mapping[str, Any]]:
        listing = self._client.evals.runs.with_raw_response.list
        return await self._all("list runs of an eval", listing, eval_id)

    async def output_items(self, eval_id: str, run_id: str) -> list[Mapping[str, Any]]:
        listing = self._client.evals.runs.output_items.with_raw_response.list
        return await self._all("list output items", listing, run_id, eval_id=eval_id)

    async def _all(self, what: str, *call: Any, **query: Any) -> list[Mapping[str, Any]]:
        return [item async for items in self._pages(what, *call, **query) for item in items]
