"""The copies of this package on shared storage: made once for each version, and removed once nobody uses them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from orchestrator.server.launchers import package
from orchestrator.server.launchers.package import UNUSED_SECONDS, note_use, shared_package


@pytest.fixture
def version(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """Makes this package one of another version."""
    source = tmp_path / "orchestrator"
    source.mkdir()
    monkeypatch.setattr(package, "PACKAGE", source)

    def change(number: int) -> Path:
        (source / "version.py").write_text(f"{number}")
        return shared_package(tmp_path / "storage")

    return change


def attempt_of(storage: Path, name: str) -> Path:
    folder = storage / "trainings" / "store" / name / "attempts" / "1"
    folder.mkdir(parents=True)
    return folder


def grow_old(folder: Path) -> None:
    then = folder.stat().st_mtime - UNUSED_SECONDS - 60
    os.utime(folder, (then, then))


def test_a_new_version_removes_what_nobody_uses(version, tmp_path: Path) -> None:
    used, unused, draft = version(1), version(2), tmp_path / "storage" / "packages" / ".3.77"
    draft.mkdir()
    note_use(attempt_of(tmp_path / "storage", "running"), used)
    for folder in (used, unused, draft):
        grow_old(folder)
    newest = version(3)
    assert sorted((tmp_path / "storage" / "packages").iterdir()) == sorted([used, newest])
    assert (used / "orchestrator" / "version.py").read_text() == "1"


def test_a_copy_that_was_just_asked_for_stays(version, tmp_path: Path) -> None:
    first = version(1)
    grow_old(first)
    assert version(1) == first
    newest = version(2)
    assert sorted((tmp_path / "storage" / "packages").iterdir()) == sorted([first, newest])


def test_while_an_attempt_names_no_copy_all_stay(version, tmp_path: Path) -> None:
    first = version(1)
    grow_old(first)
    attempt_of(tmp_path / "storage", "started-by-an-older-ftorch")
    version(2)
    assert first.exists()


def test_a_copy_that_was_removed_is_made_again(version) -> None:
    first = version(1)
    grow_old(first)
    version(2)
    assert not first.exists()
    assert (version(1) / "orchestrator" / "version.py").read_text() == "1"
