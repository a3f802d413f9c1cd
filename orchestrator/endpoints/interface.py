"""What ftorch needs from an endpoint. An endpoint is added as one class with these methods.

Values are read tolerantly (hosts differ), and every value keeps the raw object it was read from.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any, Protocol

from orchestrator.dataset.outgoing import Content, unheard

TRAINING, BATCH = "fine-tune", "batch"
"""The purposes of uploaded files."""

LONGEST_SUFFIX = 64
"""Characters, by OpenAI's API description 2.3.0."""

EVERY_LORA_KEY = frozenset(
    {
        *("rank", "alpha", "dropout", "targets", "max_length", "packing"),
        *("quantization", "gradient_checkpointing", "precision", "num_processes"),
    }
)
"""The keys of the job file's table `[lora]`, except for learning_rate, which `[method]` has."""

OnSent = Callable[[int], None]
"""Receives how many bytes of a content have been sent so far; fewer again if it is sent a second time."""


def chosen_id(token: str) -> str:
    """The id of the job that is requested with this token, on endpoints with `chosen_ids`."""
    return f"ftorch-{token.lower()}"


@dataclass(frozen=True)
class Parts:
    """Files of more than `above` bytes are uploaded in parts of at most `size` bytes."""

    above: int
    size: int


@dataclass(frozen=True)
class Capabilities:
    """What this endpoint can do, so that no code depends on its type."""

    metadata: bool
    """Jobs carry metadata, and the list of jobs filters by it."""
    pause: bool
    checkpoints: bool
    accepts_auto: bool
    """A hyperparameter may be sent as "auto"; otherwise the field is left out."""
    needs_processed_files: bool
    """A job is refused while its files are still being processed."""
    charges: bool
    """Training costs money."""
    outlives_us: bool
    """Jobs continue while no ftorch runs."""
    parts: Parts | None = None
    """When a file is uploaded in parts; None if that is not possible."""
    longest_suffix: int = LONGEST_SUFFIX
    suffix_takes_dots: bool = True
    imports: bool = False
    """It can fetch a file from an address."""
    cancelling_charges: bool = False
    """A cancelled job is charged for the training done so far."""
    needs_deployment: bool = False
    """A model answers only under the name of a deployment, which is made and removed separately."""
    lora: frozenset[str] = frozenset()
    """The keys of `[lora]` that jobs take; empty if they take none."""
    learning_rate: bool = False
    """Jobs take an absolute learning rate."""
    learning_rate_multiplier: bool = True
    """Jobs take a multiplier of the rate that the endpoint chooses."""
    default_epochs: int | None = None
    """The epochs of a job whose request leaves them out; None if the endpoint chooses by the data."""
    quotes: bool = False
    """It tells the price of a job whose files are uploaded."""
    previews: bool = False
    """It shows how it turns rows of an uploaded file into tokens."""
    seed: bool = True
    """Jobs take the seed of their training."""
    validation_file: frozenset[str] = frozenset({"supervised", "dpo", "reinforcement"})
    """The methods whose jobs take a validation file."""
    validation_loss: bool = True
    """Jobs report the loss on a validation file, with their steps or their checkpoints."""
    batch: bool = False
    """It has a Batch API, which answers many questions within a day, at a lower price."""
    evals: bool = False
    """It has OpenAI's Evals API."""
    wandb: bool = False
    """It reports its jobs to Weights & Biases, if the create request names a project there."""
    checks_graders: bool = False
    """It checks the grader of a reinforcement job before the job exists."""
    returns_files: bool = True
    """A request returns what is in a file."""
    deletes_models: bool = True
    """A request deletes a tuned model."""
    needs_dedicated: bool = False
    """A tuned model answers only on an endpoint that the user starts and stops there; see `dedicated` of
    `EndpointConfig`."""
    serves_on_request: bool = False
    """The results of jobs are checkpoints, each of which answers once a request has made a model of it."""
    chosen_ids: bool = False
    """Jobs are created under an id that we choose, so the request can be repeated: a second one finds the first's
    job in its place."""


