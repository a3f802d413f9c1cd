"""A process that works on a batch dies anywhere: the endpoint is left with one, and each question asked once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from support.batching import Killed, Notes, Place, answer_lost, dropped, dying_at, refusing

from orchestrator.evaluation.batching.driving import BatchLoop
from orchestrator.evaluation.batching.inputs import FOLDER
from orchestrator.evaluation.batching.submission import record_batches
from orchestrator.evaluation.plan import Plan

MakePlan = Callable[..., Plan]

PLACES = (
    "before-upload",
    "after-upload",
    "after-commit-upload",
    "before-commit-batch-creating",
    "after-commit-batch-creating",
    "before-batch-create",
    "after-batch-create",
    "before-commit-batch-waiting",
    "after-commit-batch-waiting",
    "after-batch-poll",
    "after-commit-batch-collecting",
    "after-batch-download",
    "before-commit-batch-answers",
    "after-commit-batch-answers",
    "before-commit-batch-done",
    "after-commit-batch-done",
)


async def test_a_killed_process_leaves_one_batch(place: Place, make_plan: MakePlan, leases_fall: None) -> None:
    for crash in PLACES:
        ids = record_batches(place.ledger, make_plan(crash))
        assert await place.die_at(crash, ids), crash
        await place.drive(ids)
        assert_each_asked_once(place, make_plan, crash)


async def test_a_second_death_while_looking_leaves_one_batch_too(
    place: Place, make_plan: MakePlan, leases_fall: None
) -> None:
    for crash in ("before-batch-look", "after-batch-look", "after-commit-batch-waiting"):
        ids = record_batches(place.ledger, make_plan(crash))
        assert await place.die_at("after-batch-create", ids), crash
        assert await place.die_at(crash, ids), crash
        await place.drive(ids)
        assert_each_asked_once(place, make_plan, crash)


async def test_a_create_that_fails_somehow_makes_one_batch(place: Place, make_plan: MakePlan) -> None:
    busy = refusing(429, **{"retry-after": "0"})
    faults = {"lost": (answer_lost, 1), "dropped": (dropped, 2), "broken": (refusing(500), 2), "busy": (busy, 2)}
    for name, (fault, requests) in faults.items():
        place.wire.faults["POST /batches"] = [fault]
        place.wire.counts.clear()
        await place.drive(record_batches(place.ledger, make_plan(name)))
        assert_each_asked_once(place, make_plan, name)
        assert place.wire.counts["POST /batches"] == requests, name


async def test_a_death_and_a_lost_answer_together_leave_one_batch(
    place: Place, make_plan: MakePlan, leases_fall: None
) -> None:
    for crash in ("after-commit-batch-wait", "before-batch-look"):
        ids = record_batches(place.ledger, make_plan(crash))
        place.wire.faults["POST /batches"] = [answer_lost]
        assert await place.die_at(crash, ids), crash
        await place.drive(ids)
        assert_each_asked_once(place, make_plan, crash)


async def test_an_upload_whose_answer_is_lost_is_found_again(place: Place, make_plan: MakePlan) -> None:
    place.wire.faults["POST /files"] = [answer_lost]
    await place.drive(record_batches(place.ledger, make_plan()))
    assert_each_asked_once(place, make_plan)
    assert place.wire.counts["POST /files"] == 1


async def test_what_dies_while_recording_is_recorded_once(place: Place, make_plan: MakePlan) -> None:
    for crash in ("before-commit-batches", "after-commit-batches"):
        with dying_at(crash), pytest.raises(Killed):
            record_batches(place.ledger, make_plan(crash))
        ids = record_batches(place.ledger, make_plan(crash))
        assert [batch.id for batch in place.recorded(crash)] == ids
        await place.drive(ids)
        assert [batch.state for batch in place.recorded(crash)] == ["done"]
        assert sorted(place.questions_asked(crash).values()) == [1] * 5


async def test_of_two_that_were_made_for_one_the_later_is_cancelled(place: Place, make_plan: MakePlan) -> None:
    async def made_twice(request: Any, deliver: Any) -> Any:
        place.app.state.context.scheduler._batches._is_leaving = True  # the endpoint answers nothing from here on
        await (await deliver(request)).aread()
        return await answer_lost(request, deliver)

    place.wire.faults["POST /batches"] = [made_twice]
    notes = Notes()
    ids = record_batches(place.ledger, make_plan())
    stop = asyncio.Event()
    driving = asyncio.create_task(BatchLoop(place.scene(notes), ids).run(stop))
    while not notes.warnings:
        await asyncio.sleep(0.01)
    stop.set()
    await driving
    left = {each.status: each.id for each in place.batches("gpt-x")}
    assert left.keys() == {"cancelling", "validating"}
    assert "has a second batch for it" in notes.warnings[0]
    assert [batch.remote_id for batch in place.recorded()] == [left["validating"]]


def assert_each_asked_once(place: Place, make_plan: MakePlan, model: str = "gpt-x") -> None:
    assert [batch.status for batch in place.batches(model)] == ["completed"], model
    assert [batch.state for batch in place.recorded(model)] == ["done"], model
    assert sorted(place.questions_asked(model).values()) == [1] * 5, model
    left = make_plan(model)
    assert (left.missing, left.under_way) == (0, {}), model
    assert record_batches(place.ledger, left) == []
    assert not list((place.ledger.workspace.home / FOLDER).iterdir()), model
