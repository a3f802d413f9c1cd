"""Reads the request that creates a batch, with the rules of the official description."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from orchestrator.server.apierror import bad_request
from orchestrator.server.fields import Fields
from orchestrator.server.jobspec import read_metadata

KNOWN = frozenset({"input_file_id", "endpoint", "completion_window", "metadata", "output_expires_after"})
ENDPOINT = "/v1/chat/completions"
WINDOWS = {"24h": 24 * 3600}
MIN_LIFETIME, MAX_LIFETIME = 3600, 2_592_000


@dataclass(frozen=True)
class BatchSpec:
    """What is asked for; `window_seconds` is how long it may take."""

    input_file: str
    endpoint: str
    completion_window: str
    metadata: Mapping[str, str] | None
    output_lifetime: int | None

    @property
    def window_seconds(self) -> int:
        return WINDOWS[self.completion_window]


def read(body: Mapping[str, Any]) -> BatchSpec:
    """The batch that a create request asks for; ApiError 400 names the parameter that is wrong or not offered."""
    fields = Fields(body)
    fields.only(KNOWN)
    fields.required("input_file_id", "endpoint", "completion_window")
    endpoint = fields.text("endpoint") or ""
    if endpoint != ENDPOINT:
        message = f"The local endpoint takes batches for {ENDPOINT} only, not {endpoint[:100]!r}."
        raise bad_request(message, "endpoint", "unsupported_parameter")
    return BatchSpec(
        input_file=fields.text("input_file_id") or "",
        endpoint=endpoint,
        completion_window=fields.choice("completion_window", WINDOWS) or "",
        metadata=read_metadata(fields),
        output_lifetime=_lifetime(fields),
    )


def _lifetime(fields: Fields) -> int | None:
    table = fields.table("output_expires_after")
    if table is None:
        return None
    table.required("anchor", "seconds")
    table.choice("anchor", ("created_at",))
    return table.integer("seconds", MIN_LIFETIME, MAX_LIFETIME)
