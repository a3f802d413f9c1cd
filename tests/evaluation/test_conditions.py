"""Only what was scored by the same rules is compared, and the next step is named where it was not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.recording import BASE, TUNED, record_evaluation

from orchestrator.errors import EvaluatedOtherwise
from orchestrator.evaluation.leaderboard import leaderboards
from orchestrator.evaluation.versus import compare_models
from orchestrator.ledger import Ledger, open_ledger


@pytest.fixture
def ledger(home: Path) -> Iterator[Ledger]:
    (home / "ftorch.toml").write_text("")
    with open_ledger(home, create=True) as opened:
        yield opened


def record_two(ledger: Ledger) -> None:
    """The base without a rejection tool, and later the tuned model with one."""
    record_evaluation(ledger, {(BASE, "full"): [1, 2]})
    right = {(TUNED, "full"): [1, 2, 3]}
    record_evaluation(ledger, right, id="eval0002", rejection_tools=["decline"], created_at=2000.0)


def test_a_leaderboard_ranks_only_what_was_scored_alike_and_tells_the_others(ledger: Ledger) -> None:
    record_two(ledger)
    [board] = leaderboards(ledger)
    assert [place.series.model for place in board.places] == [TUNED]
    [other] = board.scored_otherwise
    assert (other.model, other.variants) == (BASE, ["full"])
    assert str(board.conditions) == "calls of decline reject (rules version 1)"
    assert other.command.endswith(
        f"{BASE} --endpoint openai --file /cases.jsonl --rejection-tool decline --rescore"
    )


def test_an_older_evaluation_by_the_same_rules_is_ranked_before_a_newer_by_others(ledger: Ledger) -> None:
    record_evaluation(ledger, {(BASE, "full"): [1]}, rejection_tools=["decline"])
    record_evaluation(ledger, {(BASE, "full"): [1, 2]}, id="eval0002", created_at=2000.0)
    right = {(TUNED, "full"): [1, 2, 3]}
    record_evaluation(ledger, right, id="eval0003", rejection_tools=["decline"], created_at=3000.0)
    [board] = leaderboards(ledger)
    ranked = [(place.series.model, place.evaluation.id) for place in board.places]
    assert ranked == [(TUNED, "eval0003"), (BASE, "eval0001")]
    assert board.scored_otherwise == []


def test_one_evaluation_by_other_rules_does_not_take_the_leaderboard_over(ledger: Ledger) -> None:
    record_evaluation(
        ledger, {(model, variant): [1] for model in (BASE, TUNED) for variant in ("full", "no-tools")}
    )
    right = {(BASE, "full"): [1, 2], (BASE, "no-parameters"): [1]}
    record_evaluation(ledger, right, id="eval0002", rejection_tools=["decline"], created_at=2000.0)
    [board] = leaderboards(ledger)
    assert {place.evaluation.id for place in board.places} == {"eval0001"}
    assert len(board.places) == 4
    [other] = board.scored_otherwise
    assert (other.model, other.variants) == (BASE, ["no-parameters"])
    assert "--variants no-parameters" in other.command


def test_two_models_scored_otherwise_are_not_compared_and_both_rules_are_named(ledger: Ledger) -> None:
    record_two(ledger)
    with pytest.raises(EvaluatedOtherwise) as caught:
        compare_models(ledger, BASE, TUNED)
    message = str(caught.value)
    assert "for the first, no rejection tool is set (rules version 1)" in message
    assert "for the second, calls of decline reject (rules version 1)" in message
    assert f"ftorch evaluate {BASE} --endpoint openai --file /cases.jsonl --rejection-tool decline" in message


def test_two_models_are_compared_by_what_was_scored_alike_though_it_is_older(ledger: Ledger) -> None:
    record_two(ledger)
    record_evaluation(ledger, {(BASE, "full"): [1]}, id="eval0003", rejection_tools=["decline"], created_at=500.0)
    comparison = compare_models(ledger, BASE, TUNED)
    assert (comparison.first.evaluation.id, comparison.second.evaluation.id) == ("eval0003", "eval0002")
    assert [each.case for each in comparison.fixed] == ["case-2", "case-3"]


def test_rules_of_another_version_are_other_rules(ledger: Ledger) -> None:
    record_evaluation(ledger, {(BASE, "full"): [1]})
    record_evaluation(ledger, {(TUNED, "full"): [1]}, id="eval0002", scored_with=2, created_at=2000.0)
    [board] = leaderboards(ledger)
    assert [other.conditions.scored_with for other in board.scored_otherwise] == [1]
