"""Who submitted what, from which commit and with which job file: recorded with each kind of item, and shown."""

from __future__ import annotations

import json
import socket
from typing import Any

import pytest
from support.project import Project
from support.sweeping import write_sweep

from orchestrator.bookkeeping.provenance import HIDDEN, provenance_of
from orchestrator.jobfile import load_job_file, overrides_of
from orchestrator.ledger import Ledger, open_ledger
from orchestrator.store import submissions
from orchestrator.store.database import Database
from orchestrator.store.submissions import Provenance, Submission

JOB = "jobs/greet.toml"
KEY = f"sk-proj-{'k3Y' * 12}"
ANN = Provenance("ann", "laptop", "0.1.0", "c" * 40, git_clean=True, job_file='name = "drone"\n')
BOB = Provenance("bob", "server", "0.1.0", job_file='name = "drone"\n')


def shown(project: Project, key: str = "greet") -> dict[str, Any]:
    found: dict[str, Any] = json.loads(project.ftorch("show", key, "--json").out)
    return found


def recorded(ledger: Ledger, kind: str, item_id: str) -> Submission | None:
    with ledger.database.read() as connection:
        return submissions.find(connection, kind, item_id)


# --- rows ----------------------------------------------------------------------------------------------------


def test_one_text_is_kept_once_and_goes_with_its_last_item(database: Database) -> None:
    with database.write() as connection:
        submissions.record(connection, "run", "a", ANN, 1.0)
        submissions.record(connection, "run", "b", BOB, 2.0)
        submissions.forget_texts(connection, "run", ["a"])
        assert submissions.job_file_of(connection, "run", "a") is None
        assert submissions.job_file_of(connection, "run", "b") == 'name = "drone"\n'
        submissions.forget_texts(connection, "run", ["b"])
        assert connection.exec_driver_sql("SELECT count(*) FROM job_files").scalar() == 0
        found = submissions.find(connection, "run", "a")
    assert found is not None
    assert (found.user, found.git_commit, found.git_clean, found.job_file_sha256) == ("ann", "c" * 40, True, None)


def test_the_last_submission_of_a_sweep_holds(database: Database) -> None:
    with database.write() as connection:
        submissions.record(connection, "sweep", "s", ANN, 1.0)
        submissions.record(connection, "sweep", "s", BOB, 2.0)
        submissions.inherit(connection, ("run", "a"), of=("sweep", "s"), at=3.0)
        submissions.inherit(connection, ("run", "b"), of=("sweep", "unknown"), at=3.0)
        found = submissions.find(connection, "run", "a")
        assert submissions.find(connection, "run", "b") is None
    assert found is not None
    assert (found.user, found.host, found.at) == ("bob", "server", 3.0)


# --- submitting ----------------------------------------------------------------------------------------------


def test_a_run_is_recorded_with_who_where_and_the_text(project: Project) -> None:
    text = (project.root / JOB).read_text()
    done = project.ftorch("submit", JOB, "--detach", FTORCH_USER="ann")
    assert done.code == 0, done.err
    found = shown(project)["submission"]
    assert (found["user"], found["host"]) == ("ann", socket.gethostname())
    assert (found["git_commit"], found["git_clean"]) == (None, None)
    assert project.ftorch("show", "greet", "--job-file").out == text
    lines = project.ftorch("show", "greet").out
    assert f"by ann on {socket.gethostname()}, ftorch {found['ftorch_version']}" in lines


def test_who_submits_the_same_again_changes_nothing(project: Project) -> None:
    project.ftorch("submit", JOB, "--detach", FTORCH_USER="ann")
    (project.root / JOB).write_text((project.root / JOB).read_text() + "# bob was here\n")
    again = project.ftorch("submit", JOB, "--detach", FTORCH_USER="bob")
    assert "already submitted as run" in again.err
    assert shown(project)["submission"]["user"] == "ann"
    assert "bob" not in project.ftorch("show", "greet", "--job-file").out


