"""Runs that another process drives: report what that process wrote."""

from __future__ import annotations

from orchestrator.runs.context import Context
from orchestrator.store import records, runs as store
from orchestrator.store.runs import Run


class Watch:
    """Compares the followed runs that this worker does not hold with their last seen state."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._seen: dict[str, Run] = {}
        self._steps: dict[str, int] = {}

    def look(self) -> None:
        """Report the moves and measurements since the last look."""
        context = self._context
        with context.database.read() as connection:
            current = store.by_ids(connection, list(context.followed))
        for run in current:
            before = self._seen.get(run.id)
            self._seen[run.id] = run
            if run.lease_owner == context.owner:
                continue  # the process that drives a run reports it
            if before is None or before.lease_owner == context.owner:
                self._mark(run)
            elif run != before:
                self._report(run, before)

    def _mark(self, run: Run) -> None:
        with self._context.database.read() as connection:
            last = records.last_metrics(connection, [run.id]).get(run.id)
        self._steps[run.id] = last.step if last else 0

    def _report(self, run: Run, before: Run) -> None:
        listener = self._context.listener
        with self._context.database.read() as connection:
            moves = [move for move in store.history(connection, run.id) if move.version > before.version]
            metrics = [m for m in records.metrics_of(connection, run.id) if m.step > self._steps[run.id]]
        if metrics:
            self._steps[run.id] = metrics[-1].step
            listener.measured(run, metrics)
        for move in moves:
            listener.moved(run, move)
        if not moves:
            listener.noted(run)
