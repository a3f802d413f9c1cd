"""What a form of the page sends."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import Message, Receive

from orchestrator.web.settings import Settings

SECRET = "form_secret"
_MOST_BYTES = 64 << 10


async def read_form(request: Request, settings: Settings) -> Mapping[str, str]:
    """The fields of a form that a page of this start sent; 400, 403 or 413 for anything else."""
    bounded = Request(request.scope, _bounded(request))
    kind = request.headers.get("content-type", "").partition(";")[0]
    if kind != "application/x-www-form-urlencoded":
        raise HTTPException(400, "This address takes a form.")
    async with bounded.form(max_files=0, max_fields=20) as form:
        fields = {name: value for name, value in form.items() if isinstance(value, str)}
    if not settings.is_ours(fields.pop(SECRET, "")):
        raise HTTPException(
            403, "This form is from an earlier start of ftorch ui. Go back, reload the page, and send it again."
        )
    return fields


def _bounded(request: Request) -> Receive:
    size = 0

    async def receive() -> Message:
        nonlocal size
        message = await request.receive()
        size += len(message.get("body", b""))
        if size > _MOST_BYTES:
            raise HTTPException(413, f"A form may have at most {_MOST_BYTES >> 10} kB.")
        return message

    return receive
