"""An endpoint in memory that fails as it is told to, a clock that nobody waits for, and a listener that keeps all.

They stand in only where a fault is needed that no server gives on request. The endpoint answers with values that
`orchestrator.endpoints.objects` reads from plain API objects.
"""

from __future__ import annotations

import asyncio
import hashlib
import itertools
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from orchestrator.dataset.outgoing import Content, unheard
from orchestrator.endpoints.interface import (
    TRAINING,
    Capabilities,
    JobPage,
    JobRequest,
    OnSent,
    RemoteFile,
    RemoteJob,
    chosen_id,
)
from orchestrator.endpoints.objects import read_checkpoint, read_event, read_file, read_job
from orchestrator.errors import EndpointUnreachable, OutcomeUnknown, RequestRefused
from orchestrator.store.runs import Run, Transition

START = 1_800_000_000.0
HAS_ALL = Capabilities(
    metadata=True,
    pause=True,
    checkpoints=True,
    accepts_auto=True,
    needs_processed_files=False,
    charges=True,
    outlives_us=True,
)
MODEL = "gpt-4.1-mini-2025-04-14"


class FakeClock:
    """Time that passes only while somebody sleeps, or when a test says so."""

    def __init__(self) -> None:
        self.time = START

    def now(self) -> float:
        return self.time

    async def sleep(self, seconds: float) -> None:
        self.time += seconds
        await asyncio.sleep(0)

    def pass_(self, seconds: float) -> None:
        self.time += seconds


@dataclass(frozen=True)
class Fault:
    """What one request meets: it takes effect or not, and then this error comes back (None: the normal answer)."""

    error: Exception | None
    lands: bool = False
    delay: float = 0.0


