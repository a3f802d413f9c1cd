"""A folder that appears whole or not at all."""

from __future__ import annotations

import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from orchestrator.api.newfolder import new_folder
from orchestrator.errors import FolderTaken, OutputUnwritable


@contextmanager
def longest_file(size: int) -> Iterator[None]:
    """As on a disk that is nearly full: the kernel writes no file beyond this many bytes."""
    before, most = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, most))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (before, most))


@contextmanager
def umask(mask: int) -> Iterator[None]:
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*"))


def test_it_has_its_name_only_when_all_is_written(tmp_path: Path) -> None:
    with new_folder(tmp_path / "a" / "b") as draft:
        (draft / "one").write_text("1")
        assert not (tmp_path / "a" / "b").exists()
    assert names(tmp_path) == ["a", "b", "one"]


def test_an_empty_folder_is_taken_over_and_any_other_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "empty").mkdir()
    with new_folder(tmp_path / "empty") as draft:
        (draft / "one").write_text("1")
    assert names(tmp_path / "empty") == ["one"]
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "here").mkdir()
    for taken, finding in (
        ("empty", "is not empty"),
        ("empty/one", "is not a folder"),
        ("link", "is not a folder"),
    ):
        with pytest.raises(FolderTaken, match=finding), new_folder(Path(taken)):
            pass
    monkeypatch.chdir(tmp_path / "here")
    with pytest.raises(FolderTaken, match="current folder"), new_folder(Path()):
        pass


@pytest.mark.parametrize("error", [ZeroDivisionError, KeyboardInterrupt])
def test_an_exception_leaves_nothing_not_even_new_parents(error: type[BaseException], tmp_path: Path) -> None:
    def write() -> None:
        with new_folder(tmp_path / "a" / "b" / "c") as draft:
            (draft / "one").write_text("1")
            raise error

    with pytest.raises(error):
        write()
    assert names(tmp_path) == []


def test_a_disk_that_fills_up_leaves_nothing(tmp_path: Path) -> None:
    def write() -> None:
        with longest_file(100), new_folder(tmp_path / "new") as draft:
            (draft / "small").write_text("1")
            (draft / "large").write_bytes(bytes(101))

    with pytest.raises(OutputUnwritable, match="new can't be written: File too large"):
        write()
    assert names(tmp_path) == []


def test_a_disk_without_room_is_found_before_anything_is_written(tmp_path: Path) -> None:
    asked_for = new_folder(tmp_path / "a" / "new", needed=10**18)
    with pytest.raises(OutputUnwritable, match=r"it needs 1000000000.0 GB, and the disk has [\d.]+ GB left"):
        asked_for.__enter__()
    assert names(tmp_path) == []


@pytest.mark.parametrize(("mask", "file", "folder"), [(0o022, 0o644, 0o755), (0o077, 0o600, 0o700)])
def test_others_may_read_it_as_far_as_the_umask_allows(mask: int, file: int, folder: int, tmp_path: Path) -> None:
    with umask(mask), new_folder(tmp_path / "new") as draft:
        (draft / "private").write_text("1")
        (draft / "private").chmod(0o600)
    assert (tmp_path / "new" / "private").stat().st_mode & 0o777 == file
    assert (tmp_path / "new").stat().st_mode & 0o777 == folder


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputUnwritable, match="file/below"), new_folder(tmp_path / "file" / "below"):
        pass
