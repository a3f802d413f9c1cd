"""The endpoint's folder, good and bad."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing

import pytest

from orchestrator.errors import EndpointStoreNewer, EndpointStoreUnusable, TrainerUnknown
from orchestrator.server.app import Settings, create_app
from orchestrator.server.store import ORPHAN_SECONDS, Store

ADD_A_FILE = """
import sys
from pathlib import Path
from orchestrator.server.store import Store
store = Store(Path(sys.argv[1]))
store.files.add("f", "batch", store.blobs.put(b"x"), 1)
"""


def test_a_store_of_a_newer_program_is_refused_and_left_alone(tmp_path):
    Store(tmp_path)
    with closing(sqlite3.connect(tmp_path / "endpoint.db")) as database, database:
        database.execute("PRAGMA user_version = 99")
    database.close()
    with pytest.raises(EndpointStoreNewer, match="99"):
        Store(tmp_path)


def test_a_folder_that_cannot_be_one_is_named(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(EndpointStoreUnusable, match="file"):
        create_app(tmp_path / "file")


def test_a_damaged_database_is_named(tmp_path):
    (tmp_path / "endpoint.db").write_bytes(b"this is no database at all" * 100)
    with pytest.raises(EndpointStoreUnusable, match=r"endpoint\.db"):
        Store(tmp_path)


def test_an_unknown_trainer_is_refused_with_the_known_ones(tmp_path):
    with pytest.raises(TrainerUnknown, match="tiny"):
        create_app(tmp_path, settings=Settings(trainer="huge"))


def test_many_openers_at_once_make_one_store(tmp_path):
    failures = []

    def open_store():
        try:
            Store(tmp_path).files.add("f", "batch", Store(tmp_path).blobs.put(b"x"), 1)
        except Exception as error:
            failures.append(error)

    openers = [threading.Thread(target=open_store) for _ in range(12)]
    for opener in openers:
        opener.start()
    for opener in openers:
        opener.join()
    assert failures == []
    found = Store(tmp_path).files.page(1, purpose=None, after=None, limit=100, newest_first=True)
    assert len(found) == 12


def test_what_a_killed_writer_left_is_deleted_after_a_day_and_nothing_else(tmp_path):
    store = Store(tmp_path)
    kept = store.files.add("f", "batch", store.blobs.put(b"kept"), 1)
    orphan, unfinished = store.blobs.put(b"orphan"), tmp_path / "blobs" / "x.part"
    unfinished.write_bytes(b"half")
    written = store.blobs.path(orphan).stat().st_mtime
    store.tidy(written + ORPHAN_SECONDS - 60)
    assert len(os.listdir(tmp_path / "blobs")) == 3
    store.tidy(written + ORPHAN_SECONDS + 60)
    assert os.listdir(tmp_path / "blobs") == [kept.blob]


def test_a_second_opening_does_not_lose_the_locks_of_the_first(tmp_path):
    # Without them, another process that closes the database deletes the log this one still reads.
    first = Store(tmp_path)
    first.files.add("f", "batch", first.blobs.put(b"x"), 1)
    second = Store(tmp_path)
    for number in range(2, 5):
        subprocess.run([sys.executable, "-c", ADD_A_FILE, str(tmp_path)], check=True)
        for store in (first, second):
            assert len(store.files.page(1, purpose=None, after=None, limit=9, newest_first=True)) == number
