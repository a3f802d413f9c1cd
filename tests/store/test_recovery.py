"""The program as a whole on a bad day: a full disk, a damaged database, another program that holds the lock."""

from __future__ import annotations

import resource
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from support.project import FTORCH, Project, make_project

from orchestrator.errors import DatabaseCorrupt
from orchestrator.server.store import Store
from orchestrator.store import runs
from orchestrator.store.migrate import open_database

RECORD_AND_DIE = """
import os, signal, sys
from orchestrator.store.migrate import open_database
COLUMNS = "id, name, job_file, spec, created_at, endpoint, trials"
INSERT = f"INSERT INTO sweeps ({COLUMNS}) VALUES (?, ?, ?, ?, ?, 'x', 1)"
database = open_database("sqlite:///" + sys.argv[1])
for number in range(200):
    with database.write() as connection:
        row = (str(number), str(number), "x" * 500, "{}", 0.0)
        connection.exec_driver_sql(INSERT, row)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return make_project(tmp_path / "project")


def database_of(project: Project) -> Path:
    return project.root / ".ftorch" / "ftorch.db"


# --- a full disk -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kilobytes", [2, 60, 120])
def test_a_disk_that_fills_up_loses_and_repeats_nothing(project, kilobytes):
    """No file may grow beyond that: the records or the endpoint's own store fail somewhere on the way."""
    assert project.ftorch("submit", "jobs/greet.toml").code == 0

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (kilobytes << 10, kilobytes << 10))

    full = subprocess.run(
        [FTORCH, "submit", "jobs/greet.toml", "--again"],
        cwd=project.root,
        env=dict(project.environment),
        preexec_fn=limit,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert full.returncode in (1, 4)
    assert "Traceback" not in full.stderr
    assert "The disk is full" in full.stderr or "can't use its store" in full.stderr
    again = []
    if full.returncode == 4:  # the endpoint could not write either: only the user can tell that it made no job
        again = ["--again", next(run["id"] for run in project.status() if run["state"] == "unknown")]
    assert project.ftorch("resume", *again).code == 0
    recorded = project.status()
    assert {run["state"] for run in recorded} == {"succeeded"}
    jobs = Store(project.root / ".ftorch" / "local").jobs.page(after=None, limit=10)
    assert sorted(run["job_id"] for run in recorded) == sorted(job.id for job in jobs)


# --- a damaged database ----------------------------------------------------------------------------------------


def test_the_advice_about_a_damaged_database_brings_the_kept_copy_back(tmp_path, make_run):
    """Word for word, and with the write-ahead log of the damaged one, from a killed process, still lying there."""
    path = tmp_path / "my runs" / "ftorch.db"
    with closing(open_database(f"sqlite:///{path}")) as database, database.write() as connection:
        runs.add(connection, make_run(), "recorded")
    copy = path.with_name("ftorch.db.before-0001-20260101T000000")
    copy.write_bytes(path.read_bytes())
    killed = subprocess.run([sys.executable, "-c", RECORD_AND_DIE, str(path)], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert path.with_name("ftorch.db-wal").stat().st_size > 0
    path.write_bytes(b"not a database any more" * 1000)

    with pytest.raises(DatabaseCorrupt) as caught:
        open_database(f"sqlite:///{path}")
    advice = str(caught.value).partition("return to the copy: ")[2]
    subprocess.run(advice, shell=True, check=True)
    with closing(open_database(f"sqlite:///{path}")) as database, database.read() as connection:
        assert runs.exists(connection, "run00001")
        assert connection.exec_driver_sql("SELECT count(*) FROM sweeps").scalar() == 0
        assert connection.exec_driver_sql("PRAGMA integrity_check").scalar() == "ok"


@pytest.mark.parametrize("command", [["status"], ["submit", "jobs/greet.toml"], ["resume"], ["show", "greet"]])
def test_a_damaged_database_is_told_and_not_touched(project, command):
    damaged = b"\xff" * 8192
    database_of(project).parent.mkdir()
    database_of(project).write_bytes(damaged)
    said = project.ftorch(*command)
    assert said.code == 1
    assert "is damaged or is not a database" in said.err
    assert "ftorch runs adopt --all --endpoint NAME. Jobs on the endpoint are not affected." in said.err
    assert database_of(project).read_bytes() == damaged


# --- a lock that somebody else holds ---------------------------------------------------------------------------


@contextmanager
def locked_now_and_then(path: Path) -> Iterator[list[int]]:
    """Another program that takes the whole database for 0.15 s at a time; yields the count of its turns."""
    is_over, turns = threading.Event(), [0]

    def hold() -> None:
        with closing(sqlite3.connect(path, isolation_level=None, timeout=60)) as connection:
            while not is_over.is_set():
                connection.execute("BEGIN EXCLUSIVE")
                turns[0] += 1
                is_over.wait(0.15)
                connection.execute("COMMIT")
                time.sleep(0.05)

    holder = threading.Thread(target=hold)
    holder.start()
    try:
        yield turns
    finally:
        is_over.set()
        holder.join()


def test_a_database_locked_by_another_program_again_and_again_is_waited_for(project):
    assert project.ftorch("submit", "jobs/greet.toml").code == 0
    with locked_now_and_then(database_of(project)) as turns:
        done = project.ftorch("submit", "jobs/greet.toml", "--again")
    assert done.code == 0, done.err
    assert turns[0] >= 3
    assert [run["state"] for run in project.status()] == ["succeeded"] * 2


def test_a_start_waits_for_another_programs_lock(tmp_path):
    """Also the first start, which makes the tables and switches to write-ahead logging."""
    path = tmp_path / "ftorch.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        other.execute("CREATE TABLE theirs (number INTEGER)")
        release = threading.Timer(0.7, lambda: None)
        opening = threading.Thread(target=lambda: open_database(f"sqlite:///{path}").close())
        opening.start()
        release.start()
        release.join()
        assert opening.is_alive()
        other.execute("COMMIT")
        opening.join(15)
    with closing(open_database(f"sqlite:///{path}")) as database, database.read() as connection:
        assert runs.newest(connection) == []
