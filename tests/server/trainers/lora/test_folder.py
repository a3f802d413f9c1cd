"""The folder's files appear whole or not at all, and a base model is recognised."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from orchestrator.server.launchers.devices import Device, devices
from orchestrator.server.trainers.lora.bases import base_fingerprint, tensor_shapes
from orchestrator.server.trainers.lora.events import EventReader, EventWriter
from orchestrator.server.trainers.lora.folder import TrainingFolder, is_complete, put_folder
from orchestrator.server.trainers.lora.training.fence import Fence, Left


@pytest.fixture
def folder(tmp_path: Path) -> TrainingFolder:
    return TrainingFolder(tmp_path / "folder")


def test_a_folder_that_could_not_be_written_whole_is_not_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int) -> None:
        if (tmp_path / f".weights.{os.getpid()}" / "second").exists():
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space"):
        put_folder(tmp_path / "weights", {"first": b"1", "second": b"2"})
    assert list(tmp_path.iterdir()) == []


def test_a_folder_without_done_does_not_count(folder: TrainingFolder) -> None:
    attempt = folder.begin_attempt()
    put_folder(attempt.state(3), {"state": b""})
    attempt.state(7).mkdir()
    assert folder.newest_state() == (3, attempt.state(3))
    assert not is_complete(attempt.state(7))


def test_attempts_are_numbered_on_even_if_the_fence_was_lost(folder: TrainingFolder) -> None:
    assert [folder.begin_attempt().number for _ in range(2)] == [1, 2]
    (folder.path / "attempt").unlink()
    assert folder.begin_attempt().number == 3


def test_an_attempt_that_no_longer_counts_writes_nothing(folder: TrainingFolder) -> None:
    attempt = folder.begin_attempt()
    fence = Fence(folder, attempt)
    fence.note("first")
    folder.begin_attempt()
    for write in (lambda: fence.note("second"), lambda: fence.state(1, {}), lambda: fence.finish({})):
        with pytest.raises(Left):
            write()
    assert len(attempt.events.read_text().splitlines()) == 1
    assert sorted(path.name for path in attempt.path.iterdir()) == ["events.jsonl", "owner.json"]


def test_only_the_newest_state_is_kept_and_none_of_a_newer_attempt_is_touched(folder: TrainingFolder) -> None:
    first = folder.begin_attempt()
    older = Fence(folder, first)
    older.state(1, {})
    second = folder.begin_attempt()
    newer = Fence(folder, second)
    newer.state(1, {})
    assert folder.newest_state() == (1, second.state(1))
    assert first.states() == []
    newer.state(2, {})
    assert second.states() == [(2, second.state(2))]


def test_half_a_line_is_left_for_the_next_look(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    EventWriter(path).write("note", message="one")
    reader = EventReader(path)
    assert [event["message"] for event in reader.new()] == ["one"]
    with path.open("ab") as file:
        file.write(b'{"kind": "note", "mess')
        file.flush()
        assert list(reader.new()) == []
        file.write(b'age": "two"}\n')
    assert [event["message"] for event in reader.new()] == ["two"]


def test_a_base_model_is_known_by_all_that_matters(model: Path) -> None:
    seen = {base_fingerprint(model)}
    (model / "chat_template.jinja").write_text("{{ messages }}")
    seen.add(base_fingerprint(model))
    (model / "config.json").write_text('{"hidden_size": 8}')
    seen.add(base_fingerprint(model))
    (model / "model.safetensors").rename(model / "other.safetensors")
    seen.add(base_fingerprint(model))
    assert len(seen) == 4
    (model / "README.md").write_text("nothing that counts")
    assert base_fingerprint(model) in seen
    assert tensor_shapes(model) == {"layer.q_proj.weight": (4, 4)}


def test_a_file_of_weights_that_is_cut_short_is_noticed(model: Path) -> None:
    (model / "model.safetensors").write_bytes(b"\xff" * 8)
    with pytest.raises(ValueError, match="no whole safetensors file"):
        base_fingerprint(model)


LISTING = """GPU 0: NVIDIA H200 (UUID: GPU-aaaa-1)
GPU 1: NVIDIA H200 (UUID: GPU-bbbb-2)
"""
SPLIT = f"""{LISTING}  MIG 1g.18gb     Device  0: (UUID: MIG-cccc-3)
  MIG 1g.18gb     Device  1: (UUID: MIG-dddd-4)
"""


@pytest.mark.parametrize(
    ("listing", "chosen", "found"),
    [
        (LISTING, None, ["GPU-aaaa-1", "GPU-bbbb-2"]),
        (LISTING, "1", ["GPU-bbbb-2"]),
        (LISTING, "1,0", ["GPU-bbbb-2", "GPU-aaaa-1"]),
        (LISTING, "GPU-bb", ["GPU-bbbb-2"]),
        (LISTING, "0,-1,1", ["GPU-aaaa-1"]),
        (LISTING, "", [None]),
        (SPLIT, None, ["MIG-cccc-3", "MIG-dddd-4"]),
        ("", None, [None]),
    ],
)
def test_gpus_are_counted_without_torch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, listing: str, chosen: str | None, found: list[str | None]
) -> None:
    program = tmp_path / "nvidia-smi"
    program.write_text(f"#!/bin/sh\ncat <<END\n{listing}END\n")
    program.chmod(0o700)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    if chosen is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", chosen)
    assert devices() == [Device(gpu) for gpu in found]


def test_a_folder_that_a_kill_left_half_removed_does_not_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "weights"
    put_folder(path, {"first": b"1", "second": b"2"})

    def killed(folder: Path, **_: object) -> None:
        (folder / "first").unlink(missing_ok=True)
        raise KeyboardInterrupt

    monkeypatch.setattr("shutil.rmtree", killed)
    with pytest.raises(KeyboardInterrupt):
        put_folder(path, {"first": b"3", "second": b"4"})
    assert not is_complete(path)