@dataclass(frozen=True)
class RemoteFile:
    id: str
    filename: str | None
    bytes: int | None
    purpose: str | None
    status: str | None
    """uploaded, processed, error, …; None if the host gives none."""
    status_details: str | None
    created_at: float | None
    raw: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class JobError:
    code: str | None
    message: str | None
    param: str | None


@dataclass(frozen=True)
class RemoteJob:
    id: str
    status: str
    """As given by the endpoint: an open set."""
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
    cost_usd: float | None = None
    """What the endpoint charges for it, in US dollars; None if the job doesn't say."""


@dataclass(frozen=True)
class JobPage:
    """Some jobs, usually newest first; `next` is the cursor of the following page."""

    jobs: tuple[RemoteJob, ...]
    next: str | None
    """None if there is no further page to ask for."""
    is_last: bool
    """The endpoint said that this is the last page. Without that and without a further page, there may be more."""


@dataclass(frozen=True)
class RemoteEvent:
    id: str
    created_at: float
    level: str
    type: str | None
    message: str
    data: Mapping[str, Any] | None
    raw: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class RemoteCheckpoint:
    id: str
    step: int
    model: str
    metrics: Mapping[str, Any]
    created_at: float
    raw: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class RemoteModel:
    """A model that answers on the endpoint."""

    name: str
    created_at: float | None
    owned_by: str | None
    shutdown_date: date | None
    """The day (UTC) on which the endpoint ends it; None if it names none."""
    raw: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class JobRequest:
    """The request for a fine-tuning job. `method` is {"type", "hyperparameters", and "grader" for
    reinforcement}."""

    model: str
    training_file: str
    validation_file: str | None
    method: Mapping[str, Any]
    seed: int
    suffix: str | None
    metadata: Mapping[str, str]
    token: str
    """Sent as Idempotency-Key, or as part of the id: the same in every attempt to create this job."""
    training_type: str | None = None
    """Azure's training type: Standard, GlobalStandard, DataZoneStandard or DeveloperTier; None leaves it to the
    endpoint."""


@dataclass(frozen=True)
class Quote:
    """What the endpoint would charge for a job; `usd` is None if it doesn't say, with its `reason`."""

    usd: float | None
    tokens: int | None = None
    """Those to be trained, of all epochs."""
    reason: str | None = None
    is_early: bool = False
    """It says so only later: the files are still being checked."""
    is_refused: bool = False
    """It found a file that no job can be trained with."""
    is_over_limit: bool = False
    """The account may not spend that much."""
    limit_usd: float | None = None
    """How much it may spend."""


@dataclass(frozen=True)
class TokenizedRow:
    """A row of a training file as the endpoint trains it; the three tuples are of the same length."""

    ids: tuple[int, ...]
    learned: tuple[bool, ...]
    texts: tuple[str, ...]
    is_cut: bool
    """It was longer than the model's context."""


@dataclass(frozen=True)
class RemoteBatch:
    """Many chat requests that the endpoint answers later."""

    id: str
    status: str
    """As given by the endpoint: an open set."""
    created_at: float | None
    input_file: str | None
    output_file: str | None
    error_file: str | None
    total: int
    completed: int
    failed: int
    metadata: Mapping[str, str]
    problems: tuple[str, ...]
    """Why the whole batch failed."""
    raw: Mapping[str, Any]


@dataclass(frozen=True)
class BatchPage:
    """Up to 100 batches; `next` is the cursor of the following page, None if there is none."""

    batches: tuple[RemoteBatch, ...]
    next: str | None
    is_last: bool
    """Whether the endpoint says that this is the last page."""


@dataclass(frozen=True)
class ServingRequest:
    """The request that makes a checkpoint answer."""

    name: str
    """A part of the model's name; the host adds to it."""
    model: str
    """The base model, as the job names it."""
    job_id: str
    checkpoint_id: str
    description: str


@dataclass(frozen=True)
class ServedModel:
    """A model that a host serves on request. `job_id` and `checkpoint_id` say what it was made from, if the host
    does."""

    name: str
    """Requests to the model name it so."""
    status: str
    """As given by the host: an open set."""
    problem: str | None
    job_id: str | None
    checkpoint_id: str | None
    description: str | None
    created_at: float | None


