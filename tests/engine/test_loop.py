"""The loop over every kind of item: outages, refusals, clocks and other processes."""

from __future__ import annotations

import asyncio
import os
from collections import defaultdict, deque
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
from support.items import Bench

from orchestrator.engine import loop as engine_loop, worker as engine_worker
from orchestrator.engine.machine import Move, Outcome, Wait
from orchestrator.engine.worker import LEASE_SECONDS
from orchestrator.errors import EndpointBusy, EndpointUnreachable, KeyRefused, QuotaExhausted, RequestRefused

AWAY = EndpointUnreachable(endpoint="fake", problem="it is away")
REFUSED = RequestRefused(endpoint="fake", problem="not this one", message="no", status=400)


class Script:
    """The step of the working state: what it meets each time, by item; in the end the item is over."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.meets: dict[str, deque[Any]] = defaultdict(deque)
        self.times: dict[str, list[float]] = defaultdict(list)

    async def __call__(self, item: Any, worker: Any) -> Outcome:
        self.times[item.id].append(self.bench.clock.now())
        met = self.meets[item.id].popleft() if self.meets[item.id] else None
        if isinstance(met, Exception):
            raise met
        worker.has_answered = True
        outcome = await met(item, worker) if callable(met) else met
        return outcome or Move(self.bench.kind.end, "done")


@pytest.fixture
def script(bench: Bench) -> Script:
    return Script(bench)


Drive = Callable[..., Any]


@pytest.fixture
def drive(bench: Bench, script: Script, monkeypatch: pytest.MonkeyPatch) -> Drive:
    """The room's own loop over these items, in which the working state meets what the script says."""
    monkeypatch.setattr(engine_loop, "LOOK_UP_SECONDS", 20.0)  # nobody is looking at the screen
    loop = type("Scripted", (bench.kind.loop,), {"steps": {bench.kind.working: script}})

    async def drive(*items: Any, worker: Any = None, stop: asyncio.Event | None = None) -> None:
        driven = loop(worker or bench.worker(), [item.id for item in items])
        await asyncio.wait_for(driven.run(stop or asyncio.Event()), 20)

    return drive


async def test_an_item_is_driven_to_its_end_and_its_lease_given_back(bench: Bench, drive: Drive) -> None:
    item = bench.add()
    await drive(item)
    done = bench.reread(item)
    assert (done.state, done.lease_owner, done.lease_expires_at) == (bench.kind.end, None, None)
    assert [line.to_state for line in bench.history(item)] == [bench.kind.working, bench.kind.end]


async def test_only_the_items_asked_for_are_stepped(bench: Bench, drive: Drive) -> None:
    item, other = bench.add(), bench.add()
    await drive(item)
    assert bench.reread(other) == other


# --- outages ---------------------------------------------------------------------------------------------------


async def test_an_endpoint_that_never_answered_is_raised_at_once(
    bench: Bench, script: Script, drive: Drive
) -> None:
    item = bench.add()
    script.meets[item.id].append(AWAY)
    began = bench.clock.now()
    with pytest.raises(EndpointUnreachable, match="it is away"):
        await drive(item)
    kept = bench.reread(item)
    assert (kept.state, kept.reason) == (item.state, "waiting for fake: it is away")
    assert (kept.lease_owner, bench.clock.now()) == (None, began)


async def test_an_endpoint_that_has_answered_is_waited_for_with_growing_pauses(
    bench: Bench, script: Script, drive: Drive
) -> None:
    item, now = bench.add(), bench.clock.now()
    script.meets[item.id].extend([Wait(now, "being processed"), *[AWAY] * 9])
    await drive(item)
    assert bench.reread(item).state == bench.kind.end
    said = [text.rsplit("in ", 1)[1] for text in bench.warnings]
    assert said == ["1 s", "2 s", "4 s", "8 s", "16 s", "32 s", "60 s", "60 s", "60 s"]
    times = script.times[item.id][1:]
    gaps = [after - before for before, after in pairwise(times)]
    pauses = (1, 2, 4, 8, 16, 32, 60, 60, 60)
    assert all(pause <= gap < pause + 2 for gap, pause in zip(gaps, pauses, strict=True))


