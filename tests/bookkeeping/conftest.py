from __future__ import annotations

from pathlib import Path

import pytest
from support.project import Project, make_project


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A project of its own for each test."""
    return make_project(tmp_path)
