"""What Trackio gets equals the records, once, read back through its own storage."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.project import Project

from orchestrator.export.destination import Result
from orchestrator.export.records import exported
from orchestrator.export.trackio import TrackioExport
from orchestrator.ledger import Ledger
from orchestrator.store import labels, records, runs
from orchestrator.store.records import Metric
from orchestrator.store.runs import Run


@pytest.fixture
def storage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Trackio's own storage, in a folder of the test; most environments don't have Trackio."""
    os.environ["TRACKIO_DIR"] = str(tmp_path / "trackio")  # read when it is imported
    storage = pytest.importorskip("trackio.sqlite_storage")
    monkeypatch.setattr(storage, "TRACKIO_DIR", tmp_path / "trackio")
    return storage.SQLiteStorage


def test_a_run_is_there_once_and_equal(ledger: Ledger, make_run: Callable[..., Run], storage: Any) -> None:
    run = make_run(state="running")
    with ledger.database.write() as connection:
        runs.add(connection, run)
        records.add_metrics(connection, [Metric(run.id, step, train_loss=1 / step) for step in (1, 2, 3)])
    destination = TrackioExport(ledger, "drones")

    def send() -> Result:
        [found] = exported(ledger, [run.id])
        return destination.send(found)

    assert (send(), send()) == (Result.NEW, Result.SAME)
    with ledger.database.write() as connection:
        records.add_metrics(connection, [Metric(run.id, 2, valid_loss=0.5), Metric(run.id, 4, train_loss=0.1)])
        labels.set_tags(connection, [run.id], {"team": "flight"})
    assert (send(), send()) == (Result.CHANGED, Result.SAME)
    logs = storage.get_logs("drones", run_id=run.id)
    found = sorted(
        (log["step"], key, log[key]) for log in logs for key in ("train_loss", "valid_loss") if key in log
    )
    assert found == [(1, "train_loss", 1.0), (2, "train_loss", 0.5), (2, "valid_loss", 0.5),
                     (3, "train_loss", 1 / 3), (4, "train_loss", 0.1)]  # fmt: skip
    config = storage.get_run_config("drones", run_id=run.id)
    assert (config["team"], config["base_model"]) == ("flight", run.model)


def test_without_trackio_the_command_to_install_it_is_said(
    monkeypatch: pytest.MonkeyPatch, project: Project
) -> None:
    monkeypatch.setitem(sys.modules, "trackio", None)
    monkeypatch.setitem(sys.modules, "trackio.sqlite_storage", None)
    done = project.ftorch("runs", "export", "trackio", "drones")
    assert done.code == 1
    assert "install" in done.err
    (project.root / "ftorch.toml").write_text('[track.trackio]\nproject = "drones"\n')
    trained = project.ftorch("submit", "jobs/greet.toml")
    assert trained.code == 0
    assert trained.err.count("Exporting to Trackio needs trackio") == 1
