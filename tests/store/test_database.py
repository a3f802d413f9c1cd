from __future__ import annotations

import os
import resource
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from sqlalchemy import Connection

from orchestrator.config import find_workspace
from orchestrator.errors import (
    DatabaseBusy,
    DatabaseCorrupt,
    DatabaseError,
    DatabaseFull,
    DatabaseReadOnly,
)
from orchestrator.store import database as door, runs
from orchestrator.store.database import Database
from orchestrator.store.migrate import open_database
from orchestrator.store.runs import Run

MakeRun = Callable[..., Run]

COUNT = """
import sys
from orchestrator.store.database import Database
database = Database(sys.argv[1])
for _ in range(40):
    with database.write() as connection:
        found = connection.exec_driver_sql("SELECT number FROM tally").scalar()
        connection.exec_driver_sql(f"UPDATE tally SET number = {found + 1}")
"""

RECORD = """
import sys
from orchestrator.errors import DatabaseError
from orchestrator.store.migrate import open_database
COLUMNS = "id, name, job_file, spec, created_at, endpoint, trials"
INSERT = f"INSERT INTO sweeps ({COLUMNS}) VALUES (?, ?, ?, ?, ?, 'x', 1)"
try:
    database = open_database("sqlite:///" + sys.argv[1])
    with database.read() as connection:
        print("read", connection.exec_driver_sql("SELECT count(*) FROM sweeps").scalar())
    with database.write() as connection:
        for number in range(2000):
            row = (str(number), str(number), "x" * 500, "{}", 0.0)
            connection.exec_driver_sql(INSERT, row)
except DatabaseError as error:
    print(type(error).__name__, error, sep=": ")
"""


