from __future__ import annotations

from pathlib import Path

import pytest
from support.project import Project, make_project


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A project of its own for each test."""
    return make_project(tmp_path)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project in which one run has succeeded."""
    project = make_project(tmp_path_factory.mktemp("trained"))
    done = project.ftorch("submit", "jobs/greet.toml")
    assert done.code == 0, done.err
    return project
