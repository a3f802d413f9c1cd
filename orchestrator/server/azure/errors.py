"""Refusals in Azure's shape: `{"error": {"code", "message", "innererror"}}`, without type and param."""

from __future__ import annotations

import math
from typing import Any

from orchestrator.server.apierror import ApiError

_CODES = {
    400: "invalidPayload",
    401: "401",
    403: "PermissionDenied",
    404: "notFound",
    405: "invalidPayload",
    409: "conflict",
    413: "invalidPayload",
    415: "invalidPayload",
    422: "conflict",
    429: "429",
}


class AzureError(ApiError):
    """A refusal with Azure's code, and headers such as Retry-After."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        inner: str | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(status, message, code=inner)
        self.azure_code = code
        if retry_after is not None:
            self.headers = {"retry-after": str(max(1, math.ceil(retry_after)))}


def azure_body(error: ApiError) -> dict[str, Any]:
    """The JSON object to send, whatever refused. OpenAI's `code` becomes the inner error's."""
    code = error.azure_code if isinstance(error, AzureError) else _CODES.get(error.status, "internalFailure")
    told: dict[str, Any] = {"code": code, "message": error.message}
    if error.code is not None:
        told["innererror"] = {"code": error.code}
    return {"error": told}


def refused(message: str, *, inner: str | None = None) -> AzureError:
    """400: the request itself is wrong."""
    return AzureError(400, "invalidPayload", message, inner=inner)


def quota_exceeded(status: int, message: str, *, retry_after: float | None = None) -> AzureError:
    """A limit of the resource is reached."""
    return AzureError(status, "quotaExceeded", message, retry_after=retry_after)
