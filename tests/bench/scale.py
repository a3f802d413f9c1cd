"""What many runs and many workers cost on PostgreSQL: `python tests/bench/scale.py [--runs N] [--standing N]`.

PostgreSQL is a throwaway server, the host a process that answers in constant time, and the workers are processes of
`ftorch resume --worker`. First runs are driven from `pending` to their end: by more and more of them, and by more
and more workers. Then runs stand: their jobs train, and a worker follows them. Processor seconds are those of the
processes; a second of `wall` on a busy machine says little.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

from scalehost import figures, serving, standing_job
from sqlalchemy import ColumnElement, create_engine, func, insert, make_url, select
from startup import example_run

from orchestrator.runs.states import State
from orchestrator.store.database import Database
from orchestrator.store.migrate import open_database
from orchestrator.store.schema import runs, transitions

sys.path.insert(0, str(Path(__file__).parents[1]))
from postgres import cluster, find_binaries

FTORCH = str(Path(sys.executable).with_name("ftorch"))
DATA = b'{"messages": [{"role": "user", "content": "Climb"}, {"role": "assistant", "content": "Climbing."}]}\n' * 12
MAX_ACTIVE = 1_000
JOB_SECONDS = 5.0
POLL_SECONDS = 5.0
STANDING_SECONDS = 60.0
LIMIT_SECONDS = 3_600.0
A_MONTH = 30 * 86_400
_PORTION = 5_000


@dataclass(frozen=True)
class Cost:
    """What a measurement took; processor seconds of all workers, of the database and of the host."""

    workers: int
    runs: int
    wall: float
    worker_seconds: float
    database_seconds: float
    host_seconds: float
    peak_mb: float
    """Of the worker with the most."""
    requests: int
    lost: int
    doubled: int

    @property
    def line(self) -> str:
        """Its row under HEADER."""
        rate = self.runs / self.wall
        return (
            f"{self.workers:7} {self.runs:8,} {self.wall:8.1f} {rate:8.1f} {self.requests / self.runs:9.1f} "
            f"{1000 * self.worker_seconds / self.runs:9.1f} {1000 * self.database_seconds / self.runs:9.1f} "
            f"{1000 * self.host_seconds / self.runs:7.1f} {self.peak_mb:7.0f} {self.lost:5} {self.doubled:7}"
        )


HEADER = (
    "WORKERS     RUNS   WALL s   RUNS/s  REQ./RUN  ms WORKER  ms DATAB. ms HOST PEAK MB  LOST DOUBLED\n"
    "                                            (processor milliseconds per run)"
)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=10_000, help="driven to their end by one and by two workers")
    parser.add_argument("--standing", type=int, default=100_000, help="followed by one worker")
    parser.add_argument("--workers", type=int, nargs="*", default=[4, 8], help="tried for correctness, on a tenth")
    chosen = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the server is stopped then as well
    binaries = find_binaries()
    if binaries is None:
        sys.exit("PostgreSQL is not installed here: nothing was measured")
    with cluster(binaries) as server:
        print(HEADER, flush=True)
        plan = [(1, chosen.runs // 10), (1, chosen.runs // 3), (1, chosen.runs), (2, chosen.runs)]
        costs = []
        for workers, number in [*plan, *((each, chosen.runs // 10) for each in chosen.workers)]:
            costs.append(to_the_end(server, workers, number))
            print(costs[-1].line, flush=True)
        for number in (chosen.standing // 10, chosen.standing):
            print(standing(server, number), flush=True)
    print(extrapolation(costs[2]))
    if any(each.lost or each.doubled for each in costs):
        sys.exit("runs were lost or doubled")


def extrapolation(cost: Cost) -> str:
    rate = cost.runs / cost.wall
    return (
        f"Extrapolated, not measured: at {rate:.1f} runs per second one worker ends {rate * A_MONTH / 1e6:.0f} "
        f"million runs in 30 days. Ten million need {1e7 / A_MONTH:.1f} per second, "
        f"{100 * 1e7 / A_MONTH / rate:.0f} % of that."
    )


# --- the two measurements ------------------------------------------------------------------------------------


def to_the_end(server: str, workers: int, number: int) -> Cost:
    """Drive so many pending runs to their ends."""
    with project(server, standing=0) as place:
        place.fill([pending_run(each, place.home) for each in range(number)])
        database, host, start = place.database_cpu(), cpu_of(place.host), time.perf_counter()
        with working(place.home, workers) as started:
            wait_until(lambda: place.count(runs.c.finished_at.is_(None)) == 0)
            wall = time.perf_counter() - start
            worker_seconds, peak = sum(map(cpu_of, started)), max(map(peak_of, started))
        database, host = place.database_cpu() - database, cpu_of(place.host) - host
        seen, succeeded = figures(place.url), place.count(runs.c.state == State.SUCCEEDED)
    return Cost(
        workers=workers,
        runs=number,
        wall=wall,
        worker_seconds=worker_seconds,
        database_seconds=database,
        host_seconds=host,
        peak_mb=peak,
        requests=sum(seen["asked"].values()),
        lost=number - succeeded,
        doubled=seen["doubled"] + max(0, seen["jobs"] - number),
    )


def standing(server: str, number: int) -> str:
    """Follow so many running jobs for a minute, after the first look at all of them."""
    with project(server, standing=number) as place:
        for first in range(0, number, _PORTION):
            place.fill([running_run(each) for each in range(first, min(number, first + _PORTION))])
        with working(place.home, 1) as [worker]:
            start = time.perf_counter()
            wait_until(lambda: place.count(runs.c.lease_owner.is_not(None)) == number)
            taken = time.perf_counter() - start
            wait_until(lambda: asked_at(place.url) >= number // 100)
            looked = time.perf_counter() - start
            before = asked_at(place.url), cpu_of(worker), place.database_cpu()
            time.sleep(STANDING_SECONDS)
            after = asked_at(place.url), cpu_of(worker), place.database_cpu()
            asked, worker_cpu, database_cpu = (late - early for early, late in zip(before, after, strict=True))
            peak = peak_of(worker)
        left = place.count(runs.c.state == State.RUNNING)
    return (
        f"{number:,} standing: taken in {taken:.0f} s, all seen after {looked:.0f} s; then in "
        f"{STANDING_SECONDS:.0f} s {asked:,} requests, {worker_cpu:.1f} s of the worker, {database_cpu:.1f} s of "
        f"the database; {peak:.0f} MB; {number - left} lost"
    )


# --- the runs --------------------------------------------------------------------------------------------------


def pending_run(number: int, home: Path) -> dict[str, Any]:
    return row(
        replace(
            example_run(number, State.PENDING),
            endpoint="host",
            endpoint_type="openai",
            training_path=str(home / "train.jsonl"),
            training_sha256=sha256(DATA).hexdigest(),
        )
    )


def running_run(number: int) -> dict[str, Any]:
    job = {key: value for key, value in standing_job(number).items() if key not in ("made_at", "seconds")}
    run = replace(
        example_run(number, State.RUNNING),
        endpoint="host",
        endpoint_type="openai",
        job_id=job["id"],
        remote_status="running",
        remote_job=job,
    )
    return row(run)


def row(run: Any) -> dict[str, Any]:
    return {column.name: getattr(run, column.name) for column in runs.c if hasattr(run, column.name)}


# --- the processes ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Place:
    """A project in a folder, its database, and the host that it trains on."""

    home: Path
    url: str
    host: int
    """Its process."""
    postmaster: int
    database: Database

    def fill(self, found: Sequence[dict[str, Any]]) -> None:
        line = {"version": 1, "from_state": None, "reason": "made for the benchmark", "owner": None}
        moves = [{**line, "run_id": run["id"], "to_state": run["state"], "at": run["created_at"]} for run in found]
        with self.database.write() as connection:
            connection.execute(insert(runs), found)
            connection.execute(insert(transitions), moves)

    def count(self, *where: ColumnElement[bool]) -> int:
        with self.database.read() as connection:
            return int(connection.execute(select(func.count()).select_from(runs).where(*where)).scalar_one())

    def database_cpu(self) -> float:
        """Processor seconds of PostgreSQL's processes so far, those that have ended too."""
        numbers = [path.name for path in Path("/proc").glob("[0-9]*")]
        return sum(cpu_of(int(each)) for each in numbers if parent_of(each) == self.postmaster) + cpu_of(
            self.postmaster
        )


