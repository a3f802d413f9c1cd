"""What is not known of a batch is neither repeated nor given up: refusals, limits, and lists that prove nothing."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from math import ceil
from typing import Any

import httpx2
import pytest
from support.batching import Notes, Place, answer_lost, answering, dropped, refusing

from orchestrator.engine.worker import Worker
from orchestrator.errors import BatchUnsettled
from orchestrator.evaluation.batching.driving import BatchLoop, require_known
from orchestrator.evaluation.batching.states import CANCEL
from orchestrator.evaluation.batching.submission import record_batches
from orchestrator.evaluation.plan import Plan
from orchestrator.store import batches as store

MakePlan = Callable[..., Plan]
Answer = Callable[..., Any]
CREATE, LIST = "POST /batches", "GET /batches"


async def passed_on(request: httpx2.Request, deliver: Answer) -> httpx2.Response:
    """A gateway passes the request on, and refuses it for itself."""
    await (await deliver(request)).aread()
    return httpx2.Response(403, json={"error": {"message": "blocked by a policy", "code": "policy"}})


def cancel(place: Place, batch_id: str) -> None:
    with place.ledger.database.write() as connection:
        store.request_action(connection, batch_id, CANCEL)


async def test_a_batch_that_the_endpoint_stops_showing_is_not_lost(place: Place, make_plan: MakePlan) -> None:
    real = place.endpoint.batches.get

    async def get(batch_id: str) -> Any:
        place.wire.faults[f"GET /batches/{batch_id}"] = [refusing(404)]
        return await real(batch_id)

    place.endpoint.batches.get = get  # type: ignore[method-assign]
    ids = record_batches(place.ledger, make_plan())
    await place.drive(ids)
    [batch] = place.recorded()
    assert batch.state == "unknown"
    assert batch.reason.startswith("local no longer shows it: not today (HTTP 404")
    assert f"ftorch cancel {ids[0]} gives it up" in batch.reason
    assert make_plan().missing == 0  # its questions are not asked and paid again
    with pytest.raises(BatchUnsettled, match=r"The outcome of batch \w+ is unknown"):
        require_known([batch])

    place.endpoint.batches.get = real  # type: ignore[method-assign]
    await place.drive(ids)
    assert place.recorded()[0].reason == "5 of 5 answered"
    assert place.wire.counts[CREATE] == 1


async def test_the_user_may_give_up_what_is_unknown(place: Place, make_plan: MakePlan) -> None:
    original = place.endpoint.batches.get

    async def get(batch_id: str) -> Any:
        place.wire.faults[f"GET /batches/{batch_id}"] = [refusing(404)]
        return await original(batch_id)

    place.endpoint.batches.get = get  # type: ignore[method-assign]
    ids = record_batches(place.ledger, make_plan())
    await place.drive(ids)
    cancel(place, ids[0])
    await place.drive(ids)
    assert place.recorded()[0].state == "cancelled"
    assert make_plan().missing == 5


async def test_an_output_file_that_is_not_shown_leaves_the_batch_unknown(place: Place, make_plan: MakePlan) -> None:
    ids, notes = record_batches(place.ledger, make_plan()), Notes()
    original = place.endpoint.batches.download

    async def hidden(file_id: str, path: Any) -> None:
        place.wire.faults[f"GET /files/{file_id}/content"] = [refusing(404)]
        await original(file_id, path)

    place.endpoint.batches.download = hidden  # type: ignore[method-assign]
    await place.drive(ids, notes)
    assert notes.states[-1] == "unknown"
    assert make_plan().missing == 0
    place.endpoint.batches.download = original  # type: ignore[method-assign]
    await place.drive(ids)
    assert place.recorded()[0].reason == "5 of 5 answered"


@pytest.mark.parametrize("status", [400, 403, 404, 422])
async def test_a_refusal_of_what_a_gateway_passed_on_is_not_believed(
    place: Place, make_plan: MakePlan, status: int
) -> None:
    async def refused(request: httpx2.Request, deliver: Answer) -> httpx2.Response:
        answer = await passed_on(request, deliver)
        return httpx2.Response(status, json=json.loads(answer.content))

    place.wire.faults[CREATE] = [refused]
    await place.drive(record_batches(place.ledger, make_plan()))
    assert place.recorded()[0].reason == "5 of 5 answered"
    assert (place.wire.counts[CREATE], len(place.batches("gpt-x"))) == (1, 1)


async def test_the_token_goes_along_as_the_idempotency_key(place: Place, make_plan: MakePlan) -> None:
    sent: list[tuple[str, Any]] = []

    async def note(request: httpx2.Request, deliver: Answer) -> httpx2.Response:
        sent.append((request.headers["Idempotency-Key"], json.loads(request.content)["metadata"]))
        return await dropped(request, deliver)

    place.wire.faults[CREATE] = [note, note]
    await place.drive(record_batches(place.ledger, make_plan()))
    [batch] = place.recorded()
    assert sent == [(batch.creation_token, {"ftorch_token": batch.creation_token})] * 2


@pytest.mark.parametrize("nothing", [None, 0, False, ""])
async def test_an_answer_without_a_usable_id_is_an_unknown_outcome(
    place: Place, make_plan: MakePlan, nothing: object
) -> None:
    async def answer(request: httpx2.Request, deliver: Answer) -> httpx2.Response:
        await (await deliver(request)).aread()
        return httpx2.Response(200, json={"id": nothing, "object": "batch", "status": "validating"})

    place.wire.faults[CREATE] = [answer]
    await place.drive(record_batches(place.ledger, make_plan()))
    assert place.recorded()[0].reason == "5 of 5 answered"
    assert place.wire.counts[CREATE] == 1


@pytest.mark.parametrize("body", [{}, {"data": None}, {"error": {"message": "no"}}, {"batches": []}])
async def test_a_list_that_is_none_proves_nothing(place: Place, make_plan: MakePlan, body: object) -> None:
    place.wire.faults[CREATE] = [answer_lost]
    place.wire.faults[LIST] = [answering(200, body)] * 200
    ids = record_batches(place.ledger, make_plan())
    await place.drive(ids)
    [batch] = place.recorded()
    assert batch.state == "unknown"
    assert 'there is no array under "data"' in batch.reason
    assert place.wire.counts[CREATE] == 1

    place.wire.faults[LIST] = []
    await place.drive(ids)
    assert place.recorded()[0].reason == "5 of 5 answered"
    assert place.wire.counts[CREATE] == 1


async def test_all_pages_are_read_in_any_order(place: Place, make_plan: MakePlan) -> None:
    """Oldest first, one batch to a page, and no `has_more`."""
    for model in ("gpt-a", "gpt-b", "gpt-c"):
        await place.drive(record_batches(place.ledger, make_plan(model)))

    async def oldest_first(request: httpx2.Request, deliver: Answer) -> httpx2.Response:
        answer = await deliver(httpx2.Request("GET", request.url.copy_with(query=b"limit=100")))
        listed = json.loads(await answer.aread())["data"][::-1]
        seen = [each["id"] for each in listed]
        after = request.url.params.get("after")
        start = seen.index(after) + 1 if after else 0
        return httpx2.Response(200, json={"object": "list", "data": listed[start : start + 1]})

    place.wire.faults[CREATE] = [answer_lost]
    place.wire.faults[LIST] = [oldest_first] * 200
    await place.drive(record_batches(place.ledger, make_plan()))
    assert place.recorded()[0].reason == "5 of 5 answered"
    assert len(place.batches("gpt-x")) == 1


async def test_a_list_of_another_account_proves_nothing(place: Place, make_plan: MakePlan) -> None:
    ids = record_batches(place.ledger, make_plan())
    place.wire.faults[CREATE] = [answer_lost]
    place.wire.faults[LIST] = [answering(200, {"object": "list", "data": [], "has_more": False})] * 200
    original = place.endpoint.file

    async def file(file_id: str) -> Any:
        place.wire.faults[f"GET /files/{file_id}"] = [refusing(404)]
        return await original(file_id)

    place.endpoint.file = file  # type: ignore[method-assign]
    await place.drive(ids)
    [batch] = place.recorded()
    assert batch.state == "unknown"
    assert "another account's key" in batch.reason
    assert place.wire.counts[CREATE] == 1


async def test_requests_without_an_outcome_are_few(place: Place, make_plan: MakePlan) -> None:
    place.wire.faults[CREATE] = [dropped] * 10
    await place.drive(record_batches(place.ledger, make_plan()))
    [batch] = place.recorded()
    assert batch.state == "unknown"
    assert batch.reason.startswith("create sent 3 times, and no batch found in 1.2 s (local said:")
    assert place.wire.counts[CREATE] == 3


async def test_limits_without_a_time_are_asked_ever_more_seldom(
    place: Place, make_plan: MakePlan, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = time.time()
    monkeypatch.setattr(Worker, "now", lambda _worker: start + 10 * (time.time() - start))
    monkeypatch.setattr("orchestrator.engine.loop.LOOK_UP_SECONDS", 0.01)
    place.wire.faults[CREATE] = [refusing(429)] * 3 + [refusing(429, **{"retry-after-ms": "7000"})]
    pauses: list[float] = []

    class Watching(Notes):
        def changed(self, batch: Any) -> None:
            super().changed(batch)
            if "asking again at" in batch.reason and batch.due_at:
                pauses.append(batch.due_at - batch.updated_at)

    await place.drive(record_batches(place.ledger, make_plan()), Watching())
    assert list(dict.fromkeys(ceil(pause - 0.01) for pause in pauses)) == [1, 2, 4, 7]
    assert place.recorded()[0].reason == "5 of 5 answered"


async def test_no_request_goes_out_before_the_named_time_in_another_process_either(
    place: Place, make_plan: MakePlan, leases_fall: None
) -> None:
    ids, stop = record_batches(place.ledger, make_plan()), asyncio.Event()
    place.wire.faults[CREATE] = [refusing(429, **{"retry-after": "3000"})]

    async def follow() -> None:
        stop.clear()
        driving = asyncio.create_task(BatchLoop(place.scene(), ids).run(stop))
        await asyncio.sleep(0.3)
        stop.set()
        await driving

    await follow()
    await follow()
    [batch] = place.recorded()
    assert "local is at a limit (not today); asking again at" in batch.reason
    assert place.wire.counts[CREATE] == 1


async def test_after_a_limit_one_look_comes_before_the_next_request(place: Place, make_plan: MakePlan) -> None:
    async def passed_on_and_limited(request: httpx2.Request, deliver: Answer) -> httpx2.Response:
        await (await deliver(request)).aread()
        return httpx2.Response(429, json={"error": {"message": "slow down"}}, headers={"retry-after-ms": "50"})

    place.wire.faults[CREATE] = [passed_on_and_limited]
    await place.drive(record_batches(place.ledger, make_plan()))
    assert place.recorded()[0].reason == "5 of 5 answered"
    assert (place.wire.counts[CREATE], len(place.batches("gpt-x"))) == (1, 1)


async def test_the_batch_of_another_is_not_taken(place: Place, make_plan: MakePlan) -> None:
    await place.drive(record_batches(place.ledger, make_plan("gpt-a")))
    [other] = place.batches("gpt-a")

    async def the_other(_request: httpx2.Request, _deliver: Answer) -> httpx2.Response:
        return httpx2.Response(200, json={"id": other.id, "object": "batch", "status": "validating"})

    place.wire.faults[CREATE] = [the_other]
    await place.drive(record_batches(place.ledger, make_plan()))
    [batch] = place.recorded()
    assert batch.state == "unknown"
    assert f"answered the create with batch {other.id}, which belongs to batch" in batch.reason
    assert place.wire.counts[CREATE] == 2
