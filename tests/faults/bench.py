"""One case in one process: the real loop, SDK, database and endpoint, in virtual time, with a wire that fails.

A kill is simulated by never letting the worker do anything again: at a crash point an exception flies that nothing
in the program catches, and from then on its database and its network are dead. Leases stay behind, as they would.
"""

from __future__ import annotations

import asyncio
import atexit
import random
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Collection, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import httpx2
import pytest
from support.nebius_host import NebiusState
from support.project import make_project

from faults.dialects import CONFIGS, MODELS, Dialect, app_of, can_pause, connected
from faults.exchange import Answer, Exchange, NoAnswerError, SilentError
from faults.training import advance
from faults.virtualtime import VirtualLoop, without_threads
from faults.wire import Wire
from orchestrator.config import Workspace
from orchestrator.endpoints import capabilities_of
from orchestrator.endpoints.interface import Capabilities, Parts
from orchestrator.endpoints.openai import OpenAIEndpoint
from orchestrator.endpoints.retries import Retries
from orchestrator.engine import crashpoints, loop as engine_loop
from orchestrator.engine.worker import Clock
from orchestrator.errors import EndpointError
from orchestrator.jobfile import load_job_file
from orchestrator.runs.context import Context
from orchestrator.runs.engine import EndpointLoop
from orchestrator.runs.plan import Plan, plan_job
from orchestrator.runs.states import State
from orchestrator.runs.submission import record_run
from orchestrator.server.store.records import Job
from orchestrator.store import runs as store
from orchestrator.store.database import Database
from orchestrator.store.migrate import open_database
from orchestrator.store.runs import Run, Transition

T = TypeVar("T")
START = 1_800_000_000.0
TIMEOUT, SETTLING = 60.0, 120.0
LATE = TIMEOUT + 30.0
"""A late request arrives this long after it was sent: 30 seconds after the client gave up."""
_MOST_RESUMES = 12
_ENOUGH_LOOKS = 3
_SHARED_MEMORY = Path("/dev/shm")
_compiled: dict[Any, Any] = {}
"""Statements are the same in all cases: compile each once. Its keys hold the dialect too, see `_share`."""
_worker: ContextVar[Worker] = ContextVar("worker")


class Killed(BaseException):
    """The process of this worker is no more."""


class MortalDatabase(Database):
    """A worker's own connection to the database. It dies with the worker."""

    def __init__(self, url: str, worker: Worker) -> None:
        super().__init__(url)
        _share(self)
        self._worker = worker

    @contextmanager
    def read(self) -> Iterator[Any]:
        self._worker.breathe()
        with super().read() as connection:
            yield connection

    @contextmanager
    def write(self, *, durable: bool = False) -> Iterator[Any]:
        self._worker.breathe()
        with super().write(durable=durable) as connection:
            yield connection


@dataclass
class Worker:
    """One process that drives runs, and the place at whose n-th passing it dies."""

    name: str
    crash_at: str | None = None
    passing: int = 1
    is_dead: bool = False
    sleeps_at: str | None = None
    dream: Callable[[], None] = lambda: None
    """What happens in the world while this process is stopped at the place `sleeps_at`."""
    passed: Counter[str] = field(default_factory=Counter)

    def breathe(self) -> None:
        if self.is_dead:
            raise Killed

    def pass_(self, place: str) -> None:
        assert place in crashpoints.POINTS, place
        self.breathe()
        self.passed[place] += 1
        if place == self.crash_at and self.passed[place] == self.passing:
            self.is_dead = True
            raise Killed
        if place == self.sleeps_at:
            self.sleeps_at = None
            self.dream()


