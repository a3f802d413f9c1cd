"""Recorded scores put side by side: against the base, against each other, on the leaderboard, at the gate."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from orchestrator.errors import NotEvaluated
from orchestrator.evaluation.gate import failures
from orchestrator.evaluation.leaderboard import leaderboards
from orchestrator.evaluation.results import Results, results_of
from orchestrator.evaluation.versus import compare_models
from orchestrator.jobfile import Gate
from orchestrator.ledger import Ledger, open_ledger
from orchestrator.store import evaluations as store
from orchestrator.store.evaluations import DONE, Evaluation, Score


@pytest.fixture
def ledger(home: Path) -> Iterator[Ledger]:
    (home / "ftorch.toml").write_text("")
    with open_ledger(home, create=True) as opened:
        yield opened


def record(
    ledger: Ledger,
    right: dict[str, Iterable[int]],
    *,
    cases: int = 10,
    identifier: str = "eval0001",
    labels: dict[str, str] | None = None,
    missing: Iterable[int] = (),
    rejected_if_wrong: bool = False,
    **changes: Any,
) -> Evaluation:
    """An evaluation of `cases` calls, of which each model has those with the given numbers right, and no answer to
    those that are `missing`."""
    labels = labels or {"gpt": "base"}
    models = [{"model": model, "label": labels.get(model, "tuned")} for model in right]
    values: dict[str, Any] = {
        "id": identifier,
        "name": "drone",
        "job_file": None,
        "run_id": None,
        "endpoint": "local",
        "endpoint_type": "local",
        "file_path": "/cases.jsonl",
        "file_sha256": "b" * 64,
        "settings": {"models": models, "variants": ["full"], "samples": 1},
        "state": DONE,
        "scored_with": 1,
        "created_at": 1000.0,
    }
    evaluation = Evaluation(**{**values, **changes})
    rows = [
        score(evaluation.id, model, number, is_right=number in set(numbers), rejects=rejected_if_wrong)
        for model, numbers in right.items()
        for number in range(1, cases + 1)
    ]
    for row in (row for row in rows if row.line in set(missing)):
        row.detail["decision"] = None  # type: ignore[index]
    with ledger.database.write() as connection:
        store.add(connection, evaluation)
        store.add_scores(connection, rows)
    return evaluation


def score(evaluation_id: str, model: str, number: int, *, is_right: bool, rejects: bool = False) -> Score:
    difference = {"mistake": "wrong_tool", "place": "", "expected": "land", "found": "climb"}
    detail = {
        "slices": ["all"],
        "cluster": None,
        "request": f"request {number}",
        "expects": "call",
        "decision": "right_tool" if is_right else "wrong_tool",
        "difference": None if is_right else difference,
        "rejected": rejects and not is_right,
        "expected_tools": ["land"],
        "called_tools": ["land" if is_right else "climb"],
        "calls": [1, 1, 1, 0, 0],
        "arguments": [0, 0, 0],
        "tokens": [100, 10],
        "seconds": 0.5,
    }
    level, mistake = ("typed", None) if is_right else (None, "wrong_tool")
    return Score(evaluation_id, model, "full", f"case-{number}", 0, number, level, mistake, detail)


def against_base(results: Results, model: str) -> Any:
    return next(each for each in results.comparisons if (each.model, each.measure) == (model, "call_accuracy"))


def test_a_tuned_model_is_held_against_the_base_case_by_case(ledger: Ledger) -> None:
    results = results_of(ledger, record(ledger, {"gpt": [1], "ft:gpt:a": range(1, 10)}))
    found = against_base(results, "ft:gpt:a")
    assert (found.comparison.first.successes, found.comparison.second.successes) == (1, 9)
    assert found.p_value == pytest.approx(2 / 2**8)
    assert found.is_established
    assert results.series[1].usd_per_thousand == 0.0


def test_several_models_against_one_base_are_adjusted_after_holm(ledger: Ledger) -> None:
    right: dict[str, Iterable[int]] = {"gpt": [], "ft:gpt:a": range(1, 7), "ft:gpt:b": range(1, 3)}
    results = results_of(ledger, record(ledger, right))
    first, second = (against_base(results, model) for model in ("ft:gpt:a", "ft:gpt:b"))
    assert first.comparison.p_value == pytest.approx(0.03125)
    assert (first.p_value, first.of) == (pytest.approx(0.0625), 2)
    assert not first.is_established
    assert second.p_value == pytest.approx(0.5)


def test_a_comparison_names_what_was_broken_and_what_was_mixed_up(ledger: Ledger) -> None:
    record(ledger, {"gpt": [1, 2, 3]})
    record(ledger, {"ft:gpt:a": [3, 4]}, identifier="eval0002")
    comparison = compare_models(ledger, "gpt", "ft:gpt:a")
    assert [each.case for each in comparison.broken] == ["case-1", "case-2"]
    assert [each.case for each in comparison.fixed] == ["case-4"]
    assert str(comparison.broken[0].difference) == "wrong tool: expected land, found climb"
    assert comparison.confusion == {("land", "climb"): (7, 8)}


def test_models_that_share_no_file_are_not_compared(ledger: Ledger) -> None:
    record(ledger, {"gpt": [1]})
    record(ledger, {"ft:gpt:a": [1]}, identifier="eval0002", file_sha256="c" * 64)
    with pytest.raises(NotEvaluated, match="ftorch evaluate gpt ft:gpt:a --file"):
        compare_models(ledger, "gpt", "ft:gpt:a")
    with pytest.raises(NotEvaluated, match='"nobody" was not evaluated'):
        compare_models(ledger, "nobody", "gpt")


def test_the_leaderboard_has_each_model_once_for_each_file_by_its_newest_evaluation(ledger: Ledger) -> None:
    record(ledger, {"gpt": [1, 2], "ft:gpt:a": range(1, 10)})
    record(ledger, {"gpt": [1, 2, 3]}, identifier="eval0002", created_at=2000.0)
    record(ledger, {"gpt": []}, identifier="eval0003", file_sha256="c" * 64, created_at=500.0, name="other")
    board, other = leaderboards(ledger)
    assert [(place.series.model, place.evaluation.id) for place in board.places] == [
        ("ft:gpt:a", "eval0001"),
        ("gpt", "eval0002"),
    ]
    assert board.places[0].p_value is None
    assert board.places[1].p_value == pytest.approx(2 / 2**6)
    assert (other.file_sha256, other.cases) == ("c" * 64, 10)
    assert [each.file_sha256 for each in leaderboards(ledger, "other")] == ["c" * 64]
    assert leaderboards(ledger, metric="over_rejection")[0].cases == 10
    assert leaderboards(ledger, "stock") == []


def test_a_gate_asks_for_a_least_share(ledger: Ledger) -> None:
    results = results_of(ledger, record(ledger, {"gpt": [], "ft:gpt:a": range(1, 8)}))
    assert failures(Gate(metric="call_accuracy", min=0.7), results) == []
    assert failures(Gate(metric="call_accuracy", min=0.8), results) == [
        "tuned (full): call_accuracy is 0.700, below 0.8"
    ]
    assert failures(Gate(metric="rejection_recall", min=0.8), results) == [
        "tuned (full): rejection_recall can't be computed: no case counts for it"
    ]


def test_of_what_is_better_low_a_gate_asks_for_the_most(ledger: Ledger) -> None:
    results = results_of(ledger, record(ledger, {"gpt": [], "ft:gpt:a": [1]}))
    assert failures(Gate(metric="over_rejection", min=0.1), results) == []


def test_only_an_established_loss_is_a_regression(ledger: Ledger) -> None:
    gate = Gate(metric="call_accuracy", no_regression=True)
    slight = record(ledger, {"gpt": range(1, 6), "ft:gpt:a": []})
    assert failures(gate, results_of(ledger, slight)) == []
    clear = record(ledger, {"gpt": range(1, 7), "ft:gpt:a": []}, identifier="eval0002")
    assert failures(gate, results_of(ledger, clear)) == [
        "tuned (full): call_accuracy is worse than the base's, and the difference is established"
    ]


def test_a_gate_is_not_met_where_nothing_was_judged_or_held_against_the_base(ledger: Ledger) -> None:
    alone = results_of(ledger, record(ledger, {"gpt": range(1, 11)}))
    assert failures(Gate(metric="call_accuracy", min=0.1), alone) == [
        "only the base was asked, so there is no tuned model to judge"
    ]
    tuned = results_of(ledger, record(ledger, {"ft:gpt:a": range(1, 11)}, identifier="eval0002"))
    assert failures(Gate(metric="call_accuracy", no_regression=True), tuned) == [
        "tuned (full): call_accuracy can't be compared: the base was not asked the same cases"
    ]


def test_missing_answers_that_could_change_it_do_not_meet_a_gate(ledger: Ledger) -> None:
    results = results_of(ledger, record(ledger, {"gpt": [], "ft:gpt:a": range(1, 9)}, missing=[9, 10]))
    assert failures(Gate(metric="call_accuracy", min=0.8), results) == []
    assert failures(Gate(metric="call_accuracy", min=0.81), results) == [
        "tuned (full): call_accuracy is 1.000, but 2 of 10 answers are missing, which could change that; "
        "the same command asks for them again"
    ]
    assert failures(Gate(metric="over_rejection", min=0.2), results) == []
    assert "2 of 10 answers are missing" in failures(Gate(metric="over_rejection", min=0.1), results)[0]


def test_what_rose_and_is_better_low_is_called_worse(ledger: Ledger) -> None:
    more = results_of(ledger, record(ledger, {"gpt": range(1, 11), "ft:gpt:a": []}, rejected_if_wrong=True))
    found = next(each for each in more.comparisons if each.measure == "over_rejection")
    assert found.comparison.better == 10
    assert found.sentence.startswith("The second is worse: 10 of 10 against 0 of 10")


def test_a_sentence_goes_by_the_adjusted_p_value(ledger: Ledger) -> None:
    tuned = {f"ft:gpt:{name}": range(1, 7) for name in "abcd"}
    found = against_base(results_of(ledger, record(ledger, {"gpt": [], **tuned})), "ft:gpt:a")
    assert found.comparison.is_established
    assert not found.is_established
    assert found.sentence.startswith("Not established")
