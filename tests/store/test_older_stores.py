"""A database of the version before this one: its runs are listed, shown, tagged and deleted."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import MetaData, Table
from support.project import Project, make_project

from orchestrator.ledger import open_ledger
from orchestrator.store import labels, runs, submissions
from orchestrator.store.database import Database
from orchestrator.store.migrate import migrations_dir, open_database
from orchestrator.store.runs import Run

MakeRun = Callable[..., Run]

pytestmark = pytest.mark.usefixtures("really_migrated")


def write_v3(url: str, run: Run) -> None:
    """A database as the third migration left it, with one run."""
    with closing(Database(url)) as database:
        config = Config()
        config.set_main_option("script_location", str(migrations_dir()))
        config.attributes["engine"] = database.engine
        command.upgrade(config, "v3")
        with database.write() as connection:
            columns = {column.name for column in Table("runs", MetaData(), autoload_with=connection).columns}
            assert "deleted_at" not in columns
            table = Table("runs", MetaData(), autoload_with=connection)
            values = {name: getattr(run, name) for name in columns}
            connection.execute(table.insert().values(values))


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return make_project(tmp_path / "project")


def test_its_runs_have_no_labels_and_can_get_some(database_url: str, make_run: MakeRun) -> None:
    run = make_run(state="succeeded", finished_at=2000.0, fine_tuned_model="ft:drone")
    write_v3(database_url, run)
    with closing(open_database(database_url)) as database:
        with database.read() as connection:
            assert runs.newest(connection) == [run]
            assert submissions.find(connection, "run", run.id) is None
        with database.write() as connection:
            labels.set_tags(connection, [run.id], {"team": "flight"})
            labels.archive(connection, [run.id], [], 3000.0)
            assert runs.get(connection, run.id).archived_at == 3000.0


def test_the_commands_show_and_delete_them(project: Project, make_run: MakeRun) -> None:
    run = make_run(state="succeeded", finished_at=2000.0, fine_tuned_model="ft:drone", metadata={})
    with project.entered(), open_ledger(project.root) as ledger:
        url = ledger.workspace.database_url
    (project.root / ".ftorch").mkdir(mode=0o700)
    write_v3(url, run)
    [listed] = project.status()
    assert listed["run"] == run.id
    shown = project.ftorch("show", "drone")
    assert (shown.code, "ft:drone" in shown.out, "submitted" in shown.out) == (0, True, False), shown.err
    assert json.loads(project.ftorch("show", "drone", "--json").out)["submission"] is None
    assert project.ftorch("runs", "delete", "drone", "--yes").code == 0
    assert project.status() == []
