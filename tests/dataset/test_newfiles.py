from __future__ import annotations

import json
from pathlib import Path

import pytest

from orchestrator.dataset.files import json_line, new_files
from orchestrator.errors import OutputExists, OutputUnwritable


def test_files_appear_together_and_only_when_all_are_written(tmp_path: Path) -> None:
    one, two = tmp_path / "new" / "one", tmp_path / "new" / "two"
    with new_files([one, two]) as [first, second]:
        first.write(b"1")
        second.write(b"2")
        assert not one.exists()
    assert (one.read_bytes(), two.read_bytes()) == (b"1", b"2")
    assert sorted(path.name for path in one.parent.iterdir()) == ["one", "two"]


def test_an_error_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "data"
    path.write_bytes(b"old")
    with pytest.raises(ZeroDivisionError), new_files([path], replace=True) as [stream]:
        stream.write(b"%d" % (1 // 0))
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_name_is_taken_only_on_request_and_its_permissions_stay(tmp_path: Path) -> None:
    path = tmp_path / "data"
    path.write_bytes(b"old")
    path.chmod(0o640)
    with pytest.raises(OutputExists, match="--force"), new_files([path]):
        pass
    with new_files([path], replace=True) as [stream]:
        stream.write(b"new")
    assert path.read_bytes() == b"new"
    assert path.stat().st_mode & 0o777 == 0o640


def test_a_file_that_came_in_the_meantime_is_not_replaced(tmp_path: Path) -> None:
    path = tmp_path / "data"
    with pytest.raises(OutputExists), new_files([path]):
        path.write_bytes(b"theirs")
    assert path.read_bytes() == b"theirs"


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OutputUnwritable, match="it is a folder"), new_files([tmp_path], replace=True):
        pass
    with pytest.raises(OutputUnwritable, match="file/below"), new_files([tmp_path / "file" / "below"]):
        pass


def test_a_full_disk_is_told_as_such(tmp_path: Path) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    path = tmp_path / "data"
    with pytest.raises(OutputUnwritable, match="No space left"), new_files([path]):
        Path("/dev/full").write_bytes(b"x")
    assert not path.exists()


@pytest.mark.parametrize("value", ["ü", "\ud800", {"a": [1, 2.5, None]}])
def test_a_line_reads_back_as_the_value(value: object) -> None:
    line = json_line(value)
    assert b"\n" not in line
    assert json.loads(line) == value


@pytest.mark.parametrize("value", [float("inf"), {1, 2}])
def test_what_json_has_no_form_for_is_a_value_error(value: object) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        json_line(value)
