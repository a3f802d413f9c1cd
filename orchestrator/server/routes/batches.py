"""Batches: create, list, retrieve, cancel."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from orchestrator.server import ids, objects, requests
from orchestrator.server.apierror import bad_request, not_found
from orchestrator.server.context import Context, context
from orchestrator.server.filerequest import ExpiresAfter
from orchestrator.server.jobrequest import Metadata
from orchestrator.server.requests import Body, Text, wrong
from orchestrator.server.store.batches import Batch, BatchStatus

MAX_LIST = 100
INPUT_PURPOSE = "batch"


async def create(request: Request) -> Response:
    """POST /batches."""
    asked = await requests.read(request, BatchBody)
    at = context(request)
    batch = await run_in_threadpool(_create, at, asked)
    at.scheduler.wake()
    return _answer(at, batch)


def list_all(request: Request) -> Response:
    """GET /batches."""
    at, query = context(request), request.query_params
    limit = requests.limit(request, default=20, highest=MAX_LIST)
    after = query.get("after") if at.profile.pages else None
    if after is not None and at.store.batches.get(after) is None:
        raise bad_request(f"No such batch: {after[:200]}", "after", "invalid_value")
    found = at.store.batches.page(after=after, limit=limit + 1)
    shown = [objects.batch_object(batch, at.profile) for batch in found[:limit]]
    return JSONResponse(objects.page(shown, len(found) > limit, at.profile, ends=True))


def retrieve(request: Request) -> Response:
    """GET /batches/{id}."""
    return _answer(context(request), _batch(request))


async def cancel(request: Request) -> Response:
    """POST /batches/{id}/cancel."""
    at = context(request)
    batch = await run_in_threadpool(_cancel, request)
    at.scheduler.wake()
    return _answer(at, batch)


ROUTES = [
    Route("/batches", create, methods=["POST"]),
    Route("/batches", list_all, methods=["GET"]),
    Route("/batches/{batch_id}", retrieve, methods=["GET"]),
    Route("/batches/{batch_id}/cancel", cancel, methods=["POST"]),
]


def _create(at: Context, asked: BatchBody) -> Batch:
    file = at.store.files.get(asked.input_file_id, at.now)
    if file is None:
        raise bad_request(f"There is no file {asked.input_file_id[:200]}.", "input_file_id", "file_not_found")
    if file.purpose != INPUT_PURPOSE:
        message = f"The file {file.id} was uploaded for '{file.purpose}'; a batch needs files for 'batch'."
        raise bad_request(message, "input_file_id", "invalid_file_purpose")
    batch = Batch(
        id=ids.batch_id(),
        created_at=at.now,
        expires_at=at.now + asked.window_seconds,
        endpoint=asked.endpoint,
        completion_window=asked.completion_window,
        input_file=file.id,
        output_lifetime=asked.output_lifetime,
        metadata=asked.metadata,
    )
    at.store.batches.add(batch)
    return batch


def _cancel(request: Request) -> Batch:
    at, batch = context(request), _batch(request)
    at.store.batches.cancel(batch, at.now)
    found = _batch(request)
    if found.status not in (BatchStatus.CANCELLING, BatchStatus.CANCELLED):
        message = f"The batch {batch.id} is {found.status} and cannot be cancelled."
        raise bad_request(message, None, "invalid_batch_status")
    return found


def _batch(request: Request) -> Batch:
    batch_id = request.path_params["batch_id"]
    batch = context(request).store.batches.get(batch_id)
    if batch is None:
        raise not_found(f"No batch found with id '{batch_id[:200]}'.", "batch_id")
    return batch


def _answer(at: Context, batch: Batch) -> Response:
    return JSONResponse(objects.batch_object(batch, at.profile))


# --- The request for a batch --------------------------------------------------------------------------------------


ENDPOINT = "/v1/chat/completions"
_WINDOWS = {"24h": 24 * 3600}


def _offered(endpoint: str) -> str:
    if endpoint != ENDPOINT:
        problem = f"must be {ENDPOINT} on the local endpoint, not {endpoint[:100]!r}"
        raise wrong(problem, code="unsupported_parameter")
    return endpoint


class BatchBody(Body):
    """POST /batches."""

    input_file_id: Text
    endpoint: Annotated[Text, AfterValidator(_offered)]
    completion_window: Literal["24h"]
    metadata: Metadata | None = None
    output_expires_after: ExpiresAfter | None = None

    @property
    def window_seconds(self) -> int:
        """How long the batch may take."""
        return _WINDOWS[self.completion_window]

    @property
    def output_lifetime(self) -> int | None:
        """The seconds that its output files are kept; None for ever."""
        return None if self.output_expires_after is None else self.output_expires_after.seconds
