"""Two processes on hosts with any habits: one resumes, the other submits, adopts, asks the doctor, cancels or
resumes too, and each may die. For each run at most one job is on the host, none is lost, and in the end it is over,
or `unknown` with the way out."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection
from contextlib import AbstractAsyncContextManager, suppress
from typing import Any

import pytest
from hypothesis import HealthCheck, settings, strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from faults.bench import Bench, Killed, in_bench, opened
from faults.catalogue import ON_CREATE
from faults.dialects import DIALECTS, Dialect
from faults.invariants import expected_end, unexplained, violations, waits_for_an_unknown_one
from faults.product import ALL
from faults.profiles import PROFILES
from orchestrator.config import Workspace
from orchestrator.engine.crashpoints import POINTS
from orchestrator.errors import EndpointError
from orchestrator.ledger import Ledger
from orchestrator.runs import adoption, doctor
from orchestrator.runs.states import State

MOST_RUNS = 2
_NOT_OURS = ("strangers",)  # `adopt --all` records the jobs of others as well
_FAULTS = sorted(fault for fault in ON_CREATE if fault != "made-twice")  # see `selection`: a host may show nothing
_PLACES = [place for place in POINTS if "part" not in place]
seconds = st.floats(0.5, 400)
runs = st.integers(0, MOST_RUNS - 1)
Act = Callable[["Office"], Awaitable[object]]


class Office:
    """A second process: what its commands do, on the bench and in virtual time."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self._worker = bench.new_worker()
        self._config = bench.config

    async def submit(self) -> str | None:
        return await self._bench.submit(self._worker, again=True)

    async def resume(self) -> None:
        await self._bench.work(self._worker)

    async def adopt_all(self) -> None:
        await adoption.adopt_jobs(self._ledger, self._config, None)

    async def fix_all(self) -> None:
        """`ftorch endpoints doctor --fix`, with a yes to everything."""
        for finding in await doctor.examine(self._ledger, self._config):
            await doctor.mend(self._ledger, self._config, finding)

    async def command(self, act: Act, lasting: float) -> None:
        """One command, killed after so long."""
        with suppress(TimeoutError, Killed, EndpointError), pytest.MonkeyPatch.context() as patch:
            for module in (adoption, doctor):
                patch.setattr(module, "visit_endpoint", self._open)
                patch.setattr(module, "time", self)
            patch.setattr(adoption, "drive", self._drive)
            await asyncio.wait_for(self._alive(act), lasting)
        self._worker.is_dead = True

    def time(self) -> float:
        return self._bench.now()

    @property
    def _ledger(self) -> Ledger:
        root = self._bench.folder
        return Ledger(Workspace(root, root, "", {"there": self._config}), self._bench.database)

    async def _alive(self, act: Act) -> None:
        with self._bench.alive(self._worker):
            await act(self)

    def _open(self, *_: Any) -> AbstractAsyncContextManager[Any]:
        return self._bench.endpoint(self._worker)

    async def _drive(self, *_: Any, ids: Collection[str], until: Callable[[], bool], **__: Any) -> None:
        await self._bench.work(self._worker, until=until, ids=ids)


COMMANDS: dict[str, Act] = {
    "resume": Office.resume,
    "adopt": Office.adopt_all,
    "doctor": Office.fix_all,
}


