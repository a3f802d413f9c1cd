"""Tokens of answers and costs of requests, as the database adds them up, whatever hosts have sent."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import insert, text

from orchestrator.evaluation.answers import read_answer
from orchestrator.store import calls, evaluations, generations, runs
from orchestrator.store.calls import Called, Made
from orchestrator.store.database import Database
from orchestrator.store.evaluations import RecordedAnswer
from orchestrator.store.generations import Generation, Intent
from orchestrator.store.runs import Run
from orchestrator.store.schema import answers, generation_requests
from orchestrator.store.spending import Sum

JUNE = datetime(2026, 6, 15, 12, tzinfo=UTC).timestamp()
DAY = 86_400.0


def answer(number: int, usage: Any = None, **changes: Any) -> RecordedAnswer:
    values: dict[str, Any] = {
        "endpoint": "openai",
        "model": "gpt",
        "request_sha256": f"{number:064}",
        "sample": 0,
        "completion": {"usage": usage or {"prompt_tokens": 100, "completion_tokens": 10}},
        "seconds": 0.5,
        "answered_at": JUNE,
    }
    return RecordedAnswer(**{**values, **changes})


def keep(database: Database, *found: RecordedAnswer) -> None:
    with database.write() as connection:
        evaluations.add_answers(connection, found)


def answered(database: Database, since: float | None = None, *, by_month: bool = False) -> list[Called]:
    with database.read() as connection:
        return sorted(calls.answered(connection, since, by_month=by_month), key=str)


def test_tokens_are_added_up_by_endpoint_model_and_way_of_asking(database: Database) -> None:
    keep(
        database, answer(1), answer(2), answer(3, seconds=None), answer(4, model="ft"), answer(5, endpoint="azure")
    )
    assert answered(database) == [
        Called("azure", "gpt", False, None, 1, 0, 100, 10),
        Called("openai", "ft", False, None, 1, 0, 100, 10),
        Called("openai", "gpt", False, None, 2, 0, 200, 20),
        Called("openai", "gpt", True, None, 1, 0, 100, 10),
    ]


def test_answers_are_added_up_by_month_and_from_a_moment_on(database: Database) -> None:
    keep(database, answer(1), answer(2, answered_at=JUNE - 20 * DAY))
    assert [each.month for each in answered(database, by_month=True)] == ["2026-05", "2026-06"]
    assert [each.month for each in answered(database, since=JUNE, by_month=True)] == ["2026-06"]


STRANGE: tuple[Any, ...] = (
    {"prompt_tokens": 100},
    {"prompt_tokens": None, "completion_tokens": 10},
    {"prompt_tokens": "100", "completion_tokens": "ten"},
    {"prompt_tokens": 10.5, "completion_tokens": 10},
    {"prompt_tokens": True, "completion_tokens": 10},
    {"prompt_tokens": -1, "completion_tokens": 10},
    {"prompt_tokens": 10**13, "completion_tokens": 10},
    {"prompt_tokens": 10**30, "completion_tokens": 10},
    [1, 2],
    "many",
)


@pytest.mark.parametrize("usage", STRANGE, ids=str)
def test_a_usage_that_is_none_is_unknown_as_it_is_to_an_evaluation(database: Database, usage: Any) -> None:
    keep(database, answer(1, usage), answer(2))
    if not isinstance(usage, dict) or usage.get("prompt_tokens") != "100":
        read = read_answer({"choices": [{"message": {}}], "usage": usage})
        assert None in (read.prompt_tokens, read.completion_tokens)
    [found] = answered(database)
    assert (found.answers, found.uncounted, found.prompt_tokens) == (2, 1, 100)


@pytest.mark.parametrize(
    "content",
    ["\u0000", "\\u0000", "\ud800", "\U0001f600", '"\\', "\n\t\\", "\\\\u0000", "\u2028"],
    ids=ascii,
)
def test_no_text_of_a_model_gets_in_the_way(database: Database, content: str) -> None:
    usage = {"prompt_tokens": 100, "completion_tokens": 10}
    keep(database, answer(1, completion={"text": content, "usage": usage, content: 1}))
    assert answered(database) == [Called("openai", "gpt", False, None, 1, 0, 100, 10)]


def test_what_sqlite_does_not_take_for_json_is_unknown(database: Database) -> None:
    if not database.is_sqlite:
        pytest.skip("PostgreSQL refuses to keep it")
    keep(database, answer(1, completion={"logprob": float("nan"), "usage": {"prompt_tokens": 1}}), answer(2))
    [found] = answered(database)
    assert (found.answers, found.uncounted) == (2, 1)


GENERATION = Generation(
    id="gen00001",
    endpoint="openai",
    output_path="/made.jsonl",
    fingerprint="f" * 64,
    spec={},
    state="done",
    reason="written",
    version=1,
    created_at=JUNE,
    updated_at=JUNE,
    targets=1,
)


@pytest.fixture
def intend(database: Database) -> Callable[..., None]:
    """Records a generation with these requests."""

    def intend(*intents: Intent) -> None:
        with database.write() as connection:
            generations.add(connection, GENERATION)
            for intent in intents:
                connection.execute(insert(generation_requests), [intent.__dict__])

    return intend


def request(number: int, **changes: Any) -> Intent:
    values: dict[str, Any] = {"intended_at": JUNE, "estimated_usd": 0.02, "cost_usd": 0.01}
    return Intent("gen00001", "teacher", f"{number:064}", 0, **{**values, **changes})


def made(database: Database, since: float | None = None, *, by_month: bool = False) -> list[Made]:
    with database.read() as connection:
        return calls.made(connection, since, by_month=by_month)


def test_a_request_costs_what_its_answer_did_else_its_estimate_for_each_time_it_may_have_been_sent(
    database: Database, intend
) -> None:
    intend(request(1), request(2, cost_usd=None), request(3, sends=2), request(4, sends=0, cost_usd=None))
    [found] = made(database)
    assert (found.generation_id, found.endpoint, found.model) == ("gen00001", "openai", "teacher")
    assert found.used.usd == pytest.approx(0.06)
    assert found.used.estimated_usd == pytest.approx(0.04)
    assert (found.used.items, found.used.estimated, found.used.unknown) == (3, 2, 0)
    with database.read() as connection:
        assert found.used.usd == pytest.approx(generations.spent(connection, "gen00001").usd)


def test_a_request_without_a_price_is_unknown_and_not_free(database: Database, intend) -> None:
    intend(request(1, estimated_usd=None, cost_usd=0.0), request(2, estimated_usd=None, cost_usd=None))
    [found] = made(database)
    assert found.used.is_unknown
    assert found.used.items == 2


def test_a_teacher_that_charges_nothing_is_known_to(database: Database, intend) -> None:
    intend(request(1, estimated_usd=0.0, cost_usd=0.0))
    assert made(database)[0].used == Sum(0.0, 1)


def test_requests_are_added_up_by_month_and_from_a_moment_on(database: Database, intend) -> None:
    intend(request(1), request(2, intended_at=JUNE - 20 * DAY))
    assert sorted(str(each.month) for each in made(database, by_month=True)) == ["2026-05", "2026-06"]
    assert made(database, since=JUNE + 1) == []


def test_answers_that_made_training_data_are_not_counted_as_evaluation(database: Database, intend) -> None:
    intend(request(1))
    keep(database, answer(1, model="teacher"), answer(2, model="teacher"), answer(1, model="gpt"))
    assert [(each.model, each.answers) for each in answered(database)] == [("gpt", 1), ("teacher", 1)]


def test_answers_that_are_deleted_with_their_run_still_count(
    database: Database, make_run: Callable[..., Run]
) -> None:
    run = make_run(endpoint="openai")
    keep(database, answer(1, model="ft"), answer(2, model="ft", answered_at=JUNE - DAY), answer(3))
    keep(database, answer(4, {"none": 1}, model="ft"), answer(5, model="ft", endpoint="azure"))
    before = answered(database, since=JUNE - DAY / 2)
    with database.write() as connection:
        runs.add(connection, run, "recorded")
        calls.keep_deleted(connection, run.id, "openai", ["ft", "ft:step-1"])
        ours = (answers.c.model == "ft", answers.c.endpoint == "openai")
        connection.execute(answers.delete().where(*ours))
    assert connection.closed
    found = answered(database)
    assert Called("openai", "ft", False, None, 3, 1, 200, 20, run.id, run.model) in found
    assert len(found) == 3
    since = answered(database, since=JUNE - DAY / 2)
    assert [(each.model, each.answers, each.prompt_tokens) for each in since] == [
        (each.model, each.answers, each.prompt_tokens) for each in before
    ]
    assert sorted(str(each.month) for each in answered(database, by_month=True)) == ["2026-06"] * 3


def test_keeping_what_a_run_without_answers_cost_writes_nothing(
    database: Database, make_run: Callable[..., Run]
) -> None:
    with database.write() as connection:
        runs.add(connection, make_run(), "recorded")
        calls.keep_deleted(connection, "run00001", "openai", ["ft"])
        assert connection.execute(text("SELECT count(*) FROM deleted_calls")).scalar() == 0


def test_an_answer_that_reports_no_tokens_costs_its_estimate(database: Database, intend) -> None:
    intend(request(1, cost_usd=None), request(2, cost_usd=None), request(3, cost_usd=None, estimated_usd=None))
    costs = {("teacher", f"{number:064}", 0): usd for number, usd in ((1, None), (2, 0.05), (3, None))}
    with database.write() as connection:
        generations.settle_intents(connection, "gen00001", costs)
    [found] = made(database)
    assert found.used.usd == pytest.approx(0.02 + 0.05)
    assert (found.used.items, found.used.unknown) == (3, 1)
