"""A process is stopped past its lease, at any place; another one does its work; then the first one wakes up."""

from __future__ import annotations

import asyncio

import pytest

from faults.bench import Bench, in_bench
from faults.catalogue import ON_CREATE
from faults.dialects import DIALECTS, Dialect
from faults.invariants import violations
from faults.product import ALL
from orchestrator.engine.crashpoints import POINTS
from orchestrator.runs.states import State

PLACES = [place for place in POINTS if not place.startswith("before-commit")]
"""A process that is stopped inside a transaction stops everybody else as well, until it wakes."""
FREE = ("after-commit-upload-intent", "before-upload")
"""Stopped between its last look at the lease and the upload, it sends the file again: that costs nothing."""
RISKY = ["after-commit-creating", "before-create", "after-create", "after-upload", "after-job-look"]


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("fault", ["none", "dropped", "answer-lost", "arrives-late"] if ALL else ["none"])
@pytest.mark.parametrize("place", PLACES if ALL else RISKY)
def test_a_sleeper_that_wakes_up_pays_nothing_twice(dialect: Dialect, place: str, fault: str) -> None:
    assert in_bench(dialect, lambda bench: _overslept(bench, place, fault)) == []


async def _overslept(bench: Bench, place: str, fault: str) -> list[str]:
    run_id = await bench.submit()
    assert run_id is not None
    bench.wire.plan("create", [ON_CREATE[fault]])

    async def take_over() -> None:
        await asyncio.sleep(45)  # the lease of the sleeper runs out
        await bench.resume_until_over()

    sleeper = bench.new_worker()
    sleeper.sleeps_at = place
    sleeper.dream = lambda: bench.while_stopped(take_over)
    await bench.work(sleeper)
    await bench.resume_until_over()
    return violations(bench, {run_id: State.SUCCEEDED}, surplus_files=int(place in FREE))
