"""How an API presents the endpoint's objects, and what it requires of its clients.

Routes read requests and write answers through the dialect of the API that the request used. This one is OpenAI's;
another API inherits it and overrides what differs.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from orchestrator.server import ids, jobrequest, objects
from orchestrator.server.jobrequest import JobSpec
from orchestrator.server.objects import Json
from orchestrator.server.settings import Profile
from orchestrator.server.store import Store
from orchestrator.server.store.jobs import JobRoom, NoJobRoomError
from orchestrator.server.store.records import Checkpoint, DialectName, Event, File, Job, Upload


class Dialect:
    """OpenAI's API, with the variations of a profile."""

    name: DialectName = "openai"
    job_room: JobRoom | None = None
    """The most jobs that it accepts; None for any number."""
    untrained: frozenset[str] = frozenset()
    """The hyperparameters that it takes and returns, but that no trainer here has."""

    def __init__(self, profile: Profile, organization: str) -> None:
        self.profile = profile
        self.organization = organization

    def read_job(self, body: Mapping[str, Any]) -> JobSpec:
        """The job in a create request; ApiError 400 if it is wrong."""
        return jobrequest.read(body)

    def names(self, base: str, suffix: str | None) -> tuple[str, str]:
        """The id of a new job, and the name of its model."""
        return ids.job_id(), f"ft:{base}:local:{suffix or ''}:{ids.model_token()}"

    def check_upload(self, store: Store, size: int, now: float) -> None:
        """Refuse a file of this many bytes if there is no room for it (ApiError)."""

    def problem(self, path: Path, purpose: str) -> str | None:
        """Why a file with these bytes can't be used; None if it can, or if only jobs check it."""
        return None

    def check_usable(self, file: File, param: str, now: float) -> None:
        """Refuse a file that a job can't be created with, yet or at all (ApiError)."""

    def no_job_room(self, error: NoJobRoomError) -> Exception:
        """The refusal of a create request when `job_room` is used up."""
        return error

    def file(self, file: File, now: float) -> Json:
        return objects.file_object(file, self.profile)

    def upload(self, upload: Upload, file: File | None, now: float) -> Json:
        shown = objects.upload_object(upload)
        return {**shown, "file": self.file(file, now)} if file else shown

    def job(self, job: Job) -> Json:
        return objects.job_object(job, self.profile, self.organization)

    def event(self, event: Event) -> Json:
        return objects.event_object(event)

    def checkpoint(self, checkpoint: Checkpoint) -> Json:
        return objects.checkpoint_object(checkpoint)

    def created(self, request: Request, shown: Json) -> Response:
        """The response to a request that created an object."""
        return JSONResponse(shown)
