"""Transitions a second: each its own commit, with its line of history, under a lease.

Measured beside the same two statements, one update and one insert, in bare SQLAlchemy Core on a database of the
same settings: as they are usually written (at most 1.5 × as long is wanted), and built once outside the loop. All
take turns in short rounds, so that a machine that gets slower slows all of them; each figure is the median.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import replace
from itertools import count, cycle
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, bindparam, create_engine, event, insert, update
from startup import example_run

from orchestrator.runs.states import State, move
from orchestrator.store import runs as store
from orchestrator.store.migrate import open_database
from orchestrator.store.runs import Run
from orchestrator.store.schema import runs, transitions

ROUNDS = 15
MOVES = 200
"""In one round."""
RUN_ID = "00000001"
OWNER = "bench:1:00000000"
REASON = "the endpoint says so"
AN_HOUR = 3600.0


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        ways = {
            "ftorch": moving(Path(folder) / "ours.db"),
            "bare Core, the statements written where they are used": bare(Path(folder) / "bare.db"),
            "bare Core, the statements built once": bare_and_prepared(Path(folder) / "prepared.db"),
        }
        seconds: dict[str, list[float]] = {name: [] for name in ways}
        for _ in range(ROUNDS):
            for name, way in ways.items():
                seconds[name].append(timed(way))
        for way in ways.values():
            way.close()
    for name, found in seconds.items():
        print(f"{MOVES / statistics.median(found):7,.0f} transitions a second  {name}")
    ours, *others = seconds
    for name in others:
        ratio = statistics.median(a / b for a, b in zip(seconds[ours], seconds[name], strict=True))
        print(f"{ratio:7.2f} ×   a transition over {name}")


def timed(steps: Generator[None, None, None]) -> float:
    start = time.perf_counter()
    for _ in range(MOVES):
        next(steps)
    return time.perf_counter() - start


def moving(path: Path) -> Generator[None, None, None]:
    """A transition at each step, as the program makes it."""
    with closing(open_database(f"sqlite:///{path}")) as database:
        run = leased_run()
        with database.write() as connection:
            store.add(connection, run, REASON)
        for state in cycle((State.PAUSED, State.RUNNING)):
            with database.write() as connection:
                run = move(connection, run, state, REASON, owner=OWNER, now=time.time())
            yield


def bare(path: Path) -> Generator[None, None, None]:
    """The same two statements at each step, with nothing around them."""
    engine = filled_engine(path)
    for was, state, version in endless_moves():
        now = time.time()
        with engine.begin() as connection:
            swap = update(runs).where(
                runs.c.id == RUN_ID,
                runs.c.version == version,
                runs.c.lease_owner == OWNER,
                runs.c.lease_expires_at > now,
            )
            values = {"state": state, "reason": REASON, "due_at": None, "version": version + 1}
            assert connection.execute(swap.values(**values, updated_at=now)).rowcount == 1
            line = {"run_id": RUN_ID, "version": version + 1, "from_state": was, "to_state": state}
            connection.execute(insert(transitions).values(**line, reason=REASON, at=now, owner=OWNER))
        yield


def bare_and_prepared(path: Path) -> Generator[None, None, None]:
    """The same again, as fast as Core can be: only parameters change from step to step."""
    engine = filled_engine(path)
    swap = update(runs).where(
        runs.c.id == bindparam("key"),
        runs.c.version == bindparam("read"),
        runs.c.lease_owner == bindparam("by"),
        runs.c.lease_expires_at > bindparam("now"),
    )
    line = insert(transitions)
    for was, state, version in endless_moves():
        now = time.time()
        values = {"state": state, "reason": REASON, "due_at": None, "version": version + 1, "updated_at": now}
        place = {"key": RUN_ID, "read": version, "by": OWNER, "now": now}
        history = {"run_id": RUN_ID, "version": version + 1, "from_state": was, "to_state": state, "at": now}
        with engine.begin() as connection:
            assert connection.execute(swap, {**values, **place}).rowcount == 1
            connection.execute(line, {**history, "reason": REASON, "owner": OWNER})
        yield


def endless_moves() -> Iterator[tuple[str, str, int]]:
    """From, to, and the version before."""
    for version in count(1):
        yield ("running", "paused", version) if version % 2 else ("paused", "running", version)


def filled_engine(path: Path) -> Engine:
    """An engine with the program's own settings, over its schema and one leased run."""
    with closing(open_database(f"sqlite:///{path}")) as database, database.write() as connection:
        store.add(connection, leased_run(), REASON)
    engine = create_engine(f"sqlite:///{path}")
    event.listen(engine, "connect", same_settings)
    event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN IMMEDIATE"))
    return engine


def same_settings(connection: Any, _record: Any) -> None:
    connection.isolation_level = None
    for pragma in ("journal_mode=WAL", "foreign_keys=ON", "synchronous=NORMAL"):
        connection.execute(f"PRAGMA {pragma}")


def leased_run() -> Run:
    job = {"id": "ftjob-000000000000000000000000", "object": "fine_tuning.job", "status": "running"}
    lease: dict[str, Any] = {"lease_owner": OWNER, "lease_expires_at": time.time() + AN_HOUR}
    return replace(example_run(1, State.RUNNING), job_id=job["id"], remote_job=job, **lease)


if __name__ == "__main__":
    main()