@contextmanager
def opened(path: Path) -> Iterator[Database]:
    database = open_database(f"sqlite:///{path}")
    yield database
    database.close()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where a SQLite database of the current schema lies."""
    found = tmp_path / "state" / "ftorch.db"
    with opened(found):
        return found


def record(path: Path, limit: Callable[[], None] | None = None) -> str:
    """What a process says that records much in the database."""
    arguments = [sys.executable, "-c", RECORD, str(path)]
    done = subprocess.run(arguments, capture_output=True, text=True, preexec_fn=limit, check=True)
    assert done.stderr == ""
    return done.stdout.strip()


def as_ordinary_user() -> None:
    """Lets permissions bind root too: the two capabilities to pass over them are dropped for the next program."""
    if os.geteuid() == 0:
        import ctypes

        drop_from_bounding_set = 24
        for capability in (1, 2):
            assert ctypes.CDLL(None).prctl(drop_from_bounding_set, capability, 0, 0, 0) == 0


# --- transactions ------------------------------------------------------------------------------------------


def test_what_was_written_is_there_after_reopening(database_url: str, make_run: MakeRun) -> None:
    first = open_database(database_url)
    with first.write() as connection:
        runs.add(connection, make_run(), "recorded")
    first.close()
    second = open_database(database_url)
    with second.read() as connection:
        assert runs.exists(connection, "run00001")
    second.close()


def test_a_transaction_that_fails_writes_nothing(database: Database, make_run: MakeRun) -> None:
    def fail(connection: Connection) -> None:
        runs.add(connection, make_run(), "recorded")
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError), database.write() as connection:
        fail(connection)
    with database.read() as connection:
        assert runs.newest(connection) == []


def test_a_reader_sees_one_moment_and_hinders_no_writer(database: Database, make_run: MakeRun) -> None:
    with database.read() as reading:
        assert runs.newest(reading) == []
        with database.write() as writing:
            runs.add(writing, make_run(), "recorded")
        assert runs.newest(reading) == []
    with database.read() as reading:
        assert len(runs.newest(reading)) == 1


def test_a_writer_keeps_other_threads_out_until_it_has_committed(database: Database, make_run: MakeRun) -> None:
    seen: list[int] = []
    is_inside = threading.Event()

    def write_too() -> None:
        with database.write() as connection:
            is_inside.set()
            seen.append(len(runs.newest(connection)))

    other = threading.Thread(target=write_too)
    with database.write() as connection:
        other.start()
        assert not is_inside.wait(0.3)
        runs.add(connection, make_run(), "recorded")
    other.join(10)
    assert seen == [1]


def test_two_processes_that_read_and_write_lose_no_update(database: Database, database_url: str) -> None:
    with database.write() as connection:
        connection.exec_driver_sql("CREATE TABLE tally (number INTEGER)")
        connection.exec_driver_sql("INSERT INTO tally VALUES (0)")
    programs = [subprocess.Popen([sys.executable, "-c", COUNT, database_url]) for _ in range(2)]
    assert [program.wait(60) for program in programs] == [0, 0]
    with database.read() as connection:
        assert connection.exec_driver_sql("SELECT number FROM tally").scalar() == 80


def test_a_locked_database_is_said_to_be_busy(
    database_url: str, make_run: MakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(door, "BUSY_SECONDS", 0.1)
    first, second = open_database(database_url), open_database(database_url)
    with (
        first.write(),
        pytest.raises(DatabaseBusy, match=r"locked by another program for 0 s\. Nothing was lost\. Try again"),
        second.write() as connection,
    ):
        runs.add(connection, make_run(), "recorded")
    with second.write() as connection:
        runs.add(connection, make_run(), "recorded")
    for database in (first, second):
        database.close()


def test_what_the_database_refuses_is_a_clear_error(database: Database, make_run: MakeRun) -> None:
    with pytest.raises(DatabaseError, match=r"can't be used: .*nowhere"), database.read() as connection:
        connection.exec_driver_sql("SELECT 1 FROM nowhere")
    run = make_run()
    with database.write() as connection:
        runs.add(connection, run, "recorded")
    with pytest.raises(DatabaseError) as caught, database.write() as connection:
        runs.add(connection, run, "recorded")
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == 1


# --- SQLite ------------------------------------------------------------------------------------------------


def test_sqlite_is_set_up_for_many_readers_and_one_writer(path: Path) -> None:
    with opened(path) as database, database.read() as connection:
        found = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "foreign_keys", "busy_timeout", "synchronous")
        }
    assert found == {"journal_mode": "wal", "foreign_keys": 1, "busy_timeout": 15000, "synchronous": 1}


def test_a_durable_write_waits_for_the_disk_and_others_do_not(path: Path) -> None:
    normal, full = 1, 2
    with opened(path) as database:
        for durable, expected in ((True, full), (False, normal), (True, full)):
            with database.write(durable=durable) as connection:
                assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == expected


def test_nobody_else_can_read_the_files(tmp_path: Path, make_run: MakeRun) -> None:
    before = os.umask(0)
    try:
        path = tmp_path / "state" / "ftorch.db"
        with opened(path) as database, database.write() as connection:
            runs.add(connection, make_run(), "recorded")
            modes = {file.name: oct(file.stat().st_mode & 0o777) for file in path.parent.iterdir()}
    finally:
        os.umask(before)
    assert oct(path.parent.stat().st_mode & 0o777) == "0o700"
    assert set(modes.values()) == {"0o600"}
    assert {"ftorch.db", "ftorch.db-wal", "ftorch.db.lock"} <= set(modes)


@pytest.mark.parametrize("name", ["a b", "100%41", "what?x=1", "a#b", "größe"])
def test_the_state_folder_may_have_any_name(home: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv("FTORCH_HOME", str(home / name))
    database = open_database(find_workspace().database_url)
    assert database.path == home / name / "ftorch.db"
    assert database.path.stat().st_size > 0
    database.close()


def test_a_database_in_memory_works_and_leaves_nothing(home: Path, make_run: MakeRun) -> None:
    database = open_database("sqlite://")
    with database.write() as connection:
        runs.add(connection, make_run(), "recorded")
        assert runs.exists(connection, "run00001")
    database.close()
    assert list(home.iterdir()) == []


# --- what can be wrong -------------------------------------------------------------------------------------


def test_a_read_only_folder_is_said(path: Path) -> None:
    path.parent.chmod(0o500)
    path.chmod(0o400)
    said = record(path, as_ordinary_user)
    path.parent.chmod(0o700)
    assert said.startswith(f"DatabaseReadOnly: The database {path} can't be written (")
    assert "Make the file and its directory writable for this user." in said


def test_a_read_only_file_can_be_read_and_not_written(path: Path) -> None:
    path.chmod(0o400)
    can_be_read, said = record(path, as_ordinary_user).splitlines()
    assert can_be_read == "read 0"
    assert said.startswith(f"DatabaseReadOnly: The database {path} can't be written (attempt to write a readonly")


def test_an_old_database_in_a_read_only_folder_is_said(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("DELETE FROM alembic_version")
        connection.commit()
    path.with_name("ftorch.db.lock").unlink()
    path.parent.chmod(0o500)
    said = record(path, as_ordinary_user)
    path.parent.chmod(0o700)
    assert said.startswith("DatabaseReadOnly: ")


def test_a_state_folder_that_can_not_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DatabaseReadOnly, match=r"file/ftorch\.db can't be written \(File exists\)"):
        open_database(f"sqlite:///{tmp_path}/file/ftorch.db")
    with pytest.raises(DatabaseReadOnly, match=r"can't be written \(Not a directory\)"):
        open_database(f"sqlite:///{tmp_path}/file/below/ftorch.db")


def test_a_folder_in_place_of_the_file_is_said(tmp_path: Path) -> None:
    (tmp_path / "ftorch.db").mkdir()
    with pytest.raises(DatabaseReadOnly, match=r"can't be written \(unable to open database file\)"):
        open_database(f"sqlite:///{tmp_path}/ftorch.db")


def test_a_full_disk_is_said_and_nothing_is_lost(path: Path, make_run: MakeRun) -> None:
    with opened(path) as database:
        with database.write() as connection:
            runs.add(connection, make_run(), "recorded")
            connection.exec_driver_sql("PRAGMA max_page_count=1")
        with (
            pytest.raises(DatabaseFull, match=r"The disk is full, .* Free some disk space"),
            database.write() as connection,
        ):
            runs.add(connection, make_run(reason="x" * 100_000), "recorded")
        with database.read() as connection:
            assert len(runs.newest(connection)) == 1


def test_a_quota_is_said_like_a_full_disk_and_nothing_is_lost(path: Path) -> None:
    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))

    said = record(path, limit).splitlines()[-1]
    assert said.startswith(f"DatabaseFull: The disk is full, so the database {path} can't be written.")
    assert record(path) == "read 0"
    assert record(path).startswith("read 2000")


def test_a_file_that_is_no_database_is_said_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "ftorch.db"
    path.write_text("my shopping list\n" * 100)
    with pytest.raises(
        DatabaseCorrupt, match=r"damaged or is not a database .*: ftorch runs adopt --all --endpoint NAME"
    ):
        open_database(f"sqlite:///{path}")
    assert path.read_text() == "my shopping list\n" * 100


def test_a_damaged_database_is_said_with_the_copy_to_go_back_to(path: Path, make_run: MakeRun) -> None:
    with opened(path) as database, database.write() as connection:
        for _ in range(200):
            runs.add(connection, make_run(), "recorded")
    copy = path.with_name("ftorch.db.before-0001-20260101T000000")
    copy.write_bytes(path.read_bytes())
    damaged = bytearray(path.read_bytes())
    damaged[100 * 4096 :] = b"\xff" * (len(damaged) - 100 * 4096)
    path.write_bytes(damaged)
    with pytest.raises(DatabaseCorrupt) as caught, opened(path) as database, database.read() as connection:
        runs.newest(connection)
    assert "ftorch runs adopt --all --endpoint NAME" in str(caught.value).partition("return to the copy: ")[0]
    assert str(caught.value).endswith(f" && cp {copy} {path}")


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("nonsense", r"FTORCH_DATABASE_URL must look like postgresql\+psycopg://user@host/name"),
        ("", r"must look like postgresql\+psycopg"),
        ("nosuch://host/name", r"must look like postgresql\+psycopg"),
        ("postgresql+asyncpg://host/name", r"asyncpg is not installed; run: .*psycopg\[binary\]"),
    ],
)
def test_a_database_url_that_is_none_is_said(url: str, problem: str) -> None:
    for create in (True, False):
        with pytest.raises(DatabaseError, match=problem):
            open_database(url, create=create)


def test_a_server_out_of_reach_is_said_without_the_password(tmp_path: Path) -> None:
    with pytest.raises(DatabaseError, match=r"The database postgresql\+psycopg://me:.* can't be used: ") as caught:
        open_database(f"postgresql+psycopg://me:secret@/runs?host={tmp_path}")
    assert "secret" not in str(caught.value)
    assert "secret" not in str(caught.value.facts)


# --- reading where nothing is ------------------------------------------------------------------------------


def test_a_reader_of_a_database_that_is_not_there_sees_nothing_and_makes_nothing(tmp_path: Path) -> None:
    database = open_database(f"sqlite:///{tmp_path}/state/ftorch.db", create=False)
    with database.read() as connection:
        assert runs.newest(connection) == []
    database.close()
    assert list(tmp_path.iterdir()) == []


def test_a_reader_of_a_database_that_is_there_reads_it(path: Path, make_run: MakeRun) -> None:
    with opened(path) as database, database.write() as connection:
        runs.add(connection, make_run(), "recorded")
    database = open_database(f"sqlite:///{path}", create=False)
    with database.read() as connection:
        assert len(runs.newest(connection)) == 1
    database.close()
