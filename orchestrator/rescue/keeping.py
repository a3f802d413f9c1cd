"""Downloads what an endpoint returns: jobs, events, checkpoints, files, the state of each tuned model."""

from __future__ import annotations

import asyncio
import base64
import binascii
import csv
import io
import shutil
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any, Protocol, TypeVar

from orchestrator.dataset.basemodels import base_model
from orchestrator.endpoints.interface import Endpoint, RemoteFile, RemoteJob
from orchestrator.errors import OutputUnwritable
from orchestrator.rescue.asking import Asking, Missing
from orchestrator.rescue.inventory import Inventory
from orchestrator.rescue.manifest import Manifest
from orchestrator.rescue.names import file_path, job_path
from orchestrator.runs.states import FINAL, State, state_of

T = TypeVar("T")

AT_ONCE = 8
"""Objects asked for at the same time: hosts limit requests, and more is no faster over one connection."""
_RESULT_HEAD = 1 << 16


class Listener(Protocol):
    """Receives the progress."""

    def found(self, objects: int) -> None:
        """This many more objects will be asked for."""

    def done(self, what: str) -> None:
        """One of them is kept, or can't be had."""


class Silent:
    """A Listener that shows nothing."""

    def found(self, objects: int) -> None: ...

    def done(self, what: str) -> None: ...


@dataclass(frozen=True)
class TunedModel:
    """A tuned model or a checkpoint's model, as the endpoint has it now."""

    name: str
    base: str
    job_id: str | None
    step: int | None
    """Of a checkpoint; None for a job's final model."""
    is_there: bool | None
    """None if the endpoint does not say."""
    shutdown_date: date | None
    """As the endpoint gave it, for the model or for its base."""


