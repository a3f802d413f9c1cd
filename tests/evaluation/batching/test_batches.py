"""Questions asked through the Batch API: recorded, split, answered, and what became of the others."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx2
import pytest
from support.batching import Notes, Place, away, refusing
from support.evaluation import MakeRow

import orchestrator
from orchestrator.engine.worker import Worker
from orchestrator.errors import (
    BatchRefused,
    EndpointUnreachable,
    KeyRefused,
    NoBatches,
    OutputUnwritable,
    QuestionsUnderWay,
    RequestRefused,
)
from orchestrator.evaluation.batching import inputs
from orchestrator.evaluation.batching.driving import BatchLoop, answers_to_batches, drive
from orchestrator.evaluation.batching.states import CANCEL, FINAL, State
from orchestrator.evaluation.batching.submission import record_batches
from orchestrator.evaluation.plan import EvaluationOptions, Plan, plan_evaluation
from orchestrator.evaluation.results import results_of
from orchestrator.evaluation.session import ask_missing, begin, finish
from orchestrator.ledger import Ledger, open_ledger
from orchestrator.store import batches as store

MakePlan = Callable[..., Plan]


def test_a_batch_gives_the_same_figures_as_asking_at_once(ledger: Ledger, make_plan: MakePlan) -> None:
    at_once = orchestrator.evaluate("gpt-y", endpoint="local", file=make_plan().cases.path)
    later = orchestrator.evaluate("gpt-x", endpoint="local", file=make_plan().cases.path, batch=True)
    assert replace(later.series[0].all, seconds=at_once.series[0].all.seconds) == at_once.series[0].all
    assert later.series[0].all.answers == 5
    assert make_plan().missing == 0


async def test_a_batch_goes_through_its_states_and_keeps_its_history(place: Place, make_plan: MakePlan) -> None:
    notes = Notes()
    [batch_id] = ids = record_batches(place.ledger, make_plan())
    await place.drive(ids, notes)
    states = ["uploading", "creating", "waiting", "collecting", "done"]
    with place.ledger.database.read() as connection:
        history = store.history(connection, batch_id)
    assert [move.to_state for move in history] == states
    assert notes.states == states
    [batch] = place.recorded()
    assert (batch.questions, batch.completed, batch.failed, batch.reason) == (5, 5, 0, "5 of 5 answered")
    assert batch.lease_owner is None


async def test_each_model_has_a_batch_of_its_own(place: Place, make_plan: MakePlan) -> None:
    ids = record_batches(place.ledger, make_plan("gpt-x", "gpt-y", samples=2))
    await place.drive(ids)
    assert {(batch.model, batch.questions) for batch in place.recorded() + place.recorded("gpt-y")} == {
        ("gpt-x", 10),
        ("gpt-y", 10),
    }
    assert make_plan("gpt-x", "gpt-y", samples=2).missing == 0


async def test_what_is_above_the_limits_is_split(
    place: Place, make_plan: MakePlan, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inputs, "MAX_REQUESTS", 2)
    ids = record_batches(place.ledger, make_plan())
    assert sorted(batch.questions for batch in place.recorded()) == [1, 2, 2]
    await place.drive(ids)
    assert make_plan().missing == 0
    monkeypatch.setattr(inputs, "MAX_BYTES", 1)
    record_batches(place.ledger, make_plan("gpt-y"))
    assert [batch.questions for batch in place.recorded("gpt-y")] == [1] * 5


def test_what_is_under_way_is_put_into_no_other_batch_and_is_not_asked_at_once(
    ledger: Ledger, make_plan: MakePlan
) -> None:
    ids = record_batches(ledger, make_plan())
    assert record_batches(ledger, make_plan()) == ids
    planned = make_plan(in_batches=False)
    assert (planned.missing, planned.under_way) == (0, {ids[0]: 5})
    with pytest.raises(
        QuestionsUnderWay, match=r"5 of 5 questions are already in a paid batch .* add --batch; .* add --twice"
    ):
        asyncio.run(ask_missing(ledger, planned))
    twice = make_plan(in_batches=False, twice=True)
    assert (twice.missing, twice.under_way) == (5, {})
    asyncio.run(ask_missing(ledger, twice))
    assert make_plan().missing == 0


async def test_refused_lines_are_reported_apart_and_asked_again(
    place: Place, make_plan: MakePlan, make_row: MakeRow, write_cases: Callable[..., Path]
) -> None:
    call = ("book_table", {"place": "Roma"})
    bad = make_row(call, id="bad", response_format={"type": "json_object"})
    planned = make_plan(file=write_cases(make_row(call, id="good"), bad))
    scene = await place.drive(record_batches(place.ledger, planned))
    [said] = scene.errors.values()
    assert "response_format" in said
    assert said.endswith("(HTTP 400)")
    evaluation = begin(place.ledger, planned)
    figures = results_of(place.ledger, finish(place.ledger, planned, evaluation, scene.errors)).series[0].all
    assert (figures.answers, figures.api_errors) == (1, 1)
    assert make_plan(file=planned.cases.path).missing == 1


async def test_what_an_expired_batch_did_not_answer_is_asked_by_the_next(
    place: Place, make_plan: MakePlan, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orchestrator.server.routes.batches._WINDOWS", {"24h": 0})
    scene = await place.drive(record_batches(place.ledger, make_plan()))
    [batch] = place.recorded()
    assert (batch.state, batch.reason) == ("done", "expired on the endpoint; 0 of 5 answered")
    assert all("before the completion window expired" in said for said in scene.errors.values())
    assert len(scene.errors) == 5
    monkeypatch.undo()
    await place.drive(record_batches(place.ledger, make_plan()))
    assert make_plan().missing == 0


async def test_a_batch_that_fails_as_a_whole_says_why(
    place: Place, make_plan: MakePlan, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = record_batches(place.ledger, make_plan("ft:gone:local::x"))
    await place.drive(ids)
    [batch] = place.recorded("ft:gone:local::x")
    assert batch.state == "failed"
    assert "line 1: The model 'ft:gone:local::x' does not exist." in batch.reason
    with pytest.raises(BatchRefused, match=r"line 1: .* run the same command to ask what is missing"):
        await answers_to_batches(place.ledger, make_plan("ft:gone:local::x"), ids)
    assert make_plan("ft:gone:local::x").missing == 5


async def test_a_create_that_is_refused_fails_the_batch(place: Place, make_plan: MakePlan) -> None:
    place.wire.faults["POST /batches"] = [refusing(400)]
    await place.drive(record_batches(place.ledger, make_plan()))
    [batch] = place.recorded()
    assert (batch.state, batch.reason) == ("failed", "the endpoint refused the batch: not today")


async def test_a_cancelled_batch_keeps_its_answers_and_lets_the_others_go(
    place: Place, make_plan: MakePlan
) -> None:
    place.app.state.context.scheduler._batches._is_leaving = True  # nothing is answered yet
    ids = record_batches(place.ledger, make_plan())
    stop = asyncio.Event()
    driving = asyncio.create_task(BatchLoop(place.scene(), ids).run(stop))
    while not place.batches("gpt-x"):
        await asyncio.sleep(0.01)
    with place.ledger.database.write() as connection:
        store.request_action(connection, ids[0], CANCEL)
    while place.batches("gpt-x")[0].status != "cancelling":
        await asyncio.sleep(0.01)
    async with place.app.state.context.scheduler._batches.running():
        await driving
    [batch] = place.recorded()
    assert (batch.state, batch.reason) == ("cancelled", "cancelled on the endpoint; 0 of 5 answered")
    assert make_plan().missing == 5
    again = record_batches(place.ledger, make_plan())
    with place.ledger.database.write() as connection:
        store.request_action(connection, again[0], CANCEL)
    await place.drive(again)
    assert place.recorded()[1].reason == "cancelled before it was sent"


async def test_a_refused_cancel_is_told_at_the_pace_of_the_polls(
    place: Place, make_plan: MakePlan, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.app.state.context.scheduler._batches._is_leaving = True  # nothing is answered yet
    monkeypatch.setattr("orchestrator.engine.loop.LOOK_UP_SECONDS", 0.02)
    slow = replace(place, config=replace(place.config, poll_seconds=60.0))
    ids, notes, stop = record_batches(place.ledger, make_plan()), Notes(), asyncio.Event()

    async def too_late(batch_id: str) -> Any:
        raise RequestRefused(endpoint="local", problem="it is finalizing", message="no", status=409)

    monkeypatch.setattr(place.endpoint.batches, "cancel", too_late)
    driving = asyncio.create_task(BatchLoop(slow.scene(notes), ids).run(stop))
    while notes.states[-1:] != ["waiting"]:
        await asyncio.sleep(0.01)
    with place.ledger.database.write() as connection:
        store.request_action(connection, ids[0], CANCEL)
    while not notes.warnings:
        await asyncio.sleep(0.01)
    await asyncio.sleep(0.2)
    stop.set()
    await driving
    assert notes.warnings == [f"batch {ids[0]} can't be cancelled: it is finalizing"]


async def test_a_batch_that_was_begun_on_another_machine_is_collected_here(
    place: Place, make_plan: MakePlan, leases_fall: None
) -> None:
    ids = record_batches(place.ledger, make_plan())
    assert await place.die_at("after-commit-batch-waiting", ids)
    with place.ledger.database.write() as connection:
        connection.exec_driver_sql("UPDATE batches SET input_path = '/nowhere/batches/' || id || '.jsonl'")
    await place.drive(ids)
    assert place.recorded()[0].reason == "5 of 5 answered"


async def test_output_that_is_not_ours_or_broken_is_left_alone(
    place: Place, make_plan: MakePlan, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = record_batches(place.ledger, make_plan())

    async def strange(_file_id: str, path: Path) -> None:
        right: dict[str, Any] = {"choices": [{"message": {"role": "assistant", "content": "Yes"}}]}
        texts = [
            '{"custom_id": "somebody-else", "response": {"status_code": 200, "body": {}}}',
            '{"broken',
            "[]",
            json.dumps({"response": None}),
            json.dumps({"custom_id": place_of[3], "response": "no object"}),
            json.dumps({"custom_id": place_of[3], "error": "no object"}),
            json.dumps({"custom_id": place_of[0], "response": {"status_code": 200, "body": right}}),
            json.dumps({"custom_id": place_of[0], "response": {"status_code": 200, "body": right}}),
            json.dumps({"custom_id": place_of[1], "response": {"status_code": 500, "body": "<html>"}}),
            json.dumps({"custom_id": place_of[2], "error": {"code": "batch_expired"}}),
            json.dumps({"custom_id": place_of[4], "response": {"status_code": 200, "body": {"error": "busy"}}}),
        ]
        path.write_text("\n".join(texts))

    with place.ledger.database.read() as connection:
        place_of = sorted(inputs.custom_id(asked) for asked in store.questions_of(connection, ids[0]))
    monkeypatch.setattr(place.endpoint.batches, "download", strange)
    scene = await place.drive(ids)
    said = {inputs.custom_id(asked): error for asked, error in scene.errors.items()}
    assert said == {
        place_of[1]: "no reason given (HTTP 500)",
        place_of[2]: "batch_expired",
        place_of[3]: "its batch is completed and has no answer to it",
        place_of[4]: "the answer is not a chat completion: busy",
    }
    assert place.recorded()[0].reason == "1 of 5 answered"
    assert make_plan().missing == 4


async def test_a_batch_that_is_not_shown_yet_is_not_given_up(
    place: Place, make_plan: MakePlan, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Worker, "searched_seconds", lambda _worker, _what: 0.0)  # however busy this machine is
    real, hidden = place.endpoint.batches.get, 2

    async def get(batch_id: str) -> Any:
        nonlocal hidden
        hidden -= 1
        if hidden >= 0:
            place.wire.faults[f"GET /batches/{batch_id}"] = [refusing(404)]
        return await real(batch_id)

    place.endpoint.batches.get = get  # type: ignore[method-assign]
    await place.drive(record_batches(place.ledger, make_plan()))
    assert place.recorded()[0].reason == "5 of 5 answered"
    assert len(place.batches("gpt-x")) == 1


async def test_a_download_that_breaks_off_is_begun_anew(place: Place, make_plan: MakePlan) -> None:
    ids = record_batches(place.ledger, make_plan())
    real = place.wire.handle_async_request
    broken: list[str] = []

    async def breaking(request: Any) -> Any:
        answer = await real(request)
        if request.url.path.endswith("/content") and not broken:
            broken.append(request.url.path)
            answer.stream = Cut()
        return answer

    place.wire.handle_async_request = breaking  # type: ignore[method-assign]
    await place.drive(ids)
    assert len(broken) == 1
    assert place.recorded()[0].reason == "5 of 5 answered"


class Cut(httpx2.AsyncByteStream):
    """A body whose connection ends within it."""

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield b'{"custom_id": '
        raise httpx2.ReadError("connection lost")


async def test_trouble_is_waited_for_once_the_endpoint_has_answered(place: Place, make_plan: MakePlan) -> None:
    notes = Notes()
    ids = record_batches(place.ledger, make_plan())
    place.wire.faults["POST /files"] = [away]
    with pytest.raises(EndpointUnreachable, match="nobody there"):
        await place.drive(ids, notes)
    place.wire.faults["POST /batches"] = [refusing(401, "invalid_api_key")]
    with pytest.raises(KeyRefused):
        await place.drive(ids, notes)
    place.wire.faults["POST /batches"] = [away]
    await place.drive(ids, notes)
    assert [batch.state for batch in place.recorded()] == ["done"]
    assert len(place.batches("gpt-x")) == 1
    assert notes.warnings == ["nobody there; trying again in 1 s"]


def test_only_the_three_ends_are_final() -> None:
    assert {State.DONE, State.FAILED, State.CANCELLED} == FINAL


async def test_two_processes_carry_a_batch_on_together(place: Place, make_plan: MakePlan) -> None:
    ids = record_batches(place.ledger, make_plan())
    here, there = Notes(), Notes()
    await asyncio.gather(place.drive(ids, here), place.drive(ids, there))
    assert len(place.batches("gpt-x")) == 1
    assert here.states[-1] == there.states[-1] == "done"


def test_an_endpoint_without_batches_says_so(ledger: Ledger, make_plan: MakePlan, home: Path) -> None:
    cases = make_plan().cases.path
    (home / "ftorch.toml").write_text('[endpoints.host]\ntype = "compatible"\nbase_url = "https://host/v1"\n')
    with open_ledger(home) as reopened, pytest.raises(NoBatches, match="No Batch API on host is known"):
        plan_evaluation(reopened, ["gpt-x"], EvaluationOptions(cases, "host", in_batches=True))


def test_input_files_are_for_their_owner_and_a_full_disk_is_said(
    ledger: Ledger, make_plan: MakePlan, monkeypatch: pytest.MonkeyPatch
) -> None:
    record_batches(ledger, make_plan())
    [path] = (ledger.workspace.home / inputs.FOLDER).iterdir()
    assert path.stat().st_mode & 0o777 == 0o600
    row = json.loads(path.read_text().splitlines()[0])
    assert (row["method"], row["url"], row["body"]["model"]) == ("POST", "/v1/chat/completions", "gpt-x")
    assert len(row["custom_id"]) <= 64

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("orchestrator.evaluation.batching.inputs.os.fsync", full)
    with pytest.raises(OutputUnwritable, match="No space left"):
        record_batches(ledger, make_plan("gpt-y"))


def test_driving_nothing_ends_at_once(ledger: Ledger) -> None:
    assert asyncio.run(drive(ledger, ledger.workspace.endpoint("local"), [])) == {}