class FakeEndpoint:
    """Files and jobs in memory. `calls` tells every request; `fault` says what the next ones of a kind meet."""

    name = "fake"
    estimates = None

    def __init__(self, clock: FakeClock, capabilities: Capabilities) -> None:
        self.capabilities = capabilities
        self.account: dict[str, str] = {}
        self.clock = clock
        self.calls: list[tuple[str, Any]] = []
        self.raw_jobs: dict[str, dict[str, Any]] = {}
        self.raw_files: dict[str, dict[str, Any]] = {}
        self.received: dict[str, bytes] = {}
        self.open_uploads: dict[str, tuple[str, dict[str, bytes]]] = {}
        self.events_of: dict[str, list[dict[str, Any]]] = defaultdict(list)
        self.checkpoints_of: dict[str, list[dict[str, Any]]] = defaultdict(list)
        self.life: tuple[str, ...] = ("queued", "running", "succeeded")
        self.gives_model = True
        self.echoes: set[str] = {"seed", "suffix", "metadata"}
        self.hidden_lists = 0
        self.somebody_elses: str | None = None
        """What it says of a job under a chosen id that somebody else made."""
        self.takes_parts = True
        self.page_size = 100
        self._faults: dict[str, deque[Fault]] = defaultdict(deque)
        self._numbers = itertools.count(1)

    # --- what a test says ----------------------------------------------------------------------------------

    def fault(self, kind: str, *faults: Fault | Exception, times: int = 1) -> None:
        for fault in faults * times:
            self._faults[kind].append(fault if isinstance(fault, Fault) else Fault(fault))

    def count(self, kind: str) -> int:
        return Counter(kind for kind, _ in self.calls)[kind]

    def add_job(self, **fields: Any) -> dict[str, Any]:
        number = next(self._numbers)
        job = {"id": f"ftjob-{number}", "created_at": self.clock.now(), "status": "queued", "age": 0}
        self.raw_jobs[f"ftjob-{number}"] = {**job, "model": MODEL, **fields}
        return self.raw_jobs[f"ftjob-{number}"]

    def landed(self, run: Run, **fields: Any) -> dict[str, Any]:
        """A job as the create request of this run would have made it."""
        marks = {"training_file": run.training_file_id, "seed": run.seed, "model": run.model}
        token = {"metadata": {"ftorch_token": run.creation_token}} if self.capabilities.metadata else {}
        return self.add_job(**{**marks, **token, **fields})

    # --- what the code under test calls --------------------------------------------------------------------

    async def _meet(self, kind: str, detail: Any, effect: Callable[[], Any]) -> Any:
        self.calls.append((kind, detail))
        await asyncio.sleep(0)
        if not self._faults[kind]:
            return effect()
        fault = self._faults[kind].popleft()
        answer = effect() if fault.lands else None
        self.clock.pass_(fault.delay)
        if fault.error:
            raise fault.error
        return answer if fault.lands else effect()

    async def upload(
        self, content: Content, sent_name: str, on_sent: OnSent = unheard, *, purpose: str = TRAINING
    ) -> RemoteFile:
        def effect() -> RemoteFile:
            with content.open(on_sent) as source:
                return self._add_file(sent_name, source.read())

        found: RemoteFile = await self._meet("upload", sent_name, effect)
        return found

    def _add_file(self, sent_name: str, data: bytes) -> RemoteFile:
        raw = {"id": f"file-{next(self._numbers)}", "filename": sent_name, "bytes": len(data)}
        self.raw_files[str(raw["id"])] = {**raw, "status": "processed", "created_at": self.clock.now()}
        self.received[str(raw["id"])] = data
        return read_file({**raw, "status": "processed"})

    async def open_upload(self, sent_name: str, size: int) -> str | None:
        def effect() -> str | None:
            if not self.takes_parts:
                return None
            upload_id = f"upload-{next(self._numbers)}"
            self.open_uploads[upload_id] = (sent_name, {})
            return upload_id

        upload_id: str | None = await self._meet("open_upload", (sent_name, size), effect)
        return upload_id

    async def add_part(self, upload_id: str, part: Content, on_sent: OnSent = unheard) -> str:
        def effect() -> str:
            part_id = f"part-{next(self._numbers)}"
            with part.open(on_sent) as source:
                self.open_uploads[upload_id][1][part_id] = source.read()
            return part_id

        part_id: str = await self._meet("add_part", part.size, effect)
        return part_id

    async def complete_upload(self, upload_id: str, part_ids: Sequence[str], md5: str, size: int) -> RemoteFile:
        def effect() -> RemoteFile:
            name, parts = self.open_uploads.pop(upload_id)
            data = b"".join(parts[part_id] for part_id in part_ids)
            assert (len(data), hashlib.md5(data).hexdigest()) == (size, md5)
            return self._add_file(name, data)

        found: RemoteFile = await self._meet("complete_upload", upload_id, effect)
        return found

    async def cancel_upload(self, upload_id: str) -> None:
        def effect() -> None:
            if self.open_uploads.pop(upload_id, None) is None:
                raise refused(400)

        await self._meet("cancel_upload", upload_id, effect)

    async def import_file(self, address: str, sent_name: str) -> RemoteFile:
        found: RemoteFile = await self._meet(
            "import", (address, sent_name), lambda: self._add_file(sent_name, b"{}")
        )
        return found

    async def find_files(self, sent_name: str, *, purpose: str = TRAINING) -> list[RemoteFile]:
        def effect() -> list[RemoteFile]:
            found = [read_file(raw) for raw in self.raw_files.values() if raw["filename"] == sent_name]
            return found[::-1]

        files: list[RemoteFile] = await self._meet("find_files", sent_name, effect)
        return files

    async def files_of_size(self, size: int, *, purpose: str = TRAINING) -> list[RemoteFile]:
        return [read_file(raw) for raw in list(self.raw_files.values())[::-1] if raw["bytes"] == size]

    async def file_hash(self, file_id: str, size: int) -> str | None:
        self.calls.append(("file_hash", file_id))
        return hashlib.sha256(self.received[file_id]).hexdigest()

    async def file(self, file_id: str) -> RemoteFile:
        def effect() -> RemoteFile:
            if file_id not in self.raw_files:
                raise refused(404)
            return read_file(self.raw_files[file_id])

        found: RemoteFile = await self._meet("file", file_id, effect)
        return found

    async def check_grader(self, grader: Mapping[str, Any]) -> None:
        await self._meet("check_grader", grader, lambda: None)

    async def create(self, request: JobRequest) -> RemoteJob:
        def effect() -> RemoteJob:
            marks = {"seed": request.seed, "suffix": request.suffix, "metadata": dict(request.metadata)}
            shown = {key: value for key, value in marks.items() if key in self.echoes}
            raw = self.add_job(training_file=request.training_file, model=request.model, **shown)
            return read_job(dict(raw))

        job: RemoteJob = await self._meet("create", request, effect)
        return job

    async def job_of(self, request: JobRequest) -> RemoteJob | None:
        def effect() -> RemoteJob | None:
            if self.somebody_elses is not None:
                raise refused(409, message=self.somebody_elses)
            raw = self.raw_jobs.get(chosen_id(request.token))
            return read_job(dict(raw)) if raw else None

        job: RemoteJob | None = await self._meet("job_of", request.token, effect)
        return job

    async def job(self, job_id: str) -> RemoteJob:
        def effect() -> RemoteJob:
            if job_id not in self.raw_jobs:
                raise refused(404)
            self._age([self.raw_jobs[job_id]])
            return read_job(dict(self.raw_jobs[job_id]))

        job: RemoteJob = await self._meet("job", job_id, effect)
        return job

    async def jobs(self, after: str | None = None, metadata: dict[str, str] | None = None) -> JobPage:
        def effect() -> JobPage:
            if self.hidden_lists > 0:
                self.hidden_lists -= 1
                return JobPage((), None, is_last=True)
            found = [raw for raw in reversed(self.raw_jobs.values()) if self._fits(raw, metadata)]
            ids = [raw["id"] for raw in found]
            begin = ids.index(after) + 1 if after in ids else 0
            page = found[begin : begin + self.page_size]
            if metadata is None:
                self._age(page)
            more = page[-1]["id"] if page and begin + len(page) < len(found) else None
            return JobPage(tuple(read_job(dict(raw)) for raw in page), more, is_last=more is None)

        page: JobPage = await self._meet("jobs", (after, metadata), effect)
        return page

    @staticmethod
    def _fits(raw: dict[str, Any], metadata: dict[str, str] | None) -> bool:
        shown = raw.get("metadata") or {}
        return all(shown.get(key) == value for key, value in (metadata or {}).items())

    def _age(self, page: list[dict[str, Any]]) -> None:
        """A job goes one step on in its life whenever somebody looks."""
        for raw in page:
            if raw["status"] not in self.life:
                continue
            raw["age"] = min(raw["age"] + 1, len(self.life) - 1)
            raw["status"] = self.life[raw["age"]]
            if raw["status"] == "succeeded" and self.gives_model:
                raw["fine_tuned_model"] = f"ft:{raw['model']}:{raw['id']}"

    async def cancel(self, job_id: str) -> RemoteJob:
        return await self._become("cancel", job_id, "cancelled")

    async def pause(self, job_id: str) -> RemoteJob:
        return await self._become("pause", job_id, "paused")

    async def unpause(self, job_id: str) -> RemoteJob:
        return await self._become("unpause", job_id, "running")

    async def _become(self, kind: str, job_id: str, status: str) -> RemoteJob:
        def effect() -> RemoteJob:
            self.raw_jobs[job_id]["status"] = status
            return read_job(dict(self.raw_jobs[job_id]))

        job: RemoteJob = await self._meet(kind, job_id, effect)
        return job

    async def events(self, job_id: str, known: set[str] | frozenset[str] = frozenset()) -> Any:
        def effect() -> Any:
            found = [read_event(raw) for raw in self.events_of[job_id]]
            return [event for event in found if event.id not in known]

        return await self._meet("events", job_id, effect)

    async def checkpoints(self, job_id: str) -> Any:
        def effect() -> Any:
            return [read_checkpoint(raw) for raw in self.checkpoints_of[job_id]]

        return await self._meet("checkpoints", job_id, effect)

    async def result_rows(self, file_id: str) -> Any:
        return await self._meet("result_rows", file_id, lambda: [{"step": "1", "train_loss": "0.5"}])


