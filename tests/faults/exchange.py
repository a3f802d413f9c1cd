"""One request and its answer, whatever carries them: a real socket, or a function call in virtual time."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

_ROOT = r"(/v1|/openai|/openai/v1)"
_FILES, _UPLOADS, _JOBS = rf"{_ROOT}/files", rf"{_ROOT}/uploads", rf"{_ROOT}/(fine_tuning/jobs|fine-tunes)"
_ACCOUNT = "/v1/accounts/[^/]+"
_DATASETS, _CHOSEN_JOBS = f"{_ACCOUNT}/datasets", f"{_ACCOUNT}/supervisedFineTuningJobs"
_SERVED = "/v0/models"
_ROUTES = {
    ("POST", rf"{_FILES}(/upload)?"): "upload",
    ("POST", _UPLOADS): "open-upload",
    ("POST", rf"{_UPLOADS}/[^/]+/parts"): "part",
    ("POST", rf"{_UPLOADS}/[^/]+/complete"): "complete-upload",
    ("POST", rf"{_UPLOADS}/[^/]+/cancel"): "cancel-upload",
    ("GET", _FILES): "find-files",
    ("GET", rf"{_FILES}/[^/]+"): "file",
    ("GET", rf"{_FILES}/[^/]+/content"): "result-file",
    ("POST", _JOBS): "create",
    ("POST", rf"{_JOBS}/estimate-price"): "price",
    ("GET", _JOBS): "list",
    ("GET", rf"{_JOBS}/[^/]+"): "job",
    ("POST", rf"{_JOBS}/[^/]+/cancel"): "cancel",
    ("POST", rf"{_JOBS}/[^/]+/pause"): "pause",
    ("POST", rf"{_JOBS}/[^/]+/resume"): "unpause",
    ("GET", rf"{_JOBS}/[^/]+/events"): "events",
    ("GET", rf"{_JOBS}/[^/]+/checkpoints"): "checkpoints",
    ("GET", rf"{_JOBS}/[^/]+/metrics"): "metrics",
    ("POST", _SERVED): "serve",
    ("GET", _SERVED): "served",
    ("DELETE", rf"{_SERVED}/.+"): "unserve",
    ("POST", _DATASETS): "announce",
    ("POST", rf"{_DATASETS}/[^/]+:upload"): "upload",
    ("GET", rf"{_DATASETS}/[^/]+"): "file",
    ("POST", _CHOSEN_JOBS): "create",
    ("GET", _CHOSEN_JOBS): "list",
    ("POST", rf"{_CHOSEN_JOBS}/[^/]+:cancel"): "cancel",
    ("GET", rf"{_CHOSEN_JOBS}/[^/]+"): "job",
}


@dataclass(frozen=True)
class Exchange:
    """A request as it left the client."""

    method: str
    path: str
    query: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""

    @property
    def route(self) -> str:
        """What it asks for, in the words of the protocol."""
        for (method, pattern), name in _ROUTES.items():
            if method == self.method and re.fullmatch(pattern, self.path):
                return name
        return "other"

    @property
    def subject(self) -> str:
        """The id or name that its address ends with."""
        return self.path.rpartition("/")[2]

    def with_body(self, body: bytes) -> Exchange:
        kept = tuple(pair for pair in self.headers if pair[0].lower() != "content-length")
        return replace(self, body=body, headers=(*kept, ("content-length", str(len(body)))))


@dataclass(frozen=True)
class Answer:
    """What comes back. One that `is_cut` ends in the middle of its body."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=lambda: {"content-type": "application/json"})
    is_cut: bool = False


class NoAnswerError(Exception):
    """The connection ends and nothing was said."""


class SilentError(Exception):
    """Nothing is said for longer than the client waits."""
