"""Refusals in Azure's shape: `{"error": {"code", "message", "innererror"}}`, without type and param."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

from orchestrator.server.apierror import ApiError
from orchestrator.server.store.jobs import JobRoom

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
    """A refusal with the code that Azure gives it, and headers such as Retry-After."""

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
    """The JSON object to send, whoever refused. The detail that OpenAI calls `code` becomes the inner error's."""
    code = error.azure_code if isinstance(error, AzureError) else _CODES.get(error.status, "internalFailure")
    told: dict[str, Any] = {"code": code, "message": error.message}
    if error.code is not None:
        told["innererror"] = {"code": error.code}
    return {"error": told}


def refused(message: str, *, inner: str | None = None) -> AzureError:
    """400: the request is wrong as it stands."""
    return AzureError(400, "invalidPayload", message, inner=inner)


def quota_exceeded(status: int, message: str, *, retry_after: float | None = None) -> AzureError:
    """A limit of the resource is reached."""
    return AzureError(status, "quotaExceeded", message, retry_after=retry_after)


# --- How the simulated Azure resource is set up ---------------------------------------------------------------


DAY = 24 * 3600.0


@dataclass(frozen=True)
class AzureSettings:
    """One resource in one region. Seconds are those of the endpoint's clock."""

    subscription: str = "00000000-0000-0000-0000-000000000001"
    resource_group: str = "ftorch"
    account: str = "ftorch"
    location: str = "swedencentral"
    signed_in_only: bool = False
    """Requests without a key or a token are refused even where no key was set."""
    token_seconds: float = 3600.0
    """How long a token lives."""
    file_seconds: float = 1.0
    """From the upload of a file until it is `processed` or in `error`."""
    files: int = 100
    file_bytes: int = 512 << 20
    all_bytes: int = 1 << 30
    room: JobRoom = field(default_factory=lambda: JobRoom(waiting=20, jobs=100))
    imports_from_here: bool = True
    """Whether files may be imported from this very machine; not for a resource that others can reach."""
    ignored_hyperparameters: frozenset[str] = frozenset()
    """Taken without a word, and neither used nor given back (https://github.com/openai/openai-python/issues/1276)."""
    deployments: int = 10
    """Of fine-tuned models."""
    capacity: int = 250
    """Thousand tokens a minute that all deployments of fine-tuned models may have together."""
    deploying_seconds: float = 1.0
    """From the request until the deployment is called Succeeded."""
    warming_seconds: float = 1.0
    """From there until it answers."""
    deleting_seconds: float = 20.0
    """How long the name of a deleted deployment can't be used again."""
    idle_seconds: float = 15 * DAY
    """A deployment of a fine-tuned model that nobody calls so long is deleted."""
    developer_seconds: float = DAY
    """How long a deployment of the developer tier lives."""
