"""A host that is careless or hostile, over a real socket, and a project that uses it."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from support.project import Project, make_project

KEY = "sk-canary/7f3a9c51d2e84b06"
"""The key of the hosts here. Its slash is written in two ways in JSON, and in a third in addresses."""


class Host:
    """Speaks the fine-tuning API for one file and one job.

    `text` goes wherever a host may write freely; "{key}" in it stands for the key that came with the request. With
    `refusal` every request is refused with that status; with `redirect` it is sent elsewhere.
    """

    def __init__(self, address: str = "127.0.0.1") -> None:
        self.text = "said by the host"
        self.spell: Callable[[str], str] = str
        """How the key is written where `text` quotes it."""
        self.status = "succeeded"
        self.ids = "{kind}-1"
        self.refusal: int | None = None
        self.redirect: str | None = None
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.queries: list[str] = []
        self._job: dict[str, Any] | None = None
        self._server = ThreadingHTTPServer((address, 0), self._handler())
        self.url = f"http://{address}:{self._server.server_port}"

    @contextmanager
    def running(self) -> Iterator[Host]:
        thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield self
        finally:
            self._server.shutdown()
            self._server.server_close()
            thread.join()

    @property
    def job(self) -> dict[str, Any]:
        """What the create request held."""
        assert self._job is not None
        return self._job

    # --- what it answers -----------------------------------------------------------------------------------

    def answer(self, method: str, path: str, body: bytes, key: str) -> tuple[int, dict[str, Any]]:
        said = self.text.replace("{key}", self.spell(key))
        if self.refusal:
            error = {"message": f"Incorrect API key provided: {key}. {said}", "code": said, "param": said}
            return self.refusal, {"error": error}
        if path == "/v1/files" and method == "POST":
            return 200, self._file(said)
        if path == "/v1/fine_tuning/jobs" and method == "POST":
            self._job = json.loads(body)
        return 200, self._object(path, said)

    def _object(self, path: str, said: str) -> dict[str, Any]:
        *_, collection, last = path.split("/")
        if collection == "files":
            return self._file(said)
        if last == "events":
            return self._list([{"id": self._id("ftevent"), "created_at": 1, "level": said, "message": said}])
        if last == "checkpoints":
            model = {"fine_tuned_model_checkpoint": said, "step_number": 1, "metrics": {said: 1.0}}
            return self._list([{"id": self._id("ftckpt"), **model}])
        if last == "jobs":
            return self._job_object(said) if self._just_created() else self._list(self._jobs(said))
        if last in ("files", "models"):
            return self._list([])
        return self._job_object(said)

    def _just_created(self) -> bool:
        return self.asked[-1][0] == "POST /v1/fine_tuning/jobs"

    def _jobs(self, said: str) -> list[dict[str, Any]]:
        return [self._job_object(said)] if self._job else []

    def _id(self, kind: str) -> str:
        return self.ids.replace("{kind}", kind)

    def _list(self, items: list[dict[str, Any]]) -> dict[str, Any]:
        return {"object": "list", "data": items, "has_more": False}

    def _file(self, said: str) -> dict[str, Any]:
        return {"id": self._id("file"), "filename": said, "status": "processed", "purpose": "fine-tune"}

    def _job_object(self, said: str) -> dict[str, Any]:
        asked = self._job or {}
        failed = self.status == "failed"
        return {
            "id": self._id("ftjob"),
            "status": self.status,
            "model": asked.get("model"),
            "training_file": asked.get("training_file"),
            "seed": asked.get("seed"),
            "suffix": asked.get("suffix"),
            "organization_id": said,
            "fine_tuned_model": f"ft:{said}" if self.status == "succeeded" else None,
            "error": {"code": said, "message": said, "param": said} if failed else None,
            "result_files": [],
            "trained_tokens": 1,
        }

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        host = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length") or 0))
                path, _, query = self.path.partition("?")
                host.queries.append(query)
                host.asked.append((f"{self.command} {path}", dict(self.headers)))
                key = (self.headers.get("authorization") or "").removeprefix("Bearer ")
                status, found = host.answer(self.command, path, body, key)
                content = json.dumps(found).replace("/", "\\/").encode()
                self.send_response(307 if host.redirect else status)
                if host.redirect:
                    self.send_header("location", f"{host.redirect}{path}?key={key}")
                self.send_header("content-type", "application/json")
                self.send_header("x-request-id", key)
                self.send_header("content-length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_POST = answer  # noqa: N815

            def log_message(self, *_: object) -> None:
                pass

        return Handler


@pytest.fixture
def host() -> Iterator[Host]:
    with Host().running() as running:
        yield running


@pytest.fixture
def other_host() -> Iterator[Host]:
    """The same machine by another name, which is another host to HTTP."""
    with Host("127.0.0.2").running() as running:
        yield running


@pytest.fixture
def project(tmp_path: Path, host: Host) -> Project:
    """A project whose job goes to the host."""
    made = make_project(tmp_path / "project")
    made.write_job(endpoint='endpoint = "hosted"')
    table = ['type = "compatible"', f'base_url = "{host.url}/v1"', 'api_key_env = "HOSTED_KEY"']
    pace = ["poll_seconds = 0.05", "settling_seconds = 0.1", "timeout_seconds = 5"]
    (made.root / "ftorch.toml").write_text("\n".join(["[endpoints.hosted]", *table, *pace]) + "\n")
    return Project(made.root, {**made.environment, "HOSTED_KEY": KEY})


@pytest.fixture
def written(project: Project) -> Callable[[], dict[str, bytes]]:
    """The bytes of every file in the project's folder, state and home included, by path."""

    def read() -> dict[str, bytes]:
        files = (path for path in project.root.rglob("*") if path.is_file())
        return {str(path.relative_to(project.root)): path.read_bytes() for path in files}

    return read
