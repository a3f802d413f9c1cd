"""A host on this machine that charges for training, and whose jobs go where a test says."""

from __future__ import annotations

import itertools
import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote

Answer = tuple[int, dict[str, Any]]
PRICES = '[[price]]\nendpoint_type = "compatible"\nmodel = "gpt-4.1-mini"\ntraining = 1000\n'
MEASURED = {
    "id": "ftevent-1",
    "object": "fine_tuning.job.event",
    "created_at": 2_000_000_000,
    "level": "info",
    "type": "metrics",
    "message": "step 1",
    "data": {"step": 1, "train_loss": 0.5, "valid_loss": 0.5, "full_valid_loss": 0.5},
}


class PaidHost:
    """Files and jobs in memory. `status` is what every job that is not cancelled says of itself."""

    def __init__(self, port: int) -> None:
        self.address = f"http://127.0.0.1:{port}/v1"
        self.jobs: dict[str, dict[str, Any]] = {}
        self.files: dict[str, dict[str, Any]] = {}
        self.requests = 0
        self.status = "succeeded"
        self.on_create: Callable[[dict[str, Any]], Answer | None] = lambda body: None
        """What a create answers in place of the job that it made; None: the job."""
        self.on_cancel: Callable[[dict[str, Any]], Answer | None] = lambda job: None
        """The same for a cancel; it may change the job."""
        self.on_looked_at: Callable[[], None] = lambda: None
        """Called when jobs or one job are read."""
        self.on_delete: Callable[[str], Answer | None] = lambda path: None
        """What a DELETE of this path answers in place of deleting."""
        self.models: set[str] = set()
        """The models that it says it has, if it is asked for one."""
        self.deleted: list[str] = []
        """The files and models that were deleted, by id."""
        self.cancels_at_once = True
        self._numbers = itertools.count(1)

    def configure(self, root: Path, *names: str, settings: str = "") -> None:
        """Write `ftorch.toml` with this host under each of the names, and its prices."""
        table = (
            f'type = "compatible"\nbase_url = "{self.address}"\nprices = "prices.toml"\npoll_seconds = 0.05\n'
            f"settling_seconds = 0.2\n{settings}"
        )
        text = "".join(f"[endpoints.{name}]\n{table}\n" for name in names or ("paid",))
        (root / "ftorch.toml").write_text(text)
        (root / "prices.toml").write_text(PRICES)

    def answer(self, method: str, path: str, body: bytes) -> Answer:
        self.requests += 1
        if method == "GET" and path.startswith("/fine_tuning/jobs"):
            self.on_looked_at()
        if path.startswith("/models/") and method == "GET" and unquote(path.split("/", 2)[2]) in self.models:
            return 200, {"id": unquote(path.split("/", 2)[2]), "object": "model"}
        if method == "DELETE":
            return self.on_delete(path) or self._delete(path)
        if path == "/files" and method == "POST":
            return 200, self._file(body)
        if path == "/files":
            return 200, _list(self.files.values())
        if path == "/fine_tuning/jobs" and method == "POST":
            job = self._job(json.loads(body))
            return self.on_create(job) or (200, self._seen(job))
        if path == "/fine_tuning/jobs":
            return 200, _list(map(self._seen, reversed(self.jobs.values())))
        if found := re.fullmatch(r"/files/([^/]+)", path):
            return (200, self.files[found[1]]) if found[1] in self.files else _missing(path)
        found = re.fullmatch(r"/fine_tuning/jobs/([^/]+)(/\w+)?", path)
        if found is None or found[1] not in self.jobs:
            return _missing(path)
        job = self.jobs[found[1]]
        if found[2] == "/cancel":
            job["cancelled"] = self.cancels_at_once
            return self.on_cancel(job) or (200, self._seen(job))
        if found[2] == "/events":
            return 200, _list([MEASURED])
        return (200, _list(())) if found[2] else (200, self._seen(job))

    def _file(self, body: bytes) -> dict[str, Any]:
        name = re.search(rb'filename="([^"]*)"', body)
        file_id = f"file-{next(self._numbers)}"
        content = {"filename": name[1].decode() if name else "", "status": "processed", "purpose": "fine-tune"}
        self.files[file_id] = {"id": file_id, "object": "file", "bytes": 1, "created_at": 1, **content}
        return self.files[file_id]

    def _job(self, body: dict[str, Any]) -> dict[str, Any]:
        job_id = f"ftjob-{next(self._numbers)}"
        self.jobs[job_id] = {**body, "id": job_id, "object": "fine_tuning.job", "created_at": 2_000_000_000}
        return self.jobs[job_id]

    def _delete(self, path: str) -> Answer:
        name = unquote(path.split("/", 2)[2])
        models = {self._seen(job)["fine_tuned_model"] for job in self.jobs.values()}
        if self.files.pop(name, None) is None and (name not in models or name in self.deleted):
            return _missing(path)
        self.deleted.append(name)
        return 200, {"id": name, "deleted": True}

    def _seen(self, job: dict[str, Any]) -> dict[str, Any]:
        status = "cancelled" if job.get("cancelled") else job.get("status", self.status)
        model = f"ft:{job['model']}:org::{job['id']}" if status == "succeeded" else None
        return {**job, "status": status, "fine_tuned_model": model}


@contextmanager
def paid_host() -> Iterator[PaidHost]:
    """Serve one for as long as the block lasts."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True  # an answer is written in two parts, and the second would wait for 40 ms

        def log_message(self, *_: Any) -> None:
            pass

        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            path = self.path.split("?")[0].removeprefix("/v1")
            code, found = host.answer(self.command, path, body)
            content = json.dumps(found).encode()
            self.send_response(code)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

    for name in ("do_GET", "do_POST", "do_DELETE"):
        setattr(Handler, name, Handler.answer)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    host = PaidHost(server.server_address[1])
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield host
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _list(items: Any) -> dict[str, Any]:
    return {"object": "list", "data": list(items), "has_more": False}


def _missing(path: str) -> Answer:
    return 404, {"error": {"message": f"there is no {path}", "code": "not_found", "param": None, "type": None}}
