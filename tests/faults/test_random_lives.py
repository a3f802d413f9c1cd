"""Random lives of a few runs: killed, resumed, cancelled, paused, by two processes, under jumping clocks."""

from __future__ import annotations

import asyncio

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

from faults.bench import opened
from faults.catalogue import ON_CREATE, ON_UPLOAD
from faults.dialects import DIALECTS, Dialect
from faults.invariants import (
    expected_end,
    unexplained,
    violations,
    waits_for_an_unknown_one,
)
from faults.product import ALL
from orchestrator.engine.crashpoints import POINTS
from orchestrator.runs.states import FINAL, State

MOST_RUNS = 3
LASTING = [place for place in POINTS if not place.startswith("before-commit")]
# The second job of "made-twice" may end while every process is dead: the product shows when it can be helped.
_FAULTS = sorted(fault for fault in ON_CREATE if fault != "made-twice")
seconds = st.floats(0.5, 400)
runs = st.integers(0, MOST_RUNS - 1)


class Lives(RuleBasedStateMachine):
    """Each rule lets somebody do something for a while, in virtual time."""

    dialect: Dialect

    @initialize()
    def begin(self) -> None:
        self._opened = opened(self.dialect)
        self.bench, self.runner = self._opened.__enter__()
        self.submitted: list[str] = []
        self.ended: dict[str, str] = {}

    @precondition(lambda self: len(self.submitted) < MOST_RUNS)
    @rule()
    def submit(self) -> None:
        run_id = self.runner.run(self.bench.submit(again=True))
        assert run_id is not None
        self.submitted.append(run_id)

    @rule(fault=st.sampled_from(_FAULTS))
    def create_will_meet(self, fault: str) -> None:
        self.bench.wire.plan("create", [ON_CREATE[fault]])

    @rule(fault=st.sampled_from(sorted(ON_UPLOAD)))
    def upload_will_meet(self, fault: str) -> None:
        self.bench.wire.plan("upload", [ON_UPLOAD[fault]])

    @rule(lasting=seconds)
    def one_process_works_and_is_killed(self, lasting: float) -> None:
        self.runner.run(self._work(lasting))

    @rule(lasting=seconds, place=st.sampled_from(POINTS), passing=st.integers(1, 3))
    def one_process_dies_at(self, lasting: float, place: str, passing: int) -> None:
        self.runner.run(self._work(lasting, crash_at=place, passing=passing))

    @rule(lasting=seconds, place=st.sampled_from(POINTS))
    def two_processes_work_and_one_dies_at(self, lasting: float, place: str) -> None:
        async def both() -> None:
            await asyncio.gather(self._work(lasting), self._work(lasting, crash_at=place))

        self.runner.run(both())

    @rule(lasting=seconds, place=st.sampled_from(LASTING))
    def one_process_oversleeps_at(self, lasting: float, place: str) -> None:
        async def other() -> None:
            await asyncio.sleep(45)
            await self._work(lasting)

        sleeper = self.bench.new_worker()
        sleeper.sleeps_at = place
        sleeper.dream = lambda: self.bench.while_stopped(other)
        self.runner.run(self.bench.work_for(sleeper, lasting))

    @rule(by=st.floats(-600, 600))
    def the_clock_jumps(self, by: float) -> None:
        self.bench.jump = by

    @rule(which=runs, requested_action=st.sampled_from(["cancel", "pause", "unpause"]))
    def request(self, which: int, requested_action: str) -> None:
        if which < len(self.submitted):
            self.bench.request(self.submitted[which], requested_action)

    @rule(holds=st.booleans())
    def training_takes_its_time(self, holds: bool) -> None:
        self.bench.holds_training = holds

    @invariant()
    def every_move_is_explained_and_an_end_is_an_end(self) -> None:
        assert unexplained(self.bench) == []
        for run in self.bench.runs():
            assert self.ended.setdefault(run.id, run.state if run.state in FINAL else "") in ("", run.state)
            self.ended[run.id] = run.state if run.state in FINAL else ""

    def teardown(self) -> None:
        if not hasattr(self, "bench"):
            return
        try:
            self.runner.run(self._end())
            ends = {run.id: expected_end(run) for run in self.bench.runs()}
            left = [run for run in self.bench.runs() if not run.is_over and run.state != State.UNKNOWN]
            assert [run.reason for run in left if not waits_for_an_unknown_one(run)] == []
            assert ends.keys() == set(self.submitted)
            assert violations(self.bench, ends, may_stay_unknown=True) == []
        finally:
            self._opened.__exit__(None, None, None)

    async def _work(self, lasting: float, crash_at: str | None = None, passing: int = 1) -> None:
        worker = self.bench.new_worker(crash_at, passing)
        await self.bench.work_for(worker, lasting)
        worker.is_dead = True

    async def _end(self) -> None:
        self.bench.holds_training = False
        for _ in range(2):
            await self.bench.resume_until_over()
            for run in self.bench.runs():
                if run.state == State.PAUSED:
                    self.bench.request(run.id, "unpause")


@pytest.mark.parametrize("dialect", DIALECTS)
def test_random_lives_end_with_one_job_for_each_run(dialect: Dialect) -> None:
    Lives.dialect = dialect
    lives = settings(
        max_examples=400 if ALL else 8,
        stateful_step_count=12,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        derandomize=True,
    )
    run_state_machine_as_test(Lives, settings=lives)
