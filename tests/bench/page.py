"""The page: the time of the server for a page of a large project, and the processor time of a page that stays open.

10,000 runs with 1,000,000 measured steps. While a page is open, ten of the runs are active: each measures a step
every two seconds and renews its lease every ten, as jobs on hosts do.
"""

from __future__ import annotations

import asyncio
import os
import random
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import httpx2
from sqlalchemy import insert, update
from startup import example_run

from orchestrator.api.watched import WatchedLedger
from orchestrator.browsers import names_of
from orchestrator.engine.worker import new_owner
from orchestrator.runs.states import State
from orchestrator.store import runs as run_store
from orchestrator.store.database import Database
from orchestrator.store.migrate import open_database
from orchestrator.store.schema import metrics, runs
from orchestrator.web.app import create_app
from orchestrator.web.settings import Settings

RUNS, STEPS, LONG_RUN = 10_000, 98, 20_000
ACTIVE = 10
ROUNDS = 15
OPEN_SECONDS = 30.0
FTORCH = str(Path(sys.executable).with_name("ftorch"))
PAGES = {
    "overview": "/",
    "runs": "/runs",
    "runs, searched": "/runs?q=drone-77",
    "runs, by validation loss": "/runs?sort=valid",
    "run of 98 steps": "/runs/00000500",
    "run of 20,000 steps": "/runs/00000501",
}
TARGETS = {"overview": 100, "run of 98 steps": 100}
"""Milliseconds."""
_STEPS = count(STEPS + 1)


def main() -> None:
    with tempfile.TemporaryDirectory() as home:
        os.environ["FTORCH_HOME"] = home
        database = open_database(f"sqlite:///{home}/ftorch.db")
        fill(database)
        for name, seconds in asyncio.run(measure()).items():
            target = f" (at most {TARGETS[name]} ms)" if name in TARGETS else ""
            print(f"{seconds * 1000:7.1f} ms  {name}, {RUNS:,} runs and a million steps{target}")
        for name, path in (("overview", "/"), ("run", "/runs/00000000")):
            used = open_page(database, path)
            print(
                f"{used:7.2f} s   of a processor per minute for an open {name}, {ACTIVE} active runs (at most 0.6)"
            )
        database.close()


def fill(database: Database) -> None:
    with database.write() as connection:
        for number in range(RUNS):
            state = State.RUNNING if number < ACTIVE else State.SUCCEEDED
            run_store.add(connection, example_run(number, state), "made for the benchmark")
        names = {"name": "drone-" + runs.c.id, "job_id": "job-" + runs.c.id}
        ended = {"finished_at": runs.c.created_at + 60, "fine_tuned_model": "ft:gpt-4.1-mini:org::" + runs.c.id}
        connection.execute(update(runs).values(**names))
        connection.execute(update(runs).where(runs.c.state == "succeeded").values(**ended))
        for number in range(RUNS):
            total = LONG_RUN if number == 501 else STEPS
            rows = [step_of(f"{number:08d}", step, total) for step in range(1, total + 1)]
            connection.execute(insert(metrics), rows)


def step_of(run_id: str, step: int, total: int) -> dict[str, object]:
    loss = 2.0 / (1 + step) ** 0.5 + 0.01 * (step % 7)
    measured = {"train_loss": loss, "train_accuracy": 1 - loss / 4, "valid_loss": loss * 1.1}
    return {"run_id": run_id, "step": step, "total_steps": total, **measured}


# --- The time of the server ---------------------------------------------------------------------------------------


async def measure() -> dict[str, float]:
    """Median seconds of each page inside this process. Pages are asked for in turn."""
    ledger = WatchedLedger()
    app = create_app(ledger, Settings(names_of("127.0.0.1", ())))
    times: dict[str, list[float]] = {name: [] for name in PAGES}
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app), base_url="http://127.0.0.1") as client:
        for round_number in range(ROUNDS + 1):
            for name, path in PAGES.items():
                start = time.perf_counter()
                answer = await client.get(path)
                assert answer.status_code == 200, answer.text
                if round_number:  # the first round fills caches
                    times[name].append(time.perf_counter() - start)
    ledger.close()
    return {name: statistics.median(found) for name, found in times.items()}


# --- An open page -------------------------------------------------------------------------------------------------


def open_page(database: Database, path: str) -> float:
    """The seconds of a processor that the server takes in a minute, while ten runs go on."""
    with served() as (process, address), busy(database), httpx2.Client(base_url=address) as client:
        client.get(path)
        events: list[bytes] = []
        reader = threading.Thread(target=_read, args=(client, path, events), daemon=True)
        reader.start()
        time.sleep(3)
        before, seen = _used(process.pid), len(events)
        time.sleep(OPEN_SECONDS)
        assert len(events) > seen + 2, "the page was not kept up to date"
        return (_used(process.pid) - before) * 60 / OPEN_SECONDS


@contextmanager
def served() -> Iterator[tuple[subprocess.Popen[str], str]]:
    process = subprocess.Popen([FTORCH, "ui", "--port", "0"], stderr=subprocess.PIPE, text=True)
    try:
        assert process.stderr
        found = re.search(r"http://\S+", process.stderr.readline())
        assert found
        yield process, found[0]
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=20)


@contextmanager
def busy(database: Database) -> Iterator[None]:
    """Ten runs go on for as long as the block lasts."""
    end = threading.Event()
    working = threading.Thread(target=_work, args=(database, end))
    working.start()
    try:
        yield
    finally:
        end.set()
        working.join()


def _work(database: Database, end: threading.Event) -> None:
    owner = new_owner(random.Random(0))
    while not end.wait(2.0 / ACTIVE):
        step = next(_STEPS)
        run_id = f"{step % ACTIVE:08d}"
        with database.write() as connection:
            connection.execute(insert(metrics), [step_of(run_id, step, 2_000_000)])
            if step % 5 == 0:
                lease = {"lease_owner": owner, "lease_expires_at": time.time() + 30}
                connection.execute(update(runs).where(runs.c.id == run_id).values(**lease, updated_at=time.time()))


def _read(client: httpx2.Client, path: str, events: list[bytes]) -> None:
    try:
        with client.stream("GET", f"/live{path}", timeout=None) as stream:
            for event in stream.iter_bytes():
                events.append(event)
    except httpx2.TransportError:
        pass  # the server has ended


def _used(pid: int) -> float:
    """The seconds of a processor that the process has taken so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    main()
