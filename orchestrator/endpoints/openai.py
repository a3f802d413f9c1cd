"""Any endpoint that speaks the OpenAI fine-tuning API, through the official SDK with its own retries off."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Any, TypeVar

import httpx2
import openai
from openai import AsyncOpenAI

from orchestrator.config import EndpointConfig
from orchestrator.dataset.outgoing import Content, unheard
from orchestrator.dataset.survey.fingerprints import json_text
from orchestrator.endpoints.failures import explain
from orchestrator.endpoints.interface import (
    Capabilities,
    JobPage,
    JobRequest,
    OnSent,
    RemoteCheckpoint,
    RemoteEvent,
    RemoteFile,
    RemoteJob,
)
from orchestrator.endpoints.keys import content_without_key
from orchestrator.endpoints.objects import (
    Json,
    read_checkpoint,
    read_event,
    read_file,
    read_job,
    read_object,
    read_result_rows,
)
from orchestrator.endpoints.retries import Retries
from orchestrator.errors import EndpointUnreachable, OutcomeUnknown, RequestRefused

T = TypeVar("T")

PAGE = 100
_PURPOSE = "fine-tune"
_MIME_TYPE = "text/jsonl"
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
        page = await self._repeat("list jobs", self._raw_jobs.list, read=_page, limit=1)
        count = len(page.items)
        return "it answers, and its list of fine-tuning jobs " + ("is empty" if not count else "can be read")

    # --- files ---------------------------------------------------------------------------------------------

    async def upload(self, content: Content, sent_name: str, on_sent: OnSent = unheard) -> RemoteFile:
        with content.open(on_sent) as source:
            file = (sent_name, source, "application/jsonl")
            fields = {"file": file, "purpose": _PURPOSE, "timeout": self._deadline(content.size)}
            return await self._once(self._raw_files.create, read=read_file, **fields)

    async def open_upload(self, sent_name: str, size: int) -> str:
        fields = {"filename": sent_name, "bytes": size, "purpose": _PURPOSE, "mime_type": _MIME_TYPE}
        return await self._repeat("open upload", self._raw_uploads.create, read=_id, **fields)

    async def add_part(self, upload_id: str, part: Content, on_sent: OnSent = unheard) -> str:
        deadline = self._deadline(part.size)
        retries = replace(self._retries, total=self._retries.total + self._retries.attempts * deadline)

        async def send() -> str:
            with part.open(on_sent) as source:
                fields = {"data": ("part", source), "timeout": deadline}
                return await self._send(self._raw_uploads.parts.create, upload_id, read=_id, **fields)

        return await retries("send part", send)

    async def complete_upload(self, upload_id: str, part_ids: Sequence[str], md5: str, size: int) -> RemoteFile:
        fields = {"part_ids": list(part_ids), "md5": md5, "timeout": self._deadline(size)}
        return await self._once(self._raw_uploads.complete, upload_id, read=_made_file, **fields)

    async def cancel_upload(self, upload_id: str) -> None:
        fields = {"timeout": self._config.timeout_seconds}
        await self._once(self._raw_uploads.cancel, upload_id, read=dict, **fields)

    def _deadline(self, size: int) -> float:
        """Seconds that sending so many bytes may take."""
        return self._config.timeout_seconds + size / _SLOWEST_UPLOAD

    async def find_files(self, sent_name: str) -> list[RemoteFile]:
        return [file for file in await self.files() if file.filename == sent_name]

    async def files(self) -> list[RemoteFile]:
        found: list[RemoteFile] = []
        async for raw in self._pages("list files", self._raw_files.list, purpose=_PURPOSE):
            found += [read_file(item) for item in raw if item.get("id")]
        return sorted(found, key=lambda file: file.created_at or 0.0, reverse=True)

    async def file(self, file_id: str) -> RemoteFile:
        return await self._repeat("get file", self._raw_files.retrieve, file_id, read=read_file)

    async def delete_file(self, file_id: str) -> None:
        try:
            await self._repeat("delete file", self._raw_files.delete, file_id, read=dict)
        except RequestRefused as error:
            if error.facts["status"] != 404:
                raise

    async def result_rows(self, file_id: str) -> list[Mapping[str, str]]:
        async def fetch() -> bytes:
            try:
                answer = await self._client.files.content(file_id, timeout=self._config.timeout_seconds)
                return content_without_key(await answer.aread(), self._config)
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
        given["timeout"] = self._config.timeout_seconds
        return await self._once(self._raw_jobs.create, read=read_job, **given)

    def _method(self, method: Mapping[str, Any]) -> dict[str, Any]:
        numbers = method["hyperparameters"]
        if not self.capabilities.accepts_auto:
            numbers = {name: value for name, value in numbers.items() if value != "auto"}
        inner = {key: value for key, value in method.items() if key not in ("type", "hyperparameters")}
        return {"type": method["type"], method["type"]: {**inner, "hyperparameters": dict(numbers)}}

    async def job(self, job_id: str) -> RemoteJob:
        return await self._repeat("get job", self._raw_jobs.retrieve, job_id, read=read_job)

    async def jobs(self, after: str | None = None, metadata: Mapping[str, str] | None = None) -> JobPage:
        query: dict[str, Any] = {"limit": PAGE}
        if after is not None:
            query["after"] = after
        if metadata and self.capabilities.metadata:
            query["metadata"] = dict(metadata)
        page = await self._repeat("list jobs", self._raw_jobs.list, read=_page, **query)
        jobs = tuple(read_job(item) for item in page.items if item.get("id"))
        return JobPage(jobs, jobs[-1].id if jobs and page.has_more and jobs[-1].id != after else None)

    async def cancel(self, job_id: str) -> RemoteJob:
        return await self._command("cancel job", self._raw_jobs.cancel, job_id)

    async def pause(self, job_id: str) -> RemoteJob:
        return await self._command("pause job", self._raw_jobs.pause, job_id)

    async def unpause(self, job_id: str) -> RemoteJob:
        return await self._command("unpause job", self._raw_jobs.resume, job_id)

    async def _command(self, what: str, call: Callable[..., Awaitable[Any]], job_id: str) -> RemoteJob:
        """To a wish, a lasting conflict is a refusal: the job is not in the state for it."""
        try:
            return await self._repeat(what, call, job_id, read=read_job)
        except EndpointUnreachable as error:
            if error.facts.get("status") == HTTPStatus.CONFLICT:
                raise RequestRefused(**error.facts) from error
            raise

    async def events(self, job_id: str, known: frozenset[str] | set[str] = frozenset()) -> list[RemoteEvent]:
        listed: list[RemoteEvent] = []
        newest_first = True
        async for raw in self._pages("list events", self._raw_jobs.list_events, job_id):
            listed += [read_event(item) for item in raw]
            newest_first = listed[0].created_at >= listed[-1].created_at
            if newest_first and any(event.id in known for event in listed[-len(raw) :]):
                break  # what follows is older, and known
        oldest_first = reversed(listed) if newest_first else listed
        found = {event.id: event for event in oldest_first if event.id not in known}
        return sorted(found.values(), key=lambda event: event.created_at)  # stable: many share a second

    async def checkpoints(self, job_id: str) -> list[RemoteCheckpoint]:
        if not self.capabilities.checkpoints:
            return []
        found: list[RemoteCheckpoint] = []
        try:
            async for raw in self._pages("list checkpoints", self._raw_checkpoints.list, job_id):
                found += [read_checkpoint(item) for item in raw if item.get("id")]
        except RequestRefused as error:
            if error.facts["status"] not in _GONE:
                raise
        return sorted(found, key=lambda checkpoint: checkpoint.step)

    # --- calling -------------------------------------------------------------------------------------------

    async def chat(self, request: Mapping[str, Any], once: str) -> Mapping[str, Any]:
        # As bytes: the SDK copies a body leaf by leaf for each request, and many tools are many leaves.
        headers = {"Idempotency-Key": once, "Content-Type": "application/json"}
        options: Any = {"headers": headers, "timeout": self._config.timeout_seconds}
        fields = {"cast_to": httpx2.Response, "content": json_text(request), "options": options}
        return await self._send(self._client.post, "/chat/completions", read=dict, **fields)

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

    @property
    def _raw_uploads(self) -> Any:
        return self._client.uploads.with_raw_response

    async def _repeat(
        self, what: str, call: Callable[..., Awaitable[Any]], *args: Any, read: Callable[[Json], T], **fields: Any
    ) -> T:
        """For calls that may be repeated: the answer, as `read` makes it of the JSON object."""
        fields.setdefault("timeout", self._config.timeout_seconds)
        return await self._retries(what, lambda: self._send(call, *args, read=read, **fields))

    async def _once(
        self, call: Callable[..., Awaitable[Any]], *args: Any, read: Callable[[Json], T], **fields: Any
    ) -> T:
        """For calls that take effect: sent once, OutcomeUnknown unless it is certain what they did."""
        try:
            return await self._send(call, *args, read=read, **fields)
        except EndpointUnreachable as error:
            if error.facts["sent"]:
                raise OutcomeUnknown(endpoint=self.name, problem=error.facts["problem"]) from error
            raise

    async def _send(
        self, call: Callable[..., Awaitable[Any]], *args: Any, read: Callable[[Json], T], **fields: Any
    ) -> T:
        try:
            answer = await call(*args, **fields)
            return read(read_object(content_without_key(answer.content, self._config)))
        except (openai.OpenAIError, ValueError, TypeError, KeyError) as error:
            raise explain(error, self._config) from error

    async def _pages(
        self, what: str, call: Callable[..., Awaitable[Any]], *args: Any, **query: Any
    ) -> AsyncIterator[list[Json]]:
        """The non-empty pages of a list. A host that ignores `after` would repeat itself for ever: stop there."""
        seen: set[str] = set()
        while True:
            page = await self._repeat(what, call, *args, read=_page, limit=PAGE, **query)
            if not page.items or str(page.items[-1].get("id")) in seen:
                return
            yield page.items
            if not page.has_more:
                return
            query["after"] = str(page.items[-1].get("id"))
            seen.add(query["after"])


def _id(raw: Json) -> str:
    return str(raw["id"])


def _made_file(upload: Json) -> RemoteFile:
    return read_file(upload["file"])


@dataclass(frozen=True)
class _Page:
    items: list[Json]
    has_more: bool


def _page(raw: Json) -> _Page:
    """A list as it came; where a host omits `has_more`, a full page may have a successor."""
    data = raw.get("data")
    items: list[Json] = [item for item in data if isinstance(item, dict)] if isinstance(data, list) else []
    more = raw.get("has_more")
    return _Page(items, bool(more) if more is not None else len(items) >= PAGE)
