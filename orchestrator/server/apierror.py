"""The endpoint's answer in place of a result: the OpenAI error object and its HTTP status."""

from __future__ import annotations

from typing import Any

INVALID_REQUEST = "invalid_request_error"


class ApiError(Exception):
    """One refusal. The body is `{"error": {"message", "type", "param", "code"}}`."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        param: str | None = None,
        code: str | None = None,
        kind: str = INVALID_REQUEST,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.param = param
        self.code = code
        self.kind = kind
        self.headers: dict[str, str] = {}

    def body(self) -> dict[str, Any]:
        """The JSON object to send."""
        error = {"message": self.message, "type": self.kind, "param": self.param, "code": self.code}
        return {"error": error}


def bad_request(message: str, param: str | None = None, code: str | None = None) -> ApiError:
    """400: the request itself is wrong."""
    return ApiError(400, message, param=param, code=code)


def not_found(message: str, param: str | None = None, code: str | None = None) -> ApiError:
    """404: there is no such object."""
    return ApiError(404, message, param=param, code=code)


def too_large(message: str) -> ApiError:
    """413: more bytes than the endpoint accepts at once."""
    return ApiError(413, message, param="file", code="file_too_large")
