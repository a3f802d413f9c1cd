"""Any endpoint that speaks the OpenAI fine-tuning API, through the official SDK with its own retries off."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import openai
from openai import AsyncOpenAI

from orchestrator.config import EndpointConfig
from orchestrator.dataset.files import open_as_sent
from orchestrator.endpoints.failures import explain
from orchestrator.endpoints.interface import (
    Capabilities,
    JobPage,
    JobRequest,
    RemoteCheckpoint,
    RemoteEvent,
    RemoteFile,
    RemoteJob,
)
from orchestrator.endpoints.objects import (
    Json,
    read_checkpoint,
    read_event,
    read_file,
    read_job,
    read_result_rows,
)
from orchestrator.endpoints.retries import Retries
from orchestrator.errors import EndpointUnreachable, OutcomeUnknown, RequestRefused

T = TypeVar("T")

PAGE = 100
_SLOWEST_UPLOAD = 250_000  # bytes a second: what an upload's deadline allows for
_GONE = (404, 405, 501)


class OpenAIEndpoint:
    """An open connection; see `interface.Endpoint` for what the methods promise."""

    def __init__(
        self,
        config: EndpointConfig,
        client: AsyncOpenAI,
        capabilities: Capabilities,
        retries: Retries | None = None,
    ) -> None:
        self.name = config.name
        self.capabilities = capabilities
        self._config = config
        self._client = client.with_options(max_retries=0)
        self._retries = retries or Retries()

    async def check(self) -> str:
        page = await self._repeat("list jobs", self._raw_jobs.list, limit=1)
        count = len(page.get("data") or [])
        return "it answers, and its list of fine-tuning jobs " + ("is empty" if not count else "can be read")

    # --- files ---------------------------------------------------------------------------------------------

    async def upload(self, path: Path, sent_name: str, size: int) -> RemoteFile:
        deadline = self._config.timeout_seconds + size / _SLOWEST_UPLOAD
        with open_as_sent(path) as content:
            file = (sent_name, content, "application/jsonl")
            raw = await self._once(self._raw_files.create, file=file, purpose="fine-tune", timeout=deadline)
        return self._read_answer(read_file, raw)

    async def find_files(self, sent_name: str) -> list[RemoteFile]:
        found = []
        async for raw in self._pages("list files", self._raw_files.list, purpose="fine-tune"):
            found += [file for file in map(read_file, raw) if file.filename == sent_name]
        return sorted(found, key=lambda file: file.created_at or 0.0, reverse=True)

    async def file(self, file_id: str) -> RemoteFile:
        return read_file(await self._repeat("get file", self._raw_files.retrieve, file_id))

    async def result_rows(self, file_id: str) -> list[Mapping[str, str]]:
        async def fetch() -> bytes:
            try:
                answer = await self._client.files.content(file_id, timeout=self._config.timeout_seconds)
                return await answer.aread()
            except openai.OpenAIError as error:
                raise explain(error, self._config) from error

        return read_result_rows(await self._retries("get result file", fetch))

    # --- jobs ----------------------------------------------------------------------------------------------

    async def create(self, request: JobRequest) -> RemoteJob:
        fields: dict[str, Any] = {
            "model": request.model,
            "training_file": request.training_file,
            "validation_file": request.validation_file,
            "seed": request.seed,
            "suffix": request.suffix,
            "metadata": dict(request.metadata) or None,
            "method": self._method(request.method),
        }
        given = {name: value for name, value in fields.items() if value is not None}
        raw = await self._once(self._raw_jobs.create, **given, timeout=self._config.timeout_seconds)
        return self._read_answer(read_job, raw)

    def _method(self, method: Mapping[str, Any]) -> dict[str, Any]:
        numbers = method["hyperparameters"]
        if not self.capabilities.accepts_auto:
            numbers = {name: value for name, value in numbers.items() if value != "auto"}
        inner = {key: value for key, value in method.items() if key not in ("type", "hyperparameters")}
        return {"type": method["type"], method["type"]: {**inner, "hyperparameters": dict(numbers)}}

    async def job(self, job_id: str) -> RemoteJob:
        return read_job(await self._repeat("get job", self._raw_jobs.retrieve, job_id))

    async def jobs(self, after: str | None = None, metadata: Mapping[str, str] | None = None) -> JobPage:
        query: dict[str, Any] = {"limit": PAGE}
        if after is not None:
            query["after"] = after
        if metadata and self.capabilities.metadata:
            query["metadata"] = dict(metadata)
        raw = await self._repeat("list jobs", self._raw_jobs.list, **query)
        jobs = tuple(read_job(item) for item in raw.get("data") or [] if item.get("id"))
        return JobPage(jobs, jobs[-1].id if jobs and _has_more(raw) and jobs[-1].id != after else None)

    async def cancel(self, job_id: str) -> RemoteJob:
        return read_job(await self._repeat("cancel job", self._raw_jobs.cancel, job_id))

    async def pause(self, job_id: str) -> RemoteJob:
        return read_job(await self._repeat("pause job", self._raw_jobs.pause, job_id))

    async def unpause(self, job_id: str) -> RemoteJob:
        return read_job(await self._repeat("unpause job", self._raw_jobs.resume, job_id))

    async def events(self, job_id: str, known: frozenset[str] | set[str] = frozenset()) -> list[RemoteEvent]:
        found: dict[str, RemoteEvent] = {}
        async for raw in self._pages("list events", self._raw_jobs.list_events, job_id):
            page = [read_event(item) for item in raw]
            found.update((event.id, event) for event in page if event.id not in known)
            newest_first = page[0].created_at >= page[-1].created_at
            if newest_first and any(event.id in known for event in page):
                break  # what follows is older, and known
        return sorted(found.values(), key=lambda event: event.created_at)

    async def checkpoints(self, job_id: str) -> list[RemoteCheckpoint]:
        if not self.capabilities.checkpoints:
            return []
        found: list[RemoteCheckpoint] = []
        try:
            async for raw in self._pages("list checkpoints", self._raw_checkpoints.list, job_id):
                found += [read_checkpoint(item) for item in raw]
        except RequestRefused as error:
            if error.facts["status"] not in _GONE:
                raise
        return sorted(found, key=lambda checkpoint: checkpoint.step)

    # --- one request ---------------------------------------------------------------------------------------

    @property
    def _raw_jobs(self) -> Any:
        return self._client.fine_tuning.jobs.with_raw_response

    @property
    def _raw_checkpoints(self) -> Any:
        return self._client.fine_tuning.jobs.checkpoints.with_raw_response

    @property
    def _raw_files(self) -> Any:
        return self._client.files.with_raw_response

    async def _repeat(self, what: str, call: Callable[..., Awaitable[Any]], *args: Any, **fields: Any) -> Json:
        """For calls that may be repeated: the answer's JSON object."""
        fields.setdefault("timeout", self._config.timeout_seconds)
        return await self._retries(what, lambda: self._send(call, *args, **fields))

    async def _once(self, call: Callable[..., Awaitable[Any]], **fields: Any) -> Json:
        """For calls that take effect: sent once, OutcomeUnknown unless it is certain what they did."""
        try:
            return await self._send(call, **fields)
        except EndpointUnreachable as error:
            if error.facts["sent"]:
                raise OutcomeUnknown(endpoint=self.name, problem=error.facts["problem"]) from error
            raise

    async def _send(self, call: Callable[..., Awaitable[Any]], *args: Any, **fields: Any) -> Json:
        try:
            answer = await call(*args, **fields)
            body = json.loads(answer.content)
            return dict(body)
        except (openai.OpenAIError, ValueError, TypeError) as error:
            raise explain(error, self._config) from error

    def _read_answer(self, read: Callable[[Json], T], raw: Json) -> T:
        try:
            return read(raw)
        except KeyError as error:
            raise OutcomeUnknown(endpoint=self.name, problem="its answer has no id") from error

    async def _pages(
        self, what: str, call: Callable[..., Awaitable[Any]], *args: Any, **query: Any
    ) -> AsyncIterator[list[Json]]:
        """The non-empty pages of a list. A host that ignores `after` would repeat itself for ever: stop there."""
        seen: set[str] = set()
        while True:
            raw = await self._repeat(what, call, *args, limit=PAGE, **query)
            items: list[Json] = [item for item in raw.get("data") or [] if isinstance(item, dict)]
            if not items or str(items[-1].get("id")) in seen:
                return
            yield items
            if not _has_more(raw):
                return
            query["after"] = str(items[-1].get("id"))
            seen.add(query["after"])


def _has_more(page: Json) -> bool:
    """Where a host omits `has_more`, a full page may have a successor."""
    more = page.get("has_more")
    return bool(more) if more is not None else len(page.get("data") or []) >= PAGE
