"""What ftorch needs from a place that trains. An endpoint is added by one class with these methods.

Values are read tolerantly (hosts differ), and every value keeps the raw object it was read from.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from orchestrator.dataset.outgoing import Content, unheard

TRAINING, BATCH = "fine-tune", "batch"
"""What files are uploaded for."""

LONGEST_SUFFIX = 64
"""Characters, by OpenAI's API description 2.3.0."""

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
    longest_suffix: int = LONGEST_SUFFIX
    suffix_takes_dots: bool = True
    imports: bool = False
    """It fetches a file from an address by itself."""
    cancelling_charges: bool = False
    """What a job has trained until it is cancelled is charged."""
    needs_deployment: bool = False
    """A model answers only under the name of a deployment, which is made and removed apart from it."""
    batch: bool = False
    """It has a Batch API, which answers many questions within a day, at a lower price."""


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
    finished_at: float | None
    estimated_finish: float | None
    error: JobError | None
    raw: Mapping[str, Any]


@dataclass(frozen=True)
class JobPage:
    """Some jobs, as a rule newest first; `next` is the cursor of the following page."""

    jobs: tuple[RemoteJob, ...]
    next: str | None
    """None where there is no further page to ask for."""
    is_last: bool
    """The endpoint said that nothing follows. Without a further page and without that word, more may be there."""


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
    token: str
    """Sent as Idempotency-Key: the same in every attempt to create this job."""
    training_type: str | None = None
    """Azure's way of training: Standard, GlobalStandard or DeveloperTier; None leaves it to the endpoint."""


@dataclass(frozen=True)
class RemoteBatch:
    """Many chat requests that the endpoint answers when it has time."""

    id: str
    status: str
    """As the endpoint says it: an open set."""
    created_at: float | None
    input_file: str | None
    output_file: str | None
    error_file: str | None
    total: int
    completed: int
    failed: int
    metadata: Mapping[str, str]
    problems: tuple[str, ...]
    """Why it failed as a whole."""
    raw: Mapping[str, Any]


@dataclass(frozen=True)
class BatchPage:
    """Up to 100 batches; `next` is the cursor of the following page, None where there is none to be had."""

    batches: tuple[RemoteBatch, ...]
    next: str | None
    is_last: bool
    """Whether the endpoint says that nothing follows."""


class Batches(Protocol):
    """The Batch API of an open endpoint, where `capabilities.batch`. Methods raise as those of Endpoint do."""

    async def create(self, input_file: str, metadata: Mapping[str, str], token: str) -> RemoteBatch:
        """Have the chat requests of an uploaded file answered: the paid request, sent once, with `token` as its
        idempotency key. Raises OutcomeUnknown where it is not known whether it took effect."""

    async def get(self, batch_id: str) -> RemoteBatch: ...

    async def page(self, after: str | None = None) -> BatchPage:
        """One page of batches, newest first on most hosts. Raises AnswerUnreadable where it is no list."""

    async def cancel(self, batch_id: str) -> RemoteBatch:
        """End it; what is answered by then stays. Raises RequestRefused where it is over."""

    async def download(self, file_id: str, path: Path) -> None:
        """Write the lines of an output or error file to `path`. Raises OSError where that can't be written."""


class Endpoint(Protocol):
    """An open connection to an endpoint.

    Reading calls repeat themselves on passing trouble, within a bounded time, and so do the first steps of an
    upload in parts. `upload`, `complete_upload`, `import_file` and `create` never do: they raise OutcomeUnknown
    where it is not known whether they took effect. All raise EndpointUnreachable, EndpointBusy, KeyRefused,
    QuotaExhausted or RequestRefused.
    """

    name: str
    capabilities: Capabilities
    batches: Batches
    account: Mapping[str, str]
    """What the answers so far say of the account: organization, project, tenant; see `accounts.py`."""

    async def check(self) -> str:
        """One harmless request; a short sentence on what answered."""

    async def upload(
        self, content: Content, sent_name: str, on_sent: OnSent = unheard, *, purpose: str = TRAINING
    ) -> RemoteFile:
        """Send a file, for fine-tuning if nothing else is said. Raises DataFileUnusable where it is no more the one
        that was checked: then the endpoint has not got it."""

    async def open_upload(self, sent_name: str, size: int) -> str:
        """Begin an upload in parts; its id. There is no file before it is completed, and it expires by itself."""

    async def add_part(self, upload_id: str, part: Content, on_sent: OnSent = unheard) -> str:
        """Send one part; its id. Raises DataFileUnusable, as `upload` does."""

    async def complete_upload(self, upload_id: str, part_ids: Sequence[str], md5: str, size: int) -> RemoteFile:
        """Make a file of these parts, sent once. `md5` and `size` are those of the whole."""

    async def cancel_upload(self, upload_id: str) -> None:
        """Give an upload up, asking once: it can't be completed afterwards."""

    async def import_file(self, address: str, sent_name: str) -> RemoteFile:
        """Let the endpoint fetch a file for fine-tuning, asking once; only where `capabilities.imports`."""

    async def find_files(self, sent_name: str, *, purpose: str = TRAINING) -> list[RemoteFile]:
        """The files of this purpose, newest first, whose names hold the hash that `sent_name` begins with; where it
        holds none, those of this very name."""

    async def files_of_size(self, size: int, *, purpose: str = TRAINING) -> list[RemoteFile]:
        """The files of this purpose and size in bytes, newest first."""

    async def file_hash(self, file_id: str, size: int) -> str | None:
        """The SHA-256 of a file's bytes, of which no more than `size` are read; None where there are more, or the
        endpoint doesn't give them out."""

    async def files(self) -> list[RemoteFile]:
        """All fine-tuning files, newest first."""

    async def file(self, file_id: str) -> RemoteFile: ...

    async def delete_file(self, file_id: str) -> None:
        """Delete a file; one that is gone already is no error."""

    async def create(self, request: JobRequest) -> RemoteJob:
        """The paid request, sent once. Raises OutcomeUnknown also for an answer without a usable job id."""

    async def job(self, job_id: str) -> RemoteJob: ...

    async def jobs(self, after: str | None = None, metadata: Mapping[str, str] | None = None) -> JobPage:
        """One page of jobs. `metadata` filters, where the endpoint has metadata. Raises NoJobList where it refuses
        to list them, or what it answers is no list: then nothing is known about what is there."""

    async def cancel(self, job_id: str) -> RemoteJob: ...

    async def pause(self, job_id: str) -> RemoteJob: ...

    async def unpause(self, job_id: str) -> RemoteJob: ...

    async def events(self, job_id: str, known: frozenset[str] | set[str] = frozenset()) -> list[RemoteEvent]:
        """The job's events not among `known`, oldest first."""

    async def checkpoints(self, job_id: str) -> list[RemoteCheckpoint]:
        """The job's checkpoints by step; empty where the endpoint has none."""

    async def result_rows(self, file_id: str) -> list[Mapping[str, str]]:
        """The rows of a result file, by column name."""

    async def has_model(self, name: str) -> bool | None:
        """Whether a model of this name is there; None where the endpoint does not tell."""

    async def models(self) -> list[str]:
        """The names of the models that it lists; none where it has no such list."""

    async def chat(self, request: Mapping[str, Any], once: str) -> Mapping[str, Any]:
        """Send a chat request one time and return the completion as JSON; whoever asks many holds them all back
        when the endpoint is busy. Endpoints that know the header Idempotency-Key answer the same value of `once`
        with the same completion."""
