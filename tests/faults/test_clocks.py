"""The clock of this machine jumps, or is far off: nothing is paid twice, and nothing waits for hours."""

from __future__ import annotations

import pytest

from faults.bench import SETTLING, Bench, in_bench
from faults.catalogue import ON_CREATE
from faults.dialects import DIALECTS, Dialect
from faults.invariants import violations
from faults.product import ALL
from orchestrator.runs.states import State

HOUR = 3600.0


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("jump", [-HOUR, -SETTLING, SETTLING, HOUR] if ALL else [-HOUR, HOUR])
@pytest.mark.parametrize(
    "fault", ["dropped", "answer-lost", "arrives-late", "list-lags"] if ALL else ["arrives-late"]
)
def test_a_clock_that_jumps_after_the_request_shortens_no_window(dialect: Dialect, jump: float, fault: str) -> None:
    async def case(bench: Bench) -> list[str]:
        run_id = await bench.submit()
        assert run_id is not None
        bench.wire.plan("create", [ON_CREATE[fault]])
        await bench.work(bench.new_worker(crash_at="after-create"))
        bench.jump = jump
        await bench.resume_until_over()
        return violations(bench, {run_id: State.SUCCEEDED})

    assert in_bench(dialect, case) == []


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("hours", [-12, 12])
def test_a_clock_that_is_hours_off_hides_no_job(dialect: Dialect, hours: int) -> None:
    async def case(bench: Bench) -> list[str]:
        bench.jump = hours * HOUR
        run_id = await bench.submit()
        assert run_id is not None
        bench.wire.plan("create", [ON_CREATE["answer-lost"]])
        await bench.resume_until_over()
        return violations(bench, {run_id: State.SUCCEEDED})

    assert in_bench(dialect, case) == []


async def _waiting_when_the_clock_is_set_back(bench: Bench) -> float:
    run_id = await bench.submit()
    bench.wire.plan("create", [ON_CREATE["dropped"]])
    worker = bench.new_worker()
    await bench.work_for(worker, 30.0)
    assert bench.run(run_id or "").state == State.CREATING
    bench.jump = -HOUR
    began = bench.steady()
    await bench.resume_until_over()
    return bench.steady() - began


def test_a_wait_does_not_grow_by_what_the_clock_is_set_back() -> None:
    assert in_bench("metadata", _waiting_when_the_clock_is_set_back) < HOUR / 4
