"""Intents outlive the write-ahead log, and a database that lost some is noticed before anything is paid again."""

from __future__ import annotations

import random
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path

import pytest
from support.project import Project, make_project

from orchestrator.errors import DatabaseError, DatabaseLost
from orchestrator.server.store import Store
from orchestrator.store import database as door, intents, runs
from orchestrator.store.database import Database
from orchestrator.store.migrate import open_database
from orchestrator.store.runs import Run

INTEND_AND_DIE = """
import os, signal, sys
from orchestrator.store.migrate import open_database
database = open_database("sqlite:///" + sys.argv[1])
with database.write(durable=True) as connection:
    connection.exec_driver_sql("UPDATE runs SET creation_open = 1")
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def path(tmp_path: Path, make_run: Callable[..., Run]) -> Path:
    """Where a database with one run lies."""
    found = tmp_path / "state" / "ftorch.db"
    with closing(open_database(f"sqlite:///{found}")) as database, database.write() as connection:
        runs.add(connection, make_run(), "recorded")
    return found


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A project with one run that has ended."""
    made = make_project(tmp_path / "project")
    assert made.ftorch("submit", "jobs/greet.toml").code == 0
    return made


def intend(path: Path) -> None:
    """Record one more intent, as another process that is killed right after it."""
    killed = subprocess.run([sys.executable, "-c", INTEND_AND_DIE, str(path)], check=False)
    assert killed.returncode == -signal.SIGKILL


def lose_log(path: Path) -> None:
    for suffix in ("-wal", "-shm"):
        path.with_name(path.name + suffix).unlink()


def is_intended(path: Path) -> bool:
    with closing(open_database(f"sqlite:///{path}")) as database, database.read() as connection:
        return runs.get(connection, "run00001").creation_open


def database_of(project: Project) -> Path:
    return project.root / ".ftorch" / "ftorch.db"


# --- the main file alone is enough --------------------------------------------------------------------------


def test_an_intent_outlives_a_kill_and_the_loss_of_the_log(path: Path) -> None:
    intend(path)
    lose_log(path)
    assert is_intended(path)


def test_an_intent_waits_for_no_reader(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The log can't be emptied then; the next intent does it."""
    monkeypatch.setattr(door, "CHECKPOINT_SECONDS", 0.0)
    with closing(open_database(f"sqlite:///{path}")) as database:
        with database.read() as reading:
            assert len(runs.newest(reading)) == 1
            for _ in range(2):
                with database.write(durable=True) as connection:
                    connection.exec_driver_sql("UPDATE runs SET creation_open = 1")
            assert not database.checkpoint()
        assert database.checkpoint()


def test_intents_are_counted_in_the_database_and_beside_it(path: Path) -> None:
    with closing(open_database(f"sqlite:///{path}")) as database:
        for _ in range(3):
            with database.write(durable=True):
                pass
        with database.write():
            pass
        with pytest.raises(ZeroDivisionError), database.write(durable=True):
            raise ZeroDivisionError
        assert database.intents() == intents.noted(path) == 3
    assert intents.file_beside(path).stat().st_mode & 0o777 == 0o600


def test_a_database_in_memory_notes_nothing(home: Path) -> None:
    with closing(Database("sqlite://")) as database, database.write(durable=True):
        pass
    assert list(home.iterdir()) == []


# --- what is lost is noticed --------------------------------------------------------------------------------


def test_a_lost_log_that_held_an_intent_is_noticed(path: Path) -> None:
    intend(path)
    with closing(sqlite3.connect(path)) as reading:  # keeps the main file as it is
        reading.execute("BEGIN")
        reading.execute("SELECT count(*) FROM runs").fetchone()
        intend(path)
        log = path.with_name("ftorch.db-wal")
        kept = log.with_name("kept")
        shutil.copyfile(path, kept)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    shutil.copyfile(kept, path)
    with pytest.raises(
        DatabaseLost, match=r"with 1 of its intents: its write-ahead log \(ftorch\.db-wal\) was lost"
    ) as caught:
        open_database(f"sqlite:///{path}")
    assert caught.value.facts["count"] == 2


@pytest.mark.parametrize("create", [True, False])
def test_an_emptied_or_removed_database_is_noticed_and_not_made_anew(path: Path, create: bool) -> None:
    intend(path)
    path.write_bytes(b"")
    with pytest.raises(DatabaseLost, match="is empty"):
        open_database(f"sqlite:///{path}", create=create)
    assert path.read_bytes() == b""
    path.unlink()
    with pytest.raises(DatabaseLost, match="is gone"):
        open_database(f"sqlite:///{path}", create=create)
    assert not path.exists()


@pytest.mark.parametrize("count", [b"", b"many\n", b"\xff" * 10])
def test_an_unreadable_count_is_no_reason_to_stop(path: Path, count: bytes) -> None:
    intents.file_beside(path).write_bytes(count)
    assert not is_intended(path)


def test_a_count_that_can_not_be_written_is_no_reason_to_stop(path: Path) -> None:
    intents.file_beside(path).mkdir()
    intend(path)
    assert is_intended(path)


# --- every remedy helps -------------------------------------------------------------------------------------


def empty(path: Path) -> None:
    path.write_bytes(b"")


def remove(path: Path) -> None:
    path.unlink()


def garble(path: Path) -> None:
    path.write_bytes(b"\xff" * path.stat().st_size)


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:8192])


@pytest.mark.parametrize("harm", [empty, remove, garble, truncate])
def test_the_named_remedy_brings_the_jobs_back(project: Project, harm: Callable[[Path], None]) -> None:
    path = database_of(project)
    [before] = project.status()
    harm(path)
    for command in (["status"], ["submit", "jobs/greet.toml"], ["resume"], ["show", "greet"], ["logs", "greet"]):
        refused = project.ftorch(*command)
        assert refused.code == 1
        assert str(path) in refused.err
        assert "ftorch runs adopt --all --endpoint NAME" in refused.err
        assert "Traceback" not in refused.err
    subprocess.run(shell_command(refused.err), shell=True, check=True)
    adopted = project.ftorch("adopt", "--all", "--endpoint", "local")
    assert adopted.code == 0, adopted.err
    [after] = project.status()
    assert (after["job_id"], after["state"]) == (before["job_id"], "succeeded")
    [job] = Store(project.root / ".ftorch" / "local").jobs.page(after=None, limit=10)
    assert job.id == after["job_id"]


def shell_command(said: str) -> str:
    """The one that the message names before `ftorch runs adopt`."""
    if "move it away: " in said:
        return said.partition("move it away: ")[2]
    return said.partition("continue with the present one (")[2].partition(")")[0]


@pytest.mark.parametrize("seed", range(12))
def test_flipped_bytes_end_no_command_with_a_traceback(path: Path, make_run: Callable[..., Run], seed: int) -> None:
    """What is read is right, or the error says that the database is damaged."""
    with closing(open_database(f"sqlite:///{path}")) as database, database.write() as connection:
        for _ in range(40):
            runs.add(connection, make_run(), "recorded")
    damaged, rng = bytearray(path.read_bytes()), random.Random(seed)
    for _ in range(200):
        damaged[rng.randrange(100, len(damaged))] ^= 1 << rng.randrange(8)
    path.write_bytes(damaged)
    with suppress(DatabaseError), closing(open_database(f"sqlite:///{path}")) as database:
        read_all(database)


def read_all(database: Database) -> None:
    with database.read() as connection:
        for run in runs.newest(connection):
            runs.history(connection, run.id)
