from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.project import Project
from support.teacher import Teacher, school


@pytest.fixture
def teacher() -> Iterator[Teacher]:
    with Teacher().running() as running:
        yield running


@pytest.fixture
def project(tmp_path: Path, teacher: Teacher) -> Project:
    """A project with tool definitions and a teacher, whose model has a price."""
    return school(tmp_path / "project", teacher)
