"""Reads the request that creates a batch, with the rules of the official description."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator

from orchestrator.server.filerequest import ExpiresAfter
from orchestrator.server.jobrequest import Metadata
from orchestrator.server.requests import Body, Text, wrong

ENDPOINT = "/v1/chat/completions"
_WINDOWS = {"24h": 24 * 3600}


def _offered(endpoint: str) -> str:
    if endpoint != ENDPOINT:
        problem = f"must be {ENDPOINT} on the local endpoint, not {endpoint[:100]!r}"
        raise wrong(problem, code="unsupported_parameter")
    return endpoint


class BatchBody(Body):
    """POST /batches."""

    input_file_id: Text
    endpoint: Annotated[Text, AfterValidator(_offered)]
    completion_window: Literal["24h"]
    metadata: Metadata | None = None
    output_expires_after: ExpiresAfter | None = None

    @property
    def window_seconds(self) -> int:
        """How long the batch may take."""
        return _WINDOWS[self.completion_window]

    @property
    def output_lifetime(self) -> int | None:
        """The seconds that its output files are kept; None for ever."""
        return None if self.output_expires_after is None else self.output_expires_after.seconds
