"""Who submitted what, from where, and with which job file. None of it is part of what makes two runs the same."""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from dataclasses import dataclass, fields, replace
from typing import Any

from sqlalchemy import ColumnElement, Connection, delete, insert, select, update

from orchestrator.store.schema import job_files, submissions

RUN, SWEEP, EVALUATION, GENERATION, DEPLOYMENT = "run", "sweep", "evaluation", "generation", "deployment"
"""The kinds of items that are submitted."""


@dataclass(frozen=True)
class Provenance:
    """The person, the machine, the commit and the text behind a submission, before it is recorded."""

    user: str
    host: str
    ftorch_version: str
    git_commit: str | None = None
    git_clean: bool | None = None
    """Whether no tracked file was changed; None if git did not say."""
    job_file: str | None = None
    """The text of the job file, without keys."""


@dataclass(frozen=True)
class Submission:
    """One row of `submissions`; `at` is in seconds since the epoch."""

    kind: str
    item_id: str
    user: str
    host: str
    git_commit: str | None
    git_clean: bool | None
    ftorch_version: str
    job_file_sha256: str | None
    at: float


_SUBMISSION: list[ColumnElement[Any]] = [submissions.c[field.name] for field in fields(Submission)]


# --- reading -----------------------------------------------------------------------------------------------


def find(connection: Connection, kind: str, item_id: str) -> Submission | None:
    """None for what was recorded before ftorch kept this, and for what ftorch made without being asked."""
    query = select(*_SUBMISSION).where(submissions.c.kind == kind, submissions.c.item_id == item_id)
    row = connection.execute(query).first()
    return Submission(*row) if row else None


def of_items(connection: Connection, kind: str, item_ids: Collection[str]) -> dict[str, Submission]:
    """The submissions of these items that have one, by id."""
    query = select(*_SUBMISSION).where(submissions.c.kind == kind, submissions.c.item_id.in_(item_ids))
    return {row.item_id: Submission(*row) for row in connection.execute(query)}


def job_file_of(connection: Connection, kind: str, item_id: str) -> str | None:
    """The recorded text of the item's job file."""
    query = (
        select(job_files.c.text)
        .join(submissions, submissions.c.job_file_sha256 == job_files.c.sha256)
        .where(submissions.c.kind == kind, submissions.c.item_id == item_id)
    )
    return connection.execute(query).scalar()


# --- writing: in a `write()` transaction -------------------------------------------------------------------


def record(connection: Connection, kind: str, item_id: str, provenance: Provenance, at: float) -> None:
    """Record a submission; an earlier one of the same item, such as a sweep, is replaced."""
    written = Submission(
        kind=kind,
        item_id=item_id,
        user=provenance.user,
        host=provenance.host,
        git_commit=provenance.git_commit,
        git_clean=provenance.git_clean,
        ftorch_version=provenance.ftorch_version,
        job_file_sha256=_keep_text(connection, provenance.job_file),
        at=at,
    )
    _write(connection, written)


def inherit(connection: Connection, item: tuple[str, str], *, of: tuple[str, str], at: float) -> None:
    """Record that an item (its kind and id) follows from another's submission, such as a trial from its sweep's;
    nothing if that is not recorded."""
    if origin := find(connection, *of):
        _write(connection, replace(origin, kind=item[0], item_id=item[1], at=at))


def forget_texts(connection: Connection, kind: str, item_ids: Collection[str]) -> None:
    """Delete the texts of these items' job files, except those that other items share."""
    ours = submissions.c.kind == kind, submissions.c.item_id.in_(item_ids)
    connection.execute(update(submissions).where(*ours).values(job_file_sha256=None))
    _delete_unused_texts(connection)


def forget(connection: Connection, kind: str, item_ids: Collection[str]) -> None:
    """Delete the submissions of these items, which are deleted too."""
    connection.execute(delete(submissions).where(submissions.c.kind == kind, submissions.c.item_id.in_(item_ids)))
    _delete_unused_texts(connection)


def _delete_unused_texts(connection: Connection) -> None:
    used = select(submissions.c.job_file_sha256).where(submissions.c.job_file_sha256 == job_files.c.sha256)
    connection.execute(delete(job_files).where(~used.exists()))


def _write(connection: Connection, written: Submission) -> None:
    same = submissions.c.kind == written.kind, submissions.c.item_id == written.item_id
    connection.execute(delete(submissions).where(*same))
    values = {field.name: getattr(written, field.name) for field in fields(Submission)}
    connection.execute(insert(submissions).values(values))


def _keep_text(connection: Connection, text: str | None) -> str | None:
    """The SHA-256 under which the text is kept, once."""
    if text is None:
        return None
    sha256 = hashlib.sha256(text.encode()).hexdigest()
    if connection.execute(select(job_files.c.sha256).where(job_files.c.sha256 == sha256)).first() is None:
        connection.execute(insert(job_files).values(sha256=sha256, text=text))
    return sha256