async def test_pauses_begin_anew_once_the_endpoint_has_answered_again(
    bench: Bench, script: Script, drive: Drive
) -> None:
    item, now = bench.add(), bench.clock.now()
    answered = Wait(now, "being processed")
    script.meets[item.id].extend([answered, AWAY, AWAY, answered, AWAY])
    await drive(item)
    assert [text.rsplit("in ", 1)[1] for text in bench.warnings] == ["1 s", "2 s", "1 s"]


async def test_a_busy_endpoint_has_answered_and_is_left_alone_for_as_long_as_it_says(
    bench: Bench, script: Script, drive: Drive
) -> None:
    item, other = bench.add(), bench.add()
    script.meets[item.id].append(EndpointBusy(endpoint="fake", problem="slow down", retry_after=90.0))
    script.meets[other.id].append(Wait(bench.clock.now() + 5, "being processed"))
    await drive(item, other)
    asked, again = script.times[item.id]
    assert again >= asked + 90
    assert script.times[other.id][1] >= asked + 90, "whoever asks it, it is the same endpoint"
    assert {bench.reread(each).state for each in (item, other)} == {bench.kind.end}


async def test_one_items_trouble_keeps_no_other_from_its_turn(bench: Bench, script: Script, drive: Drive) -> None:
    first, second = bench.add(), bench.add()
    script.meets[first.id].extend([AWAY] * 2)
    await drive(first, second)
    assert script.times[second.id] == [script.times[first.id][0]]
    assert {bench.reread(each).state for each in (first, second)} == {bench.kind.end}


# --- refusals --------------------------------------------------------------------------------------------------


async def test_one_items_refusal_stops_no_other_and_is_raised_in_the_end(
    bench: Bench, script: Script, drive: Drive
) -> None:
    refused, other = bench.add(), bench.add()
    script.meets[refused.id].extend([REFUSED] * 9)
    script.meets[other.id].extend(Wait(bench.clock.now() + 30 * n, "goes on") for n in range(1, 4))
    with pytest.raises(RequestRefused, match="not this one"):
        await drive(refused, other)
    assert bench.reread(other).state == bench.kind.end
    kept = bench.reread(refused)
    assert (kept.state, kept.lease_owner) == (refused.state, None)
    assert "fake refused it: not this one" in kept.reason
    assert len(script.times[refused.id]) == 2, "it is tried again now and then while others are under way"
    assert len([text for text in bench.warnings if "not this one" in text]) == 1


async def test_a_refusal_that_passes_is_not_raised(bench: Bench, script: Script, drive: Drive) -> None:
    refused, other = bench.add(), bench.add()
    script.meets[refused.id].append(REFUSED)
    script.meets[other.id].append(Wait(bench.clock.now() + 100, "goes on"))
    await drive(refused, other)
    assert {bench.reread(each).state for each in (refused, other)} == {bench.kind.end}


@pytest.mark.parametrize("error", [KeyRefused, QuotaExhausted])
async def test_what_concerns_the_whole_account_is_raised_at_once(
    bench: Bench, script: Script, drive: Drive, error: Any
) -> None:
    first, second = bench.add(), bench.add()
    script.meets[first.id].append(AWAY)
    script.meets[second.id].append(error(endpoint="fake", problem="no", api_key_env="K"))
    with pytest.raises(error):
        await drive(first, second)
    assert [bench.reread(each).lease_owner for each in (first, second)] == [None, None]
    await drive(first, second)
    assert {bench.reread(each).state for each in (first, second)} == {bench.kind.end}


# --- clocks ----------------------------------------------------------------------------------------------------


async def test_a_wait_is_kept_until_it_is_due(bench: Bench, script: Script, drive: Drive) -> None:
    item = bench.add()
    script.meets[item.id].append(Wait(bench.clock.now() + 40, "later"))
    await drive(item)
    first, second = script.times[item.id]
    assert 40 <= second - first < 42


