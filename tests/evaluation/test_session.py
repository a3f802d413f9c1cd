"""An evaluation from plan to figures, with the real endpoint inside this process and a real database."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support.evaluation import MakeRow

import orchestrator
from orchestrator.endpoints.openai import OpenAIEndpoint
from orchestrator.errors import (
    AnswersMissing,
    AskingEnded,
    NoEvaluationFile,
    NoSuchModel,
    NothingToEvaluate,
    NoTunedModel,
    QuotaExhausted,
    RequestRefused,
)
from orchestrator.evaluation.plan import EvaluationOptions, Plan, plan_evaluation
from orchestrator.evaluation.results import Results, results_of
from orchestrator.evaluation.session import ask_missing, begin, finish
from orchestrator.ledger import Ledger, open_ledger
from orchestrator.store import evaluations as store

BOOKING = ("book_table", {"place": "Roma"})


@pytest.fixture
def ledger(home: Path) -> Iterator[Ledger]:
    (home / "ftorch.toml").write_text("")
    with open_ledger(home, create=True) as opened:
        yield opened


@pytest.fixture
def cases(make_row: MakeRow, write_cases: Callable[..., Path]) -> Path:
    rows = [make_row(BOOKING, id=name, slice="booking") for name in ("a", "b")]
    rows += [make_row("Hello", id="c", expect="rejection")]
    for row in rows:
        row["messages"][0]["content"] = f"Book a table, please: {row['id']}"
    return write_cases(*rows)


def plan(ledger: Ledger, file: Path, *models: str, **options: Any) -> Plan:
    return plan_evaluation(ledger, models or ("gpt-x",), replace(EvaluationOptions(file, "local"), **options))


def carried_out(ledger: Ledger, planned: Plan) -> Results:
    evaluation = begin(ledger, planned)
    asked = asyncio.run(ask_missing(ledger, planned))
    return results_of(ledger, finish(ledger, planned, evaluation, asked.errors))


def test_every_model_answers_every_case_in_every_variant(ledger: Ledger, cases: Path) -> None:
    planned = plan(ledger, cases, "gpt-x", "gpt-y", variants=("no-descriptions", "no-tools"), samples=2)
    assert (planned.questions, planned.missing, planned.price) == (24, 24, None)
    results = carried_out(ledger, planned)
    assert results.cases == 3
    assert [(each.model, each.variant) for each in results.series] == [
        (model, variant) for model in ("gpt-x", "gpt-y") for variant in ("no-descriptions", "no-tools")
    ]
    for series in results.series:
        assert (series.all.answers, series.all.api_errors) == (6, 0)
        assert series.slices["booking"].answers == 4
        assert series.all.rejection_recall.count == 2
        assert series.all.prompt_tokens is not None


def test_what_was_answered_is_not_asked_again(ledger: Ledger, cases: Path) -> None:
    first = carried_out(ledger, plan(ledger, cases))
    again = plan(ledger, cases)
    assert (again.questions, again.missing) == (3, 0)
    assert carried_out(ledger, again).series[0].all == first.series[0].all
    assert plan(ledger, cases, samples=2).missing == 3


def test_equal_requests_are_asked_once_and_count_twice(
    ledger: Ledger, make_row: MakeRow, write_cases: Callable[..., Path]
) -> None:
    planned = plan(ledger, write_cases(make_row(BOOKING, id="a"), make_row(BOOKING, id="b")))
    assert (planned.questions, planned.missing) == (2, 1)
    assert carried_out(ledger, planned).series[0].all.answers == 2


def test_a_stopped_evaluation_keeps_its_answers_and_goes_on(ledger: Ledger, cases: Path) -> None:
    planned = plan(ledger, cases)
    planned = replace(planned, settings=planned.settings.model_copy(update={"max_concurrency": 1}))
    stop = asyncio.Event()

    class Impatient:
        def replied(self, reply: object) -> None:
            stop.set()

        def waiting(self, model: str, problem: str, until: float) -> None:
            raise AssertionError(model)

    begun = begin(ledger, planned)
    asked = asyncio.run(ask_missing(ledger, planned, listener=Impatient(), stop=stop))
    assert (asked.answered, asked.is_complete) == (1, False)
    left = plan(ledger, cases)
    assert left.missing == 2
    assert begin(ledger, left).id == begun.id
    assert carried_out(ledger, left).series[0].all.answers == 3


def test_a_model_that_does_not_exist_ends_the_asking(ledger: Ledger, cases: Path) -> None:
    with pytest.raises(RequestRefused, match="'ft:gpt:local::gone' does not exist"):
        asyncio.run(ask_missing(ledger, plan(ledger, cases, "ft:gpt:local::gone")))


def test_an_endpoint_that_turns_away_midway_costs_no_answer(
    ledger: Ledger, cases: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, chat = 0, OpenAIEndpoint.chat

    async def turn_away(endpoint: OpenAIEndpoint, request: Mapping[str, Any], once: str) -> Mapping[str, Any]:
        nonlocal asked
        asked += 1
        if asked > 2:
            raise QuotaExhausted(endpoint="local", problem="no credit", status=429)
        return await chat(endpoint, request, once)

    monkeypatch.setattr(OpenAIEndpoint, "chat", turn_away)
    with pytest.raises(AskingEnded, match=r"no credit\. All 2 answers are kept\. .* the same command to continue"):
        asyncio.run(ask_missing(ledger, plan(ledger, cases)))
    assert plan(ledger, cases).missing == 1


def test_a_refused_question_is_reported_apart_and_asked_again(
    ledger: Ledger, make_row: MakeRow, write_cases: Callable[..., Path]
) -> None:
    bad = make_row(BOOKING, id="bad", response_format={"type": "json_object"})
    file = write_cases(make_row(BOOKING, id="good"), bad)
    results = carried_out(ledger, plan(ledger, file))
    figures = results.series[0].all
    assert (figures.answers, figures.api_errors) == (1, 1)
    assert plan(ledger, file).missing == 1


def test_what_is_no_completion_is_not_kept_as_an_answer_but_asked_again(
    ledger: Ledger, cases: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, chat = 0, OpenAIEndpoint.chat

    async def stumble(endpoint: OpenAIEndpoint, request: Mapping[str, Any], once: str) -> Mapping[str, Any]:
        nonlocal asked
        asked += 1
        return {"error": {"message": "upstream away"}} if asked == 1 else await chat(endpoint, request, once)

    monkeypatch.setattr(OpenAIEndpoint, "chat", stumble)
    figures = carried_out(ledger, plan(ledger, cases)).series[0].all
    assert (asked, figures.answers, figures.api_errors) == (4, 3, 0)


def test_scoring_anew_needs_answers_and_no_endpoint(
    ledger: Ledger, cases: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    planned = plan(ledger, cases)
    with pytest.raises(AnswersMissing, match="3 of 3 answers are not recorded"):
        finish(ledger, planned, begin(ledger, planned), {})
    before = carried_out(ledger, planned).series[0].all
    monkeypatch.setattr("orchestrator.evaluation.session.open_endpoint", None)
    again = plan(ledger, cases, rejection_tools=("book_table",))
    results = results_of(ledger, finish(ledger, again, begin(ledger, again), {}))
    assert before.rejection_recall.count == 1
    assert results.series[0].all.rejection_recall.count == 3


def test_a_wanted_evaluation_stays_wanted_until_it_is_done(ledger: Ledger, cases: Path) -> None:
    planned = plan(ledger, cases)
    wanted = replace(begin(ledger, planned), id="wanted01", state=store.WANTED, settings={})
    with ledger.database.write() as connection:
        store.add(connection, wanted)
    begun = begin(ledger, planned, wanted)
    with ledger.database.read() as connection:
        assert [each.id for each in store.wanted_of(connection)] == ["wanted01"]
    asked = asyncio.run(ask_missing(ledger, planned))
    finish(ledger, planned, begun, asked.errors)
    with ledger.database.read() as connection:
        assert store.wanted_of(connection) == []
        assert "wanted01" in [each.id for each in store.newest(connection)]


def test_a_notebook_asks_with_one_call(ledger: Ledger, cases: Path) -> None:
    results = orchestrator.evaluate("gpt-x", endpoint="local", file=cases, variants=["no-tools"])
    assert [(each.model, each.variant, each.all.answers) for each in results.series] == [("gpt-x", "no-tools", 3)]


def test_names_that_mean_nothing_are_said(ledger: Ledger, cases: Path, home: Path) -> None:
    with pytest.raises(NothingToEvaluate, match='no run "dron"'):
        plan_evaluation(ledger, ["dron"], EvaluationOptions(cases))
    with pytest.raises(NoEvaluationFile, match="gpt-x names no evaluation file"):
        plan_evaluation(ledger, ["gpt-x"], EvaluationOptions(endpoint="local"))
    job = home / "greet.toml"
    job.write_text(f'name = "greet"\nmodel = "gpt-x"\n[data]\ntraining_file = "{cases}"\n')
    with pytest.raises(NoTunedModel, match=r"ftorch submit .*greet\.toml\. Or"):
        plan_evaluation(ledger, [str(job)], EvaluationOptions(cases))
    with pytest.raises(NoTunedModel, match=r"ftorch submit .*greet\.toml --endpoint openai\. Or"):
        plan_evaluation(ledger, [str(job)], EvaluationOptions(cases, endpoint="openai"))
    assert plan_evaluation(ledger, [str(job)], EvaluationOptions(cases, models=("base",))).missing == 3


def test_a_misspelt_model_is_named_with_the_nearest_before_anything_is_asked(
    ledger: Ledger, cases: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def listed(endpoint: OpenAIEndpoint) -> list[str]:
        return ["ft:gpt:local:drone:abc", "tiny"]

    monkeypatch.setattr(OpenAIEndpoint, "models", listed)
    planned = plan(ledger, cases, "gpt-x", models=("ft:gpt:local:dron:abc", "gpt-y"))
    with pytest.raises(
        NoSuchModel, match=r'has no model "ft:gpt:local:dron:abc"\. Did you mean "ft:gpt:local:drone:abc"'
    ):
        asyncio.run(ask_missing(ledger, planned))
    assert plan(ledger, cases, "gpt-x", models=("ft:gpt:local:dron:abc", "gpt-y")).missing == planned.missing


def test_a_host_that_does_not_tell_its_models_is_asked_all_the_same(
    ledger: Ledger, cases: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def unknown(endpoint: OpenAIEndpoint, name: str) -> bool | None:
        return None

    monkeypatch.setattr(OpenAIEndpoint, "has_model", unknown)
    planned = plan(ledger, cases, "gpt-x", models=("gpt-y",))
    assert asyncio.run(ask_missing(ledger, planned)).answered == planned.missing
