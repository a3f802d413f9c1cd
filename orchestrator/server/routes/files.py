"""Files: upload, list, retrieve, content, delete."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData, UploadFile
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route

from orchestrator.server import bodies, objects, requests
from orchestrator.server.apierror import ApiError, bad_request, not_found, too_large
from orchestrator.server.context import context
from orchestrator.server.filerequest import read_form
from orchestrator.server.store.records import File

MAX_BYTES = 512 << 20
FORM_BYTES = 64 << 10
"""Room for the rest of a multipart body, its fields and boundaries."""
MAX_LIST = 10_000


async def create(request: Request) -> Response:
    """POST /files."""
    async with file_form(request, MAX_BYTES, max_fields=20) as form:
        upload = _part(form)
        asked = read_form(form)
        file = await run_in_threadpool(_store, request, upload, asked.purpose, asked.lifetime)
    at = context(request)
    return at.dialect.created(request, at.dialect.file(file, at.now))


def list_all(request: Request) -> Response:
    """GET /files."""
    at, query = context(request), request.query_params
    order = query.get("order", "desc")
    if order not in ("asc", "desc"):
        raise bad_request("order must be asc or desc.", "order", "invalid_value")
    limit = requests.limit(request, default=MAX_LIST, highest=MAX_LIST)
    after = query.get("after") if at.profile.pages else None
    if after is not None:
        _existing(request, after, "after")
    found = at.store.files.page(
        at.now, purpose=query.get("purpose"), after=after, limit=limit + 1, newest_first=order == "desc"
    )
    shown = [at.dialect.file(file, at.now) for file in found[:limit]]
    return JSONResponse(objects.page(shown, len(found) > limit, at.profile, ends=True))


def retrieve(request: Request) -> Response:
    """GET /files/{id}."""
    at = context(request)
    return JSONResponse(at.dialect.file(_file(request), at.now))


def content(request: Request) -> Response:
    """GET /files/{id}/content."""
    file = _file(request)
    path = context(request).store.blobs.path(file.blob)
    return FileResponse(path, media_type="application/octet-stream", filename=file.filename)


def delete(request: Request) -> Response:
    """DELETE /files/{id}."""
    file = _file(request)
    context(request).store.files.delete(file)
    return JSONResponse(objects.deleted(file.id, "file"))


ROUTES = [
    Route("/files", create, methods=["POST"]),
    Route("/files", list_all, methods=["GET"]),
    Route("/files/{file_id}", retrieve, methods=["GET"]),
    Route("/files/{file_id}", delete, methods=["DELETE"]),
    Route("/files/{file_id}/content", content, methods=["GET"]),
]


def file_form(request: Request, most: int, *, max_fields: int) -> AbstractAsyncContextManager[FormData]:
    """The form of a request with one file of at most this many bytes; 413 as soon as there are more."""
    whole = bodies.bounded(request, most + FORM_BYTES, too_large(f"The file is larger than {most} bytes."))
    return bodies.form(whole, max_files=1, max_fields=max_fields)


def _part(form: FormData) -> UploadFile:
    upload = form.get("file")
    if not isinstance(upload, UploadFile):
        message = "Missing required parameter: 'file' (a part of a multipart/form-data body)."
        raise bad_request(message, "file", "missing_required_parameter")
    if not upload.size:
        raise bad_request("The file is empty.", "file", "empty_file")
    if upload.size > MAX_BYTES:
        raise too_large(f"The file has {upload.size} bytes; at most {MAX_BYTES} are accepted.")
    return upload


def _store(request: Request, upload: UploadFile, purpose: str, lifetime: int | None) -> File:
    at = context(request)
    at.dialect.check_upload(at.store, upload.size or 0, at.now)
    blob = at.store.blobs.copy(upload.file)
    problem = at.dialect.problem(at.store.blobs.path(blob), purpose)
    return at.store.files.add(upload.filename or "file", purpose, blob, at.now, lifetime, problem)


def _file(request: Request) -> File:
    return _existing(request, request.path_params["file_id"], "id")


def _existing(request: Request, file_id: str, param: str) -> File:
    at = context(request)
    file = at.store.files.get(file_id, at.now)
    if file is None:
        raise _unknown(file_id, param)
    return file


def _unknown(file_id: str, param: str) -> ApiError:
    return not_found(f"No such File object: {file_id[:200]}", param)
