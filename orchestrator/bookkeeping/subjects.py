"""What a key means where records are kept: an id, the name of a run, or the name of a sweep for all of its runs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import Connection

from orchestrator.errors import RunDeleted, SeveralRuns
from orchestrator.store import runs as run_store, sweeps as store
from orchestrator.store.runs import Run
from orchestrator.store.sweeps import RecordedSweep

_FEW = 6


@dataclass(frozen=True)
class Subjects:
    """The runs that were named, each once, and the sweeps among them."""

    runs: tuple[Run, ...]
    sweeps: tuple[RecordedSweep, ...] = ()

    @property
    def run_ids(self) -> list[str]:
        return [run.id for run in self.runs]

    @property
    def sweep_ids(self) -> list[str]:
        return [sweep.id for sweep in self.sweeps]


def newest_of(connection: Connection, keys: Iterable[str]) -> Subjects:
    """The runs of these ids and names; of several runs of one name the newest. Raises NoSuchRun, AmbiguousRun and
    RunDeleted."""
    return _joined(_of_key(connection, key) for key in keys)


def exactly(connection: Connection, keys: Iterable[str]) -> Subjects:
    """The same, where a name that several runs have decides nothing. Raises SeveralRuns too."""
    keys = list(keys)
    for key in keys:
        _require_one(connection, key)
    return newest_of(connection, keys)


def _of_key(connection: Connection, key: str) -> Subjects:
    if sweeps := store.newest(connection, name=key):
        found = run_store.of_sweeps(connection, [sweep.id for sweep in sweeps])
        return Subjects(tuple(run for run in found if run.deleted_at is None), tuple(sweeps))
    run = run_store.find(connection, key)
    if run.deleted_at is not None:
        raise RunDeleted(run=run.id)
    return Subjects((run,))


def _joined(found: Iterable[Subjects]) -> Subjects:
    runs: dict[str, Run] = {}
    sweeps: dict[str, RecordedSweep] = {}
    for each in found:
        runs |= {run.id: run for run in each.runs}
        sweeps |= {sweep.id: sweep for sweep in each.sweeps}
    return Subjects(tuple(runs.values()), tuple(sweeps.values()))


def _require_one(connection: Connection, key: str) -> None:
    named = run_store.newest(connection, name=key, outside_sweeps=True, limit=_FEW + 1)
    if len(named) > 1 and not store.newest(connection, name=key):
        count = f"more than {_FEW}" if len(named) > _FEW else str(len(named))
        listed = ", ".join(f"{run.id} ({run.state})" for run in named[:_FEW])
        raise SeveralRuns(key=key, count=count, candidates=listed)
