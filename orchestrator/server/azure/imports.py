"""Files that come from a URL, as from a blob container with a shared access signature."""

from __future__ import annotations

import ipaddress
import socket
import tempfile
from pathlib import PurePosixPath
from typing import Annotated, BinaryIO
from urllib.parse import SplitResult, urlsplit

from pydantic import Field
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from orchestrator.server import requests
from orchestrator.server.azure.errors import refused
from orchestrator.server.context import Context, context
from orchestrator.server.filerequest import FileName, Purpose
from orchestrator.server.requests import Body, Text
from orchestrator.server.settings import AzureSettings
from orchestrator.server.store.records import File

URL_LENGTH = 8192
FETCH_SECONDS = 60.0
"""Between two pieces of the response."""


class ImportBody(Body):
    """POST /files/import."""

    content_url: Annotated[Text, Field(max_length=URL_LENGTH)]
    filename: FileName
    purpose: Purpose


class FetchError(Exception):
    """The URL gave no file; the message says why, without the URL's query, which may contain a signature."""


class Imports:
    """Imports files from URLs for one resource."""

    def __init__(self, settings: AzureSettings) -> None:
        self._settings = settings

    def routes(self) -> list[Route]:
        return [Route("/files/import", self._create, methods=["POST"])]

    async def _create(self, request: Request) -> Response:
        """POST /files/import. A failed import becomes a file in `error`, as on Azure."""
        asked = await requests.read(request, ImportBody)
        name = PurePosixPath(asked.filename).name or "file"
        at = context(request)
        file = await run_in_threadpool(self._import, at, _checked_url(asked.content_url), name, asked.purpose)
        return at.dialect.created(request, at.dialect.file(file, at.now))

    def _import(self, at: Context, url: SplitResult, name: str, purpose: str) -> File:
        with tempfile.TemporaryFile() as target:
            try:
                _fetch(url, target, self._settings)
                problem = None
            except FetchError as error:
                target.seek(0)
                target.truncate()
                problem = f"Import of {url.hostname}{url.path} failed: {error}"
            at.dialect.check_upload(at.store, target.tell(), at.now)
            target.seek(0)
            blob = at.store.blobs.copy(target)
        problem = problem or at.dialect.problem(at.store.blobs.path(blob), purpose)
        return at.store.files.add(name, purpose, blob, at.now, problem=problem)


def _checked_url(text: str) -> SplitResult:
    try:
        url = urlsplit(text)
        url.port  # noqa: B018  (a port that is no number raises here)
    except ValueError as error:
        raise refused("'content_url' is not a valid URL.", inner="invalid_content_url") from error
    if url.scheme not in ("http", "https") or not url.hostname:
        raise refused("'content_url' must be an http or https URL.", inner="invalid_content_url")
    return url


def _fetch(url: SplitResult, target: BinaryIO, settings: AzureSettings) -> None:
    """Write the contents of the URL; FetchError if it is not allowed, fails, or is too large."""
    import httpx2

    _check_addresses(url, settings)
    try:
        with httpx2.stream("GET", url.geturl(), timeout=FETCH_SECONDS) as answer:
            if answer.status_code != 200:
                raise FetchError(f"it answered {answer.status_code}.")
            size = 0
            for piece in answer.iter_bytes():
                size += len(piece)
                if size > settings.file_bytes:
                    raise FetchError(f"it has more than {settings.file_bytes} bytes.")
                target.write(piece)
    except httpx2.HTTPError as error:
        raise FetchError(f"{type(error).__name__}.") from error
    if size == 0:
        raise FetchError("it is empty.")


def _check_addresses(url: SplitResult, settings: AzureSettings) -> None:
    """The resource must not read for others what only this machine or its network can reach."""
    try:
        found = socket.getaddrinfo(url.hostname, url.port or url.scheme, type=socket.SOCK_STREAM)
    except OSError as error:
        raise FetchError("its host is not known.") from error
    for *_, place in found:
        address = ipaddress.ip_address(str(place[0]).partition("%")[0])
        allowed = settings.imports_from_here if address.is_loopback else address.is_global
        if not allowed:
            raise FetchError(f"{address} is not a public address.")
