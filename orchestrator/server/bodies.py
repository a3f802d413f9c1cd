"""Reads the body of a request, up to a limit, however it is sent."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from itertools import chain
from typing import Any

from starlette.datastructures import FormData, UploadFile
from starlette.requests import Request
from starlette.types import Message

from orchestrator.server.apierror import ApiError, bad_request

MAX_JSON_BYTES = 2 << 20
"""Room for a conversation of half a million tokens; the trainer takes seconds per megabyte."""
MAX_JSON_VALUES = 500_000
"""Each takes up to 250 bytes of memory, although two bytes of text may make one."""
MAX_JSON_DEPTH = 100
"""Well under Python's own limit: what can be read can also be traversed and written."""


def bounded(request: Request, most: int, refusal: ApiError) -> Request:
    """The same request, refused once its body is announced to have, or has, more than `most` bytes."""
    announced = request.headers.get("content-length", "")
    if announced.isascii() and announced.isdigit() and int(announced[:18]) > most:
        raise refusal
    size = 0

    async def receive() -> Message:
        nonlocal size
        message = await request.receive()
        size += len(message.get("body", b""))
        if size > most:  # sent in chunks, which announce nothing
            raise refusal
        return message

    return Request(request.scope, receive)


@asynccontextmanager
async def form(request: Request, *, max_files: int, max_fields: int) -> AsyncIterator[FormData]:
    """The fields and files of a form (else 400); the files are gone afterwards."""
    try:
        found = await request.form(max_files=max_files, max_fields=max_fields)
    except ValueError as error:  # a name that is not valid in its charset, or an unknown encoding
        raise bad_request(f"The request's body is not a valid form: {error}.") from error
    try:
        _check_texts(found)
        yield found
    finally:
        await found.close()


async def read_json(request: Request) -> Any:
    """The request's body, which must be JSON in UTF-8 (else 400, 413)."""
    refusal = ApiError(413, f"The request's body is larger than {MAX_JSON_BYTES} bytes.")
    body = bytearray()
    async for piece in bounded(request, MAX_JSON_BYTES, refusal).stream():
        body += piece
    return _parsed(body)


def _check_texts(found: FormData) -> None:
    """Some charsets decode to half surrogates, which can't be written."""
    values = (value.filename or "" if isinstance(value, UploadFile) else value for _, value in found.multi_items())
    try:
        "".join(values).encode()
    except UnicodeEncodeError as error:
        raise bad_request("The request's body is not a valid form: a field is not Unicode text.") from error


def _parsed(body: bytearray) -> Any:
    # Signs inside strings count as well, so this is an upper bound; counting takes a millisecond per megabyte.
    if sum(body.count(sign) for sign in b"[{,") > MAX_JSON_VALUES:
        raise bad_request(f"The request's body may hold at most {MAX_JSON_VALUES} values.")
    try:
        value = json.loads(body.decode("utf-8"), parse_constant=_refuse_constant)
        # A lone surrogate and 1e999 are legal in JSON, but no part of the server could write them.
        json.dumps(value, ensure_ascii=False, allow_nan=False).encode("utf-8")
    except RecursionError as error:
        raise _too_deep() from error
    except ValueError as error:
        raise bad_request(f"The request's body is not valid JSON: {error}.") from error
    if _is_deep(value):
        raise _too_deep()
    return value


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not a JSON number")


def _is_deep(value: Any) -> bool:
    level: list[Any] = [value]
    for _ in range(MAX_JSON_DEPTH):
        level = list(chain.from_iterable(_inner(each) for each in level if isinstance(each, dict | list)))
        if not level:
            return False
    return True


def _inner(value: dict[str, Any] | list[Any]) -> Iterable[Any]:
    return value.values() if isinstance(value, dict) else value


def _too_deep() -> ApiError:
    return bad_request(f"The request's body may be nested at most {MAX_JSON_DEPTH} levels deep.")
