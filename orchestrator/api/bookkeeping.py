"""Tags, notes, and what lists show: at any time, also while a run is followed, and without a lease."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping

from orchestrator.bookkeeping.labels import kept_note, kept_tags
from orchestrator.bookkeeping.subjects import Subjects, exactly, newest_of
from orchestrator.errors import RunUnfinished
from orchestrator.identity import current_user
from orchestrator.ledger import Ledger
from orchestrator.store import labels as store


def tag(ledger: Ledger, keys: Iterable[str], changes: Mapping[str, str | None]) -> Subjects:
    """Set these tags of the runs of these ids and names; a value of None removes the tag. Text with the shape of a
    key is not kept. Returns the runs.

    Raises LabelUnusable, NoSuchRun, AmbiguousRun and RunDeleted; then nothing is changed.
    """
    kept = kept_tags(changes)
    with ledger.database.write() as connection:
        found = newest_of(connection, keys)
        store.set_tags(connection, found.run_ids, kept)
    return found


def note(ledger: Ledger, key: str, text: str) -> Subjects:
    """Append a note, with who wrote it and when. Text with the shape of a key is not kept. Returns the run, or all
    runs of a sweep if the key is its name. Raises what `tag` raises."""
    kept = kept_note(text)
    with ledger.database.write() as connection:
        found = newest_of(connection, [key])
        for run in found.runs:
            store.add_note(connection, run.id, current_user(), kept, time.time())
    return found


def archive(ledger: Ledger, keys: Iterable[str]) -> Subjects:
    """Leave these runs and sweeps out of lists, and return them. They are kept, and still found by id and name.

    Raises RunUnfinished, SeveralRuns, NoSuchRun, AmbiguousRun and RunDeleted; then nothing is changed.
    """
    with ledger.database.write() as connection:
        found = exactly(connection, keys)
        for run in found.runs:
            if not run.is_over:
                raise RunUnfinished(run=run.id, state=run.state, done="archived")
        store.archive(connection, found.run_ids, found.sweep_ids, time.time())
    return found


def unarchive(ledger: Ledger, keys: Iterable[str]) -> Subjects:
    """List these runs and sweeps again. Raises what `archive` raises, except RunUnfinished."""
    with ledger.database.write() as connection:
        found = exactly(connection, keys)
        store.archive(connection, found.run_ids, found.sweep_ids, None)
    return found