class Bench:
    """A database, an endpoint and a wire between them, for one case. Use it inside `opened`."""

    def __init__(self, folder: Path, dialect: Dialect, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self.folder = folder
        self.dialect = dialect
        self.url = f"sqlite:///{folder / 'ftorch.db'}"
        self.jump = 0.0
        """How far the wall clock of this machine is off."""
        self.holds_training = False
        self.parts: Parts | None = None
        self.warnings: list[str] = []
        self.workers: list[Worker] = []
        self._app = app_of(dialect, folder / "endpoint", self.endpoint_now)
        self.endpoint_store = self._app.state.context.store
        self.wire = Wire(self._deliver, self.endpoint_now, LATE)
        self.database = Database(self.url)
        _share(self.database)
        self.config = _plan(dialect).config
        self.rng = random.Random(7)

    # --- time ------------------------------------------------------------------------------------------------

    def steady(self) -> float:
        """Seconds since the case began."""
        return self._loop.time()

    def endpoint_now(self) -> float:
        return START + self.steady()

    def now(self) -> float:
        """This machine's wall clock."""
        return self.endpoint_now() + self.jump

    # --- what a case does ------------------------------------------------------------------------------------

    async def submit(self, worker: Worker | None = None, *, again: bool = False) -> str | None:
        """Record the run; its id, or None where the worker died of it."""
        database, worker = self.database, worker or self.new_worker()
        with self.alive(worker):
            try:
                plan = _plan(self.dialect)
                return record_run(plan, database, now=self.now(), rng=self.rng, again=again).run.id
            except Killed:
                return None

    def request(self, run_id: str, requested_action: str) -> None:
        """As `ftorch cancel`, `pause` and `unpause` record it."""
        with self.database.write() as connection:
            store.request_action(connection, run_id, requested_action)

    async def work(
        self, worker: Worker, *, until: Callable[[], bool] | None = None, ids: Collection[str] | None = None
    ) -> EndpointError | None:
        """Drive all runs (or `ids`) as one `ftorch resume` does, until they are over or the worker dies."""
        if worker.is_dead:
            return None
        database = MortalDatabase(self.url, worker)
        with self.alive(worker):
            try:
                async with self.endpoint(worker) as endpoint:
                    context = Context(
                        database=database,
                        config=self.config,
                        owner=worker.name,
                        clock=self._clock(),
                        random=self.rng,
                        endpoint=endpoint,
                        listener=self,
                    )
                    await EndpointLoop(context, ids, until).run(asyncio.Event())
            except Killed:
                pass
            except EndpointError as error:
                return error
            finally:
                database.close()
        return None

    async def work_for(self, worker: Worker, seconds: float) -> None:
        """Drive all runs for so long, or until they are over or the worker dies."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self.work(worker), seconds)

    async def resume_until_over(self) -> None:
        """`ftorch resume`, as often as needed; what stays unknown is looked at again a few times."""
        unknown = 0
        for _ in range(_MOST_RESUMES):
            await self.work(self.new_worker())
            left = {run.state for run in self.runs() if not run.is_over}
            unknown += left == {State.UNKNOWN}
            if not left or unknown >= _ENOUGH_LOOKS:
                break
        await self.wire.settle()

    @contextmanager
    def alive(self, worker: Worker) -> Iterator[None]:
        token = _worker.set(worker)
        try:
            yield
        finally:
            _worker.reset(token)

    def endpoint(self, worker: Worker) -> AbstractAsyncContextManager[OpenAIEndpoint]:
        http = httpx2.AsyncClient(transport=_WireTransport(self.wire, worker))
        return connected(self.config, http, self.capabilities, Retries(sleep=asyncio.sleep, random=self.rng))

    def while_stopped(self, others: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Let `others` do their work while everything in the process that calls this stands still."""
        stopped = self._loop
        assert isinstance(stopped, VirtualLoop)

        def run() -> None:
            with asyncio.Runner(loop_factory=lambda: VirtualLoop(stopped.time())) as runner:
                self._loop = runner.get_loop()
                runner.run(others())
                stopped.skip(self._loop.time() - stopped.time())

        with ThreadPoolExecutor(1) as pool:
            pool.submit(run).result()
        self._loop = stopped

    def new_worker(self, crash_at: str | None = None, passing: int = 1) -> Worker:
        worker = Worker(f"elsewhere:1:{len(self.workers):08x}", crash_at, passing)
        self.workers.append(worker)
        return worker

    # --- what a case looks at --------------------------------------------------------------------------------

    @property
    def capabilities(self) -> Capabilities:
        return replace(capabilities_of(self.config), pause=can_pause(self.dialect), parts=self.parts)

    def runs(self) -> list[Run]:
        with self.database.read() as connection:
            return store.newest(connection)

    def run(self, run_id: str) -> Run:
        with self.database.read() as connection:
            return store.get(connection, run_id)

    def history(self, run: Run) -> list[Transition]:
        with self.database.read() as connection:
            return store.history(connection, run.id)

    def jobs(self) -> list[Job]:
        """The jobs on the endpoint, whatever became of them."""
        return list(self.endpoint_store.jobs.page(after=None, limit=1000))

    def files(self) -> list[str]:
        """The names of the training files on the endpoint."""
        found = self.endpoint_store.files.page(0, purpose="fine-tune", after=None, limit=1000, newest_first=True)
        return [file.filename for file in found]

    @property
    def served(self) -> dict[str, str] | None:
        """The descriptions of the models that the host serves on request, by name; None where it doesn't."""
        state: NebiusState | None = getattr(self._app.state, "nebius", None)
        if state is None:
            return None
        return {name: each["description"] for name, each in state.served.items() if each["status"] != "deleted"}

    def close(self) -> None:
        self.database.close()

    # --- a listener ------------------------------------------------------------------------------------------

    def moved(self, run: Run, transition: Transition) -> None:
        pass

    def noted(self, run: Run) -> None:
        pass

    def measured(self, run: Run, metrics: list[Any]) -> None:
        pass

    def sending(self, path: Path, sent: int | None, size: int) -> None:
        pass

    def warned(self, text: str) -> None:
        self.warnings.append(text)

    # --- how it works ----------------------------------------------------------------------------------------

    def _clock(self) -> Clock:
        return Clock(self.now, asyncio.sleep, self.steady)

    async def _deliver(self, request: Exchange) -> Answer:
        if request.route in ("list", "job"):
            advance(self.endpoint_store, self.endpoint_now(), ends=not self.holds_training)
        transport = httpx2.ASGITransport(app=self._app)
        url = f"https://endpoint{request.path}" + (f"?{request.query}" if request.query else "")
        sent = httpx2.Request(request.method, url, headers=list(request.headers), content=request.body)
        answer = await transport.handle_async_request(sent)
        return Answer(answer.status_code, await answer.aread(), dict(answer.headers))


class _WireTransport(httpx2.AsyncBaseTransport):
    """A worker's network: what the wire says, as the HTTP library would report it."""

    def __init__(self, wire: Wire, worker: Worker) -> None:
        self._wire = wire
        self._worker = worker

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        self._worker.breathe()
        body = await request.aread()
        headers = tuple((key, value) for key, value in request.headers.items())
        url = request.url
        exchange = Exchange(request.method, url.path, url.query.decode(), headers, body)
        try:
            answer = await self._wire.pass_on(exchange)
        except NoAnswerError as error:
            raise httpx2.RemoteProtocolError("the connection was closed", request=request) from error
        except SilentError as error:
            await asyncio.sleep(request.extensions["timeout"]["read"])
            raise httpx2.ReadTimeout("no answer in time", request=request) from error
        if answer.is_cut:
            raise httpx2.RemoteProtocolError("the connection was closed inside the body", request=request)
        return httpx2.Response(answer.status, headers=dict(answer.headers), content=answer.body, request=request)


def _share(database: Database) -> None:
    """Let this database use the statements that others of this process have compiled."""
    database.engine.dialect = _dialect()
    database.engine.update_execution_options(compiled_cache=_compiled)


@cache
def _dialect() -> Any:
    """A dialect that has seen a connection."""
    database = Database(f"sqlite:///{_template()}")
    with database.read():
        pass
    database.close()
    return database.engine.dialect


@cache
def _template() -> Path:
    """A migrated database without rows: copying it is quicker than migrating for every case."""
    folder = _shared_folder()
    open_database(f"sqlite:///{folder / 'ftorch.db'}").close()
    return folder / "ftorch.db"


@cache
def _plan(dialect: Dialect) -> Plan:
    """The job of every case; checking its data once is enough."""
    project = make_project(_shared_folder() / "project")
    model = {"model": f'model = "{MODELS[dialect]}"'} if dialect in MODELS else {}
    job = load_job_file(project.write_job(endpoint='endpoint = "there"', **model))
    config = replace(CONFIGS[dialect], poll_seconds=5.0, settling_seconds=SETTLING, timeout_seconds=TIMEOUT)
    return plan_job(job, Workspace(project.root, project.root, "", {"there": config}))


def _shared_folder() -> Path:
    """A folder until this process ends."""
    folder = tempfile.mkdtemp(dir=_fast_folder())
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return Path(folder)


def _fast_folder() -> Path | None:
    return _SHARED_MEMORY if _SHARED_MEMORY.is_dir() else None


@contextmanager
def opened(dialect: Dialect) -> Iterator[tuple[Bench, asyncio.Runner]]:
    """A bench of its own, and what runs coroutines in its virtual time."""
    template = _template()
    with (
        tempfile.TemporaryDirectory(dir=_fast_folder()) as name,
        pytest.MonkeyPatch.context() as patch,
        without_threads(),
        asyncio.Runner(loop_factory=VirtualLoop) as runner,
    ):
        shutil.copy(template, Path(name) / "ftorch.db")
        patch.setattr(crashpoints, "armed", lambda place: _worker.get().pass_(place))
        patch.setattr(engine_loop, "LOOK_UP_SECONDS", 120.0)  # nobody is looking at the screen
        bench = Bench(Path(name), dialect, runner.get_loop())
        try:
            yield bench, runner
        finally:
            bench.close()


def in_bench(dialect: Dialect, case: Callable[[Bench], Coroutine[Any, Any, T]]) -> T:
    """Run a case on a bench of its own."""
    with opened(dialect) as (bench, runner):
        return runner.run(case(bench))