def test_what_the_command_line_replaced_follows_the_text(project: Project) -> None:
    text = (project.root / JOB).read_text()
    project.ftorch("submit", JOB, "--detach", "--set", "method.n_epochs=2", "--model", "gpt-4.1-nano-2025-04-14")
    kept = project.ftorch("show", "greet", "--job-file").out
    options = "# --set method.n_epochs=2\n# --model gpt-4.1-nano-2025-04-14\n"
    assert kept == f"{text}\n# Set on the command line:\n{options}"


def test_no_key_in_a_text_is_kept(project: Project) -> None:
    project.write_job(f'[metadata]\nteam = "flight" # {KEY}\n')
    job = load_job_file(project.root / JOB, overrides_of([f"metadata.token={KEY}"]))
    kept = provenance_of(job).job_file
    assert kept is not None
    assert (kept.count(KEY), kept.count(HIDDEN)) == (0, 2)


def test_a_terminal_is_not_steered_by_a_job_file(project: Project) -> None:
    project.write_job("# left\u202eright\n#\ttabbed\n")
    project.ftorch("submit", JOB, "--detach")
    at_terminal = project.terminal("show", "greet", "--job-file").out
    assert "\u202e" not in at_terminal
    assert "#    tabbed" in at_terminal
    assert "\u202e" in project.ftorch("show", "greet", "--job-file").out


def test_a_run_without_a_recorded_text_says_so(project: Project) -> None:
    project.ftorch("submit", JOB, "--detach")
    with open_ledger(project.root) as ledger, ledger.database.write() as connection:
        submissions.forget_texts(connection, "run", [ledger.run("greet").id])
    done = project.ftorch("show", "greet", "--job-file")
    assert (done.code, "No job file is recorded for run" in done.err) == (1, True)
    both = project.ftorch("show", "greet", "--job-file", "--json")
    assert both.code == 2


# --- what follows from a submission --------------------------------------------------------------------------


def test_every_trial_has_the_submission_of_its_sweep(project: Project) -> None:
    write_sweep(project)
    done = project.ftorch("submit", JOB, "--detach", FTORCH_USER="ann")
    assert done.code == 0, done.err
    with open_ledger(project.root) as ledger:
        [standing] = ledger.sweeps("greet")
        found = [recorded(ledger, "run", run.id) for _, run in ledger.trials(standing.sweep.id)]
        assert [each and each.user for each in found] == ["ann", "ann"]
        assert recorded(ledger, "sweep", standing.sweep.id) is not None
        text = ledger.job_file(ledger.trials(standing.sweep.id)[0][1].id)
    assert text == (project.root / JOB).read_text()


def test_an_evaluation_that_a_job_file_asks_for_follows_from_its_run(project: Project) -> None:
    project.write_job('[evaluation]\nfile = "train.jsonl"\nauto = true\nallow_leak = true\n')
    project.ftorch("submit", JOB, "--detach", FTORCH_USER="ann")
    with open_ledger(project.root) as ledger:
        with ledger.database.read() as connection:
            ids = connection.exec_driver_sql("SELECT id FROM evaluations").scalars().all()
        assert [recorded(ledger, "evaluation", each).user for each in ids] == ["ann"]


def test_an_evaluation_on_request_is_recorded_with_who_asked(trained_project: Project) -> None:
    done = trained_project.ftorch(
        "evaluate", "greet", "--file", "jobs/train.jsonl", "--allow-leak", FTORCH_USER="bob"
    )
    assert done.code == 0, done.err
    with open_ledger(trained_project.root) as ledger, ledger.database.read() as connection:
        rows = connection.exec_driver_sql("SELECT user FROM submissions WHERE kind = 'evaluation'").scalars()
        assert list(rows) == ["bob"]


@pytest.fixture
def trained_project(project: Project) -> Project:
    assert project.ftorch("submit", JOB).code == 0
    return project
