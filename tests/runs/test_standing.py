"""Workers that stay: they share an endpoint's runs, keep its cap together, and leave none behind."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from itertools import pairwise

import pytest

from orchestrator.runs import standing
from orchestrator.runs.standing import LEFT_ALONE_SECONDS, StandingLoop
from orchestrator.runs.states import SLOT_HOLDERS, State
from orchestrator.store import runs as store


@pytest.fixture
def take(db):
    """The runs that a worker holds after one look for free ones."""

    def take(context):
        loop = StandingLoop(context)
        with db.write() as connection:
            loop.claim(connection, context.abandoned(connection))
            held = store.held_by_owner(connection, context.now())
        return held.get(context.owner, 0)

    return take


async def standing_by(context, **changes):
    await asyncio.wait_for(StandingLoop(context, **changes).run(asyncio.Event()), 30)


def states_of(db):
    with db.read() as connection:
        return [run.state for run in store.newest(connection)]


def test_workers_that_start_together_share_the_runs(make_run, make_world, take, monkeypatch):
    monkeypatch.setattr(standing, "_TAKEN_AT_FIRST", 4)
    for _ in range(12):
        make_run()
    one, other = make_world(), make_world()
    assert [take(one), take(other), take(one), take(other), take(one)] == [4, 4, 6, 6, 6]


def test_a_worker_leaves_new_runs_to_the_others_while_it_has_its_share(make_run, make_world, take):
    one, other = make_world(), make_world()
    for _ in range(3):
        make_run(one)
    make_run(other)
    make_run()
    assert take(one) == 3
    assert take(other) == 2


def test_a_run_that_the_others_leave_alone_is_taken_beyond_the_share(make_run, make_world, take, clock):
    one, other = make_world(), make_world()
    for _ in range(3):
        make_run(one)
    make_run(other)
    make_run()
    clock.pass_(LEFT_ALONE_SECONDS)
    assert take(one) == 4


def test_the_runs_of_a_dead_worker_are_taken(make_run, make_world, take, dead_owner, clock):
    worker = make_world()
    make_run(lease_owner=dead_owner, lease_expires_at=clock.now() + 1e6)
    assert take(worker) == 1


async def test_two_workers_finish_every_run_once_and_never_exceed_the_cap(
    make_run, make_world, endpoint, db, config
):
    runs = [make_run() for _ in range(12)]
    highest = 0

    class Counting:
        def moved(self, _run, _line):
            nonlocal highest
            highest = max(highest, sum(state in SLOT_HOLDERS for state in states_of(db)))

        def __getattr__(self, _name):
            return lambda *_: None

    await asyncio.gather(*(standing_by(make_world(listener=Counting())) for _ in range(2)))
    assert states_of(db) == [State.SUCCEEDED] * len(runs)
    assert len(endpoint.raw_jobs) == len(runs)
    assert highest == config.max_active


async def test_a_worker_stays_while_a_run_waits_for_a_person(make_run, make_world, clock):
    make_run(max_cost_usd=0.5)
    context = make_world()
    loop = asyncio.create_task(StandingLoop(context).run(stop := asyncio.Event()))
    began = clock.now()
    while clock.now() < began + 300:
        await asyncio.sleep(0.001)
    assert not loop.done()
    stop.set()
    await loop


async def test_a_session_ends_so_that_the_worker_connects_again_unless_trainings_end_with_it(
    make_run, make_world, clock, endpoint
):
    make_run(max_cost_usd=0.5)
    await standing_by(make_world())
    endpoint.capabilities = replace(endpoint.capabilities, outlives_us=False)
    loop = asyncio.create_task(StandingLoop(make_world()).run(stop := asyncio.Event()))
    began = clock.now()
    while clock.now() < began + 3_000:
        await asyncio.sleep(0.001)
    assert not loop.done()
    stop.set()
    await loop


async def test_a_long_queue_is_not_written_again_while_it_waits(make_run, make_world, context, db, clock):
    for _ in range(3):
        make_run(state=State.RUNNING, job_id=None, finished_at=None, endpoint="fake", due_at=clock.now() + 1e6)
    waiting = [make_run() for _ in range(40)]
    loop = asyncio.create_task(StandingLoop(make_world()).run(stop := asyncio.Event()))
    began = clock.now()
    while clock.now() < began + 30:
        await asyncio.sleep(0.001)
    stop.set()
    await loop
    with db.read() as connection:
        found = store.by_ids(connection, [run.id for run in waiting])
    assert ["waiting for a slot" in run.reason for run in found].count(True) == 8
    assert all("waiting for a slot" in run.reason for run in found[:8])


def test_looking_for_free_runs_in_vain_takes_a_fiftieth_of_the_time(make_world, clock, monkeypatch):
    context, looks = make_world(), []
    loop = StandingLoop(context)

    def slow(_connection, _abandoned):
        looks.append(context.clock.steady())
        clock.pass_(0.5)

    monkeypatch.setattr(loop, "claim", slow)
    for _ in range(200):
        loop._claim()
        clock.pass_(1.0)
    assert {later - sooner for sooner, later in pairwise(looks)} == {25.5}
