from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.mlflowhost import MlflowHost, mlflow_host
from support.project import Project, make_project

from orchestrator.config import find_workspace
from orchestrator.ledger import Ledger
from orchestrator.store.database import Database


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return make_project(tmp_path)


@pytest.fixture
def server() -> Iterator[MlflowHost]:
    with mlflow_host() as host:
        yield host


@pytest.fixture
def ledger(home: Path, database: Database) -> Ledger:
    return Ledger(find_workspace(home), database)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project with a sweep of two runs, one of which is evaluated and labelled."""
    project = make_project(tmp_path_factory.mktemp("trained"))
    rows = (project.root / "jobs" / "train.jsonl").read_text().replace("hall", "loft").splitlines()
    (project.root / "jobs" / "valid.jsonl").write_text("\n".join(rows[:3]) + "\n")
    data = 'training_file = "train.jsonl"\nvalidation_file = "valid.jsonl"\nallow_leak = true'
    project.write_job("[sweep.space]\nn_epochs = [1, 2]", n_epochs="", training_file=data)
    for command in (
        ("submit", "jobs/greet.toml"),
        ("evaluate", "greet", "--file", "jobs/valid.jsonl", "--allow-leak", "--yes"),
        ("runs", "tag", "greet", "team=flight", "formula==1+1"),
        ("runs", "note", "greet", "kept for the demo"),
    ):
        done = project.ftorch(*command, FTORCH_USER="ada")
        assert done.code == 0, done.err
    return project
