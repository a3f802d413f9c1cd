from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, create_engine, inspect, make_url, text

from orchestrator.errors import DatabaseError, DatabaseFull, DatabaseTooNew, DatabaseUnreleased
from orchestrator.store import migrate, runs
from orchestrator.store.database import Database
from orchestrator.store.migrate import migrations_dir, open_database
from orchestrator.store.runs import Run
from orchestrator.store.schema import REVISION, metadata

MakeRun = Callable[..., Run]

pytestmark = pytest.mark.usefixtures("really_migrated")

NEXT = """
import os
import signal

import sqlalchemy as sa
from alembic import op

revision = "next"
down_revision = "{0}"


def upgrade():
    op.create_table("first_new", sa.Column("id", sa.Integer, primary_key=True))
    if "KILL_IN_MIGRATION" in os.environ:
        os.kill(os.getpid(), signal.SIGKILL)
    op.create_table("second_new", sa.Column("id", sa.Integer, primary_key=True))
    with op.batch_alter_table("runs") as runs:  # SQLite rebuilds the table, to which rows of others refer
        runs.alter_column("poll_seconds", type_=sa.Numeric)
"""

ORPHANS = """
from alembic import op

revision = "next"
down_revision = "{0}"


def upgrade():
    op.execute("DELETE FROM runs")
"""

OPEN_AS_NEXT = """
import sys
from pathlib import Path
from orchestrator.store import migrate
migrate.migrations_dir = lambda: Path(sys.argv[2])
migrate.REVISION = "next"
migrate.open_database(sys.argv[1]).close()
"""

OPEN_AT_ONCE = """
import sys
from orchestrator.store import runs
from orchestrator.store.migrate import open_database
print("ready", flush=True)
sys.stdin.readline()
database = open_database(sys.argv[1])
with database.read() as connection:
    runs.newest(connection)
database.close()
print(*sorted({"alembic", "openai", "pydantic"} & set(sys.modules)))
"""


@pytest.fixture
def next_migrations(tmp_path: Path) -> Path:
    """The migrations, and one more than there is."""
    folder = tmp_path / "migrations"
    shutil.copytree(migrations_dir(), folder, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "versions" / "next.py").write_text(NEXT.format(REVISION))
    return folder


