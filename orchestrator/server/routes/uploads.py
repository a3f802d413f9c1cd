"""Uploads: a large file that arrives in parts."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from orchestrator.server import objects, requests
from orchestrator.server.apierror import ApiError, bad_request, not_found, too_large
from orchestrator.server.context import context
from orchestrator.server.filerequest import CompletionBody, UploadBody
from orchestrator.server.routes.files import file_form
from orchestrator.server.store.records import Part, Upload

PART_BYTES = 64 << 20


async def create(request: Request) -> Response:
    """POST /uploads."""
    asked = await requests.read(request, UploadBody)
    lifetime = None if asked.expires_after is None else asked.expires_after.seconds
    at = context(request)
    await run_in_threadpool(at.dialect.check_upload, at.store, asked.bytes, at.now)
    upload = await run_in_threadpool(
        at.store.uploads.add, asked.filename, asked.purpose, asked.bytes, at.now, lifetime
    )
    return at.dialect.created(request, at.dialect.upload(upload, None, at.now))


async def add_part(request: Request) -> Response:
    """POST /uploads/{id}/parts."""
    at = context(request)
    upload = await run_in_threadpool(_pending, request)
    async with file_form(request, PART_BYTES, max_fields=1) as form:
        data = form.get("data")
        if not isinstance(data, UploadFile):
            message = "Missing required parameter: 'data' (a part of a multipart/form-data body)."
            raise bad_request(message, "data", "missing_required_parameter")
        if (data.size or 0) > PART_BYTES:
            raise too_large(f"A part may have at most {PART_BYTES} bytes.")
        blob = await run_in_threadpool(at.store.blobs.copy, data.file)
    part = await run_in_threadpool(at.store.uploads.add_part, upload, blob, at.now)
    return JSONResponse(objects.part_object(part))


async def complete(request: Request) -> Response:
    """POST /uploads/{id}/complete."""
    asked = await requests.read(request, CompletionBody)
    return await run_in_threadpool(_complete, request, asked.part_ids, asked.md5)


def cancel(request: Request) -> Response:
    """POST /uploads/{id}/cancel."""
    at, upload = context(request), _pending(request)
    if not at.store.uploads.cancel(upload):
        raise _not_pending(_upload(request))
    return JSONResponse(at.dialect.upload(_upload(request), None, at.now))


ROUTES = [
    Route("/uploads", create, methods=["POST"]),
    Route("/uploads/{upload_id}/parts", add_part, methods=["POST"]),
    Route("/uploads/{upload_id}/complete", complete, methods=["POST"]),
    Route("/uploads/{upload_id}/cancel", cancel, methods=["POST"]),
]


def _complete(request: Request, wanted: Sequence[object], md5: str | None) -> Response:
    at, upload = context(request), _pending(request)
    blob = at.store.blobs.join(part.blob for part in _chosen(request, upload, wanted))
    try:
        _check_bytes(at.store.blobs.path(blob), upload, md5)
        problem = at.dialect.problem(at.store.blobs.path(blob), upload.purpose)
        file = at.store.uploads.complete(upload, blob, at.now, problem)
        if file is None:
            raise _not_pending(_upload(request))
    except BaseException:
        at.store.blobs.delete(blob)
        raise
    return JSONResponse(at.dialect.upload(_upload(request), file, at.now))


def _chosen(request: Request, upload: Upload, wanted: Sequence[object]) -> list[Part]:
    """The requested parts, in the requested order."""
    parts = {part.id: part for part in context(request).store.uploads.parts(upload)}
    for part_id in wanted:
        if not isinstance(part_id, str) or part_id not in parts:
            raise bad_request(f"No such part: {str(part_id)[:100]}", "part_ids", "invalid_value")
    if len(set(wanted)) != len(wanted):
        raise bad_request("A part is named twice.", "part_ids", "invalid_value")
    return [parts[str(part_id)] for part_id in wanted]


def _check_bytes(path: Path, upload: Upload, md5: str | None) -> None:
    size = path.stat().st_size
    if size != upload.bytes:
        message = f"The parts have {size} bytes together; the upload was opened for {upload.bytes}."
        raise bad_request(message, "part_ids", "invalid_value")
    if md5 is not None:
        with path.open("rb") as joined:
            found = hashlib.file_digest(joined, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
        if found != md5.lower():
            raise bad_request(f"The MD5 of the parts is {found}.", "md5", "invalid_value")


def _upload(request: Request) -> Upload:
    upload_id = request.path_params["upload_id"]
    at = context(request)
    upload = at.store.uploads.get(upload_id, at.now)
    if upload is None:
        raise not_found(f"No such Upload object: {upload_id[:200]}", "id")
    return upload


def _pending(request: Request) -> Upload:
    upload = _upload(request)
    if upload.status != "pending":
        raise _not_pending(upload)
    return upload


def _not_pending(upload: Upload) -> ApiError:
    return bad_request(f"The upload {upload.id} is {upload.status}.", "id", "invalid_upload_status")
