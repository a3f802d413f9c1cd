"""Chat completions, whole or streamed."""

from __future__ import annotations

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from orchestrator.server import chatobjects, chatspec, requests
from orchestrator.server.chatspec import ChatRequest
from orchestrator.server.completion import Completion, complete
from orchestrator.server.context import Context, context


async def create(request: Request) -> Response:
    """POST /chat/completions."""
    asked = chatspec.read(await requests.json_object(request))
    completion = await run_in_threadpool(_answer, context(request), asked)
    if asked.stream:
        events = chatobjects.event_stream(completion, usage=asked.stream_usage)
        return StreamingResponse(events, media_type="text/event-stream", headers={"cache-control": "no-cache"})
    return JSONResponse(chatobjects.completion_object(completion))


ROUTES = [Route("/chat/completions", create, methods=["POST"])]


def _answer(at: Context, asked: ChatRequest) -> Completion:
    return complete(asked, at.models.get(asked.model), at.now)
