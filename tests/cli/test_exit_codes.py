"""What `submit` and `cancel` end with: their exit codes, and the words that go with them."""

from __future__ import annotations

import contextlib
import os
import pty
import shutil
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from support.paid_host import PaidHost, paid_host
from support.project import FTORCH, Project

from orchestrator.api import actions

PAID = {"endpoint": 'endpoint = "paid"'}
CAP = "[limits]\nmax_cost_usd = 0.01\n"
GRID = "[sweep.space]\nn_epochs = [1, 2]\n"
VALIDATED = {"training_file": 'training_file = "train.jsonl"\nvalidation_file = "validation.jsonl"'}


@pytest.fixture
def host(project: Project) -> Iterator[PaidHost]:
    with paid_host() as served:
        served.configure(project.root)
        project.write_job(**PAID)
        (project.root / "jobs" / "validation.jsonl").write_text(
            "".join((project.root / "jobs" / "train.jsonl").read_text().splitlines(keepends=True)[:3]).replace(
                "Switch on the light in the", "Light up the"
            )
        )
        yield served


# --- submit ------------------------------------------------------------------------------------------------------


def test_a_model_id_ends_with_0(project: Project, host: PaidHost) -> None:
    done = project.ftorch("submit", "jobs/greet.toml", "--yes")
    assert (done.code, done.out.startswith("ft:")) == (0, True), done.err


def test_a_run_that_waits_for_the_budget_ends_with_4_and_says_why(project: Project, host: PaidHost) -> None:
    project.write_job(CAP, **PAID)
    done = project.ftorch("submit", "jobs/greet.toml", "--yes")
    assert (done.code, done.out) == (4, ""), done.err
    assert "over budget: greet has used $0.00" in done.err
    resumed = project.ftorch("resume", "--now")
    assert (resumed.code, "over budget" in resumed.err) == (4, True)
    assert host.jobs == {}


def test_a_sweep_that_waits_for_the_budget_ends_with_4_also_with_a_best_model(
    project: Project, host: PaidHost
) -> None:
    project.write_job(GRID + "[limits]\nmax_cost_usd = 2.0\n", **PAID, **VALIDATED)
    done = project.ftorch("submit", "jobs/greet.toml", "--yes")
    assert (done.code, done.out.startswith("ft:")) == (4, True), done.err
    assert "over budget" in done.err
    assert len(host.jobs) == 1


def test_consent_that_nobody_can_give_ends_with_4(project: Project, host: PaidHost) -> None:
    done = project.ftorch("submit", "jobs/greet.toml")
    assert (done.code, "add --yes" in done.err, project.status()) == (4, True, [])


def test_a_no_records_nothing(project: Project, host: PaidHost) -> None:
    assert project.terminal("submit", "jobs/greet.toml", typed="n\n").code == 1
    assert project.status() == []


@pytest.mark.parametrize(("status", "code"), [("failed", 1), ("cancelled", 1), ("paused", 4)])
def test_a_job_without_a_model_is_no_success(status: str, code: int, project: Project, host: PaidHost) -> None:
    host.status = status
    done = project.ftorch("submit", "jobs/greet.toml", "--yes")
    assert (done.code, done.out) == (code, ""), done.err


def test_detach_ends_with_0_once_the_job_exists(project: Project, host: PaidHost) -> None:
    host.status = "running"
    done = project.ftorch("submit", "jobs/greet.toml", "--yes", "--detach")
    assert (done.code, len(host.jobs)) == (0, 1), done.err


@pytest.mark.parametrize("sweep", ["", GRID], ids=["run", "sweep"])
def test_detach_ends_with_4_where_there_is_no_job_yet(sweep: str, project: Project, host: PaidHost) -> None:
    host.status = "running"
    host.configure(project.root, settings="max_active = 1\n")
    project.ftorch("submit", str(project.write_job(name='name = "first"', **PAID)), "--yes", "--detach")
    second = project.write_job(sweep, model='model = "gpt-4.1-2025-04-14"', **PAID, **VALIDATED)
    done = project.ftorch("submit", str(second), "--yes", "--detach")
    assert done.code == 4, done.err
    assert "no job yet: waiting for a slot: 1 of 1 are taken on paid" in done.err


def test_nothing_says_not_paid_of_what_was_not_paid(project: Project, host: PaidHost) -> None:
    project.write_job(CAP, **PAID)
    project.ftorch("submit", "jobs/greet.toml", "--yes")
    waiting = project.ftorch("submit", "jobs/greet.toml", "--yes")
    assert "(pending); to train it again, add --again" in waiting.err
    project.write_job(**PAID)
    project.ftorch("submit", "jobs/greet.toml", "--yes")
    assert ", not paid again; to train it again" in project.ftorch("submit", "jobs/greet.toml").err
    assert len(host.jobs) == 1


# --- cancel ------------------------------------------------------------------------------------------------------


@pytest.fixture
def running(project: Project, host: PaidHost, monkeypatch: pytest.MonkeyPatch) -> PaidHost:
    """A host with one job that runs; a cancel is watched for a moment only."""
    monkeypatch.setattr(actions, "_SETTLING_SECONDS", 0.3)
    host.status = "running"
    project.ftorch("submit", "jobs/greet.toml", "--yes", "--detach")
    return host


def test_a_cancelled_job_ends_with_0(project: Project, running: PaidHost) -> None:
    done = project.ftorch("cancel", "greet", "--yes")
    assert (done.code, project.status()[0]["state"]) == (0, "cancelled"), done.err


