"""Bringing MLflow up to date with one run or sweep: what it lacks is sent, what it has stays.

The row in `exports` is written before a run is created there. If it is unknown whether the server created it, the
run is looked for by its tag before it is created again. Metrics are compared by key and step with what the server
has, so sending twice, or after a crash in the middle, leaves no duplicates.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

from orchestrator.errors import TrackerError
from orchestrator.export.content import PARENT_TAG, Content, run_content, sweep_content
from orchestrator.export.destination import Result
from orchestrator.export.mlflow.names import accepted
from orchestrator.export.mlflow.server import MlflowServer, RemoteRun
from orchestrator.export.records import ExportedRun
from orchestrator.ledger import Ledger
from orchestrator.store import exports as store, sweeps
from orchestrator.store.exports import RUN, SWEEP, Export
from orchestrator.store.sweeps import RecordedSweep


class MlflowExport:
    """One experiment of one server. Not for several threads."""

    def __init__(self, ledger: Ledger, uri: str, experiment: str, now: Callable[[], float] = time.time) -> None:
        self.name = destination_name(uri, experiment)
        self.shown = f"{uri.rstrip('/')}, experiment {experiment}"
        self._ledger, self._experiment, self._now = ledger, experiment, now
        self._server = MlflowServer(uri)
        self._experiment_id: str | None = None
        self._seen: dict[tuple[str, str], tuple[RemoteRun, dict[str, set[int]]]] = {}
        """What the server has, as this process left it, and the steps of each metric."""
        self._parents: dict[str, str] = {}
        """The server's ids of sweeps that are up to date with their records, by their marks."""

    def close(self) -> None:
        self._server.close()

    def send(self, run: ExportedRun) -> Result:
        """Bring the run up to date, and first its sweep. Raises TrackerUnreachable, TrackerRefuses and
        ExperimentDeleted; the reason is recorded, too."""
        parent = self._sweep(run.sweep) if run.sweep else None
        content = accepted(run_content(self._ledger, run))
        if parent:
            content = replace(content, tags={**content.tags, PARENT_TAG: parent})
        result, _ = self._bring_up(RUN, run.run.id, content, run.mark)
        return result

    def _sweep(self, sweep: RecordedSweep) -> str:
        """The server's id of the sweep's run, which is up to date afterwards."""
        with self._ledger.database.read() as connection:
            mark = repr(sweeps.mark(connection, sweep.id))
        key = f"{sweep.id} {mark}"
        if key not in self._parents:
            from orchestrator.sweeps.overview import overview_by_id  # loads pydantic

            content = accepted(sweep_content(overview_by_id(self._ledger, sweep.id)))
            _, self._parents[key] = self._bring_up(SWEEP, sweep.id, content, mark)
        return self._parents[key]

    def _bring_up(self, kind: str, item_id: str, content: Content, mark: str) -> tuple[Result, str]:
        began = self._now()
        row = self._row(kind, item_id) or Export(self.name, kind, item_id, began)
        key = (kind, item_id)
        try:
            remote, is_new = self._remote(row, content)
            row = self._row(kind, item_id) or row
            changed = not remote.is_deleted and self._complete(key, remote, content, row)
        except TrackerError as error:
            self._seen.pop(key, None)  # what the server has is looked at again
            self._write(replace(self._row(kind, item_id) or row, problem=str(error), updated_at=began))
            raise
        sent = {"mark": mark, "tags": sorted(content.user_tags)}
        self._write(replace(row, remote_id=remote.id, sent=sent, problem=None, updated_at=began))
        if remote.is_deleted:
            return Result.DELETED, remote.id
        return (Result.NEW if is_new else Result.CHANGED if changed else Result.SAME), remote.id

    # --- finding or creating it --------------------------------------------------------------------------------

    def _remote(self, row: Export, content: Content) -> tuple[RemoteRun, bool]:
        """The server's run of this item, and whether it was created now."""
        key = (row.kind, row.item_id)
        if key in self._seen:
            return self._seen[key][0], False
        if row.remote_id and (known := self._server.run(row.remote_id)):
            return known, False
        experiment = self._experiment_of()
        self._write(replace(row, remote_id=None, sent={}, problem=None, updated_at=self._now()))
        if found := self._server.find(experiment, content.key_tag, content.item_id):
            return found, False
        tags = {content.key_tag: content.item_id}
        made = self._server.create(experiment, content.name, content.started, content.user, tags)
        self._write(replace(row, remote_id=made.id, sent={}, problem=None, updated_at=self._now()))
        return made, True

    def _experiment_of(self) -> str:
        if self._experiment_id is None:
            self._experiment_id = self._server.experiment(self._experiment)
        return self._experiment_id

    # --- what it lacks -------------------------------------------------------------------------------------------

    def _complete(self, key: tuple[str, str], remote: RemoteRun, content: Content, row: Export) -> bool:
        """Send what the server lacks; returns whether that was anything. The status comes last: a finished run is
        complete."""
        steps = self._seen[key][1] if key in self._seen else {}
        for metric in {point.key for point in content.points} - steps.keys():
            steps[metric] = self._server.steps(remote.id, metric) if metric in remote.metrics else set()
        points = [point for point in content.points if point.step not in steps[point.key]]
        params = {name: value for name, value in content.params.items() if name not in remote.params}
        tags = {name: value for name, value in content.tags.items() if remote.tags.get(name) != value}
        removed = [name for name in row.sent.get("tags", ()) if name not in content.tags and name in remote.tags]
        for name in removed:
            self._server.delete_tag(remote.id, name)
            remote.tags.pop(name)
        self._server.log(remote.id, points=points, params=params, tags=tags)
        for point in points:
            steps[point.key].add(point.step)
        remote.params |= params
        remote.tags |= tags
        remote.metrics |= steps.keys()
        is_moved = self._set_status(remote, content)
        self._seen[key] = (remote, steps)
        return bool(points or params or tags or removed or is_moved)

    def _set_status(self, remote: RemoteRun, content: Content) -> bool:
        ended = None if content.ended is None else round(content.ended * 1000)
        wanted = (content.name, content.status, ended)
        if (remote.name, remote.status, remote.ended) == wanted:
            return False
        self._server.update(remote.id, *wanted)
        remote.name, remote.status, remote.ended = wanted
        return True

    # --- the records ---------------------------------------------------------------------------------------------

    def _row(self, kind: str, item_id: str) -> Export | None:
        with self._ledger.database.read() as connection:
            return store.find(connection, self.name, kind, item_id)

    def _write(self, row: Export) -> None:
        with self._ledger.database.write() as connection:
            store.write(connection, row)


def destination_name(uri: str, experiment: str) -> str:
    """The name of the experiment in the records."""
    return f"mlflow {uri.rstrip('/')} {experiment}"