class Serving(Protocol):
    """How a checkpoint is made to answer, on hosts where it takes a request. Methods raise like those of
    Endpoint."""

    async def models(self) -> list[ServedModel]:
        """Every model that was made so. Raises AnswerUnreadable if the response is not a list."""

    async def serve(self, request: ServingRequest) -> ServedModel:
        """Make a model of a checkpoint, asking once: each request that arrives makes another one. Raises
        OutcomeUnknown if it is unknown whether it took effect."""

    async def remove(self, name: str) -> None:
        """Remove a model; its checkpoint stays. A missing one is not an error."""


class Batches(Protocol):
    """The Batch API of an open endpoint, if `capabilities.batch`. Methods raise like those of Endpoint."""

    async def create(self, input_file: str, metadata: Mapping[str, str], token: str) -> RemoteBatch:
        """Have the chat requests in an uploaded file answered: the paid request, sent once, with `token` as its
        idempotency key. Raises OutcomeUnknown if it is unknown whether it took effect."""

    async def get(self, batch_id: str) -> RemoteBatch: ...

    async def page(self, after: str | None = None) -> BatchPage:
        """One page of batches, newest first on most hosts. Raises AnswerUnreadable if it is not a list."""

    async def cancel(self, batch_id: str) -> RemoteBatch:
        """End it; answers received by then are kept. Raises RequestRefused if it has finished."""

    async def download(self, file_id: str, path: Path) -> None:
        """Write the lines of an output or error file to `path`. Raises OSError if that can't be written."""


class Evals(Protocol):
    """OpenAI's Evals API, only to read; the objects are as received. Methods raise like those of Endpoint, and
    AnswerUnreadable if a response is not a list."""

    async def evals(self) -> list[Mapping[str, Any]]:
        """Every eval: its data source and its graders."""

    async def runs(self, eval_id: str) -> list[Mapping[str, Any]]:
        """Every run of an eval."""

    async def output_items(self, eval_id: str, run_id: str) -> list[Mapping[str, Any]]:
        """Every item of a run: the input, the model's output, and the graders' results."""


class Estimates(Protocol):
    """What an endpoint says of a job before it is requested. Methods raise like the reading ones of Endpoint."""

    async def price(self, request: JobRequest) -> Quote:
        """What that job would cost, if `capabilities.quotes`. Its files must have been uploaded."""

    async def preview(self, model: str, file_id: str, rows: int) -> list[TokenizedRow]:
        """The first `rows` of an uploaded training file as `model` is trained on them, if
        `capabilities.previews`."""


