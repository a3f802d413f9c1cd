"""What following many runs costs: one cycle of `poll`, beside a plain loop that retrieves every job.

The local server runs in a process of its own and is reached over loopback HTTP. Its store is filled with running
and queued jobs that nothing trains, and our database with the runs that drive them. Each way of following gets a
process of its own too, so that the peak of its memory is its own.
"""

from __future__ import annotations

import asyncio
import json
import resource
import socket
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from startup import example_run

from orchestrator.runs.states import State

SIZES = (10, 1_000, 10_000)
REPEATS = {"poll": 3, "retrieve": 1}
OWNER = "bench:1:00000000"
NEXT_YEAR = time.time() + 365 * 86400
PROC_STATUS = Path("/proc/self/status")


def main() -> None:
    print("  ACTIVE            REQUESTS   SECONDS   PEAK MEMORY   OVER THE START")
    for size in SIZES:
        with tempfile.TemporaryDirectory() as home, serving(Path(home), size) as url:
            poll, plain = (measure(way, Path(home), url, size) for way in ("poll", "retrieve"))
        for name, cost in (("poll", poll), ("retrieve", plain)):
            print(
                f"{size:8,}  {name:9} {cost.requests:9,} {cost.seconds:9.3f} "
                f"{cost.peak_mb:10.1f} MB {cost.peak_mb - cost.start_mb:13.1f} MB"
            )
        print(
            f"{'':8}  poll over retrieve: {poll.requests / plain.requests:.3f} × the requests, "
            f"{poll.seconds / plain.seconds:.3f} × the seconds, {poll.peak_mb / plain.peak_mb:.2f} × the memory"
        )


@dataclass(frozen=True)
class Cost:
    """What one cycle over all active runs costs; megabytes are of the process that follows."""

    requests: float
    seconds: float
    start_mb: float
    peak_mb: float


