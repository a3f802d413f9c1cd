from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.project import make_project
from support.sweeping import Sweeping

from orchestrator.store.migrate import open_database


@pytest.fixture
def sweeping(tmp_path: Path) -> Iterator[Sweeping]:
    project = make_project(tmp_path / "project")
    lines = (project.root / "jobs" / "train.jsonl").read_text().splitlines(keepends=True)
    (project.root / "jobs" / "valid.jsonl").write_text(
        "".join(lines[:3]).replace("Switch on the light", "Make it bright")
    )
    database = open_database(f"sqlite:///{project.root}/.ftorch/ftorch.db")
    yield Sweeping(project, database)
    database.close()
