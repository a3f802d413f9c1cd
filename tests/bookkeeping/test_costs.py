"""What everything cost, in groups."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import delete
from support.spending import BASE, DAY, ENDPOINTS, NOW, OCTOBER, ON_AZURE, TUNED, Books

from orchestrator.bookkeeping.costs import By, Costs, Group, Grouping, Unpriced, costs_of
from orchestrator.bookkeeping.expenses import Kind, Lack
from orchestrator.ledger import open_ledger
from orchestrator.store import calls
from orchestrator.store.runs import Run
from orchestrator.store.schema import answers, models
from orchestrator.store.spending import Sum


@pytest.fixture
def books(
    home: Path, database_url: str, make_run: Callable[..., Run], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Books]:
    monkeypatch.setenv("FTORCH_DATABASE_URL", database_url)
    (home / "ftorch.toml").write_text(ENDPOINTS)
    with open_ledger(home, create=True) as ledger:
        yield Books(ledger, make_run)


def costs(books: Books, by: By = By.KIND, tag: str | None = None, since: float | None = None) -> Costs:
    with books.ledger.database.read() as connection:
        endpoints = books.ledger.workspace.endpoints
        return costs_of(connection, endpoints, Grouping(by, tag), since=since, now=NOW)


def usd_of(found: Costs, kind: Kind) -> dict[str | None, float]:
    return {each.key: each.sums[kind].usd for each in found.groups if kind in each.sums}


# --- Evaluation --------------------------------------------------------------------------------------------------


def test_answers_cost_their_tokens_at_the_price_of_their_model_and_of_the_way_they_were_asked(books: Books) -> None:
    """openai, gpt-4.1-mini: 0.40 and 1.60 a million, tuned 0.80 and 3.20, half of it in a batch."""
    books.run(TUNED, cost_usd=0.0)
    million = (1_000_000, 1_000_000)
    books.answers(BASE, tokens=million)
    assert costs(books).total.sums[Kind.EVALUATION] == Sum(pytest.approx(2.00), 1)  # type: ignore[arg-type]
    books.answers(BASE, tokens=million, seconds=None)
    assert costs(books).total.sums[Kind.EVALUATION].usd == pytest.approx(3.00)
    books.answers(TUNED, tokens=million)
    assert costs(books).total.sums[Kind.EVALUATION].usd == pytest.approx(7.00)
    books.answers(TUNED, tokens=million, seconds=None)
    assert costs(books).total.sums[Kind.EVALUATION].usd == pytest.approx(9.00)


def test_a_model_whose_name_says_nothing_is_priced_as_what_it_was_tuned_from(books: Books) -> None:
    books.run("mine-7", cost_usd=0.0)
    books.answers("mine-7")
    assert costs(books).total.sums[Kind.EVALUATION].usd == pytest.approx(0.80)
    assert usd_of(costs(books, By.MODEL), Kind.EVALUATION) == {BASE: pytest.approx(0.80)}


def test_answers_deleted_with_their_run_still_cost_what_they_did(books: Books) -> None:
    run = books.run("mine-7", labels={"team": "sea"}, deleted_at=NOW)
    books.answers("mine-7", 2)
    books.answers("mine-7:step-10", 1)
    with books.ledger.database.write() as connection:
        calls.keep_deleted(connection, run.id, "openai", ["mine-7", "mine-7:step-10"])
        for table in (answers, models):
            connection.execute(delete(table))
    found = costs(books, By.RUN)
    assert [each.key for each in found.groups] == [run.id]
    assert found.total.sums[Kind.TRAINING].usd == 3.0
    assert found.total.sums[Kind.EVALUATION].usd == pytest.approx(3 * 0.80)


def test_calls_on_azure_are_priced_at_the_tier_of_the_deployment(books: Books) -> None:
    books.answers(ON_AZURE, endpoint="azure")
    [lack] = costs(books).unpriced
    assert lack == Unpriced(Kind.EVALUATION, "azure", BASE, Lack.PRICE, 1)
    books.deployment(1)
    assert costs(books).total.sums[Kind.EVALUATION].usd == pytest.approx(0.40)
    assert costs(books).unpriced == []


def test_local_answers_cost_nothing_even_without_a_count(books: Books) -> None:
    books.answers("tiny", 3, endpoint="local", tokens=())
    assert costs(books).total.sums == {Kind.EVALUATION: Sum(0.0, 3)}


def test_unknown_costs_are_counted_by_what_is_missing_and_never_as_nothing(books: Books) -> None:
    books.answers("qwen-3-32b", 40, endpoint="together")
    books.answers(BASE, 2, endpoint="removed")
    books.answers(BASE, 1, tokens=())
    books.generation((None, 0.0), endpoint="together")
    books.run(endpoint="together", model="qwen-3-32b", cost_usd=None, estimated_cost_usd=None)
    books.deployment(1, model="Ministral-3B.ft-1-x")
    found = costs(books)
    assert found.total.total.is_unknown
    assert {(each.kind, each.endpoint, each.model, each.lack): each.items for each in found.unpriced} == {
        (Kind.TRAINING, "together", "qwen-3-32b", Lack.PRICE): 1,
        (Kind.EVALUATION, "together", "qwen-3-32b", Lack.PRICE): 40,
        (Kind.EVALUATION, "removed", BASE, Lack.ENDPOINT): 2,
        (Kind.EVALUATION, "openai", BASE, Lack.TOKENS): 1,
        (Kind.GENERATION, "together", "gpt-4.1", Lack.PRICE): 1,
        (Kind.HOSTING, "azure", "Ministral-3B", Lack.PRICE): 1,
    }


# --- Hosting -----------------------------------------------------------------------------------------------------


def test_hosting_is_charged_by_the_hour_in_the_month_it_was_used(books: Books) -> None:
    books.deployment(30)
    found = costs(books, By.MONTH)
    assert usd_of(found, Kind.HOSTING) == {"2026-10": pytest.approx(24 * 1.70), "2026-11": pytest.approx(6 * 1.70)}
    assert found.total.sums[Kind.HOSTING].usd == pytest.approx(30 * 1.70)
    assert found.total.sums[Kind.HOSTING].items == 1


def test_hosting_that_goes_on_is_charged_until_now(books: Books) -> None:
    books.deployment(None)
    assert costs(books).total.sums[Kind.HOSTING].usd == pytest.approx((NOW - OCTOBER) / 3600 * 1.70)
    assert costs(books, since=NOW - DAY).total.sums[Kind.HOSTING].usd == pytest.approx(24 * 1.70)
    assert costs(books, since=NOW).total.sums == {}


def test_hosting_that_was_asked_for_and_never_seen_is_an_estimate(books: Books) -> None:
    books.deployment(10, provisioned_at=None)
    assert costs(books).total.sums[Kind.HOSTING].estimated_usd == pytest.approx(17.0)
    books.deployment(10, id="deploy02", model=None, requested_at=None, provisioned_at=None)
    assert costs(books).total.sums[Kind.HOSTING].items == 1


# --- Groups ------------------------------------------------------------------------------------------------------


@pytest.fixture
def spent(books: Books) -> Books:
    """Ada's run of the team flight with three answers, Ben's run in October, answers of a base, a generation."""
    first = books.run(TUNED, labels={"team": "flight", "stage": "a"})
    second = books.run(labels={"team": "sea"}, created_at=OCTOBER, cost_usd=1.0)
    books.submitted("run", first.id, "ada")
    books.submitted("run", second.id, "ben")
    books.answers(TUNED, 3)
    books.answers(BASE, 1)
    books.generation((0.02, 0.01))
    books.submitted("generation", "gen00001", "cleo")
    return books


def totals(found: Costs) -> list[tuple[str | None, float]]:
    return [(each.key, round(each.total.usd, 6)) for each in found.groups]


def test_costs_are_grouped_by_anything_that_is_asked_for(spent: Books) -> None:
    assert totals(costs(spent, By.MONTH)) == [("2026-11", 5.81), ("2026-10", 1.0)]
    assert totals(costs(spent, By.ENDPOINT)) == [("openai", 6.81)]
    assert totals(costs(spent, By.MODEL)) == [(BASE, 6.8), ("gpt-4.1", 0.01)]
    assert totals(costs(spent, By.USER)) == [("ada", 5.4), ("ben", 1.0), ("cleo", 0.01), (None, 0.4)]
    assert totals(costs(spent, By.RUN)) == [("run00001", 5.4), ("run00002", 1.0), (None, 0.41)]
    assert totals(costs(spent, By.KIND)) == [("training", 4.0), ("evaluation", 2.8), ("generation", 0.01)]
    assert totals(costs(spent, By.TAG, "team")) == [("flight", 5.4), ("sea", 1.0), (None, 0.41)]


def test_a_run_with_two_tags_is_in_both_groups_and_counts_once_in_all(spent: Books) -> None:
    found = costs(spent, By.TAG)
    assert totals(found) == [("stage=a", 5.4), ("team=flight", 5.4), ("team=sea", 1.0), (None, 0.41)]
    assert found.total.total.usd == pytest.approx(6.81)


@pytest.mark.parametrize("by", list(By))
def test_the_total_is_the_same_however_it_is_grouped(spent: Books, by: By) -> None:
    assert costs(spent, by).total.total.usd == pytest.approx(6.81)


def test_what_was_spent_before_is_left_out(spent: Books) -> None:
    assert totals(costs(spent, By.MONTH, since=OCTOBER + DAY)) == [("2026-11", 5.81)]
    assert costs(spent, By.MONTH, since=NOW).groups == []


def test_a_run_is_named(spent: Books) -> None:
    assert [each.name for each in costs(spent, By.RUN).groups] == ["drone", "drone", ""]


def test_nothing_recorded_costs_nothing(books: Books) -> None:
    assert costs(books).groups == []
    assert costs(books).total == Group(None, {})
