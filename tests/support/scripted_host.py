"""A fine-tuning host on 127.0.0.1 that behaves well, but for the rules that a test gives it."""

from __future__ import annotations

import json
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

CREATE = "POST /fine_tuning/jobs"
LIST = "GET /fine_tuning/jobs"
JOB = "GET /fine_tuning/jobs/[^/]+"
EVENTS = "GET /fine_tuning/jobs/[^/]+/events"
CANCEL = "POST /fine_tuning/jobs/[^/]+/cancel"
UPLOAD = "POST /files"
_LIFE = ("queued", "running", "succeeded")


@dataclass(frozen=True)
class Asked:
    """A request; `count` is how many of its rule there have been, this one included."""

    line: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    content: bytes
    count: int = 0
    at: float = field(default_factory=time.monotonic)

    @property
    def fields(self) -> dict[str, Any]:
        """The JSON object of its body."""
        found: dict[str, Any] = json.loads(self.content)
        return found

    @property
    def subject(self) -> str:
        """The id that the address ends with."""
        return self.line.rsplit("/", 1)[1]


@dataclass(frozen=True)
class Answer:
    status: int
    body: object
    """Text and bytes go out as they are, anything else as JSON."""
    headers: Mapping[str, str] = field(default_factory=dict)


LOST = Answer(0, None)
"""No answer: the connection is closed."""

Rule = Callable[[Asked], object]
"""What answers a request; what is no Answer leaves it to the rules before, and to the host as it behaves well."""


def refusal(status: int, message: str, code: str | None = None, **headers: str) -> Answer:
    error = {"message": message, "type": "invalid_request_error", "code": code, "param": None}
    return Answer(status, {"error": error}, {name.replace("_", "-"): value for name, value in headers.items()})


class ScriptedHost:
    """Its jobs go one step on with each look at them (queued, running, succeeded), unless `holds` is set."""

    def __init__(self) -> None:
        self.metadata = False
        self.holds = False
        self.extra_headers: dict[str, str] = {}
        """What every answer carries as well."""
        self.jobs: dict[str, dict[str, Any]] = {}
        self.files: dict[str, dict[str, Any]] = {}
        self.asked: list[Asked] = []
        self._rules: list[tuple[re.Pattern[str], Rule, list[Asked]]] = []
        self._lock = threading.RLock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}/v1"

    @contextmanager
    def running(self) -> Iterator[ScriptedHost]:
        thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield self
        finally:
            self._server.shutdown()
            self._server.server_close()
            thread.join()

    # --- the script ----------------------------------------------------------------------------------------

    def on(self, line: str, answer: Rule | Answer, times: int | None = None) -> None:
        """Answer requests of this line (method and path, a pattern) so; `times`: only the first so many."""

        def limited(asked: Asked) -> object:
            if times is not None and asked.count > times:
                return None
            return answer if isinstance(answer, Answer) else answer(asked)

        self._rules.insert(0, (re.compile(line), limited, []))

    def loses_created(self, change: Callable[[dict[str, Any]], object] = lambda job: None) -> None:
        """Make the job of the first create request, with this change to what it says, and lose the answer."""

        def make(asked: Asked) -> Answer:
            change(self.make(asked.fields))
            return LOST

        self.on(CREATE, make, times=1)

    def forget_rules(self) -> None:
        self._rules.clear()

    # --- what a test looks at ------------------------------------------------------------------------------

    def count(self, line: str) -> int:
        return sum(re.fullmatch(line, asked.line) is not None for asked in self.asked)

    @property
    def creates(self) -> int:
        return self.count(CREATE)

    # --- jobs ----------------------------------------------------------------------------------------------

    def make(self, wanted: Mapping[str, Any]) -> dict[str, Any]:
        method = wanted.get("method") or {"type": "supervised"}
        job = {
            "object": "fine_tuning.job",
            "id": f"ftjob-{len(self.jobs) + 1:04}",
            "created_at": int(time.time()),
            "finished_at": None,
            "status": "queued",
            "model": wanted["model"],
            "fine_tuned_model": None,
            "training_file": wanted.get("training_file"),
            "validation_file": wanted.get("validation_file"),
            "seed": wanted.get("seed"),
            "suffix": wanted.get("suffix"),
            "method": method,
            "hyperparameters": method.get(method["type"], {}).get("hyperparameters", {}),
            "error": None,
            "result_files": [],
            "trained_tokens": None,
            **({"metadata": wanted.get("metadata") or {}} if self.metadata else {}),
        }
        with self._lock:
            self.jobs[job["id"]] = job
        return job

    def end(self, job_id: str, status: str = "succeeded", **fields: object) -> None:
        """Let a job end so, whether the host holds its jobs or not."""
        job = self.jobs[job_id]
        model = f"ft:{job['model']}:org::{job_id[-4:]}" if status == "succeeded" else None
        job.update({"status": status, "fine_tuned_model": model, "finished_at": int(time.time()), **fields})

    def seen(self, job: dict[str, Any]) -> dict[str, Any]:
        """The job as it is shown now; one look later it is further on."""
        shown = dict(job)
        if not self.holds and job["status"] in _LIFE[:-1]:
            job["status"] = _LIFE[_LIFE.index(job["status"]) + 1]
            if job["status"] == "succeeded":
                self.end(job["id"])
        return shown

    def listed(self, asked: Asked) -> list[dict[str, Any]]:
        """All jobs, the newest first, or those with the metadata that the request wants."""
        wanted = {key[9:-1]: value for key, value in asked.query.items() if key.startswith("metadata[")}
        jobs = [
            job for job in list(self.jobs.values())[::-1] if wanted.items() <= job.get("metadata", wanted).items()
        ]
        return [self.seen(job) for job in jobs]

    # --- serving -------------------------------------------------------------------------------------------

    def answer(self, asked: Asked) -> Answer:
        with self._lock:
            self.asked.append(asked)
            for pattern, rule, before in self._rules:
                if pattern.fullmatch(asked.line):
                    before.append(asked)
                    counted = replace(asked, count=len(before))
                    if isinstance(found := rule(counted), Answer):
                        return found
            return self._well_behaved(asked)

    def _well_behaved(self, asked: Asked) -> Answer:
        method, _, path = asked.line.partition(" ")
        _, collection, *rest = path.split("/")
        if collection == "files":
            return self._file(method, asked, rest)
        if collection == "fine_tuning":
            return self._job(method, asked, rest[1:])
        return refusal(404, f"Unknown request URL: {asked.line}", "unknown_url")

    def _file(self, method: str, asked: Asked, rest: list[str]) -> Answer:
        if not rest and method == "GET":
            return page(list(self.files.values()))
        if not rest:
            name = re.search(rb'filename="([^"]*)"', asked.content)
            made = {"id": f"file-{len(self.files) + 1:04}", "object": "file", "purpose": "fine-tune"}
            self.files[made["id"]] = {**made, "filename": name[1].decode() if name else "", "status": "processed"}
            return Answer(200, self.files[made["id"]])
        if rest[0] not in self.files:
            return refusal(404, f"No such File object: {rest[0]}")
        return Answer(200, self.files[rest[0]])

    def _job(self, method: str, asked: Asked, rest: list[str]) -> Answer:
        if not rest and method == "POST":
            return Answer(200, self.seen(self.make(asked.fields)))
        if not rest:
            return page(self.listed(asked), asked.query.get("after"), int(asked.query.get("limit", 20)))
        job = self.jobs.get(rest[0])
        if job is None:
            return refusal(404, f"Could not find fine tune: {rest[0]}", "fine_tune_not_found")
        if rest[1:] == ["cancel"]:
            job["status"] = "cancelled"
        elif rest[1:]:
            return page([])
        return Answer(200, self.seen(job))


