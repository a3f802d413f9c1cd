"""The folder of a rescue: what is kept, what a killed process leaves, and whose folder it is."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.errors import FolderTaken, RescueUnderWay
from orchestrator.rescue.manifest import NAME, Manifest, open_manifest
from orchestrator.rescue.names import file_path, safe

ORIGIN = {"endpoint": "hosted", "type": "compatible", "address": "https://host/v1"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "rescued"


@pytest.fixture
def manifest(folder: Path) -> Iterator[Manifest]:
    with open_manifest(folder, ORIGIN) as opened:
        yield opened


def test_what_is_kept_is_known_to_the_next_process(folder: Path) -> None:
    with open_manifest(folder, ORIGIN) as first:
        first.keep_json("job", "ftjob-1", "jobs/ftjob-1/job.json", {"id": "ftjob-1"})
        first.lack("file", "file-1", "gone", "No such file", of="ftjob-1")
    with open_manifest(folder, ORIGIN) as second:
        kept = second.kept("job", "ftjob-1")
        assert kept is not None
        assert (folder / str(kept.path)).read_text() == '{\n  "id": "ftjob-1"\n}\n'
        missing = second.entry("file", "file-1")
        assert missing is not None
        assert (missing.why, missing.reason, missing.of) == ("gone", "No such file", "ftjob-1")


def test_the_same_content_is_not_written_again(manifest: Manifest) -> None:
    for _ in range(2):
        manifest.keep_json("job", "ftjob-1", "jobs/ftjob-1/job.json", {"status": "running"})
    assert manifest.written == 1
    manifest.keep_json("job", "ftjob-1", "jobs/ftjob-1/job.json", {"status": "succeeded"})
    assert manifest.written == 2


def test_a_torn_last_line_costs_only_its_object(folder: Path) -> None:
    with open_manifest(folder, ORIGIN) as first:
        first.keep_json("job", "ftjob-1", "jobs/ftjob-1/job.json", {})
    with (folder / NAME).open("ab") as stream:
        stream.write(b'{"kind":"job","id":"ftjob-2","pa')
    with open_manifest(folder, ORIGIN) as second:
        assert second.kept("job", "ftjob-1")
        assert second.entry("job", "ftjob-2") is None
        second.keep_json("job", "ftjob-2", "jobs/ftjob-2/job.json", {})
    assert [line.get("id") for line in lines(folder)] == [None, "ftjob-1", "ftjob-2"]


@pytest.mark.parametrize("change", [lambda path: path.write_text("{}"), lambda path: path.unlink()])
def test_a_file_that_was_changed_or_removed_counts_as_not_kept(folder: Path, change) -> None:
    with open_manifest(folder, ORIGIN) as first:
        entry = first.keep_json("job", "ftjob-1", "jobs/ftjob-1/job.json", {"status": "succeeded"})
    change(folder / str(entry.path))
    with open_manifest(folder, ORIGIN) as second:
        assert second.kept("job", "ftjob-1") is None
        assert [each.id for each in second.damaged] == ["ftjob-1"]


def test_a_line_whose_path_leads_out_of_the_folder_counts_as_not_kept(folder: Path, tmp_path: Path) -> None:
    with open_manifest(folder, ORIGIN) as first:
        entry = first.keep_json("job", "ftjob-1", "jobs/ftjob-1/job.json", {})
    (tmp_path / "job.json").write_bytes((folder / str(entry.path)).read_bytes())
    text = (folder / NAME).read_text().replace("jobs/ftjob-1/job.json", "../job.json")
    (folder / NAME).write_text(text)
    with open_manifest(folder, ORIGIN) as second:
        assert second.kept("job", "ftjob-1") is None


def test_what_was_kept_stays_when_the_host_no_longer_has_it(manifest: Manifest) -> None:
    manifest.keep_json("job", "ftjob-1", "jobs/ftjob-1/job.json", {})
    assert manifest.lack("job", "ftjob-1", "gone", "deleted").is_kept


def test_drafts_of_killed_processes_are_removed(folder: Path) -> None:
    with open_manifest(folder, ORIGIN):
        pass
    (folder / "files").mkdir()
    (folder / "files" / ".draft-file-1").write_text("half")
    with open_manifest(folder, ORIGIN):
        pass
    assert not list(folder.rglob(".draft-*"))


def test_a_folder_with_other_files_and_one_of_another_endpoint_are_left_alone(folder: Path) -> None:
    folder.mkdir()
    (folder / "notes.txt").write_text("mine")
    with pytest.raises(FolderTaken, match="holds no rescue"), open_manifest(folder, ORIGIN):
        pass
    (folder / "notes.txt").unlink()
    with open_manifest(folder, ORIGIN):
        pass
    other = {**ORIGIN, "endpoint": "openai"}
    with pytest.raises(FolderTaken, match="rescued from hosted at https://host/v1"), open_manifest(folder, other):
        pass


def test_two_processes_never_write_to_one_folder(folder: Path, manifest: Manifest) -> None:
    with pytest.raises(RescueUnderWay), open_manifest(folder, ORIGIN):
        pass


@pytest.mark.parametrize(
    ("file_id", "name", "path"),
    [
        ("file-abc", "train.jsonl", "files/file-abc-train.jsonl"),
        ("file-abc", "../../.ssh/authorized_keys", "files/file-abc-authorized_keys"),
        ("file-abc", "..", "files/file-abc"),
        ("file-abc", None, "files/file-abc"),
    ],
)
def test_names_from_the_host_stay_in_their_folder(file_id: str, name: str | None, path: str) -> None:
    assert file_path(file_id, name) == path


def test_ids_that_are_no_file_names_stay_different(tmp_path: Path) -> None:
    hostile = ["../../x", "..", ".", "", "a/b", "a:b", "a\nb", "x" * 300, "x" * 301, "\ud800"]
    names = [safe(each) for each in hostile]
    assert len(set(names)) == len(hostile)
    for name in names:
        (tmp_path / name).write_text("")
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(names)


def lines(folder: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (folder / NAME).read_text().splitlines()]