async def test_a_wait_does_not_grow_by_what_the_clock_is_set_back(
    bench: Bench, script: Script, drive: Drive
) -> None:
    item = bench.add()

    async def set_back(_item: Any, _worker: Any) -> Outcome:
        wait = Wait(bench.clock.now() + 40, "later")
        asyncio.get_running_loop().call_soon(bench.clock.pass_, -7200.0)
        return wait

    script.meets[item.id].append(set_back)
    await drive(item)
    first, second = script.times[item.id]
    assert second < first - 7000


# --- other processes -------------------------------------------------------------------------------------------


async def test_a_sleeper_past_its_lease_writes_nothing(bench: Bench, script: Script, drive: Drive) -> None:
    """It is suspended inside its request; when it wakes up, another process has done everything."""
    item = bench.add()
    seen: list[Any] = []

    async def oversleep(_item: Any, _worker: Any) -> Outcome:
        bench.clock.pass_(LEASE_SECONDS + 1)
        await drive(item, worker=bench.worker("there:2:other"))
        seen.extend([bench.reread(item), bench.history(item)])
        return Move(bench.kind.end, "written by a sleeper")

    script.meets[item.id].append(oversleep)
    await drive(item, worker=bench.worker("there:3:sleeper"))
    assert [bench.reread(item), bench.history(item)] == seen
    assert seen[0].reason == "done"
    assert seen[1][-1].owner == "there:2:other"


async def test_a_live_processs_item_is_waited_for(bench: Bench, script: Script, drive: Drive) -> None:
    item = bench.held(f"elsewhere:{os.getpid()}:0", lease_expires_at=bench.clock.now() + 20)
    began = bench.clock.now()
    await drive(item)
    assert bench.reread(item).state == bench.kind.end
    assert script.times[item.id][0] >= began + 20


async def test_a_dead_processs_item_is_taken_at_once(
    bench: Bench, script: Script, drive: Drive, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine_worker, "is_abandoned", lambda owner: owner == "dead")
    item = bench.held("dead", lease_expires_at=bench.clock.now() + 9999)
    began = bench.clock.now()
    await drive(item)
    assert script.times[item.id] == [began]


async def test_leases_are_renewed_while_a_step_takes_long(
    bench: Bench, script: Script, drive: Drive, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine_loop, "LEASE_SECONDS", 0.03)
    item = bench.add()
    ends: list[float] = []

    async def take_long(_item: Any, _worker: Any) -> None:
        ends.append(bench.reread(item).lease_expires_at)
        bench.clock.pass_(LEASE_SECONDS - 1)
        while bench.reread(item).lease_expires_at == ends[0]:
            await asyncio.sleep(0.005)
        ends.append(bench.reread(item).lease_expires_at)

    script.meets[item.id].append(take_long)
    await drive(item)
    assert ends[1] == ends[0] + LEASE_SECONDS - 1
    assert bench.reread(item).state == bench.kind.end


async def test_stopping_ends_the_loop_and_gives_the_leases_back(bench: Bench, script: Script, drive: Drive) -> None:
    item, stop = bench.add(), asyncio.Event()

    async def stop_now(_item: Any, _worker: Any) -> Outcome:
        stop.set()
        return Wait(bench.clock.now() + 9, "later")

    script.meets[item.id].append(stop_now)
    await drive(item, stop=stop)
    kept = bench.reread(item)
    assert (kept.state, kept.reason, kept.lease_owner) == (item.state, "later", None)


async def test_what_a_user_requests_is_looked_at_though_the_item_waits(
    bench: Bench, script: Script, drive: Drive
) -> None:
    item = bench.add()
    began = bench.clock.now()

    async def then_requested(_item: Any, _worker: Any) -> Outcome:
        bench.write("request_action", item.id, "cancel")
        return Wait(began + 3600, "later")

    script.meets[item.id].append(then_requested)
    await drive(item)
    assert bench.reread(item).is_over
    assert bench.clock.now() < began + 10