def measure(way: str, home: Path, url: str, size: int) -> Cost:
    command = [sys.executable, __file__, way, str(home), url, str(size)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return Cost(**json.loads(done.stdout))


@contextmanager
def serving(home: Path, size: int) -> Iterator[str]:
    """The address of a server with that many active jobs."""
    command = [sys.executable, __file__, "serve", str(home), "", str(size)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        yield server.stdout.readline().strip()
        server.terminate()


# --- the server ---------------------------------------------------------------------------------------------


def serve(home: Path, _url: str, size: int) -> None:
    """Fill both databases, say the address, and serve; no scheduler runs, so no job ever changes."""
    import uvicorn

    from orchestrator.server.app import create_app
    from orchestrator.server.objects import job_object
    from orchestrator.server.settings import PROFILES

    app = create_app(home / "server")
    jobs = [active_job(number) for number in range(size)]
    fill_server(home / "server" / "endpoint.db", jobs)
    fill_runs(home, [job_object(job, PROFILES["openai"], "org-local") for job in jobs])
    listener = socket.create_server(("127.0.0.1", 0), backlog=128)
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # as `ftorch serve` does
    print(f"http://127.0.0.1:{listener.getsockname()[1]}", flush=True)
    config = uvicorn.Config(Counting(app), lifespan="off", log_level="warning", access_log=False)
    uvicorn.Server(config).run(sockets=[listener])


class Counting:
    """The app, and at /requests how many requests it has had."""

    def __init__(self, app: Any) -> None:
        self._app = app
        self._count = 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        from starlette.responses import PlainTextResponse

        if scope["path"] == "/requests":
            await PlainTextResponse(str(self._count))(scope, receive, send)
            return
        self._count += 1
        await self._app(scope, receive, send)


def active_job(number: int) -> Any:
    from orchestrator.server.store.records import Job, JobStatus

    created = int(time.time()) - 86400 + number
    return Job(
        id=f"ftjob-{number:024d}",
        created_at=created,
        started_at=created,
        finished_at=None,
        estimated_finish=None,
        status=JobStatus.QUEUED if number % 2 else JobStatus.RUNNING,
        validated=True,
        trainer="tiny",
        model="gpt-4.1-mini-2025-04-14",
        base="gpt-4.1-mini-2025-04-14",
        model_name=f"ft:gpt-4.1-mini-2025-04-14:local:drone:{number:08d}",
        suffix="drone",
        seed=number,
        training_file="file-0000000000000000000000",
        validation_file=None,
        method="supervised",
        n_epochs=3,
        batch_size="auto",
        learning_rate_multiplier="auto",
        beta=None,
        metadata={"ftorch_token": f"{number:026d}", "ftorch_run": f"{number:08d}"},
        training_tokens=None,
        trained_tokens=None,
        fine_tuned_model=None,
        result_file=None,
        error=None,
    )


def fill_server(path: Path, jobs: list[Any]) -> None:
    rows = [{**asdict(job), "metadata": json.dumps(job.metadata)} for job in jobs]
    columns, marks = ", ".join(rows[0]), ", ".join(f":{name}" for name in rows[0])
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.executemany(f"INSERT INTO jobs ({columns}) VALUES ({marks})", rows)


def fill_runs(home: Path, jobs: list[dict[str, Any]]) -> None:
    from orchestrator.store import runs

    with closing(open_runs(home)) as database, database.write() as connection:
        for number, job in enumerate(jobs):
            run = replace(
                example_run(number, State(job["status"])),
                job_id=job["id"],
                remote_status=job["status"],
                remote_job=job,
                lease_owner=OWNER,
                lease_expires_at=NEXT_YEAR,
            )
            runs.add(connection, run, "made for the benchmark")


def open_runs(home: Path) -> Any:
    from orchestrator.store.migrate import open_database

    return open_database(f"sqlite:///{home / 'ftorch.db'}")


# --- the two ways of following -------------------------------------------------------------------------------


def poll(home: Path, url: str, _size: int) -> None:
    """Cycles of the loop that ftorch runs."""
    asyncio.run(_poll(home, url))


async def _poll(home: Path, url: str) -> None:
    from orchestrator.config import EndpointConfig
    from orchestrator.endpoints import open_endpoint
    from orchestrator.runs import polling
    from orchestrator.runs.context import Context

    config = EndpointConfig("local", "compatible", base_url=f"{url}/v1")
    with closing(open_runs(home)) as database:
        async with open_endpoint(config, home) as endpoint:
            context = Context(database=database, endpoint=endpoint, config=config, owner=OWNER)
            start_mb, before, seconds = peak_mb(), requests_at(url), []
            for _ in range(REPEATS["poll"]):
                start = time.perf_counter()
                assert not await polling.poll(context), "nothing changes on this server"
                seconds.append(time.perf_counter() - start)
            report("poll", url, before, seconds, start_mb)


def retrieve(_home: Path, url: str, size: int) -> None:
    """What a script does that knows its job ids."""
    import openai

    with openai.OpenAI(base_url=f"{url}/v1", api_key="none") as client:
        start_mb, before, start = peak_mb(), requests_at(url), time.perf_counter()
        for number in range(size):
            client.fine_tuning.jobs.retrieve(f"ftjob-{number:024d}")
        report("retrieve", url, before, [time.perf_counter() - start], start_mb)


def report(way: str, url: str, before: int, seconds: list[float], start_mb: float) -> None:
    requests = (requests_at(url) - before) / REPEATS[way]
    print(json.dumps(asdict(Cost(requests, statistics.median(seconds), start_mb, peak_mb()))))


def requests_at(url: str) -> int:
    with urllib.request.urlopen(f"{url}/requests") as answer:
        return int(answer.read())


def peak_mb() -> float:
    """The most memory this process has had. Linux's getrusage would count what its parent had before it."""
    if PROC_STATUS.exists():
        [line] = [line for line in PROC_STATUS.read_text().splitlines() if line.startswith("VmHWM:")]
        return int(line.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20  # macOS: in bytes


PARTS: dict[str, Callable[[Path, str, int], None]] = {"serve": serve, "poll": poll, "retrieve": retrieve}

if __name__ == "__main__":
    if len(sys.argv) == 1:
        main()
    else:
        PARTS[sys.argv[1]](Path(sys.argv[2]), sys.argv[3], int(sys.argv[4]))