def page(items: list[dict[str, Any]], after: str | None = None, limit: int = 100) -> Answer:
    """The items behind the one named, as a list of at most so many."""
    ids = [item["id"] for item in items]
    left = items[ids.index(after) + 1 :] if after in ids else [] if after else items
    return Answer(200, {"object": "list", "data": left[:limit], "has_more": len(left) > limit})


def _handler(host: ScriptedHost) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def handle(self) -> None:
            with suppress(ConnectionError):  # a client may hang up in the middle of an answer
                super().handle()

        def respond(self) -> None:
            content = self._content()
            address = urlsplit(self.path)
            headers = {name.lower(): value for name, value in self.headers.items()}
            line = f"{self.command} {address.path.removeprefix('/v1')}"
            answer = host.answer(Asked(line, dict(parse_qsl(address.query)), headers, content))
            if answer is LOST:
                self.close_connection = True
                with suppress(OSError):
                    self.connection.shutdown(socket.SHUT_RDWR)
                return
            is_text = isinstance(answer.body, str)
            body = answer.body
            if not isinstance(body, bytes):
                body = str(body).encode() if is_text else json.dumps(body).encode()
            kind = "text/html" if is_text else "application/json"
            sent = {"content-type": kind, "content-length": str(len(body)), **host.extra_headers, **answer.headers}
            self.send_response(answer.status)
            for name, value in sent.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def _content(self) -> bytes:
            if self.headers.get("transfer-encoding", "").lower() != "chunked":
                return self.rfile.read(int(self.headers.get("content-length") or 0))
            found = b""
            while size := int(self.rfile.readline().strip(), 16):
                found += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return found

        do_GET = do_POST = do_DELETE = respond  # noqa: N815

        def log_message(self, *_: object) -> None:
            pass

    return Handler
