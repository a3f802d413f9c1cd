"""Together's API of files and jobs; see `requests` and `objects` for its words."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Any
from urllib.parse import quote

import httpx2
from openai import AsyncOpenAI

from orchestrator.config import EndpointConfig
from orchestrator.dataset.outgoing import Content, unheard
from orchestrator.endpoints.interface import (
    TRAINING,
    Capabilities,
    JobPage,
    JobRequest,
    OnSent,
    Quote,
    RemoteCheckpoint,
    RemoteEvent,
    RemoteFile,
    RemoteJob,
    RemoteModel,
    TokenizedRow,
)
from orchestrator.endpoints.keys import body_of
from orchestrator.endpoints.objects import Json, has_usable_id, read_object, whole
from orchestrator.endpoints.openai import OpenAIEndpoint, refusal_facts
from orchestrator.endpoints.pages import read_page
from orchestrator.endpoints.retries import Retries
from orchestrator.endpoints.together.fitting import not_served
from orchestrator.endpoints.together.objects import (
    metric_events,
    read_quote,
    read_together_checkpoint,
    read_together_event,
    read_together_file,
    read_together_job,
    read_tokenized,
)
from orchestrator.endpoints.together.requests import job_body, preview_body, price_body
from orchestrator.errors import AnswerUnreadable, RequestRefused

_FORM = {"Content-Type": "multipart/form-data"}
_JOBS, _FILES = "/fine-tunes", "/files"
_NO_LIST = (404, 405, 501)
_NOT_SERVED = "model_not_available"


class TogetherEndpoint(OpenAIEndpoint):
    """An open connection; see `interface.Endpoint` for the methods' guarantees. Lists have no pages."""

    def __init__(
        self,
        config: EndpointConfig,
        client: AsyncOpenAI,
        capabilities: Capabilities,
        retries: Retries | None = None,
    ) -> None:
        super().__init__(config, client, capabilities, retries)
        self.estimates = self

    async def check(self) -> str:
        page = await self.jobs()
        return "it answers, and its list of fine-tuning jobs " + ("can be read" if page.jobs else "is empty")

    # --- files ---------------------------------------------------------------------------------------------

    async def upload(
        self, content: Content, sent_name: str, on_sent: OnSent = unheard, *, purpose: str = TRAINING
    ) -> RemoteFile:
        fields = {"purpose": purpose, "file_name": sent_name, "file_type": "jsonl"}
        with content.open(on_sent) as source:
            return await self._once(
                self._client.post,
                f"{_FILES}/upload",
                body=fields,
                files=[("file", (sent_name, source, "application/jsonl"))],
                read=read_together_file,
                **self._raw(headers=_FORM, timeout=self._deadline(content.size)),
            )

    async def _files_for(self, purpose: str) -> list[RemoteFile]:
        page = await self._repeat("list files", self._client.get, _FILES, read=read_page, **self._raw())
        found = [read_together_file(item) for item in page.items if has_usable_id(item)]
        wanted = [file for file in found if file.purpose in (None, purpose)]
        return sorted(wanted, key=lambda file: file.created_at or 0.0, reverse=True)

    async def file(self, file_id: str) -> RemoteFile:
        path = f"{_FILES}/{quote(file_id, safe='')}"
        return await self._repeat("get file", self._client.get, path, read=read_together_file, **self._raw())

    # --- jobs ----------------------------------------------------------------------------------------------

    async def create(self, request: JobRequest) -> RemoteJob:
        return await self._once(
            self._client.post,
            _JOBS,
            body={**job_body(request), **body_of(self._config)},
            read=read_together_job,
            **self._raw(headers={"Idempotency-Key": request.token}),
        )

    async def price(self, request: JobRequest) -> Quote:
        path, body = f"{_JOBS}/estimate-price", {**price_body(request)}
        return await self._repeat(
            "ask for the price", self._client.post, path, body=body, read=read_quote, **self._raw()
        )

    async def job(self, job_id: str) -> RemoteJob:
        return await self._repeat(
            "get job", self._client.get, _job_path(job_id), read=read_together_job, **self._raw()
        )

    async def jobs(self, after: str | None = None, metadata: Mapping[str, str] | None = None) -> JobPage:
        page = await self._list_of_jobs(self._client.get, _JOBS, read=read_page, **self._raw())
        jobs = tuple(read_together_job(item) for item in page.items if has_usable_id(item))
        # A list that says that it goes on, in a way that no description tells, proves no job's absence.
        return JobPage(jobs, None, is_last=not page.has_more)

    async def cancel(self, job_id: str) -> RemoteJob:
        path = _job_path(job_id, "/cancel")
        return await self._command("cancel job", self._client.post, path, read=read_together_job, **self._raw())

    async def events(self, job_id: str, known: frozenset[str] | set[str] = frozenset()) -> list[RemoteEvent]:
        page = await self._parts("list events", job_id, "/events")
        listed = sorted(map(read_together_event, page), key=lambda event: event.created_at)
        metrics = await self._metrics(job_id, listed[-1].created_at if listed else time.time())
        return list({event.id: event for event in [*listed, *metrics] if event.id not in known}.values())

    async def _metrics(self, job_id: str, at: float) -> list[RemoteEvent]:
        """The job's metrics, which have no time, as events at that time; none if the host has none (yet)."""

        def read(raw: Json) -> list[RemoteEvent]:
            return list(metric_events(raw, at))

        with suppress(AnswerUnreadable, RequestRefused):
            return await self._repeat(
                "list metrics", self._client.get, _job_path(job_id, "/metrics"), read=read, **self._raw()
            )
        return []

    async def checkpoints(self, job_id: str) -> list[RemoteCheckpoint]:
        try:
            page = await self._parts("list checkpoints", job_id, "/checkpoints")
        except RequestRefused as error:
            if error.facts["status"] not in _NO_LIST:
                raise
            return []
        named = [item for item in page if whole(item.get("step")) is not None]
        found = {each.id: each for each in map(read_together_checkpoint, named)}
        return sorted(found.values(), key=lambda checkpoint: checkpoint.step)

    async def _parts(self, what: str, job_id: str, ending: str) -> list[Json]:
        """The list that a job has under this path. Raises RequestRefused if there is none."""
        try:
            page = await self._repeat(
                what, self._client.get, _job_path(job_id, ending), read=read_page, **self._raw()
            )
        except AnswerUnreadable as error:
            raise RequestRefused(**refusal_facts(error)) from error
        return page.items

    async def preview(self, model: str, file_id: str, rows: int) -> list[TokenizedRow]:
        body = preview_body(model, file_id, rows)
        return await self._repeat(
            "preview rows", self._client.post, f"{_JOBS}/preview", body=body, read=read_tokenized, **self._raw()
        )

    # --- inference -----------------------------------------------------------------------------------------

    async def chat(self, request: Mapping[str, Any], once: str) -> Mapping[str, Any]:
        try:
            return await super().chat(request, once)
        except RequestRefused as error:
            if error.facts.get("code") != _NOT_SERVED:
                raise
            raise not_served(self._config, str(request["model"]), str(error.facts["message"])) from error

    async def has_model(self, name: str) -> bool | None:
        """A tuned model exists when its job has completed; whether a dedicated endpoint serves it is not said."""
        return True if name in await self.models() else None

    async def listed_models(self) -> list[RemoteModel]:
        """The base models, then the tuned ones of this account."""
        found: list[str] = []
        with suppress(AnswerUnreadable, RequestRefused):
            found += await self._repeat(
                "list models", self._client.get, "/models", read=_names, parse=_wrapped, **self._raw()
            )
        tuned = [job.fine_tuned_model for job in (await self.jobs()).jobs]
        names = dict.fromkeys([*found, *filter(None, tuned)])
        return [RemoteModel(name, None, None, None) for name in names]

    # --- one request ---------------------------------------------------------------------------------------

    def _raw(self, *, timeout: float | None = None, **options: Any) -> dict[str, Any]:
        """Arguments of the client's get and post for a path that the SDK has no method for."""
        return {
            "cast_to": httpx2.Response,
            "options": {"timeout": timeout or self._config.timeout_seconds, **options},
        }


def _job_path(job_id: str, ending: str = "") -> str:
    return f"{_JOBS}/{quote(job_id, safe='')}{ending}"


def _wrapped(content: bytes) -> Json:
    """The list of models is an array, without an object around it."""
    return read_object(b'{"data":' + content + b"}" if content.lstrip().startswith(b"[") else content)


def _names(raw: Json) -> list[str]:
    return [str(item["id"]) for item in read_page(raw).items if has_usable_id(item)]