@pytest.fixture
def newer_program(next_migrations: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From here on this process is a program that knows one more migration."""
    monkeypatch.setattr(migrate, "migrations_dir", lambda: next_migrations)
    monkeypatch.setattr(migrate, "REVISION", "next")


def record(url: str, run: Run) -> None:
    database = open_database(url)
    with database.write() as connection:
        runs.add(connection, run, run.reason)
    database.close()


def tables(url: str) -> set[str]:
    engine = create_engine(url)
    found = set(inspect(engine).get_table_names())
    engine.dispose()
    return found


def shape(connection: Connection) -> dict[str, list[str]]:
    """Each table's columns, keys and indexes with their names, also of those that `compare_metadata` leaves out."""
    found = inspect(connection)
    return {
        table: sorted(
            repr(sorted(part.items(), key=str))
            for part in (
                *found.get_columns(table),
                found.get_pk_constraint(table),
                *found.get_foreign_keys(table),
                *found.get_unique_constraints(table),
                *found.get_indexes(table),
            )
        )
        for table in found.get_table_names()
        if table != "alembic_version"
    }


def revision(url: str) -> str | None:
    engine = create_engine(url)
    with engine.connect() as connection:
        found = MigrationContext.configure(connection).get_current_revision()
    engine.dispose()
    return found


def set_revision(url: str, to: str) -> None:
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = :to"), {"to": to})
    engine.dispose()


def content(url: str) -> bytes | None:
    """All bytes of a SQLite file; None on a server."""
    path = Path(url.removeprefix("sqlite:///"))
    return path.read_bytes() if path.exists() else None


def copies(url: str) -> list[Path]:
    path = Path(url.removeprefix("sqlite:///"))
    return sorted(path.parent.glob(f"{path.name}.before-*"))


# --- the migrations and the tables are one -----------------------------------------------------------------


def test_the_program_knows_the_newest_migration() -> None:
    config = Config()
    config.set_main_option("script_location", str(migrations_dir()))
    assert ScriptDirectory.from_config(config).get_current_head() == REVISION


def test_the_migrations_build_exactly_the_tables(database: Database) -> None:
    with database.read() as connection:
        context = MigrationContext.configure(
            connection, opts={"compare_type": True, "compare_server_default": True}
        )
        assert context.get_current_revision() == REVISION
        assert compare_metadata(context, metadata) == []


def test_the_migrations_name_columns_keys_and_indexes_as_the_tables_do(database: Database) -> None:
    with database.write() as connection:
        migrated = shape(connection)
        metadata.drop_all(connection)
        metadata.create_all(connection)
        assert shape(connection) == migrated
    assert migrated.keys() == metadata.tables.keys()


@pytest.mark.parametrize("arguments", [["upgrade", "head"], ["check"], ["downgrade", "base"]])
def test_a_developer_can_use_alembic_itself(database_url: str, arguments: list[str]) -> None:
    if arguments != ["upgrade", "head"]:
        open_database(database_url).close()
    else:
        Database(database_url).close()
    alembic = [sys.executable, "-m", "alembic", "-c", str(migrations_dir() / "alembic.ini"), *arguments]
    environment = {**os.environ, "FTORCH_DATABASE_URL": database_url}
    done = subprocess.run(alembic, env=environment, capture_output=True, text=True, cwd="/", check=False)
    assert done.returncode == 0, done.stderr
    expected = {"alembic_version"} if arguments[0] == "downgrade" else {"alembic_version", *metadata.tables}
    assert tables(database_url) == expected


# --- at start ----------------------------------------------------------------------------------------------


def test_an_empty_database_gets_the_schema_and_no_copy(database_url: str) -> None:
    open_database(database_url).close()
    assert revision(database_url) == REVISION
    assert copies(database_url) == []


@pytest.mark.usefixtures("newer_program")
def test_an_older_database_is_upgraded_with_its_rows(
    database_url: str, make_run: MakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = make_run()
    with monkeypatch.context() as older:
        older.setattr(migrate, "REVISION", REVISION)
        older.setattr(migrate, "migrations_dir", migrations_dir)
        record(database_url, run)
    database = open_database(database_url)
    with database.read() as connection:
        assert runs.get(connection, "run00001") == run
        if database.is_sqlite:
            assert connection.exec_driver_sql("PRAGMA foreign_keys").scalar() == 1
    database.close()
    assert revision(database_url) == "next"
    assert {"first_new", "second_new"} <= tables(database_url)


def test_a_copy_is_kept_before_an_upgrade(
    tmp_path: Path, make_run: MakeRun, request: pytest.FixtureRequest
) -> None:
    url = f"sqlite:///{tmp_path}/ftorch.db"
    record(url, make_run())
    request.getfixturevalue("newer_program")
    before = os.umask(0)
    try:
        open_database(url).close()
    finally:
        os.umask(before)
    [copy] = copies(url)
    assert copy.name.startswith(f"ftorch.db.before-{REVISION}-")
    assert oct(copy.stat().st_mode & 0o777) == "0o600"
    with closing(sqlite3.connect(copy)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert connection.execute("SELECT id FROM runs").fetchall() == [("run00001",)]
        assert connection.execute("SELECT version_num FROM alembic_version").fetchone() == (REVISION,)
    open_database(url).close()
    assert copies(url) == [copy], "an upgraded database is not copied again"


def test_a_copy_that_does_not_fit_stops_the_upgrade_and_leaves_nothing(
    tmp_path: Path, make_run: MakeRun, next_migrations: Path
) -> None:
    url = f"sqlite:///{tmp_path}/ftorch.db"
    record(url, make_run())
    program = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, 60_000))" + OPEN_AS_NEXT
    done = subprocess.run(
        [sys.executable, "-c", program, url, str(next_migrations)], capture_output=True, text=True, check=False
    )
    assert f"{DatabaseFull.__name__}: The disk is full" in done.stderr
    assert revision(url) == REVISION
    assert [path.name for path in tmp_path.glob("ftorch.db.before-*")] == []


def test_a_newer_database_is_refused_and_left_untouched(database_url: str, make_run: MakeRun) -> None:
    record(database_url, make_run())
    set_revision(database_url, "from_the_future")
    before = content(database_url)
    with pytest.raises(DatabaseTooNew) as caught:
        open_database(database_url)
    assert f"its schema is from_the_future, this program knows {REVISION}" in str(caught.value)
    assert "Upgrade ftorch" in str(caught.value)
    assert copies(database_url) == []
    assert content(database_url) == before
    assert revision(database_url) == "from_the_future"


@pytest.mark.parametrize("number", range(1, 8))
def test_a_database_from_before_the_first_release_is_refused_and_left_untouched(
    database_url: str, make_run: MakeRun, number: int
) -> None:
    record(database_url, make_run())
    set_revision(database_url, f"000{number}")
    before = content(database_url)
    for create in (True, False):
        with pytest.raises(DatabaseUnreleased) as caught:
            open_database(database_url, create=create)
    url = make_url(database_url)
    place = url.render_as_string(hide_password=True).removeprefix("sqlite:///")
    assert f"The database {place} was made by an unreleased version" in str(caught.value)
    assert f"its schema is 000{number}" in str(caught.value)
    move = f"mv -i {url.database} {url.database}.unreleased"
    remedy = move if url.get_backend_name() == "sqlite" else "set FTORCH_DATABASE_URL to an empty one"
    assert f"start a new database ({remedy})." in str(caught.value)
    assert copies(database_url) == []
    assert content(database_url) == before
    assert revision(database_url) == f"000{number}"


def test_an_upgrade_that_would_leave_rows_without_their_run_is_undone(
    tmp_path: Path, make_run: MakeRun, next_migrations: Path, request: pytest.FixtureRequest
) -> None:
    url = f"sqlite:///{tmp_path}/ftorch.db"
    record(url, make_run())
    (next_migrations / "versions" / "next.py").write_text(ORPHANS.format(REVISION))
    request.getfixturevalue("newer_program")
    with pytest.raises(
        DatabaseError, match="the upgrade to next would leave rows of transitions without their runs"
    ):
        open_database(url)
    assert revision(url) == REVISION
    with closing(sqlite3.connect(tmp_path / "ftorch.db")) as connection:
        assert connection.execute("SELECT id FROM runs").fetchall() == [("run00001",)]


# --- crashes and crowds ------------------------------------------------------------------------------------


def test_a_migration_that_is_killed_leaves_the_old_schema_and_the_next_start_finishes(
    database_url: str, make_run: MakeRun, next_migrations: Path
) -> None:
    record(database_url, make_run())
    before = tables(database_url)
    program = [sys.executable, "-c", OPEN_AS_NEXT, database_url, str(next_migrations)]
    killed = subprocess.run(program, env={**os.environ, "KILL_IN_MIGRATION": "1"}, check=False)
    assert killed.returncode == -signal.SIGKILL
    assert (revision(database_url), tables(database_url)) == (REVISION, before)
    subprocess.run(program, check=True)
    assert revision(database_url) == "next"
    assert tables(database_url) == before | {"first_new", "second_new"}


def test_a_first_start_that_is_killed_leaves_nothing_in_the_way(
    database_url: str, next_migrations: Path, make_run: MakeRun
) -> None:
    program = [sys.executable, "-c", OPEN_AS_NEXT, database_url, str(next_migrations)]
    subprocess.run(program, env={**os.environ, "KILL_IN_MIGRATION": "1"}, check=False)
    record(database_url, make_run())
    assert revision(database_url) == REVISION


def test_processes_that_start_at_once_migrate_once(database_url: str) -> None:
    program = [sys.executable, "-c", OPEN_AT_ONCE, database_url]
    crowd = [
        subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    for process in crowd:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in crowd:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    answers = [process.communicate(timeout=60) for process in crowd]
    assert [errors for _, errors in answers] == [""] * 4
    assert [process.returncode for process in crowd] == [0] * 4
    assert sorted(loaded.strip() for loaded, _ in answers) == ["", "", "", "alembic"]


def test_a_current_database_is_opened_without_alembic_openai_or_pydantic(
    database: Database, database_url: str
) -> None:
    program = [sys.executable, "-c", OPEN_AT_ONCE, database_url]
    done = subprocess.run(program, input="go\n", capture_output=True, text=True, check=True)
    assert done.stdout == "ready\n\n"
