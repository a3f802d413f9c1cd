"""A fine-tuning host that answers in constant time, however many jobs it has: the other side of `scale.py`.

A job's status follows from its age, so nothing has to be moved. Jobs keep the token of their create request: the
host knows which run was created twice.
"""

from __future__ import annotations

import json
import re
import socket
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from subprocess import PIPE, Popen
from typing import Any
from urllib.parse import parse_qsl
from urllib.request import urlopen

FILE = {"id": "file-1", "object": "file", "purpose": "fine-tune", "filename": "train.jsonl", "status": "processed"}
TOKEN = "ftorch_token"
_QUEUED_SECONDS = 0.5
_PAGE = 100
_LONG_AGO = 1_700_000_000


@contextmanager
def serving(standing: int, seconds: float) -> Iterator[tuple[str, int]]:
    """The address and the process of a host with so many jobs that never end; others take so many seconds."""
    with Popen([sys.executable, __file__, str(standing), str(seconds)], stdout=PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip(), process.pid
        finally:
            process.terminate()


def figures(url: str) -> dict[str, Any]:
    """Requests by kind, the jobs, and how many create requests made another job for the same token."""
    with urlopen(f"{url}/figures") as answer:
        found: dict[str, Any] = json.load(answer)
        return found


def standing_job(number: int) -> dict[str, Any]:
    """A job that never ends; nothing in it changes from look to look."""
    return _job(number, {"model": "gpt-4.1-mini-2025-04-14"}, _LONG_AGO, None)


class Host:
    """An ASGI app."""

    def __init__(self, standing: int, seconds: float) -> None:
        self._seconds = seconds
        self._jobs = [standing_job(number) for number in range(standing)]
        self._standing = standing
        self._asked: Counter[str] = Counter()
        self._tokens: Counter[str] = Counter()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        content = b""
        while True:
            message = await receive()
            content += message.get("body", b"")
            if not message.get("more_body"):
                break
        path = scope["path"].removeprefix("/v1")
        body = json.dumps(self._answer(scope["method"], path, scope["query_string"].decode(), content)).encode()
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    def _answer(self, method: str, path: str, query: str, content: bytes) -> Any:
        if path == "/figures":
            doubled = sum(count - 1 for count in self._tokens.values())
            jobs = len(self._jobs) - self._standing
            return {"asked": self._asked, "jobs": jobs, "doubled": doubled}
        self._asked[f"{method} {re.sub('(ftjob|file)-[0-9]+', 'ID', path)}"] += 1
        if path.startswith("/files"):
            return FILE
        _, _, _, *rest = path.split("/")
        if not rest:
            return self._create(json.loads(content)) if method == "POST" else self._page(dict(parse_qsl(query)))
        if rest[1:]:
            return {"object": "list", "data": [], "has_more": False}
        return self._shown(int(rest[0].removeprefix("ftjob-")))

    def _create(self, wanted: dict[str, Any]) -> Any:
        self._tokens[wanted["metadata"][TOKEN]] += 1
        self._jobs.append(_job(len(self._jobs), wanted, time.time(), self._seconds))
        return self._shown(len(self._jobs) - 1)

    def _page(self, query: dict[str, str]) -> Any:
        """Newest first: a job's number is its place."""
        before = int(query["after"].removeprefix("ftjob-")) if "after" in query else len(self._jobs)
        first = max(0, before - int(query.get("limit", _PAGE)))
        data = [self._shown(number) for number in range(before - 1, first - 1, -1)]
        wanted = {key[9:-1]: value for key, value in query.items() if key.startswith("metadata[")}
        data = [job for job in data if wanted.items() <= job["metadata"].items()]
        return {"object": "list", "data": data, "has_more": first > 0}

    def _shown(self, number: int) -> dict[str, Any]:
        job = self._jobs[number]
        age = time.time() - job["made_at"]
        ends = job["seconds"]
        status, done = "running", {}
        if ends is not None and age < _QUEUED_SECONDS:
            status = "queued"
        elif ends is not None and age >= ends:
            status = "succeeded"
            model = f"ft:{job['model']}:org:drone:{number:08}"
            done = {"fine_tuned_model": model, "finished_at": int(job["made_at"] + ends), "trained_tokens": 1000}
        return {key: value for key, value in {**job, "status": status, **done}.items() if key not in _OWN}


_OWN = ("made_at", "seconds")


def _job(number: int, wanted: dict[str, Any], at: float, seconds: float | None) -> dict[str, Any]:
    method = wanted.get("method") or {"type": "supervised", "supervised": {"hyperparameters": {"n_epochs": 3}}}
    return {
        "object": "fine_tuning.job",
        "id": f"ftjob-{number}",
        "created_at": int(at),
        "finished_at": None,
        "status": "running",
        "model": wanted["model"],
        "fine_tuned_model": None,
        "organization_id": "org",
        "training_file": FILE["id"],
        "validation_file": None,
        "seed": wanted.get("seed", number),
        "hyperparameters": {"n_epochs": 3},
        "method": method,
        "metadata": wanted.get("metadata") or {},
        "error": None,
        "result_files": [],
        "trained_tokens": None,
        "made_at": at,
        "seconds": seconds,
    }


def main(standing: int, seconds: float) -> None:
    import uvicorn

    listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    print(f"http://127.0.0.1:{listener.getsockname()[1]}", flush=True)
    config = uvicorn.Config(Host(standing, seconds), lifespan="off", log_level="warning", access_log=False)
    uvicorn.Server(config).run(sockets=[listener])


if __name__ == "__main__":
    main(int(sys.argv[1]), float(sys.argv[2]))
