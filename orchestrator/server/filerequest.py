"""Reads requests that contain files, with the limits of the official description."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field
from starlette.datastructures import FormData

from orchestrator.server.requests import WHOLE, Body, OpenBody, Text, parse

MIN_LIFETIME, MAX_LIFETIME = 3600, 2_592_000
BATCH_LIFETIME = MAX_LIFETIME
"""How long the questions of a batch are kept by default, by OpenAI's reference (files, create)."""
MAX_UPLOAD_BYTES = 8 << 30
NAME_LENGTH = 1024

Purpose = Literal["assistants", "batch", "fine-tune", "vision", "user_data", "evals"]
FileName = Annotated[Text, Field(max_length=NAME_LENGTH)]


class ExpiresAfter(OpenBody):
    """How many seconds after its creation a file is deleted."""

    anchor: Literal["created_at"]
    seconds: Annotated[int, Field(ge=MIN_LIFETIME, le=MAX_LIFETIME), WHOLE]


class UploadBody(Body):
    """POST /uploads."""

    filename: FileName
    purpose: Purpose
    bytes: Annotated[int, Field(ge=1, le=MAX_UPLOAD_BYTES), WHOLE]
    mime_type: Text
    expires_after: ExpiresAfter | None = None


class CompletionBody(Body):
    """POST /uploads/{id}/complete."""

    part_ids: list[Any]
    """Looked up among the existing parts."""
    md5: Text | None = None


def _number(text: object) -> object:
    return int(text[:9]) if isinstance(text, str) and text.isascii() and text.isdigit() else text


class FormExpiresAfter(ExpiresAfter):
    """The same in a form, whose fields are text."""

    seconds: Annotated[int, Field(ge=MIN_LIFETIME, le=MAX_LIFETIME), BeforeValidator(_number)]


class FileForm(OpenBody):
    """POST /files, except for the file itself."""

    purpose: Purpose
    expires_after: FormExpiresAfter | None = None

    @property
    def lifetime(self) -> int | None:
        """The seconds that the file is kept; None for ever."""
        if self.expires_after is not None:
            return self.expires_after.seconds
        return BATCH_LIFETIME if self.purpose == "batch" else None


def read_form(form: FormData) -> FileForm:
    """The form's fields; ApiError 400 names the wrong parameter."""
    expiry = {name: form.get(f"expires_after[{name}]") for name in ("anchor", "seconds")}
    expires_after = expiry if any(value is not None for value in expiry.values()) else None
    return parse(FileForm, {"purpose": form.get("purpose") or None, "expires_after": expires_after})
