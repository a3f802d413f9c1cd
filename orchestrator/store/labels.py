"""Tags and notes of runs, and which runs and sweeps are archived. None of it needs a lease or changes a version."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, and_, delete, func, insert, select, update

from orchestrator.store.schema import notes, runs, sweeps, tags

_AT_ONCE = 500
"""Ids in one statement: a limit of every database."""


@dataclass(frozen=True)
class Note:
    """One row of `notes`; `at` is in seconds since the epoch."""

    number: int
    user: str
    text: str
    at: float


# --- reading -----------------------------------------------------------------------------------------------


def tags_of(connection: Connection, run_ids: Sequence[str]) -> dict[str, dict[str, str]]:
    """The tags of each of these runs that has some, by key in alphabetical order."""
    found: dict[str, dict[str, str]] = {}
    for some in _chunks(run_ids):
        query = select(tags.c.run_id, tags.c.key, tags.c.value).where(tags.c.run_id.in_(some))
        for run_id, key, value in sorted(tuple(row) for row in connection.execute(query)):
            found.setdefault(run_id, {})[key] = value
    return found


def notes_of(connection: Connection, run_id: str) -> list[Note]:
    """The run's notes, oldest first."""
    query = select(notes.c.number, notes.c.user, notes.c.text, notes.c.at).where(notes.c.run_id == run_id)
    return [Note(*row) for row in connection.execute(query.order_by(notes.c.number))]


def notes_of_runs(connection: Connection, run_ids: Sequence[str]) -> dict[str, list[Note]]:
    """The notes of each of these runs that has some, oldest first."""
    found: dict[str, list[Note]] = {}
    for some in _chunks(run_ids):
        query = select(notes.c.run_id, notes.c.number, notes.c.user, notes.c.text, notes.c.at)
        for row in connection.execute(query.where(notes.c.run_id.in_(some)).order_by(notes.c.number)):
            found.setdefault(row[0], []).append(Note(*row[1:]))
    return found


# --- writing: in a `write()` transaction -------------------------------------------------------------------


def set_tags(connection: Connection, run_ids: Sequence[str], changes: Mapping[str, str | None]) -> None:
    """Set these tags of the runs; a value of None removes the tag."""
    for some in _chunks(run_ids) if changes else ():
        ours = tags.c.run_id.in_(some), tags.c.key.in_(changes)
        connection.execute(delete(tags).where(*ours))
    given = [{"key": key, "value": value} for key, value in changes.items() if value is not None]
    rows = [{"run_id": run_id, **tag} for run_id in run_ids for tag in given]
    if rows:
        connection.execute(insert(tags), rows)


def inherit(connection: Connection, run_id: str, sweep_id: str) -> None:
    """Give a new run of a sweep the tags that all other runs of the sweep have."""
    others = and_(runs.c.sweep_id == sweep_id, runs.c.id != run_id)
    number = select(func.count()).select_from(runs).where(others).scalar_subquery()
    query = select(tags.c.key, tags.c.value).join(runs, runs.c.id == tags.c.run_id).where(others)
    shared = query.group_by(tags.c.key, tags.c.value).having(func.count() == number)
    rows = [{"run_id": run_id, "key": row.key, "value": row.value} for row in connection.execute(shared)]
    if rows:
        connection.execute(insert(tags), rows)


def add_note(connection: Connection, run_id: str, user: str, text: str, at: float) -> Note:
    """Append a note to the run's."""
    last = connection.execute(select(func.max(notes.c.number)).where(notes.c.run_id == run_id)).scalar()
    note = Note((last or 0) + 1, user, text, at)
    connection.execute(insert(notes).values(run_id=run_id, number=note.number, user=user, text=text, at=at))
    return note


def archive(
    connection: Connection, run_ids: Sequence[str], sweep_ids: Collection[str], archived_at: float | None
) -> None:
    """Archive these runs and sweeps as of this time; None lists them again."""
    for some in _chunks(run_ids):
        connection.execute(update(runs).where(runs.c.id.in_(some)).values(archived_at=archived_at))
    if sweep_ids:
        connection.execute(update(sweeps).where(sweeps.c.id.in_(sweep_ids)).values(archived_at=archived_at))


def _chunks(ids: Sequence[str]) -> Iterator[Sequence[str]]:
    yield from (ids[start : start + _AT_ONCE] for start in range(0, len(ids), _AT_ONCE))
