"""Two models on the same cases: numbers and the sentence about them."""

from __future__ import annotations

import pytest

from orchestrator.evaluation.comparison import Comparison, PairedAnswer, adjusted, compare, p_shown


def pairs(*outcomes: str) -> list[PairedAnswer]:
    """`outcomes` such as "01" (first wrong, second right), with a cluster behind: "01a"."""
    return [
        PairedAnswer(f"case-{number}", outcome[2:] or None, outcome[0] == "1", outcome[1] == "1")
        for number, outcome in enumerate(outcomes)
    ]


def shares(found: Comparison) -> tuple[float | None, float | None]:
    return found.first.value, found.second.value


def test_five_of_five_against_one_of_five_is_called_not_established() -> None:
    found = compare(pairs("11", "01", "01", "01", "01"))
    assert found.p_value == 0.125
    assert not found.is_established
    assert found.sentence == (
        "Not established: 5 of 5 against 1 of 5 may be chance (p = 0.125, exact McNemar test). "
        "Only 4 answers changed; a difference needs at least 6 to be established."
    )


def test_a_clear_difference_is_said_with_its_interval() -> None:
    found = compare(pairs(*["01"] * 12, *["10"] * 1, *["11"] * 20, *["00"] * 7))
    assert found.is_established
    assert found.sentence.startswith("The second is better: 32 of 40 against 21 of 40 (+28 points, 95 % CI +")
    assert found.difference is not None
    assert 0 < found.difference.low < found.difference.value < found.difference.high < 1


def test_a_worse_second_is_called_worse() -> None:
    assert compare(pairs(*["10"] * 8)).sentence.startswith(
        "The second is worse: 0 of 8 against 8 of 8 (-100 points"
    )


def test_broken_and_fixed_cases_are_named() -> None:
    found = compare(pairs("11", "10", "01", "00", "10"))
    assert (found.broken, found.fixed) == (("case-1", "case-4"), ("case-2",))
    assert (found.worse, found.better) == (2, 1)


def test_paraphrases_of_one_request_count_once() -> None:
    alone = compare(pairs(*["01"] * 8))
    clustered = compare(pairs(*["01a"] * 4, *["01b"] * 4))
    assert alone.is_established
    assert not clustered.is_established
    assert (clustered.better, clustered.worse, clustered.p_value) == (2, 0, 0.5)
    assert "8 of 8 (in 2 clusters) against 0 of 8 (in 2 clusters)" in clustered.sentence


def test_a_cluster_weighs_as_much_as_a_case_that_stands_alone() -> None:
    found = compare(pairs("01a", "01a", "00a", "00a", "11"))
    assert shares(found) == (0.5, 0.75)
    assert found.difference is not None
    assert found.difference.value == 0.25


def test_a_cluster_that_wins_as_much_as_it_loses_is_a_tie() -> None:
    found = compare(pairs("01a", "10a"))
    assert (found.better, found.worse, len(found.fixed), len(found.broken)) == (0, 0, 1, 1)


def test_no_pairs_and_no_changes_are_said_plainly() -> None:
    assert compare([]).sentence == "Nothing to compare: the models have no answered case in common."
    same = compare(pairs("11", "00"))
    assert same.sentence == "No difference: 1 of 2 against 1 of 2, and every case came out the same."


def test_the_same_seed_gives_the_same_interval() -> None:
    outcomes = pairs(*["01"] * 9, *["10"] * 4, *["11"] * 30)
    assert compare(outcomes, seed=1).difference == compare(outcomes, seed=1).difference


@pytest.mark.parametrize(
    ("p_value", "text"), [(0.125, "0.125"), (1.0, "1.000"), (0.0034, "0.0034"), (1e-9, "below 0.0001")]
)
def test_p_values_are_printed_with_what_matters(p_value: float, text: str) -> None:
    assert p_shown(p_value) == text


def test_several_trials_are_adjusted_by_name() -> None:
    assert adjusted({"a": 0.01, "b": 0.04, "c": 0.03}) == pytest.approx({"a": 0.03, "b": 0.06, "c": 0.06})
