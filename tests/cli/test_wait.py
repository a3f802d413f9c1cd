"""`wait`: what it waits for, who drives meanwhile, and its exit codes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from support.paid_host import PaidHost, paid_host
from support.project import FTORCH, Project

from orchestrator.ledger import open_ledger
from orchestrator.runs.states import State
from orchestrator.store import runs
from orchestrator.store.runs import Run

MakeRun = Callable[..., Run]
PAID = {"endpoint": 'endpoint = "paid"'}
GRID = "[sweep.space]\nn_epochs = [1, 2]\n"
VALIDATED = {"training_file": 'training_file = "train.jsonl"\nvalidation_file = "validation.jsonl"'}


@pytest.fixture
def host(project: Project) -> Iterator[PaidHost]:
    with paid_host() as served:
        served.configure(project.root)
        project.write_job(**PAID)
        (project.root / "jobs" / "validation.jsonl").write_text(
            (project.root / "jobs" / "train.jsonl").read_text().replace("Switch on the light in", "Light up")
        )
        yield served


@pytest.fixture
def record(project: Project, make_run: MakeRun) -> Callable[..., Run]:
    """Records a run that a process on another machine follows."""

    def write(**changes: Any) -> Run:
        elsewhere = {"lease_owner": "elsewhere:1.1:aaaaaaaa", "lease_expires_at": time.time() + 600}
        run = make_run(**{"endpoint": "paid", **elsewhere, **changes})
        with project.entered(), open_ledger(create=True) as ledger, ledger.database.write() as connection:
            runs.add(connection, run, run.reason)
        return run

    return write


def submitted(project: Project, *options: str) -> str:
    """The id of a run that has its job, and that nobody follows."""
    done = project.ftorch("submit", "jobs/greet.toml", "--yes", "--detach", *options)
    assert done.code == 0, done.err
    return str(project.status()[0]["run"])


# --- how it ends -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("status", "code"), [("succeeded", 0), ("failed", 1), ("cancelled", 1), ("paused", 4)])
def test_a_run_that_nobody_follows_is_driven_and_decides_the_exit_code(
    status: str, code: int, project: Project, host: PaidHost
) -> None:
    host.status = "running"
    run = submitted(project)
    host.status = status
    done = project.ftorch("wait", run)
    assert done.code == code, done.err
    assert project.status()[0]["state"] == status
    assert done.out == (f"{project.status()[0]['fine_tuned_model']}\n" if code == 0 else "")
    assert f"run {run} {'is paused' if code == 4 else status}" in done.err.replace("is cancelled", "cancelled")


def test_a_run_that_waits_for_the_budget_ends_with_4(project: Project, host: PaidHost) -> None:
    project.write_job("[limits]\nmax_cost_usd = 0.01\n", **PAID)
    project.ftorch("submit", "jobs/greet.toml", "--yes")
    done = project.ftorch("wait", "greet", "--timeout", "30s")
    assert (done.code, "over budget" in done.err) == (4, True), done.err
    assert host.jobs == {}


@pytest.mark.parametrize("state", ["succeeded", "failed", "cancelled"])
def test_what_has_finished_asks_no_endpoint(state: str, project: Project, record: Callable[..., Run]) -> None:
    run = record(state=state, finished_at=2000.0, reason="as recorded", lease_owner=None)
    done = project.ftorch("wait", run.id)
    assert done.code == (0 if state == "succeeded" else 1), done.err
    assert f"run {run.id}" in done.err


def test_one_failure_among_several_ends_with_1_and_each_gets_a_line(
    project: Project, record: Callable[..., Run]
) -> None:
    good = record(state="succeeded", finished_at=2000.0, lease_owner=None, fine_tuned_model="ft:good")
    bad = record(state="failed", finished_at=2000.0, lease_owner=None, reason="bad data")
    done = project.ftorch("wait", good.id, bad.id, good.id)
    assert (done.code, done.out) == (1, "ft:good\n")
    assert done.err.splitlines() == [
        f"run {good.id} succeeded after 16:39, cost unknown; details: ftorch show {good.id}",
        f"Error: run {bad.id} failed: bad data",
    ]


def test_a_name_means_its_newest_run(project: Project, record: Callable[..., Run]) -> None:
    record(state="failed", finished_at=2000.0, lease_owner=None)
    record(state="succeeded", finished_at=2000.0, lease_owner=None)
    assert project.ftorch("wait", "drone").code == 0


def test_a_wrong_name_ends_with_2_before_anything_is_waited_for(
    project: Project, record: Callable[..., Run]
) -> None:
    run = record()
    done = project.ftorch("wait", run.id, "dron")
    assert (done.code, 'no run "dron"' in done.err) == (2, True)


# --- while another process follows -----------------------------------------------------------------------------


def test_a_followed_run_is_only_watched(project: Project, host: PaidHost) -> None:
    """The process that waits has no key for the endpoint, so that it could not drive."""
    text = (project.root / "ftorch.toml").read_text()
    (project.root / "ftorch.toml").write_text(text + 'api_key_env = "PAID_KEY"\n')
    host.status = "running"
    following = subprocess.Popen(
        [FTORCH, "submit", "jobs/greet.toml", "--yes"],
        cwd=project.root,
        env={**project.environment, "PAID_KEY": "k"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        while not any(run["state"] == "running" for run in project.status()):
            time.sleep(0.1)
        threading.Timer(1.5, lambda: setattr(host, "status", "succeeded")).start()
        done = project.process("wait", "greet")
        assert (done.code, done.out.startswith("ft:")) == (0, True), done.err
        assert following.wait(60) == 0
    finally:
        following.kill()
        following.wait()


def test_the_timeout_ends_with_1_and_says_what_goes_on(project: Project, record: Callable[..., Run]) -> None:
    run = record(state="running")
    started = time.monotonic()
    done = project.ftorch("wait", run.id, "--timeout", "1s")
    assert done.code == 1
    assert f"Error: Timed out: another process follows run {run.id}" in done.err
    assert 1 <= time.monotonic() - started < 15


def test_a_paused_run_that_another_process_follows_is_not_waited_for(
    project: Project, record: Callable[..., Run]
) -> None:
    run = record(state="paused")
    assert project.ftorch("wait", run.id, "--timeout", "60s").code == 4


def test_any_ends_with_the_first(project: Project, record: Callable[..., Run]) -> None:
    running = record(state="running")
    over = record(state="succeeded", finished_at=2000.0, lease_owner=None, fine_tuned_model="ft:first")
    done = project.ftorch("wait", running.id, over.id, "--any")
    assert (done.code, done.out) == (0, "ft:first\n")
    assert running.id not in done.err


def test_any_ends_a_drive_when_the_first_ends(project: Project, host: PaidHost) -> None:
    host.status = "running"
    first = submitted(project)
    project.write_job(n_epochs="n_epochs = 2", name='name = "other"', **PAID)
    second = submitted(project)
    [job, _] = host.jobs.values()
    job["status"] = "succeeded"
    done = project.ftorch("wait", second, first, "--any")
    assert (done.code, done.out.startswith("ft:")) == (0, True), done.err
    assert f"run {first} succeeded" in done.err
    assert [run["state"] for run in project.status()] == ["running", "succeeded"]


@pytest.mark.parametrize(
    ("state", "wanted", "is_reached"),
    [
        ("running", "running", True),
        ("running", "queued", True),
        ("paused", "running", True),
        ("paused", "paused", True),
        ("succeeded", "running", True),
        ("queued", "running", False),
        ("running", "paused", False),
        ("failed", "running", True),
    ],
)
def test_a_state_is_reached_in_it_and_beyond_it(
    state: str, wanted: str, is_reached: bool, project: Project, record: Callable[..., Run]
) -> None:
    over = {"finished_at": 2000.0, "lease_owner": None} if state in ("succeeded", "failed") else {}
    run = record(state=state, **over)
    done = project.ftorch("wait", run.id, "--state", wanted, "--timeout", "1s")
    expected = 1 if state == "failed" else 0
    assert done.code == (expected if is_reached else 1), done.err
    assert ("Timed out" in done.err) is not is_reached


def test_a_drive_ends_when_the_state_is_reached(project: Project, host: PaidHost) -> None:
    host.status = "queued"
    run = submitted(project)
    host.status = "running"
    done = project.ftorch("wait", run, "--state", "running")
    assert (done.code, f"run {run} is running" in done.err) == (0, True), done.err
    assert project.status()[0]["state"] == State.RUNNING


# --- sweeps ------------------------------------------------------------------------------------------------------


def test_a_sweep_is_driven_to_its_end_and_its_best_model_printed(project: Project, host: PaidHost) -> None:
    host.status = "running"
    project.write_job(GRID, **PAID, **VALIDATED)
    assert project.ftorch("submit", "jobs/greet.toml", "--yes", "--detach").code == 0
    host.status = "succeeded"
    done = project.ftorch("wait", "greet")
    assert (done.code, len(done.out.splitlines())) == (0, 1), done.err
    assert done.out.strip() == project.ftorch("sweep", "best", "greet").out.strip()
    for run in project.status():
        assert f"run {run['run']} succeeded" in done.err


def test_a_sweep_without_a_success_ends_with_1(project: Project, host: PaidHost) -> None:
    host.status = "running"
    project.write_job(GRID, **PAID, **VALIDATED)
    project.ftorch("submit", "jobs/greet.toml", "--yes", "--detach")
    host.status = "cancelled"
    assert project.ftorch("wait", "greet").code == 1


def test_json_has_each_run_once(project: Project, host: PaidHost) -> None:
    project.write_job(GRID, **PAID, **VALIDATED)
    host.status = "running"
    project.ftorch("submit", "jobs/greet.toml", "--yes", "--detach")
    host.status = "succeeded"
    for _ in ("driven", "over already"):
        done = project.ftorch("wait", "greet", "--json")
        found = [json.loads(line) for line in done.out.splitlines()]
        assert sorted(each["run"] for each in found) == sorted(str(run["run"]) for run in project.status())
        assert {each["state"] for each in found} == {"succeeded"}


# --- Ctrl-C ------------------------------------------------------------------------------------------------------


def test_ctrl_c_ends_with_130_and_names_what_goes_on(project: Project, host: PaidHost) -> None:
    host.status = "running"
    run = submitted(project)
    looked = threading.Event()
    host.on_looked_at = looked.set
    process = subprocess.Popen(
        [FTORCH, "wait", run],
        cwd=project.root,
        env=dict(project.environment),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert looked.wait(60)
        os.kill(process.pid, signal.SIGINT)
        out, err = process.communicate(timeout=60)
    finally:
        process.kill()
        process.wait()
    assert (process.returncode, out) == (130, ""), err
    assert f"of run {run} continues; ftorch resume {run} follows it" in err
