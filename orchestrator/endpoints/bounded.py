"""Responses of bounded size: a small one may be crafted to fill the memory when it is decompressed."""

from __future__ import annotations

from typing import Any

import httpx2
from openai import DefaultAsyncHttpxClient

from orchestrator.figures import count

LARGEST_ANSWER = 64 << 20
"""Bytes of a response after decompression. A page of a hundred jobs has less than one megabyte."""
ENCODINGS = "gzip, deflate"
"""Their ratio is bounded (about 1000), so one piece from the network can't fill the memory."""


class AnswerTooLarge(httpx2.DecodingError):
    """A response is longer than the limit, or compressed in a way that was not requested."""


class BoundedClient(DefaultAsyncHttpxClient):
    """Reads at most `LARGEST_ANSWER` bytes of a response, counted after decompression. Responses that the caller
    streams are bounded by the caller."""

    counted_as = ""
    """The endpoint's name in metrics; requests of a client without one are not counted."""

    async def send(self, request: httpx2.Request, *, stream: bool = False, **options: Any) -> httpx2.Response:
        try:
            answer = await super().send(request, stream=True, **options)
        except httpx2.HTTPError:
            self._count("none")
            raise
        self._count(str(answer.status_code))
        try:
            _require_known_encoding(answer)
            return answer if stream else await _whole(answer)
        except BaseException:
            await answer.aclose()
            raise

    def _count(self, status: str) -> None:
        if self.counted_as:
            count("requests_total", endpoint=self.counted_as, status=status)


def _require_known_encoding(answer: httpx2.Response) -> None:
    named = answer.headers.get("content-encoding", "").strip().lower()
    if named not in ("", "identity", *ENCODINGS.split(", ")):  # only one: the ratios of nested ones multiply
        raise AnswerTooLarge(f"its answer is compressed as {named[:40]}, which was not requested")


async def _whole(answer: httpx2.Response) -> httpx2.Response:
    """The response with its body. Raises AnswerTooLarge."""
    pieces, size = [], 0
    async for piece in answer.aiter_bytes():
        size += len(piece)
        if size > LARGEST_ANSWER:
            raise AnswerTooLarge(f"its answer has more than {LARGEST_ANSWER >> 20} MB")
        pieces.append(piece)
    await answer.aclose()
    headers = httpx2.Headers([item for item in answer.headers.multi_items() if item[0].lower() not in _OF_THE_WAY])
    whole = httpx2.Response(
        answer.status_code,
        headers=headers,
        content=b"".join(pieces),
        request=answer.request,
        extensions=answer.extensions,
        history=answer.history,
    )
    whole.elapsed = answer.elapsed
    return whole


_OF_THE_WAY = ("content-encoding", "content-length", "transfer-encoding")
"""Headers of the body as sent, which no longer fit the body as read."""
