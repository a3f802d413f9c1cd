"""Figures over many answers: what counts where, and what counts once."""

from __future__ import annotations

from dataclasses import replace

import pytest
from support.evaluation import MakeCase, call

from orchestrator.dataset.pricing import Rates
from orchestrator.evaluation.answers import Answer
from orchestrator.evaluation.cases import Case
from orchestrator.evaluation.metrics import NO_CALL, Metrics, Proportion, Tally, cost_per_thousand
from orchestrator.evaluation.scorer import score
from orchestrator.evaluation.scoring.expectations import Rejections
from orchestrator.evaluation.scoring.verdicts import Decision, Level, Mistake

REJECTING = frozenset({"decline"})


def counted(*answered: tuple[Case, Answer], samples: int = 1) -> Tally:
    tally = Tally(samples)
    for case, answer in answered:
        tally.add(case, score(case, answer, Rejections(REJECTING)), answer)
    return tally


def figures(*answered: tuple[Case, Answer]) -> Metrics:
    return counted(*answered).all.figures()


def ratio(found: Proportion) -> tuple[int, int]:
    return found.successes, found.count


@pytest.fixture
def booking(make_case: MakeCase) -> Case:
    return make_case(("book_table", {"place": "Roma"}), id="booking", slice="possible")


@pytest.fixture
def boat(make_case: MakeCase) -> Case:
    return make_case(("decline", {}), id="boat", slices=["impossible", "boats"], rejection_tools=REJECTING)


@pytest.fixture
def greeting(make_case: MakeCase) -> Case:
    return make_case("Hello!", id="greeting")


def test_every_answer_falls_into_one_field_of_the_decision_table(booking: Case, boat: Case, greeting: Case) -> None:
    found = figures(
        (booking, call("book_table", place="Roma")),
        (booking, call("cancel_table", place="Roma")),
        (booking, Answer(text="When?")),
        (booking, call("decline")),
        (boat, call("decline")),
        (boat, call("book_table", place="Roma")),
        (greeting, Answer(text="Hi")),
        (greeting, call("book_table", place="Roma")),
    )
    assert found.decisions == {
        Decision.RIGHT_TOOL: 1,
        Decision.WRONG_TOOL: 1,
        Decision.DID_NOT_ACT: 2,
        Decision.ACTED_NEEDLESSLY: 2,
        Decision.RIGHTLY_DID_NOT_ACT: 2,
    }
    assert ratio(found.tool_accuracy) == (1, 4)
    assert (ratio(found.missed_calls), ratio(found.unnecessary_calls)) == ((2, 4), (2, 4))
    assert found.answers == 8


def test_rejection_recall_stands_beside_over_rejection(booking: Case, boat: Case) -> None:
    timid = call("decline")
    found = figures((booking, timid), (booking, timid), (boat, timid))
    assert (ratio(found.rejection_recall), ratio(found.over_rejection)) == ((1, 1), (2, 2))


def test_accuracy_is_counted_at_three_levels_for_all_and_for_calls(booking: Case, greeting: Case) -> None:
    found = figures(
        (booking, call("book_table", place="Roma")),
        (booking, call("book_table", place="Roma", smoking=False)),
        (booking, call("book_table", place="roma")),
        (booking, call("book_table", place="Milano")),
        (greeting, Answer(text="Hi")),
    )
    assert [ratio(found.call_accuracy[level]) for level in Level] == [(1, 4), (2, 4), (3, 4)]
    assert [ratio(found.accuracy[level]) for level in Level] == [(2, 5), (3, 5), (4, 5)]


def test_an_api_error_is_counted_apart(booking: Case) -> None:
    found = figures((booking, Answer(api_error="503", seconds=9.0)), (booking, call("book_table", place="Roma")))
    assert (found.answers, found.api_errors) == (1, 1)
    assert ratio(found.accuracy[Level.TYPED]) == (1, 1)
    assert found.seconds is None
    assert found.mistakes == {Mistake.API_ERROR: 1}


