from __future__ import annotations

from typing import Any

import pytest

from orchestrator.errors import LostLease
from orchestrator.store import uploads
from orchestrator.store.database import Database
from orchestrator.store.uploads import Upload

NOW, LATER = 5000.0, 5060.0


def claim(database: Database, owner: str, now: float = NOW, **changes: Any) -> Upload | None:
    values: dict[str, Any] = {
        "endpoint": "local",
        "purpose": "fine-tune",
        "sha256": "a" * 64,
        "sent_name": "aaaa-train.jsonl",
        "size": 2**33,
        "abandoned": (),
    }
    with database.write() as connection:
        return uploads.claim(connection, owner=owner, now=now, expires_at=now + 60, **{**values, **changes})


def claimed(database: Database, owner: str, **changes: Any) -> Upload:
    found = claim(database, owner, **changes)
    assert found is not None
    return found


def test_the_same_bytes_are_one_upload_for_all(database: Database) -> None:
    first = claimed(database, "me")
    assert (first.bytes, first.file_id, first.created_at, first.lease_expires_at) == (2**33, None, NOW, LATER)
    again = claimed(database, "me", sent_name="another-name.jsonl")
    assert again == first
    others = [{"endpoint": "openai"}, {"purpose": "evals"}, {"sha256": "b" * 64}]
    assert len({first.id, *(claimed(database, "me", **other).id for other in others)}) == 4


def test_two_at_once_do_not_send_the_same_bytes(database: Database) -> None:
    claimed(database, "me")
    assert claim(database, "other") is None
    assert claim(database, "other", now=LATER - 0.1) is None


def test_an_expired_or_abandoned_upload_is_taken_over(database: Database) -> None:
    first = claimed(database, "me")
    assert claimed(database, "other", abandoned=["me"]).lease_owner == "other"
    late = claimed(database, "third", now=LATER)
    assert (late.id, late.lease_owner, late.created_at) == (first.id, "third", NOW)


def test_a_released_upload_keeps_what_was_written(database: Database) -> None:
    first = claimed(database, "me")
    with database.write() as connection:
        written = uploads.write(connection, first, "me", NOW, file_id="file-1", status="processed")
        uploads.UPLOADS.release(connection, "me")
        found = uploads.find(connection, "local", "fine-tune", "a" * 64)
        assert uploads.find(connection, "local", "evals", "a" * 64) is None
    assert (written.file_id, written.status, written.lease_owner) == ("file-1", "processed", "me")
    assert found is not None
    assert (found.file_id, found.lease_owner, found.lease_expires_at) == ("file-1", None, None)


@pytest.mark.parametrize(("owner", "now"), [("other", NOW), ("me", LATER), ("me", LATER + 1)])
def test_who_lost_an_upload_writes_nothing(database: Database, owner: str, now: float) -> None:
    first = claimed(database, "me")
    with pytest.raises(LostLease, match="aaaa-train"), database.write() as connection:
        uploads.write(connection, first, owner, now, file_id="file-stolen")
    with database.read() as connection:
        assert uploads.find(connection, "local", "fine-tune", "a" * 64) == first


def test_a_lease_on_an_upload_is_renewed_while_it_is_held(database: Database) -> None:
    claimed(database, "me")
    claimed(database, "other", sha256="b" * 64)
    claimed(database, "far", endpoint="openai")

    def expiry() -> float | None:
        with database.read() as connection:
            found = uploads.find(connection, "local", "fine-tune", "a" * 64)
        assert found is not None
        return found.lease_expires_at

    with database.write() as connection:
        assert sorted(uploads.UPLOADS.owners(connection, "local")) == ["me", "other"]
        uploads.UPLOADS.renew(connection, "me", NOW + 90, NOW)
    assert expiry() == NOW + 90
    with database.write() as connection:
        uploads.UPLOADS.renew(connection, "me", NOW + 80, NOW)
        uploads.UPLOADS.renew(connection, "me", NOW + 500, NOW + 91)
    assert expiry() == NOW + 90