@contextmanager
def project(server: str, *, standing: int) -> Iterator[Place]:
    """An empty database, and a host with so many jobs that never end."""
    address = make_url(server)
    socket = Path(str(address.query["host"]))
    postmaster = int((socket / "data" / "postmaster.pid").read_text().split()[0])
    database_url = address.set(database="scale").render_as_string(hide_password=False)
    with tempfile.TemporaryDirectory() as folder, made(server), serving(standing, JOB_SECONDS) as (url, host):
        home = Path(folder)
        (home / "train.jsonl").write_bytes(DATA)
        (home / "ftorch.toml").write_text(
            f'[endpoints.host]\ntype = "openai"\nbase_url = "{url}/v1"\napi_key_env = "SCALE_KEY"\n'
            f"max_active = {MAX_ACTIVE}\npoll_seconds = {POLL_SECONDS}\n"
        )
        os.environ.update(FTORCH_DATABASE_URL=database_url, SCALE_KEY="none", FTORCH_TRUST="1")
        with closing(open_database(database_url)) as opened:
            yield Place(home, url, host, postmaster, opened)


@contextmanager
def made(server: str) -> Iterator[None]:
    """The database `scale` on this server, dropped afterwards."""
    engine = create_engine(server, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.exec_driver_sql("CREATE DATABASE scale")
        try:
            yield
        finally:
            connection.exec_driver_sql("DROP DATABASE scale WITH (FORCE)")
    engine.dispose()


@contextmanager
def working(home: Path, workers: int) -> Iterator[list[int]]:
    """The ids of so many workers; errors in their log are shown at the end."""
    with (home / "log").open("wb") as log:
        command = [FTORCH, "resume", "--worker", "--log-json"]
        started = [subprocess.Popen(command, cwd=home, stderr=log) for _ in range(workers)]
        try:
            yield [each.pid for each in started]
        finally:
            for each in started:
                each.send_signal(signal.SIGTERM)
            codes = [each.wait(LIMIT_SECONDS) for each in started]
    lines = (home / "log").read_text().splitlines()
    for line in [line for line in lines if '"level": "error"' in line][:3]:
        print(line, file=sys.stderr)
    if any(codes):
        sys.exit(f"workers ended with {codes}; their last words: {lines[-1:]}")


def wait_until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + LIMIT_SECONDS
    while not is_so():
        if time.monotonic() > deadline:
            sys.exit(f"it did not come to that in {LIMIT_SECONDS:.0f} s")
        time.sleep(0.25)


def asked_at(url: str) -> int:
    return sum(figures(url)["asked"].values())


def cpu_of(process: int) -> float:
    """Its processor seconds, and those of its children that have ended; 0 if it has ended itself."""
    return sum(map(int, stat_of(process)[11:15])) / os.sysconf("SC_CLK_TCK")


def parent_of(process: object) -> int:
    return int((stat_of(process) or ["", "0"])[1])


def stat_of(process: object) -> list[str]:
    """The fields of proc(5)'s `stat` after the name."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(") ")[2].split()
    except OSError:
        return []


def peak_of(process: int) -> float:
    """The most megabytes it has had."""
    [line] = [each for each in Path(f"/proc/{process}/status").read_text().splitlines() if "VmHWM" in each]
    return int(line.split()[1]) / 1024


if __name__ == "__main__":
    main()