def test_a_job_that_goes_on_although_its_cancel_was_taken_ends_with_1(project: Project, running: PaidHost) -> None:
    running.cancels_at_once = False
    done = project.ftorch("cancel", "greet", "--yes")
    assert done.code == 1, done.err
    assert "is not known to be cancelled; ftorch resume" in done.err


def _succeed(job: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    job.update(status="succeeded", cancelled=False)
    return 400, {"error": {"message": "Job has already completed", "code": None, "param": None, "type": None}}


def _refuse(job: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    job.update(cancelled=False)
    return 409, {"error": {"message": "not now", "code": None, "param": None, "type": None}}


@pytest.mark.parametrize(
    ("answer", "state", "said"),
    [
        (_succeed, "succeeded", "succeeded before it could be cancelled: model "),
        (_refuse, "running", "is not known to be cancelled; ftorch resume"),
    ],
)
def test_a_refused_cancel_ends_with_1(
    answer: Callable[[dict[str, Any]], tuple[int, dict[str, Any]]],
    state: str,
    said: str,
    project: Project,
    running: PaidHost,
) -> None:
    running.on_cancel = answer
    done = project.ftorch("cancel", "greet", "--yes")
    assert (done.code, said in done.err) == (1, True), done.err
    assert project.status()[0]["state"] == state


# --- Ctrl-C ------------------------------------------------------------------------------------------------------


def _interrupted(project: Project, ready: threading.Event, *arguments: str) -> tuple[int, str]:
    """Run the command, send it Ctrl-C when the host says so, and return its exit code and stderr."""
    process = subprocess.Popen(
        [FTORCH, *arguments],
        cwd=project.root,
        env=dict(project.environment),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert ready.wait(60)
        os.kill(process.pid, signal.SIGINT)
        _, said = process.communicate(timeout=60)
    finally:
        process.kill()
        process.wait()
    return process.returncode, said


@pytest.mark.parametrize(
    ("command", "shown"),
    [
        (("submit", "jobs/greet.toml"), "[y/N]"),
        (("cancel", "greet"), "[y/N]"),
        (("endpoints", "doctor", "paid", "--fix"), "[y/N]"),
        (("status", "--watch"), "greet"),
        (("serve", "--port", "0"), "http://127.0.0.1"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_ctrl_c_ends_with_130_whatever_is_shown(
    command: tuple[str, ...], shown: str, project: Project, host: PaidHost
) -> None:
    host.status = "running"
    project.ftorch("submit", "jobs/greet.toml", "--yes", "--detach")
    if command[0] == "submit":
        project.write_job(n_epochs="n_epochs = 2", **PAID)
    if "doctor" in command:
        shutil.rmtree(project.root / ".ftorch")
    terminal, its = pty.openpty()
    process = subprocess.Popen(
        [FTORCH, *command], cwd=project.root, env=dict(project.environment), stdin=its, stdout=its, stderr=its
    )
    os.close(its)
    seen = b""
    try:
        while shown.encode() not in seen:
            seen += os.read(terminal, 4096)
        for _ in range(20):  # a prompt that is just being shown may miss the first one
            process.send_signal(signal.SIGINT)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(3)
                break
        assert process.returncode == 130, seen
    finally:
        process.kill()
        process.wait()
        os.close(terminal)
    assert b"Traceback" not in seen


def test_ctrl_c_names_the_job_that_goes_on(project: Project, host: PaidHost) -> None:
    ready = threading.Event()
    host.status = "running"
    host.on_looked_at = ready.set
    code, said = _interrupted(project, ready, "submit", "jobs/greet.toml", "--yes")
    [job_id] = host.jobs
    assert code == 130, said
    assert f"stopped; job {job_id} of run " in said
    assert "continues; ftorch resume" in said


def test_ctrl_c_says_that_a_create_is_unconfirmed(project: Project, host: PaidHost) -> None:
    ready = threading.Event()

    def lose(body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        host.jobs.clear()
        ready.set()
        return 500, {"error": {"message": "boom", "code": None, "param": None, "type": None}}

    host.configure(project.root, settings="")
    text = (project.root / "ftorch.toml").read_text().replace("settling_seconds = 0.2", "settling_seconds = 60")
    (project.root / "ftorch.toml").write_text(text)
    host.on_create = lose
    code, said = _interrupted(project, ready, "submit", "jobs/greet.toml", "--yes")
    assert code == 130, said
    assert "is unconfirmed, so paid may have its job; ftorch resume" in said


def test_ctrl_c_says_that_there_is_no_job_yet(project: Project, host: PaidHost) -> None:
    ready = threading.Event()
    host.status = "running"
    host.configure(project.root, settings="max_active = 1\n")
    project.ftorch("submit", str(project.write_job(name='name = "first"', **PAID)), "--yes", "--detach")
    host.on_looked_at = ready.set
    second = project.write_job(model='model = "gpt-4.1-2025-04-14"', **PAID)
    code, said = _interrupted(project, ready, "submit", str(second), "--yes")
    assert code == 130, said
    assert "has no job yet; continue with: ftorch resume" in said


def test_an_interruption_at_the_question_says_that_nothing_was_done(project: Project, host: PaidHost) -> None:
    """Click ends a question in the same way at Ctrl-C and at the end of the input, Ctrl-D."""
    done = project.terminal("submit", "jobs/greet.toml", typed="\x04")
    assert (done.code, "stopped; nothing was done" in done.out) == (130, True), done.out
    assert project.status() == []
