"""Any endpoint that speaks the OpenAI fine-tuning API, through the official SDK without its retries."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from http import HTTPStatus
from pathlib import Path
from typing import Any, TypeVar

import httpx2
import openai
from openai import AsyncOpenAI

from orchestrator.config import EndpointConfig
from orchestrator.dataset.files import hash_in
from orchestrator.dataset.outgoing import Content, unheard
from orchestrator.dataset.profile.fingerprints import json_text
from orchestrator.endpoints.batches import OpenAIBatches
from orchestrator.endpoints.evals import OpenAIEvals
from orchestrator.endpoints.failures import Unexplained, explain
from orchestrator.endpoints.interface import (
    TRAINING,
    Batches,
    Capabilities,
    Estimates,
    Evals,
    JobPage,
    JobRequest,
    OnSent,
    RemoteCheckpoint,
    RemoteEvent,
    RemoteFile,
    RemoteJob,
    RemoteModel,
    Serving,
)
from orchestrator.endpoints.keys import body_of, content_without_key
from orchestrator.endpoints.objects import (
    Json,
    has_usable_id,
    read_checkpoint,
    read_event,
    read_file,
    read_job,
    read_model,
    read_object,
    read_result_rows,
)
from orchestrator.endpoints.pages import read_page
from orchestrator.endpoints.retries import Retries
from orchestrator.errors import (
    AnswerUnreadable,
    EndpointError,
    EndpointUnreachable,
    NoJobList,
    OutcomeUnknown,
    RequestRefused,
)

T = TypeVar("T")

PAGE = 100
_MIME_TYPE = "text/jsonl"
_SLOWEST_UPLOAD = 250_000  # bytes per second: the deadline of an upload allows for this speed
_GONE = (404, 405, 501)
_REFUSES_THE_CONTENT = (HTTPStatus.BAD_REQUEST, HTTPStatus.UNPROCESSABLE_ENTITY)
_WHOLE_REQUEST = 2
"""The total time of a request is at most this many times its limit."""
_MOST_PAGES = 1000


class OpenAIEndpoint:
    """An open connection; see `interface.Endpoint` for the methods' guarantees."""

    def __init__(
        self,
        config: EndpointConfig,
        client: AsyncOpenAI,
        capabilities: Capabilities,
        retries: Retries | None = None,
    ) -> None:
        self.name = config.name
        self.capabilities = capabilities
        self.account: Mapping[str, str] = {}
        self._config = config
        self._client = client.with_options(max_retries=0)
        self._retries = retries or Retries()
        self._files_limit: int | None = PAGE
        self.estimates: Estimates | None = None
        self.batches: Batches = OpenAIBatches(config, self._client, self._retries, self._repeat, self._once)
        self.evals: Evals = OpenAIEvals(self._client, self._pages)
        self.serving: Serving | None = None

    async def check(self) -> str:
        try:
            page = await self._repeat("list jobs", self._raw_jobs.list, read=read_page, limit=1)
        except (AnswerUnreadable, RequestRefused) as error:
            await self._check_files(error)
            return (
                f"it answers, but doesn't list its jobs ({error.facts['problem']}): limited guarantee, since a "
                "create request whose answer is lost can't be confirmed there"
            )
        count = len(page.items)
        return "it answers, and its list of fine-tuning jobs " + ("is empty" if not count else "can be read")

    async def _check_files(self, error: EndpointError) -> None:
        """Raises `error`, unless the endpoint lists files: then it speaks the API except for the list of jobs."""
        if 300 <= (error.facts.get("status") or 0) < 400:
            raise error from None  # the address is a different one: nothing more is sent to it
        try:
            await self._one_page_of_files()
        except (AnswerUnreadable, RequestRefused):
            raise error from None

    async def _one_page_of_files(self) -> None:
        await self._repeat("list files", self._raw_files.list, read=read_page, purpose=TRAINING)

    # --- files ---------------------------------------------------------------------------------------------

    async def upload(
        self, content: Content, sent_name: str, on_sent: OnSent = unheard, *, purpose: str = TRAINING
    ) -> RemoteFile:
        with content.open(on_sent) as source:
            file = (sent_name, source, "application/jsonl")
            fields = {"file": file, "purpose": purpose, "timeout": self._deadline(content.size)}
            return await self._once(self._raw_files.create, read=read_file, **fields)

    async def open_upload(self, sent_name: str, size: int) -> str | None:
        fields = {"filename": sent_name, "bytes": size, "purpose": TRAINING, "mime_type": _MIME_TYPE}
        return await self._repeat("open upload", self._raw_uploads.create, read=_id, **fields)

    async def add_part(self, upload_id: str, part: Content, on_sent: OnSent = unheard) -> str:
        deadline = self._deadline(part.size)
        retries = replace(self._retries, total=self._retries.total + self._retries.attempts * deadline)

        async def send() -> str:
            with part.open(on_sent) as source:
                fields: dict[str, Any] = {"data": ("part", source), "timeout": deadline}
                return await self._send(self._raw_uploads.parts.create, upload_id, read=_id, **fields)

        return await retries("send part", send)

    async def complete_upload(self, upload_id: str, part_ids: Sequence[str], md5: str, size: int) -> RemoteFile:
        fields = {"part_ids": list(part_ids), "md5": md5, "timeout": self._deadline(size)}
        return await self._once(self._raw_uploads.complete, upload_id, read=_made_file, **fields)

    async def cancel_upload(self, upload_id: str) -> None:
        fields = {"timeout": self._config.timeout_seconds}
        await self._once(self._raw_uploads.cancel, upload_id, read=dict, **fields)

    def _deadline(self, size: int) -> float:
        """Seconds to allow for sending this many bytes."""
        return self._config.timeout_seconds + size / _SLOWEST_UPLOAD

    async def import_file(self, address: str, sent_name: str) -> RemoteFile:
        fields = {"purpose": TRAINING, "filename": sent_name, "content_url": address}
        options = {"timeout": self._config.timeout_seconds}
        return await self._once(
            self._client.post,
            "/files/import",
            read=read_file,
            cast_to=httpx2.Response,
            body=fields,
            options=options,
        )

    async def find_files(self, sent_name: str, *, purpose: str = TRAINING) -> list[RemoteFile]:
        mark = hash_in(sent_name) or sent_name
        return [
            file
            for file in await self._files_for(purpose)
            if file.filename == sent_name or (mark != sent_name and mark in (file.filename or "").lower())
        ]

    async def files_of_size(self, size: int, *, purpose: str = TRAINING) -> list[RemoteFile]:
        return [file for file in await self._files_for(purpose) if file.bytes == size]

    async def file_hash(self, file_id: str, size: int) -> str | None:
        streamed = self._client.files.with_streaming_response.content
        found, read = hashlib.sha256(), 0
        try:
            async with (
                asyncio.timeout(self._deadline(size)),
                streamed(file_id, timeout=self._config.timeout_seconds) as answer,
            ):
                async for piece in answer.iter_bytes():
                    found.update(piece)
                    read += len(piece)
                    if read > size:
                        return None
        except (openai.OpenAIError, httpx2.HTTPError, TimeoutError):
            return None  # hosts don't return training files; an unknown file is not ours
        return found.hexdigest()

    async def download(self, file_id: str, path: Path) -> None:
        await self.batches.download(file_id, path)

    async def files(self) -> list[RemoteFile]:
        return await self._files_for(TRAINING)

    async def _files_for(self, purpose: str) -> list[RemoteFile]:
        found: list[RemoteFile] = []
        async for raw in self._pages("list files", self._raw_files.list, limit=self._files_limit, purpose=purpose):
            found += [read_file(item) for item in raw if has_usable_id(item)]
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
        content = await self._repeat(
            "get result file", self._client.files.content, file_id, read=bytes, parse=bytes
        )
        try:
            return read_result_rows(content)
        except ValueError as error:  # apparently another format: asking again would not help
            unreadable = self._explained(error)
            raise RequestRefused(**refusal_facts(unreadable)) from error

    # --- jobs ----------------------------------------------------------------------------------------------

    async def check_grader(self, grader: Mapping[str, Any]) -> None:
        call = self._client.fine_tuning.alpha.graders.with_raw_response.validate
        try:
            await self._repeat("check grader", call, read=dict, grader=dict(grader))
        except (AnswerUnreadable, EndpointUnreachable):
            return  # nothing is known of the grader, and what follows meets an endpoint that is away
        except RequestRefused as error:
            if error.facts["status"] in _REFUSES_THE_CONTENT:
                raise

    async def create(self, request: JobRequest) -> RemoteJob:
        fields = self._job_fields(request)
        given = {name: value for name, value in fields.items() if value is not None}
        given["timeout"] = self._config.timeout_seconds
        given["extra_headers"] = {"Idempotency-Key": request.token}
        if self._config.body:
            given["extra_body"] = {**body_of(self._config), **given.get("extra_body", {})}
        return await self._once(self._raw_jobs.create, read=read_job, **given)

    def _job_fields(self, request: JobRequest) -> dict[str, Any]:
        """The SDK's arguments for creating a job; None values are left out."""
        return {
            "model": request.model,
            "training_file": request.training_file,
            "validation_file": request.validation_file,
            "seed": request.seed,
            "suffix": request.suffix,
            "metadata": dict(request.metadata) or None,
            "integrations": self._integrations(),
            **self._method_fields(request.method),
        }

    def _integrations(self) -> list[dict[str, Any]] | None:
        wandb = self._config.wandb
        if wandb is None or not self.capabilities.wandb:
            return None
        return [{"type": "wandb", "wandb": wandb.fields}]

    def _method_fields(self, method: Mapping[str, Any]) -> dict[str, Any]:
        if self._config.hyperparameters == "method":
            return {"method": self._method(method)}
        # A host that reads them at the top level may refuse a `method` without new information.
        is_default = method["type"] == "supervised"
        return {
            "hyperparameters": self._numbers(method) or None,
            "method": None if is_default else {"type": method["type"]},
        }

    def _method(self, method: Mapping[str, Any]) -> dict[str, Any]:
        inner = {"grader": method["grader"]} if "grader" in method else {}
        return {"type": method["type"], method["type"]: {**inner, "hyperparameters": self._numbers(method)}}

    def _numbers(self, method: Mapping[str, Any]) -> dict[str, Any]:
        numbers: Mapping[str, Any] = method["hyperparameters"]
        if self.capabilities.accepts_auto:
            return dict(numbers)
        return {name: value for name, value in numbers.items() if value != "auto"}

    async def job_of(self, request: JobRequest) -> RemoteJob | None:
        return None

    async def job(self, job_id: str) -> RemoteJob:
        return await self._repeat("get job", self._raw_jobs.retrieve, job_id, read=read_job)

    async def jobs(self, after: str | None = None, metadata: Mapping[str, str] | None = None) -> JobPage:
        query: dict[str, Any] = {"limit": PAGE}
        if after is not None:
            query["after"] = after
        if metadata and self.capabilities.metadata:
            query["metadata"] = dict(metadata)
        page = await self._list_of_jobs(self._raw_jobs.list, read=read_page, **query)
        jobs = tuple(read_job(item) for item in page.items if has_usable_id(item))
        if not page.items or page.has_more is False:
            return JobPage(jobs, None, is_last=True)
        repeats_itself = not jobs or jobs[-1].id == after
        return JobPage(jobs, None if repeats_itself else jobs[-1].id, is_last=False)

    async def _list_of_jobs(
        self, call: Callable[..., Awaitable[Any]], *args: Any, read: Callable[[Any], T], **fields: Any
    ) -> T:
        """One page. Raises NoJobList, like `jobs`."""
        try:
            return await self._repeat("list jobs", call, *args, read=read, **fields)
        except (EndpointUnreachable, RequestRefused) as error:
            passes = not isinstance(error, AnswerUnreadable | RequestRefused)
            if passes and error.facts.get("status") not in _GONE:
                raise
            raise NoJobList(**refusal_facts(error)) from error

    async def cancel(self, job_id: str) -> RemoteJob:
        return await self._command("cancel job", self._raw_jobs.cancel, job_id)

    async def pause(self, job_id: str) -> RemoteJob:
        return await self._command("pause job", self._raw_jobs.pause, job_id)

    async def unpause(self, job_id: str) -> RemoteJob:
        return await self._command("unpause job", self._raw_jobs.resume, job_id)

    async def _command(
        self,
        what: str,
        call: Callable[..., Awaitable[Any]],
        *args: Any,
        read: Callable[[Any], RemoteJob] = read_job,
        **fields: Any,
    ) -> RemoteJob:
        """A lasting conflict is a refusal of the request: the job is not in the state for it."""
        try:
            return await self._repeat(what, call, *args, read=read, **fields)
        except EndpointUnreachable as error:
            if error.facts.get("status") == HTTPStatus.CONFLICT:
                raise RequestRefused(**error.facts) from error
            raise

    async def events(self, job_id: str, known: frozenset[str] | set[str] = frozenset()) -> list[RemoteEvent]:
        listed: list[RemoteEvent] = []
        newest_first = True
        try:
            async for raw in self._pages("list events", self._raw_jobs.list_events, job_id):
                listed += [read_event(item) for item in raw]
                newest_first = listed[0].created_at >= listed[-1].created_at
                if newest_first and any(event.id in known for event in listed[-len(raw) :]):
                    break  # the rest is older, and known
        except AnswerUnreadable as error:
            raise RequestRefused(**refusal_facts(error)) from error  # apparently a host without events
        oldest_first = reversed(listed) if newest_first else listed
        found = {event.id: event for event in oldest_first if event.id not in known}
        return sorted(found.values(), key=lambda event: event.created_at)  # stable: many share a second

    async def checkpoints(self, job_id: str) -> list[RemoteCheckpoint]:
        if not self.capabilities.checkpoints:
            return []
        found: list[RemoteCheckpoint] = []
        try:
            async for raw in self._pages("list checkpoints", self._raw_checkpoints.list, job_id):
                found += [read_checkpoint(item) for item in raw if has_usable_id(item)]
        except AnswerUnreadable:
            return []
        except RequestRefused as error:
            if error.facts["status"] not in _GONE:
                raise
        return sorted(found, key=lambda checkpoint: checkpoint.step)

    # --- inference -----------------------------------------------------------------------------------------

    async def has_model(self, name: str) -> bool | None:
        try:
            await self._repeat("look for a model", self._client.models.with_raw_response.retrieve, name, read=dict)
        except RequestRefused as error:
            # A host without this route answers 404 for every name, but doesn't say that the model was not found.
            return False if error.facts["code"] == "model_not_found" else None
        return True

    async def models(self) -> list[str]:
        return [model.name for model in await self.listed_models() or ()]

    async def listed_models(self) -> list[RemoteModel] | None:
        try:
            page = await self._repeat("list models", self._client.models.with_raw_response.list, read=read_page)
        except AnswerUnreadable:
            return None
        except RequestRefused as error:
            if error.facts["status"] not in _GONE:
                raise
            return None
        return [read_model(item) for item in page.items if has_usable_id(item)]

    async def delete_model(self, name: str) -> None:
        try:
            await self._repeat("delete model", self._client.models.with_raw_response.delete, name, read=dict)
        except RequestRefused as error:
            # A host without this route answers 404 too, though it has the model.
            if error.facts["status"] != HTTPStatus.NOT_FOUND or await self.has_model(name):
                raise

    async def chat(self, request: Mapping[str, Any], once: str) -> Mapping[str, Any]:
        model = request["model"]
        if (name := self._config.dedicated.get(model, model)) != model:
            request = {**request, "model": name}
        # As bytes: the SDK copies a body leaf by leaf for each request, and many tools are many leaves.
        headers = {"Idempotency-Key": once, "Content-Type": "application/json"}
        options: Any = {"headers": headers, "timeout": self._config.timeout_seconds}
        fields = {"cast_to": httpx2.Response, "content": json_text(request), "options": options}
        return await self._send(self._client.post, self._chat_path(request), read=dict, **fields)

    def _chat_path(self, _request: Mapping[str, Any]) -> str:
        return "/chat/completions"

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
        self, what: str, call: Callable[..., Awaitable[Any]], *args: Any, read: Callable[[Any], T], **fields: Any
    ) -> T:
        """For calls that may be repeated: the response, converted from the JSON object by `read`."""
        if "options" not in fields:  # of the client's own get and post, which have it among them
            fields.setdefault("timeout", self._config.timeout_seconds)
        return await self._retries(what, lambda: self._send(call, *args, read=read, **fields))

    async def _once(
        self, call: Callable[..., Awaitable[Any]], *args: Any, read: Callable[[Any], T], **fields: Any
    ) -> T:
        """For calls that take effect: sent once, OutcomeUnknown (with the facts of the response) unless the effect
        is certain."""
        try:
            return await self._send(call, *args, read=read, **fields)
        except EndpointUnreachable as error:
            if error.facts["sent"]:
                raise OutcomeUnknown(**error.facts) from error
            raise

    async def _send(
        self,
        call: Callable[..., Awaitable[Any]],
        *args: Any,
        read: Callable[[Any], T],
        parse: Callable[[bytes], Any] = read_object,
        **fields: Any,
    ) -> T:
        try:
            # The library's own limit is per pause; a host that sends a byte now and then would never exceed it.
            limit = fields.get("options", fields).get("timeout", self._config.timeout_seconds)
            async with asyncio.timeout(_WHOLE_REQUEST * limit):
                answer = await call(*args, **fields)
            return read(parse(self._without_secrets(answer.content)))
        except TimeoutError as error:
            raise EndpointUnreachable(endpoint=self.name, problem="it did not answer in time", sent=True) from error
        except (openai.OpenAIError, ValueError, TypeError, KeyError, AssertionError) as error:
            raise self._explained(error) from error

    def _without_secrets(self, content: bytes) -> bytes:
        """The body of a response as it may be stored and shown."""
        return content_without_key(content, self._config)

    def _explained(self, error: Unexplained) -> EndpointError:
        return explain(error, self._config)

    async def _pages(
        self,
        what: str,
        call: Callable[..., Awaitable[Any]],
        *args: Any,
        limit: int | None = PAGE,
        **query: Any,
    ) -> AsyncIterator[list[Json]]:
        """The non-empty pages of a list; just one page if there is no `limit`. A host that ignores `after` would
        repeat its first page for ever: this stops there."""
        seen: set[str] = set()
        if limit is not None:
            query["limit"] = limit
        for _ in range(_MOST_PAGES):
            page = await self._repeat(what, call, *args, read=read_page, **query)
            if not page.items or str(page.items[-1].get("id")) in seen:
                return
            yield page.items
            if limit is None or not (len(page.items) >= PAGE if page.has_more is None else page.has_more):
                return
            query["after"] = str(page.items[-1].get("id"))
            seen.add(query["after"])


def _id(raw: Json) -> str:
    return str(raw["id"])


def _made_file(upload: Json) -> RemoteFile:
    return read_file(upload["file"])


def refusal_facts(error: EndpointError) -> dict[str, Any]:
    """For handlers of RequestRefused, also for a response that only could not be read."""
    return {"status": None, "code": None, "param": None, "message": error.facts["problem"], **error.facts}