def refused(status: int, code: str | None = None, message: str = "no") -> RequestRefused:
    return RequestRefused(
        endpoint="fake", problem=f"{message} ({status})", status=status, code=code, param=None, message=message
    )


def unreachable(*, sent: bool = True, retry_after: float | None = None, **facts: Any) -> EndpointUnreachable:
    return EndpointUnreachable(endpoint="fake", problem="it is away", sent=sent, retry_after=retry_after, **facts)


def unknown() -> OutcomeUnknown:
    return OutcomeUnknown(endpoint="fake", problem="it did not answer in time")


@dataclass
class Notes:
    """A Listener that keeps what it hears."""

    moves: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    noted_runs: list[str] = field(default_factory=list)
    steps: list[int] = field(default_factory=list)
    sent: list[int | None] = field(default_factory=list)

    def moved(self, _run: Run, transition: Transition) -> None:
        self.moves.append(transition.to_state)

    def noted(self, run: Run) -> None:
        self.noted_runs.append(run.id)

    def measured(self, _run: Run, metrics: list[Any]) -> None:
        self.steps += [metric.step for metric in metrics]

    def sending(self, _path: Path, sent: int | None, _size: int) -> None:
        self.sent.append(sent)

    def warned(self, text: str) -> None:
        self.warnings.append(text)