class Endpoint(Protocol):
    """An open connection to an endpoint.

    Reading calls retry on temporary errors, within a bounded time, and so do the first steps of an upload in parts.
    `upload`, `complete_upload`, `import_file` and `create` never do: they raise OutcomeUnknown if it is unknown
    whether they took effect. All raise EndpointUnreachable, EndpointBusy, KeyRefused,
    QuotaExhausted or RequestRefused.
    """

    name: str
    capabilities: Capabilities
    batches: Batches
    evals: Evals
    estimates: Estimates | None
    """None unless its capabilities say that it has one."""
    serving: Serving | None
    """None where the models of jobs answer without a request."""
    account: Mapping[str, str]
    """Account details in the responses so far: organization, project, tenant; see `accounts.py`."""

    async def check(self) -> str:
        """One harmless request; a short sentence on what answered."""

    async def upload(
        self, content: Content, sent_name: str, on_sent: OnSent = unheard, *, purpose: str = TRAINING
    ) -> RemoteFile:
        """Send a file, for fine-tuning by default. Raises DataFileUnusable if it is no longer the file that was
        checked: then the endpoint doesn't have it."""

    async def open_upload(self, sent_name: str, size: int) -> str | None:
        """Begin an upload in parts; its id, or None if this address has no such uploads. There is no file until it
        is completed, and it expires if it is not."""

    async def add_part(self, upload_id: str, part: Content, on_sent: OnSent = unheard) -> str:
        """Send one part; its id. Raises DataFileUnusable, like `upload`."""

    async def complete_upload(self, upload_id: str, part_ids: Sequence[str], md5: str, size: int) -> RemoteFile:
        """Make a file of these parts, sent once. `md5` and `size` are those of the whole file."""

    async def cancel_upload(self, upload_id: str) -> None:
        """Cancel an upload, asking once: it can't be completed afterwards."""

    async def import_file(self, address: str, sent_name: str) -> RemoteFile:
        """Let the endpoint fetch a file for fine-tuning, asking once; only if `capabilities.imports`."""

    async def find_files(self, sent_name: str, *, purpose: str = TRAINING) -> list[RemoteFile]:
        """The files of this purpose, newest first, whose names contain the hash at the start of `sent_name`; if it
        has none, those of exactly this name."""

    async def files_of_size(self, size: int, *, purpose: str = TRAINING) -> list[RemoteFile]:
        """The files of this purpose and size in bytes, newest first."""

    async def file_hash(self, file_id: str, size: int) -> str | None:
        """The SHA-256 of a file's bytes, reading at most `size` of them; None if there are more, or the endpoint
        doesn't return them."""

    async def download(self, file_id: str, path: Path) -> None:
        """Write the contents of a file to `path`, only if `capabilities.returns_files`. Raises RequestRefused if
        the endpoint doesn't return it, and OSError if it can't be written."""

    async def files(self) -> list[RemoteFile]:
        """All fine-tuning files, newest first."""

    async def file(self, file_id: str) -> RemoteFile: ...

    async def delete_file(self, file_id: str) -> None:
        """Delete a file; a missing one is not an error."""

    async def check_grader(self, grader: Mapping[str, Any]) -> None:
        """Have a grader checked, which costs nothing; only if `capabilities.checks_graders`. A request that fails
        for another reason says nothing about the grader. Raises RequestRefused if the grader is refused."""

    async def create(self, request: JobRequest) -> RemoteJob:
        """The paid request, sent once. Raises OutcomeUnknown also for a response without a usable job id."""

    async def job_of(self, request: JobRequest) -> RemoteJob | None:
        """The job that this request made, by the id that was chosen for it; None if there is none, and on endpoints
        without `capabilities.chosen_ids`. Raises RequestRefused if somebody else's job has that id."""

    async def job(self, job_id: str) -> RemoteJob: ...

    async def jobs(self, after: str | None = None, metadata: Mapping[str, str] | None = None) -> JobPage:
        """One page of jobs. `metadata` filters, if the endpoint has metadata. Raises NoJobList if it refuses to
        list them, or if its response is not a list: then nothing is known about its jobs."""

    async def cancel(self, job_id: str) -> RemoteJob: ...

    async def pause(self, job_id: str) -> RemoteJob: ...

    async def unpause(self, job_id: str) -> RemoteJob: ...

    async def events(self, job_id: str, known: frozenset[str] | set[str] = frozenset()) -> list[RemoteEvent]:
        """The job's events not among `known`, oldest first."""

    async def checkpoints(self, job_id: str) -> list[RemoteCheckpoint]:
        """The job's checkpoints by step; empty if the endpoint has none."""

    async def result_rows(self, file_id: str) -> list[Mapping[str, str]]:
        """The rows of a result file, by column name."""

    async def has_model(self, name: str) -> bool | None:
        """Whether a model of this name exists; None if the endpoint does not say."""

    async def models(self) -> list[str]:
        """The names of the models that it lists; empty if it has no such list."""

    async def listed_models(self) -> list[RemoteModel] | None:
        """The models that it lists; None if it has no such list."""

    async def delete_model(self, name: str) -> None:
        """Delete a tuned model or a checkpoint's model, only if `capabilities.deletes_models`; a missing one is not
        an error."""

    async def chat(self, request: Mapping[str, Any], once: str) -> Mapping[str, Any]:
        """Send a chat request once and return the completion as JSON; a caller with many requests pauses all of
        them when the endpoint is busy. Endpoints that know the header Idempotency-Key answer the same value of
        `once` with the same completion."""
