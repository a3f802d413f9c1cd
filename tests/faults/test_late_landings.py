"""A request lands after its whole settling window, when it has been sent again: the surplus job is cancelled."""

from __future__ import annotations

import pytest

from faults.bench import SETTLING, TIMEOUT, Bench, in_bench
from faults.catalogue import ON_CREATE
from faults.dialects import DIALECTS, Dialect
from faults.invariants import violations
from orchestrator.runs.states import State


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("is_killed", [False, True])
def test_what_lands_behind_its_settling_window_is_cancelled_loudly(dialect: Dialect, is_killed: bool) -> None:
    async def case(bench: Bench) -> list[str]:
        bench.wire.late_seconds = TIMEOUT + 1.5 * SETTLING
        bench.wire.plan("create", [ON_CREATE["arrives-late"]])
        bench.holds_training = True
        run_id = await bench.submit()
        assert run_id is not None
        worker = bench.new_worker()
        await bench.work_for(worker, TIMEOUT + 1.2 * SETTLING)
        assert (bench.run(run_id).state, len(bench.jobs())) == (State.RUNNING, 1)
        if is_killed:
            worker.is_dead = True
            worker = bench.new_worker()
        await bench.work_for(worker, SETTLING)
        bench.holds_training = False
        await bench.resume_until_over()
        is_one = bench.capabilities.chosen_ids  # the host refuses a second job under the id that we chose
        assert len(bench.jobs()) == (1 if is_one else 2)
        assert is_one != any("it is being cancelled" in warning for warning in bench.warnings)
        return violations(bench, {run_id: State.SUCCEEDED})

    assert in_bench(dialect, case) == []