class Interleavings(RuleBasedStateMachine):
    """Each rule lets one or two processes do something for a while."""

    dialect: Dialect

    @initialize(profile=st.sampled_from(sorted(set(PROFILES) - {*_NOT_OURS})))
    def begin(self, profile: str) -> None:
        self._opened = opened(self.dialect)
        self.bench, self.runner = self._opened.__enter__()
        self.bench.wire.profile = PROFILES[profile]
        self.submitted: set[str] = set()
        self._submit()

    @precondition(lambda self: len(self.submitted) < MOST_RUNS)
    @rule()
    def submit(self) -> None:
        self._submit()

    @rule(fault=st.sampled_from(_FAULTS))
    def create_will_meet(self, fault: str) -> None:
        self.bench.wire.plan("create", [ON_CREATE[fault]])

    @rule(lasting=seconds, place=st.sampled_from(_PLACES), passing=st.integers(1, 3))
    def one_process_dies_at(self, lasting: float, place: str, passing: int) -> None:
        self.runner.run(self._resume(lasting, place, passing))

    @rule(command=st.sampled_from(sorted(COMMANDS)), lasting=seconds)
    def one_command(self, command: str, lasting: float) -> None:
        self.runner.run(Office(self.bench).command(COMMANDS[command], lasting))

    @rule(
        command=st.sampled_from(sorted(COMMANDS)),
        after=st.floats(0, 200),
        lasting=seconds,
        place=st.sampled_from(_PLACES),
    )
    def one_resumes_and_dies_beside_a_command(self, command: str, after: float, lasting: float, place: str) -> None:
        async def other() -> None:
            await asyncio.sleep(after)
            await Office(self.bench).command(COMMANDS[command], lasting)

        async def both() -> None:
            await asyncio.gather(self._resume(lasting + after, place), other())

        self.runner.run(both())

    @rule(which=runs)
    def cancel(self, which: int) -> None:
        for run in self.bench.runs()[which : which + 1]:
            if not run.is_over:
                self.bench.request(run.id, "cancel")

    @rule(holds=st.booleans())
    def training_takes_its_time(self, holds: bool) -> None:
        self.bench.holds_training = holds

    @invariant()
    def no_run_is_paid_twice(self) -> None:
        if not hasattr(self, "bench"):
            return
        assert unexplained(self.bench) == []
        assert {run.id for run in self.bench.runs()} == self.submitted, "a job was recorded as another run"

    def teardown(self) -> None:
        if not hasattr(self, "bench"):
            return
        try:
            self.bench.holds_training = False
            self.runner.run(self.bench.resume_until_over())
            ends = {run.id: expected_end(run) for run in self.bench.runs()}
            left = [run for run in self.bench.runs() if not run.is_over and run.state != State.UNKNOWN]
            assert [run.reason for run in left if not waits_for_an_unknown_one(run)] == []
            assert violations(self.bench, ends, may_stay_unknown=True) == []
        finally:
            self._opened.__exit__(None, None, None)

    def _submit(self) -> None:
        run_id = self.runner.run(Office(self.bench).submit())
        assert run_id is not None
        self.submitted.add(run_id)

    async def _resume(self, lasting: float, place: str, passing: int = 1) -> None:
        worker = self.bench.new_worker(place, passing)
        await self.bench.work_for(worker, lasting)
        worker.is_dead = True


@pytest.mark.parametrize("dialect", DIALECTS)
def test_two_processes_on_any_host_make_one_job_for_each_run(dialect: Dialect) -> None:
    Interleavings.dialect = dialect
    lives = settings(
        max_examples=200 if ALL else 2,
        stateful_step_count=8 if ALL else 6,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        derandomize=True,
    )
    run_state_machine_as_test(Interleavings, settings=lives)


@pytest.mark.parametrize("dialect", ["marks", "azure-v1"])
def test_a_run_beside_an_unknown_one_of_the_same_content_lets_resume_end(dialect: Dialect) -> None:
    async def case(bench: Bench) -> None:
        bench.wire.profile = PROFILES["no-list-route"]
        bench.wire.plan("create", [ON_CREATE["answer-lost"]] * 3)
        first = await bench.submit()
        await asyncio.wait_for(bench.resume_until_over(), 86_400)
        assert [run.state for run in bench.runs()] == [State.UNKNOWN]
        second = await bench.submit(again=True)
        assert second is not None
        await asyncio.wait_for(bench.resume_until_over(), 3_600)
        waiting = bench.run(second)
        assert (waiting.state, len(bench.jobs())) == (State.UPLOADING, 1)
        assert (
            f"waiting for run {first}, which looks the same to the endpoint and is unknown there" in waiting.reason
        )
        assert f"ftorch show {first}" in waiting.reason

    in_bench(dialect, case)
