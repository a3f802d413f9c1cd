"""Folders of trainings on storage that other machines share."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from orchestrator.server.store import Store
from orchestrator.server.store.weights import Weights


def test_stores_that_share_storage_keep_their_trainings_apart(tmp_path: Path) -> None:
    storage = tmp_path / "storage"
    first, second = (Store(tmp_path / name, storage) for name in ("one", "two"))
    folders = {store.training_folder("ftjob-1") for store in (first, second)}
    assert len(folders) == 2
    assert all(folder.is_relative_to(storage) for folder in folders)
    assert Store(tmp_path / "one", storage).training_folder("ftjob-1") in folders
    first.tidy(0.0)
    assert all(folder.exists() for folder in folders)


def test_weights_come_from_another_filesystem_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    weights = Weights(tmp_path / "weights", tmp_path / "blobs")
    trained = tmp_path / "storage" / "model"
    trained.mkdir(parents=True)
    (trained / "adapter").write_text("learned")
    real = Path.rename

    def rename(path: Path, target: Path) -> Path:
        if path == trained:
            raise OSError(errno.EXDEV, "Invalid cross-device link")
        return real(path, target)

    monkeypatch.setattr(Path, "rename", rename)
    name = weights.take(trained)
    assert (weights.path(name) / "adapter").read_text() == "learned"
    assert not trained.exists()


@pytest.mark.parametrize("action", ["cancel", "pause"])
async def test_a_trainer_that_nobody_follows_is_told_to_stop(app, client, submit, action) -> None:
    job = await submit(client)
    folder = app.state.context.store.training_folder(job.id)
    await getattr(client.fine_tuning.jobs, action)(job.id)
    assert (folder / "stop").exists()