class Keeper:
    """Downloads into a folder, some objects at a time. What is here and can't change is not asked for again."""

    def __init__(self, endpoint: Endpoint, manifest: Manifest, listener: Listener, asking: Asking) -> None:
        self._endpoint = endpoint
        self._manifest = manifest
        self._listener = listener
        self._asking = asking
        self._room = asyncio.Semaphore(AT_ONCE)

    async def keep_jobs(self, inventory: Inventory) -> None:
        """The jobs with their events and checkpoints, and what the records say of jobs that are not there."""
        for job_id, missing in inventory.absent_jobs.items():
            self._manifest.lack("job", job_id, missing.why, missing.reason)
        await self._each([partial(self._job, job) for job in inventory.jobs])

    async def keep_files(self, inventory: Inventory) -> None:
        """Training, validation and result files."""
        open_ones = {
            file_id: owner
            for file_id, owner in inventory.owners.items()
            if not self._manifest.kept("file", file_id)
        }
        await self._each([partial(self._file, inventory, *each) for each in open_ones.items()])

    async def look_for_models(
        self, inventory: Inventory, checkpoints: Mapping[str, tuple[str, int]]
    ) -> list[TunedModel]:
        """Every tuned model, and the `checkpoints` by model with their jobs and steps."""
        wanted: dict[str, tuple[str | None, str | None, int | None]] = {
            name: (job.id if job else None, job.model if job else None, None)
            for name, job in inventory.tuned_models.items()
        }
        for name, (job_id, step) in checkpoints.items():
            if (
                wanted.get(name, (None, None, None))[0] is None
            ):  # some hosts name a final model as its last checkpoint
                wanted[name] = (job_id, None, step)
        return await self._each([partial(self._model, inventory, name, *facts) for name, facts in wanted.items()])

    # --- one object -----------------------------------------------------------------------------------------

    async def _job(self, job: RemoteJob) -> None:
        known = self._manifest.kept("job", job.id)
        entry = self._manifest.keep_json(
            "job", job.id, job_path(job.id, "job.json"), dict(job.raw), name=job.status
        )
        is_over = state_of(job) in (*FINAL, State.COLLECTING)
        is_settled = is_over and known is not None and known.sha256 == entry.sha256
        if not (is_settled and self._manifest.kept("events", job.id)):
            await self._part(job, "events", lambda: self._endpoint.events(job.id))
        if not (is_settled and self._manifest.kept("checkpoints", job.id)):
            await self._part(job, "checkpoints", lambda: self._endpoint.checkpoints(job.id))
        self._listener.done(f"job {job.id}")

    async def _part(self, job: RemoteJob, kind: Any, call: Callable[[], Awaitable[Sequence[Any]]]) -> None:
        found = await self._asking(call)
        if isinstance(found, Missing):
            self._manifest.lack(kind, job.id, found.why, found.reason, of=job.id)
            return
        objects = [dict(each.raw) for each in found]
        self._manifest.keep_lines(kind, job.id, job_path(job.id, f"{kind}.jsonl"), objects, of=job.id)

    async def _file(self, inventory: Inventory, file_id: str, owner: str | None) -> None:
        listed = inventory.files.get(file_id)
        about: RemoteFile | Missing = listed if listed else await self._asking(lambda: self._endpoint.file(file_id))
        if isinstance(about, Missing):
            self._manifest.lack("file", file_id, about.why, about.reason, of=owner)
        else:
            await self._content(file_id, about.filename, owner)
        self._listener.done(f"file {file_id}")

    async def _content(self, file_id: str, name: str | None, owner: str | None) -> None:
        if not self._endpoint.capabilities.returns_files:
            reason = f"{self._endpoint.name} returns no files"
            self._manifest.lack("file", file_id, "unsupported", reason, name=name, of=owner)
            return
        path = file_path(file_id, name)
        arrived = self._manifest.folder / f"{path}.part"
        arrived = arrived.with_name(f".draft-{arrived.name}")
        try:
            arrived.parent.mkdir(parents=True, exist_ok=True)
            found = await self._asking(lambda: self._endpoint.download(file_id, arrived))
            if isinstance(found, Missing):
                self._manifest.lack("file", file_id, found.why, found.reason, name=name, of=owner)
                return
            await asyncio.to_thread(_decode_result, arrived)
            self._manifest.keep(
                "file", file_id, path, lambda draft: shutil.move(arrived, draft), name=name, of=owner
            )
        except OSError as error:
            raise OutputUnwritable(path=arrived, problem=error.strerror or str(error)) from error
        finally:
            arrived.unlink(missing_ok=True)

    async def _model(
        self, inventory: Inventory, name: str, job_id: str | None, base: str | None, step: int | None
    ) -> TunedModel:
        listed = inventory.models or {}
        is_there: bool | None = name in listed or None
        if is_there is None:
            said = await self._asking(lambda: self._endpoint.has_model(name))
            is_there = None if isinstance(said, Missing) else said
        base = base or base_model(name)
        days = [listed[each].shutdown_date for each in (name, base, base_model(base)) if each in listed]
        ends = min((day for day in days if day is not None), default=None)
        self._listener.done(f"model {name}")
        return TunedModel(name, base_model(base), job_id, step, is_there, ends)

    # --- many -----------------------------------------------------------------------------------------------

    async def _each(self, calls: Sequence[Callable[[], Awaitable[T]]]) -> list[T]:
        """The results in order; the first error ends the others."""
        self._listener.found(len(calls))

        async def one(call: Callable[[], Awaitable[T]]) -> T:
            async with self._room:
                return await call()

        tasks = [asyncio.ensure_future(one(call)) for call in calls]
        try:
            return list(await asyncio.gather(*tasks))
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


def _decode_result(path: Path) -> None:
    """OpenAI returns result files in base64; they are kept as the CSV that they are."""
    with path.open("rb") as stream:
        head = stream.read(_RESULT_HEAD)
    if head.lstrip().startswith((b"step", b"{", b"[")):
        return
    try:
        text = base64.b64decode(head[: len(head) // 4 * 4], validate=True)
        if (
            not text.startswith(b"step")
            or next(csv.reader(io.StringIO(text.decode(errors="replace"))))[0] != "step"
        ):
            return
        path.write_bytes(base64.b64decode(path.read_bytes(), validate=True))
    except (binascii.Error, ValueError, StopIteration):
        return
