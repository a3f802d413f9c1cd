"""Chat completions, whole or streamed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from hashlib import sha256
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from orchestrator.server import chatrequest, completion as chatobjects, requests
from orchestrator.server.apierror import ApiError
from orchestrator.server.chatrequest import ChatRequest
from orchestrator.server.completion import Completion, complete
from orchestrator.server.context import Context, context
from orchestrator.server.store.batches import KeptAnswer


async def create(request: Request) -> Response:
    """POST /chat/completions."""
    return await respond(request, await requests.json_object(request))


async def respond(request: Request, body: Mapping[str, Any]) -> Response:
    """The answer to a chat request with this body."""
    asked = chatrequest.read(body)
    at, key = context(request), request.headers.get("idempotency-key")
    if key is not None and not asked.stream:
        answer = await run_in_threadpool(_answer_once, at, asked, key, _fingerprint(body))
        return Response(answer, media_type="application/json")
    completion = await run_in_threadpool(_answer, at, asked)
    if asked.stream:
        events = chatobjects.event_stream(completion, usage=asked.stream_usage)
        return StreamingResponse(events, media_type="text/event-stream", headers={"cache-control": "no-cache"})
    return JSONResponse(chatobjects.completion_object(completion))


ROUTES = [Route("/chat/completions", create, methods=["POST"])]


def _answer(at: Context, asked: ChatRequest) -> Completion:
    return complete(asked, at.models.get(asked.model), at.now)


def _answer_once(at: Context, asked: ChatRequest, key: str, fingerprint: str) -> str:
    """The earlier answer under this key, else a new one. ApiError 422 if the key was used for another request."""
    kept = at.store.answers.get(key)
    if kept is None:
        made = json.dumps(chatobjects.completion_object(_answer(at, asked)))
        kept = at.store.answers.keep(key, KeptAnswer(fingerprint, made), at.now)
    if kept.request != fingerprint:
        raise ApiError(422, "This Idempotency-Key was used for another request.", code="idempotency_key_reused")
    return kept.answer


def _fingerprint(body: Mapping[str, Any]) -> str:
    return sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
