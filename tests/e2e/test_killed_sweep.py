"""A sweep in real processes on the local endpoint: killed, resumed, stopped, and followed by two at once."""

from __future__ import annotations

import json
import random
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from support.project import FTORCH, Project, make_project

GRID = "[sweep.space]\nn_epochs = [1, 2, 3]"
TRIALS = 3
DATA = 'training_file = "train.jsonl"\nvalidation_file = "valid.jsonl"'
RUNS = "SELECT state, fine_tuned_model, job_id FROM runs"


@pytest.fixture
def project(tmp_path: Path) -> Project:
    made = make_project(tmp_path / "project")
    data = made.root / "jobs" / "train.jsonl"
    data.with_name("valid.jsonl").write_text(data.read_text().replace("Switch on the light", "Make it bright"))
    data.write_text(data.read_text() * 2)
    write_sweep(made, GRID)
    return made


def write_sweep(project: Project, sweep: str) -> None:
    project.write_job(sweep, training_file=DATA, n_epochs="batch_size = 1", model='model = "m"\nseed = 1')


@pytest.fixture
def begin(project: Project) -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """Start `ftorch`; what still runs at the end of the test is killed."""
    begun: list[subprocess.Popen[bytes]] = []

    def begin(*arguments: str) -> subprocess.Popen[bytes]:
        nowhere, environment = subprocess.DEVNULL, dict(project.environment)
        command = [FTORCH, *arguments]
        begun.append(
            subprocess.Popen(
                command, cwd=project.root, env=environment, stdin=nowhere, stdout=nowhere, stderr=nowhere
            )
        )
        return begun[-1]

    yield begin
    for process in begun:
        process.kill()
        process.wait()


def rows(project: Project, query: str, database: str = "ftorch.db") -> list[tuple[Any, ...]]:
    """From a database that may not be there yet."""
    try:
        path = project.root / ".ftorch" / database
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
            return connection.execute(query).fetchall()
    except sqlite3.OperationalError:
        return []


def wait_until(is_so: Callable[[], bool], seconds: float = 120.0) -> None:
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline, "it did not come to that"
        time.sleep(0.01)


def assert_each_trial_was_trained_once(project: Project, trials: int) -> None:
    runs = rows(project, RUNS)
    jobs = rows(project, "SELECT id FROM jobs", "local/endpoint.db")
    assert [state for state, _, _ in runs] == ["succeeded"] * trials
    assert len({model for _, model, _ in runs}) == trials
    assert sorted(job_id for _, _, job_id in runs) == sorted(job_id for (job_id,) in jobs)
    assert len(rows(project, "SELECT id FROM files WHERE purpose = 'fine-tune'", "local/endpoint.db")) == 2


def test_kills_at_random_moments_repeat_no_trial_and_lose_none(project, begin):
    moments = random.Random(20261121)
    for command in (["submit", "jobs/greet.toml", "--yes"], *[["resume"]] * 3):
        process = begin(*command)
        wait_until(lambda: rows(project, "SELECT id FROM sweeps") != [])
        time.sleep(moments.uniform(0.1, 0.9))
        process.kill()
        process.wait()
    ended = project.process("resume")
    assert ended.code == 0, ended.err
    assert_each_trial_was_trained_once(project, TRIALS)
    found = json.loads(project.process("sweep", "show", "greet", "--json").out)
    assert len(found["ranking"]) == TRIALS
    again = project.process("submit", "jobs/greet.toml", "--yes")
    assert (again.code, f"{TRIALS} trials recorded already, not submitted again" in again.err) == (0, True)
    assert_each_trial_was_trained_once(project, TRIALS)


def test_two_processes_on_one_sweep_train_each_trial_once(project, begin):
    processes = [begin("submit", "jobs/greet.toml", "--yes") for _ in range(2)]
    assert [process.wait(120) for process in processes] == [0, 0]
    assert_each_trial_was_trained_once(project, TRIALS)


def test_a_tpe_sweep_killed_before_its_end_is_drawn_on_by_resume(project, begin):
    pytest.importorskip("optuna")
    space = "n_epochs = { low = 1, high = 9 }\nlearning_rate_multiplier = { low = 0.2, high = 1.0 }"
    write_sweep(project, f'[sweep]\nstrategy = "tpe"\ntrials = 3\n[sweep.space]\n{space}')
    process = begin("submit", "jobs/greet.toml", "--yes")
    wait_until(lambda: len(rows(project, "SELECT number FROM trials")) >= 2)
    process.kill()
    process.wait()
    before = rows(project, "SELECT number, parameters FROM trials ORDER BY number")
    ended = project.process("resume")
    assert ended.code == 0, ended.err
    after = rows(project, "SELECT number, parameters FROM trials ORDER BY number")
    assert (after[: len(before)], len(after)) == (before, 3)
    assert_each_trial_was_trained_once(project, 3)
    assert ended.out.strip() in {model for _, model, _ in rows(project, RUNS)}


def test_a_sweep_is_stopped_from_another_process_and_taken_up_again(project, begin):
    write_sweep(project, GRID.replace("[1, 2, 3]", str([*range(36, 51)])))  # some are left when the stop arrives
    process = begin("submit", "jobs/greet.toml", "--yes")
    wait_until(lambda: rows(project, "SELECT id FROM runs WHERE job_id IS NOT NULL") != [])
    stopped = project.process("sweep", "stop", "greet", "--yes")
    assert stopped.code == 0, stopped.err
    process.wait(120)
    numbers = rows(project, "SELECT number FROM trials t JOIN runs r ON r.id = t.run_id WHERE state = 'cancelled'")
    assert numbers
    assert {state for state, _, _ in rows(project, RUNS)} <= {"cancelled", "succeeded"}
    assert "Nothing to resume" in project.process("resume").err
    planned = json.loads(project.process("submit", "jobs/greet.toml", "--dry-run", "--json").out)
    assert planned["changes"]["tried_again"] == sorted(number for (number,) in numbers)


def test_what_may_cost_is_not_begun_where_nobody_can_be_asked(project):
    (project.root / "ftorch.toml").write_text(
        '[endpoints.paid]\ntype = "compatible"\nbase_url = "http://127.0.0.1:9/v1"\n'
    )
    refused = project.process("submit", "jobs/greet.toml", "--endpoint", "paid")
    assert refused.code == 4
    assert "add --yes" in refused.err
    assert rows(project, "SELECT id FROM sweeps") == []
    assert project.process("submit", "jobs/greet.toml", "--endpoint", "paid", "--dry-run").code == 0
