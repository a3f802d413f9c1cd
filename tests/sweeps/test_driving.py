"""Whole sweeps, driven by the loop on an endpoint in memory, in time that nobody waits for."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from typing import Any, cast

import pytest
from support.fake_endpoint import HAS_ALL, FakeClock, FakeEndpoint
from support.sweeping import GRID, Sweeping

from orchestrator.endpoints.interface import JobRequest, RemoteJob
from orchestrator.engine.worker import Clock, new_owner
from orchestrator.runs.context import Context
from orchestrator.runs.engine import EndpointLoop
from orchestrator.sweeps.submission import SubmittedSweep

CONFIG = """
[endpoints.fake]
type = "compatible"
base_url = "http://127.0.0.1:9/v1"
prices = "prices.toml"
max_active = 5
"""
PRICES = """
[[price]]
endpoint_type = "compatible"
model = "gpt-4.1-mini-2025-04-14"
training = 1000.0
seen = 2026-11-01
source = "https://prices.example/"
"""
TPE = '[sweep]\nstrategy = "tpe"\ntrials = 7\nmax_active = 2\n[sweep.space]\nn_epochs = { low = 1, high = 40 }'


class Watched(FakeEndpoint):
    """Tells how many jobs were active at once; `breaks` so many of them by its own fault."""

    breaks = 0
    most_at_once = 0

    async def create(self, request: JobRequest) -> RemoteJob:
        job = await super().create(request)
        if self.breaks:
            self.breaks -= 1
            error = {"code": "server_error", "message": "the trainer broke down"}
            self.raw_jobs[job.id] |= {"status": "failed", "error": error}
        active = sum(raw["status"] in ("queued", "running") for raw in self.raw_jobs.values())
        self.most_at_once = max(self.most_at_once, active)
        return job


@pytest.fixture
def endpoint() -> Watched:
    return Watched(FakeClock(), HAS_ALL)


@pytest.fixture
def drive(sweeping: Sweeping, endpoint: Watched) -> Callable[[SubmittedSweep], None]:
    (sweeping.project.root / "ftorch.toml").write_text(CONFIG)
    (sweeping.project.root / "prices.toml").write_text(PRICES)

    def drive(submitted: SubmittedSweep) -> None:
        clock, rng, watched = endpoint.clock, random.Random(3), cast(Any, endpoint)
        config = sweeping.ledger.workspace.endpoint("fake")
        context = Context(
            database=sweeping.database,
            config=config,
            owner=new_owner(rng),
            clock=Clock(clock.now, clock.sleep, clock.now),
            random=rng,
            endpoint=watched,
        )
        loop = EndpointLoop(context, submitted.run_ids, supervisors=[sweeping.supervisor(submitted)])
        asyncio.run(asyncio.wait_for(loop.run(asyncio.Event()), 20))

    return drive


def states(sweeping: Sweeping) -> list[str]:
    return sorted(run.state for run in sweeping.runs())


def test_a_tpe_sweep_is_drawn_to_its_end_within_its_cap(
    sweeping: Sweeping, endpoint: Watched, drive: Callable[[SubmittedSweep], None]
) -> None:
    pytest.importorskip("optuna")
    drive(sweeping.submit(TPE, endpoint="fake"))
    assert states(sweeping) == ["succeeded"] * 7
    assert (len(endpoint.raw_jobs), endpoint.most_at_once, endpoint.count("upload")) == (7, 2, 2)


def test_a_job_that_the_endpoint_broke_is_made_once_more(
    sweeping: Sweeping, endpoint: Watched, drive: Callable[[SubmittedSweep], None]
) -> None:
    endpoint.breaks = 1
    submitted = sweeping.submit(endpoint="fake")
    drive(submitted)
    assert states(sweeping) == ["failed", "succeeded", "succeeded", "succeeded"]
    assert {sweeping.run(trial).state for trial in sweeping.trials(submitted)} == {"succeeded"}


def test_the_budget_holds_for_all_trials_together_and_raising_it_goes_on(
    sweeping: Sweeping, endpoint: Watched, drive: Callable[[SubmittedSweep], None]
) -> None:
    unit = sweeping.plan(endpoint="fake").trials[0].cost.usd
    assert unit
    drive(sweeping.submit(f"{GRID}\n[limits]\nmax_cost_usd = {3.5 * unit}", endpoint="fake"))
    assert states(sweeping) == ["pending", "succeeded", "succeeded"], "1 + 2 of 1 + 2 + 3 epochs"
    [waiting] = [run for run in sweeping.runs() if run.state == "pending"]
    assert waiting.reason.startswith("over budget: greet has used")
    drive(sweeping.submit(f"{GRID}\n[limits]\nmax_cost_usd = {6.5 * unit}", endpoint="fake"))
    assert states(sweeping) == ["succeeded"] * 3
    assert len(endpoint.raw_jobs) == 3
