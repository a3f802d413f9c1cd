"""A store that was made before there were dialects."""

from __future__ import annotations

import os
import sqlite3

from orchestrator.server.store import Store
from orchestrator.server.store.database import STEPS

JOB = {
    "id": "ftjob-1",
    "created_at": 1,
    "status": "succeeded",
    "trainer": "tiny",
    "model": "gpt-4.1-mini",
    "base": "gpt-4.1-mini",
    "model_token": "AbCd1234",
    "seed": 7,
    "training_file": "file-1",
    "method": "supervised",
    "n_epochs": 3,
    "batch_size": "auto",
    "learning_rate_multiplier": 0.5,
}
BEFORE_DIALECTS = 3


def test_its_jobs_keep_their_names_and_belong_to_openai(tmp_path):
    database = sqlite3.connect(tmp_path / "endpoint.db")
    for step in STEPS[:BEFORE_DIALECTS]:
        database.executescript(step)
    columns, marks = ", ".join(JOB), ", ".join(f":{name}" for name in JOB)
    for number, suffix in ((1, "drone"), (2, None)):
        row = {**JOB, "id": f"ftjob-{number}"}
        database.execute(
            f"INSERT INTO jobs ({columns}, suffix) VALUES ({marks}, :suffix)", {**row, "suffix": suffix}
        )
    database.execute("INSERT INTO files VALUES (1, 'file-1', 1, NULL, 't.jsonl', 1, 'fine-tune', 'blob')")
    database.execute(f"PRAGMA user_version = {BEFORE_DIALECTS}")
    database.commit()
    database.close()

    store = Store(tmp_path)
    named, unnamed = store.jobs.get("ftjob-1"), store.jobs.get("ftjob-2")
    assert named.model_name == "ft:gpt-4.1-mini:local:drone:AbCd1234"
    assert unnamed.model_name == "ft:gpt-4.1-mini:local::AbCd1234"
    assert (named.dialect, named.training_type) == ("openai", None)
    assert store.files.get("file-1", 1).problem is None
    assert store.deployments.since(0) == []


def test_its_weights_are_found_in_a_folder_of_their_own(tmp_path):
    database = sqlite3.connect(tmp_path / "endpoint.db")
    for step in STEPS[:BEFORE_DIALECTS]:
        database.executescript(step)
    columns, marks = ", ".join(JOB), ", ".join(f":{name}" for name in JOB)
    database.execute(f"INSERT INTO jobs ({columns}) VALUES ({marks})", JOB)
    database.execute("INSERT INTO models VALUES (1, 'ft:a:local::1', 1, 'ftjob-1', 'a', 'tiny', 'blob-1')")
    database.execute(f"PRAGMA user_version = {BEFORE_DIALECTS}")
    database.commit()
    database.close()
    (tmp_path / "blobs").mkdir()
    (tmp_path / "blobs" / "blob-1").write_bytes(b"tiny1")
    os.utime(tmp_path / "blobs" / "blob-1", (1, 1))

    store = Store(tmp_path)
    store.tidy(10**10)
    model = store.models.get("ft:a:local::1")
    assert (store.weights.path(model.weights) / "model.tiny").read_bytes() == b"tiny1"
    assert not (tmp_path / "blobs" / "blob-1").exists()
    store.tidy(10**10)
    assert store.weights.path(model.weights).exists()
    store.models.delete(model)
    assert not store.weights.path(model.weights).exists()
