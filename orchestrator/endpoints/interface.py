"""What ftorch needs from a place that trains. An endpoint is added by one class with these methods.

Values are read tolerantly (hosts differ), and every value keeps the raw object it was read from.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from orchestrator.dataset.outgoing import Content, unheard

OnSent = Callable[[int], None]
"""Told how many bytes of a content have been handed to the network so far; less again when it is sent anew."""


@dataclass(frozen=True)
class Parts:
    """Files of more than `above` bytes go up in parts of at most `size` bytes."""

    above: int
    size: int


@dataclass(frozen=True)
class Capabilities:
    """What this endpoint can do, so that nobody asks what type it is."""

    metadata: bool
    """Jobs carry metadata, and the list of jobs filters by it."""
    pause: bool
    checkpoints: bool
    accepts_auto: bool
    """A hyperparameter may be sent as "auto"; elsewhere the field is left out."""
    needs_processed_files: bool
    """A job is refused while its files are still being processed."""
    charges: bool
    """Training costs money."""
    outlives_us: bool
    """Jobs go on while no ftorch runs."""
    parts: Parts | None = None
    """When a file goes up in parts; None where it can't."""


@dataclass(frozen=True)
class RemoteFile:
    id: str
    filename: str | None
    bytes: int | None
    purpose: str | None
    status: str | None
    """uploaded, processed, error, …; None where the host gives none."""
    status_details: str | None
    created_at: float | None


@dataclass(frozen=True)
class JobError:
    code: str | None
    message: str | None
    param: str | None


@dataclass(frozen=True)
class RemoteJob:
    id: str
    status: str
    """As the endpoint says it: an open set."""
    created_at: float | None
    model: str | None
    fine_tuned_model: str | None
    training_file: str | None
    validation_file: str | None
    seed: int | None
    suffix: str | None
    metadata: Mapping[str, str]
    result_files: tuple[str, ...]
    trained_tokens: int | None
    estimated_finish: float | None
    error: JobError | None
    raw: Mapping[str, Any]


@dataclass(frozen=True)
class JobPage:
    """Up to 100 jobs, newest first; `next` is the cursor of the following page, None on the last."""

    jobs: tuple[RemoteJob, ...]
    next: str | None


@dataclass(frozen=True)
class RemoteEvent:
    id: str
    created_at: float
    level: str
    type: str | None
    message: str
    data: Mapping[str, Any] | None


@dataclass(frozen=True)
class RemoteCheckpoint:
    id: str
    step: int
    model: str
    metrics: Mapping[str, Any]
    created_at: float


@dataclass(frozen=True)
class JobRequest:
    """What creates a fine-tuning job. `method` is {"type", "hyperparameters", and "grader" for reinforcement}."""

    model: str
    training_file: str
    validation_file: str | None
    method: Mapping[str, Any]
    seed: int
    suffix: str | None
    metadata: Mapping[str, str]


class Endpoint(Protocol):
    """An open connection to an endpoint.

    Reading calls repeat themselves on passing trouble, within a bounded time, and so do the first steps of an
    upload in parts. `upload`, `complete_upload` and `create` never do: they raise OutcomeUnknown where it is not
    known whether they took effect. All raise EndpointUnreachable, EndpointBusy, KeyRefused, QuotaExhausted or
    RequestRefused.
    """

    name: str
    capabilities: Capabilities

    async def check(self) -> str:
        """One harmless request; a short sentence on what answered."""

    async def upload(self, content: Content, sent_name: str, on_sent: OnSent = unheard) -> RemoteFile:
        """Send a file for fine-tuning. Raises DataFileUnusable where it is no more the one that was checked: then
        the endpoint has not got it."""

    async def open_upload(self, sent_name: str, size: int) -> str:
        """Begin an upload in parts; its id. There is no file before it is completed, and it expires by itself."""

    async def add_part(self, upload_id: str, part: Content, on_sent: OnSent = unheard) -> str:
        """Send one part; its id. Raises DataFileUnusable, as `upload` does."""

    async def complete_upload(self, upload_id: str, part_ids: Sequence[str], md5: str, size: int) -> RemoteFile:
        """Make a file of these parts, sent once. `md5` and `size` are those of the whole."""

    async def cancel_upload(self, upload_id: str) -> None:
        """Give an upload up, asking once: it can't be completed afterwards."""

    async def find_files(self, sent_name: str) -> list[RemoteFile]:
        """The fine-tuning files of this name, newest first."""

    async def files(self) -> list[RemoteFile]:
        """All fine-tuning files, newest first."""

    async def file(self, file_id: str) -> RemoteFile: ...

    async def delete_file(self, file_id: str) -> None:
        """Delete a file; one that is gone already is no error."""

    async def create(self, request: JobRequest) -> RemoteJob:
        """The paid request, sent once."""

    async def job(self, job_id: str) -> RemoteJob: ...

    async def jobs(self, after: str | None = None, metadata: Mapping[str, str] | None = None) -> JobPage:
        """One page of jobs, newest first. `metadata` filters, where the endpoint has metadata."""

    async def cancel(self, job_id: str) -> RemoteJob: ...

    async def pause(self, job_id: str) -> RemoteJob: ...

    async def unpause(self, job_id: str) -> RemoteJob: ...

    async def events(self, job_id: str, known: frozenset[str] | set[str] = frozenset()) -> list[RemoteEvent]:
        """The job's events not among `known`, oldest first."""

    async def checkpoints(self, job_id: str) -> list[RemoteCheckpoint]:
        """The job's checkpoints by step; empty where the endpoint has none."""

    async def result_rows(self, file_id: str) -> list[Mapping[str, str]]:
        """The rows of a result file, by column name."""

    async def chat(self, request: Mapping[str, Any], once: str) -> Mapping[str, Any]:
        """Send a chat request one time and return the completion as JSON; whoever asks many holds them all back
        when the endpoint is busy. Endpoints that know the header Idempotency-Key answer the same value of `once`
        with the same completion."""
