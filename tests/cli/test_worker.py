"""`ftorch resume --worker` as processes: beside each other, killed, stopped, watched by a supervisor."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from support.project import FTORCH, Project, make_project
from support.scripted_host import CREATE, LIST, ScriptedHost, refusal

SECONDS = 60.0


class Process:
    """A worker; `records` are the lines of its JSON log so far."""

    def __init__(self, project: Project, *options: str, **environment: str) -> None:
        self.records: list[dict[str, Any]] = []
        self._process = subprocess.Popen(
            [FTORCH, "resume", "--worker", "--log-json", *options],
            cwd=project.root,
            env={**project.environment, **environment},
            stdin=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._reader = threading.Thread(target=self._read)
        self._reader.start()
        self.logged("worker started")

    def _read(self) -> None:
        assert self._process.stderr is not None
        for line in self._process.stderr:
            self.records.append(json.loads(line))

    def logged(self, text: str) -> dict[str, Any]:
        """The first record with this text, waited for."""
        return until(lambda: next((each for each in self.records if text in each["message"]), None))

    def end(self, number: int) -> int:
        self._process.send_signal(number)
        code = self._process.wait(SECONDS)
        self._reader.join()
        assert self._process.stderr is not None
        self._process.stderr.close()
        return code

    @property
    def is_running(self) -> bool:
        return self._process.poll() is None


def until(look: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + SECONDS
    while not (found := look()):
        assert time.monotonic() < deadline, "it did not come to that"
        time.sleep(0.05)
    return found


@pytest.fixture
def host() -> Iterator[ScriptedHost]:
    found = ScriptedHost()
    found.metadata = True
    with found.running():
        yield found


@pytest.fixture
def project(tmp_path: Path, host: ScriptedHost) -> Project:
    made = make_project(tmp_path / "project")
    (made.root / "ftorch.toml").write_text(
        f'[endpoints.mine]\ntype = "compatible"\nbase_url = "{host.url}"\n'
        "poll_seconds = 0.2\nsettling_seconds = 1\n"
    )
    made.write_job(endpoint='endpoint = "mine"')
    return made


@pytest.fixture
def start(project: Project) -> Iterator[Callable[..., Process]]:
    started: list[Process] = []

    def start(*options: str, **environment: str) -> Process:
        started.append(Process(project, *options, **environment))
        return started[-1]

    yield start
    for each in started:
        if each.is_running:
            each.end(signal.SIGKILL)


def submit(project: Project) -> str:
    """A run whose job exists; nothing follows it but a worker."""
    done = project.process("submit", "jobs/greet.toml", "--yes", "--detach", "--again")
    assert done.code == 0, done.err
    newest = project.status()[0]
    return str(newest["run"])


def state_of(project: Project, run: str) -> object:
    return next(each["state"] for each in project.status() if each["run"] == run)


def test_a_worker_takes_up_a_run_that_another_process_submits(project, host, start):
    worker = start()
    run = submit(project)
    record = worker.logged(f"run {run} is succeeded")
    assert (record["level"], record["logger"]) == ("info", "ftorch.worker")
    assert (record["run"], record["endpoint"], record["state"]) == (run, "mine", "succeeded")
    assert state_of(project, run) == "succeeded"
    assert worker.is_running
    assert len(host.jobs) == 1


def test_sigterm_returns_the_leases_and_ends_with_0_and_ctrl_c_with_130(project, host, start):
    host.holds = True
    run = submit(project)
    for number, code in ((signal.SIGTERM, 0), (signal.SIGINT, 130)):
        worker = start("--metrics-port", "0")
        until(partial(holds_leases, worker))
        assert worker.end(number) == code
        assert [each["message"] for each in worker.records][-1] == "worker stopped"
        details = json.loads(project.ftorch("show", run, "--json").out)
        assert details["state"] in ("queued", "running")
        assert not details.get("followed")


def test_a_killed_workers_run_is_finished_by_another_and_trained_once(project, host, start):
    host.holds = True
    killed = start()
    run = submit(project)
    time.sleep(2.5)
    killed.end(signal.SIGKILL)
    host.holds = False
    start().logged(f"run {run} is succeeded")
    assert len(host.jobs) == 1


def test_a_refused_key_is_said_once_and_ends_nothing(project, host, start):
    host.holds = True
    submit(project)
    host.on(f"{LIST}|{CREATE}|.*", refusal(401, "Incorrect API key provided.", "invalid_api_key"))
    worker = start()
    assert worker.logged("refused the key")["endpoint"] == "mine"
    time.sleep(3.0)
    assert [each["level"] for each in worker.records].count("error") == 1
    assert worker.is_running
    assert worker.end(signal.SIGTERM) == 0


def test_a_failing_endpoint_is_tried_again(project, host, start):
    host.holds = True
    run = submit(project)
    host.on(".*", refusal(503, "overloaded"))
    worker = start()
    until(lambda: [each for each in worker.records if each["level"] in ("error", "warning")])
    host.forget_rules()
    host.holds = False
    worker.logged(f"run {run} is succeeded")


def holds_leases(worker: Process) -> bool:
    return "ftorch_leases{" in metrics_of(worker)


def metrics_of(worker: Process, path: str = "metrics") -> str:
    address = worker.logged("metrics on ")["message"].split()[-1]
    with urllib.request.urlopen(address.replace("metrics", path), timeout=SECONDS) as answer:
        return str(answer.read().decode())


def test_metrics_and_probes_say_what_the_worker_does(project, host, start):
    host.holds = True
    worker = start("--metrics-port", "0")
    submit(project)
    until(lambda: 'status="200"' in metrics_of(worker))
    text = until(lambda: found if "ftorch_leases{" in (found := metrics_of(worker)) else None)
    assert 'ftorch_runs{endpoint="mine",state="' in text
    assert 'ftorch_queue_length{endpoint="mine"} 0.0' in text
    assert "ftorch_cycle_seconds_total" in text
    assert "process_resident_memory_bytes" in text
    assert metrics_of(worker, "healthz") == "alive\n"
    assert metrics_of(worker, "readyz") == "ready\n"
    with pytest.raises(urllib.error.HTTPError, match="404"):
        metrics_of(worker, "nothing")


def test_a_port_that_is_taken_is_said_without_a_traceback(project):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        done = project.process("resume", "--worker", "--metrics-port", str(taken.getsockname()[1]))
    assert done.code == 1
    assert "Can't listen on 127.0.0.1:" in done.err


def test_systemd_is_told_that_it_is_ready_and_alive_and_stopping(project, start, tmp_path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(tmp_path / "notify"))
        listener.settimeout(SECONDS)
        worker = start(NOTIFY_SOCKET=str(tmp_path / "notify"))
        assert [listener.recv(100) for _ in range(3)] == [b"READY=1", b"WATCHDOG=1", b"WATCHDOG=1"]
        worker.end(signal.SIGTERM)
        assert b"STOPPING=1" in [listener.recv(100), *unread(listener)]


def unread(listener: socket.socket) -> Iterator[bytes]:
    listener.setblocking(False)
    with suppress(BlockingIOError):
        while True:
            yield listener.recv(100)


@pytest.mark.parametrize(
    "options", [["greet", "--worker"], ["--worker", "--now"], ["--log-json"], ["--metrics-port", "9"]]
)
def test_options_that_contradict_each_other_are_refused(project, options):
    assert project.ftorch("resume", *options).code == 2