def test_argument_f1_is_the_harmonic_mean_of_precision_and_recall(make_case: MakeCase) -> None:
    case = make_case(("book_table", {"place": "Roma", "guests": 2}))
    found = figures((case, call("book_table", place="Roma", guests=3, seat="inside", budget=9)))
    assert (found.arguments.precision, found.arguments.recall) == (0.25, 0.5)
    assert found.arguments.f1 == pytest.approx(2 * 0.25 * 0.5 / 0.75)


def test_hallucinations_and_validity_are_shares_of_the_answers_that_call(booking: Case) -> None:
    found = figures(
        (booking, call("book_table", place="Roma", wine=2)),
        (booking, call("fly", to="Rome")),
        (booking, call("book_table", place=3)),
        (booking, call("book_table", place="Roma")),
        (booking, Answer(text="When?")),
    )
    assert ratio(found.hallucinated_tools) == (1, 4)
    assert ratio(found.hallucinated_arguments) == (1, 4)
    assert ratio(found.schema_validity) == (2, 3)


def test_slices_and_tools_have_figures_of_their_own(booking: Case, boat: Case) -> None:
    tally = counted((booking, call("book_table", place="Roma")), (boat, Answer(text="No")))
    assert {name: group.figures().answers for name, group in tally.slices.items()} == {
        "possible": 1,
        "impossible": 1,
        "boats": 1,
    }
    assert ratio(tally.tools["book_table"].figures().accuracy[Level.TYPED]) == (1, 1)
    assert ratio(tally.tools["decline"].figures().accuracy[Level.TYPED]) == (0, 1)


def test_the_confusion_tells_which_tool_was_taken_for_which(booking: Case, boat: Case) -> None:
    wrong = call("cancel_table", place="Roma")
    found = figures((booking, wrong), (booking, wrong), (boat, Answer(text="No")))
    assert found.confusion == {("book_table", "cancel_table"): 2, ("decline", NO_CALL): 1}


def test_paraphrases_and_samples_count_once(booking: Case, greeting: Case) -> None:
    right, wrong = call("book_table", place="Roma"), Answer(text="When?")
    one, two = replace(booking, cluster="roma", id="a"), replace(booking, cluster="roma", id="b")
    share = counted((one, wrong), (two, right), (greeting, Answer(text="Hi"))).all.figures().accuracy[Level.TYPED]
    assert (share.successes, share.count, share.clusters, share.value) == (2, 3, 2, 0.75)
    sampled = counted(*[(booking, right)] * 9, (booking, wrong), samples=10).all.figures().accuracy[Level.TYPED]
    assert (sampled.clusters, sampled.value) == (1, 0.9)


def test_tokens_and_seconds_have_a_mean_and_a_95th_percentile(booking: Case) -> None:
    answers = [
        replace(call("book_table", place="Roma"), prompt_tokens=n, completion_tokens=10, seconds=n / 100)
        for n in range(101)
    ]
    found = figures(*[(booking, answer) for answer in answers])
    assert found.prompt_tokens is not None
    assert (found.prompt_tokens.mean, found.prompt_tokens.median, found.prompt_tokens.p95) == (50.0, 50.0, 95.0)
    assert found.seconds is not None
    assert found.seconds.p95 == pytest.approx(0.95)


def test_a_thousand_requests_cost_what_their_tokens_cost(booking: Case) -> None:
    rates = Rates(input=2.0, output=8.0)
    answer = replace(call("book_table", place="Roma"), prompt_tokens=500, completion_tokens=25)
    found = figures((booking, answer))
    assert cost_per_thousand(found, rates) == pytest.approx(1000 * (500 * 2.0 + 25 * 8.0) / 1_000_000)
    assert cost_per_thousand(found, Rates(input=2.0, output=None)) is None
    assert cost_per_thousand(figures((booking, Answer(text="x"))), rates) is None


def test_nothing_counted_is_no_figure_at_all() -> None:
    found = Tally().all.figures()
    assert found.accuracy[Level.TYPED].value is None
    assert found.arguments.f1 is None
    assert found.prompt_tokens is None
