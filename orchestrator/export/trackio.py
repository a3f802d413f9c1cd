"""Runs in Trackio's storage on this machine, through its own client.

A row of Trackio can have an id, and its storage leaves out a row whose id is known: sending twice, or after a crash
in the middle, leaves no duplicates.
"""

from __future__ import annotations

import hashlib
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from orchestrator.errors import TrackerRefuses, TrackioMissing
from orchestrator.export.content import Content, Point, run_content
from orchestrator.export.destination import Result
from orchestrator.export.records import ExportedRun
from orchestrator.ledger import Ledger
from orchestrator.store import exports as store
from orchestrator.store.exports import RUN, Export

_Row = tuple[int, float, dict[str, float]]
"""A step, its time, and the values of its metrics."""


class TrackioExport:
    """One project. Raises TrackioMissing, and TrackerRefuses for a name that no project can have."""

    def __init__(self, ledger: Ledger, project: str, now: Callable[[], float] = time.time) -> None:
        self.name = destination_name(project)
        self.shown = f"Trackio, project {project}"
        self._ledger, self._project, self._now = ledger, project, now
        self._storage = _storage()
        try:
            self._storage.validate_project_name(project)
        except ValueError as error:
            raise TrackerRefuses(tracker="Trackio", problem=error, code="") from error

    def close(self) -> None:
        pass

    def send(self, run: ExportedRun) -> Result:
        """Bring the run up to date. Raises TrackerRefuses; the reason is recorded, too."""
        began, run_id = self._now(), run.run.id
        with self._ledger.database.read() as connection:
            row = store.find(connection, self.name, RUN, run_id) or Export(self.name, RUN, run_id, began)
        try:
            result = self._bring_up(run, run_content(self._ledger, run))
        except (OSError, sqlite3.Error, ValueError) as error:
            self._write(replace(row, problem=str(error), updated_at=began))
            raise TrackerRefuses(tracker="Trackio", problem=error, code="") from error
        self._write(replace(row, remote_id=run_id, sent={"mark": run.mark}, problem=None, updated_at=began))
        return result

    def _bring_up(self, run: ExportedRun, content: Content) -> Result:
        name, run_id = f"{content.name} {run.run.id}", run.run.id
        config = _config(run, content)
        before = self._storage.get_run_config(self._project, name, run_id=run_id)
        rows = list(_missing(content.points, self._storage.get_logs(self._project, name, run_id=run_id)))
        if not rows and before == config:
            return Result.SAME
        ids = [_row_id(run_id, row) for row in rows]
        if not rows:  # the settings are written only together with a row
            rows, ids = [(0, content.started, {})], [f"ftorch {run_id} settings"]
        self._storage.bulk_log(
            self._project,
            name,
            [values for _, _, values in rows],
            steps=[step for step, _, _ in rows],
            timestamps=[_iso(at) for _, at, _ in rows],
            config=config,
            log_ids=ids,
            run_id=run_id,
        )
        return Result.NEW if before is None else Result.CHANGED

    def _write(self, row: Export) -> None:
        with self._ledger.database.write() as connection:
            store.write(connection, row)


def destination_name(project: str) -> str:
    """The name of the project in the records."""
    return f"trackio {project}"


def _storage() -> Any:
    try:
        from trackio.sqlite_storage import SQLiteStorage
    except ImportError as error:
        raise TrackioMissing from error
    return SQLiteStorage


def _config(run: ExportedRun, content: Content) -> dict[str, Any]:
    """The run's settings. The names with an underscore are Trackio's own."""
    group = {"_Group": run.sweep.name} if run.sweep else {}
    own = {"_Username": content.user, "_Created": _iso(content.started), **group}
    return {**content.params, **content.tags, "ftorch.status": content.status, **own}


def _missing(points: Sequence[Point], logs: Sequence[dict[str, Any]]) -> Iterator[_Row]:
    """The rows that the storage lacks: each step's values of metrics that it does not have at that step."""
    known = {(log["step"], key) for log in logs for key in log}
    rows: dict[int, tuple[float, dict[str, float]]] = {}
    for point in points:
        if (point.step, point.key) not in known:
            rows.setdefault(point.step, (point.at, {}))[1][point.key] = point.value
    yield from ((step, at, values) for step, (at, values) in sorted(rows.items()))


def _row_id(run_id: str, row: _Row) -> str:
    step, _, values = row
    names = hashlib.sha256(" ".join(sorted(values)).encode()).hexdigest()[:16]
    return f"ftorch {run_id} {step} {names}"


def _iso(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat()
