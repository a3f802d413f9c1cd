"""Two processes that would ask the same questions: counted at the server, each is asked once."""

from __future__ import annotations

import json
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send
from support.project import FTORCH, Project, make_project

from orchestrator.ledger import open_ledger
from orchestrator.server.app import create_app
from orchestrator.store import evaluations as store

CASES = 60


class Counting:
    """The endpoint that ships, counting the chat requests that arrive, repeated ones too; each takes a while."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self.questions = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope.get("path", "").endswith("/chat/completions"):
            self.questions += 1
        await self.app(scope, receive, send)


@contextmanager
def served(app: ASGIApp) -> Iterator[str]:
    """Serve the app from a thread, at the address that is yielded."""
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_level="error", lifespan="on"))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        deadline = time.monotonic() + 120
        while not server.started:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        port = server.servers[0].sockets[0].getsockname()[1]
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        server.should_exit = True
        thread.join()


@pytest.fixture
def project(tmp_path: Path) -> Project:
    found = make_project(tmp_path)
    row = json.loads((found.root / "jobs" / "train.jsonl").read_text().splitlines()[0])
    with (found.root / "jobs" / "cases.jsonl").open("w") as stream:
        for number in range(CASES):
            row["messages"][0]["content"] = f"Switch on the light in room {number}"
            stream.write(json.dumps(row) + "\n")
    return found


def serve_from(project: Project, address: str) -> None:
    lines = f'[endpoints.served]\ntype = "compatible"\nbase_url = "{address}"\nallow_http = true\n'
    (project.root / "ftorch.toml").write_text(lines)


def both(project: Project, *arguments: str) -> list[tuple[int, str, str]]:
    """Run the command twice at the same time; exit code, stdout and stderr of each."""
    processes = [
        subprocess.Popen(
            [FTORCH, *arguments],
            cwd=project.root,
            env=dict(project.environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    said = [process.communicate(timeout=60) for process in processes]
    return [(process.returncode, *each) for process, each in zip(processes, said, strict=True)]


def test_the_same_evaluation_started_twice_asks_each_question_once(project: Project) -> None:
    app = Counting(create_app(project.root / "served"))
    with served(app) as address:
        serve_from(project, address)
        table = '[evaluation]\nfile = "cases.jsonl"\nmodels = ["base"]\nmax_concurrency = 2\n'
        project.write_job(table, endpoint='endpoint = "served"')
        assert project.process("evaluate", "jobs/greet.toml", "--dry-run").code == 0
        ended = both(project, "evaluate", "jobs/greet.toml", "--yes", "--json")
    assert [code for code, _, _ in ended] == [0, 0], ended
    assert [json.loads(out)["models"][0]["answers"] for _, out, _ in ended] == [CASES, CASES]
    assert app.questions == CASES
    waited = [err for _, _, err in ended if "is running the same evaluation; waiting, to avoid paying twice" in err]
    assert len(waited) == 1, [err for _, _, err in ended]


def test_two_that_follow_a_run_carry_out_its_evaluation_once(project: Project) -> None:
    project.write_job('[evaluation]\nfile = "cases.jsonl"\nauto = true\n')
    assert project.process("submit", "jobs/greet.toml").code == 0
    with open_ledger(project.root) as ledger, ledger.database.write() as connection:
        done = store.newest(connection)[0]
        store.add(connection, store.Evaluation(**{**vars(done), "id": "again001", "state": store.WANTED}))
        connection.exec_driver_sql("DELETE FROM answers")
    ended = both(project, "resume")
    assert [code for code, _, _ in ended] == [0, 0], ended
    with open_ledger(project.root) as ledger, ledger.database.read() as connection:
        assert store.wanted_of(connection) == []
        assert sorted(each.id for each in store.newest(connection)) == sorted(["again001", done.id])
    assert sum(f"evaluating run {done.run_id}" in err for _, _, err in ended) >= 1
    assert all("Rehearsal" in err or "Nothing to resume" in err for _, _, err in ended), ended
