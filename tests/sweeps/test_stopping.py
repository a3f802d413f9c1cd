from __future__ import annotations

import pytest

from orchestrator.jobfile import Asha, Median, Patience
from orchestrator.sweeps.results import TrialState
from orchestrator.sweeps.stopping import Judge, look_interval

pytest.importorskip("optuna")

MEDIAN = Median(rule="median", startup_trials=3)
ASHA = Asha(rule="asha", reduction_factor=3)
PATIENCE = Patience(rule="patience", patience=2)


def course(*losses: float) -> dict[int, float]:
    """A look at every tenth step."""
    return {10 * number: loss for number, loss in enumerate(losses, start=1)}


def with_finished(stop: Median | Asha | Patience, *courses: dict[int, float]) -> Judge:
    judge = Judge(stop, 10)
    for number, looks in enumerate(courses, start=1):
        judge.end(number, looks, TrialState.SUCCEEDED)
    return judge


FINISHED = (course(0.9, 0.5), course(0.8, 0.4), course(0.7, 0.3))


def test_what_is_worse_than_the_median_is_stopped_with_the_evidence() -> None:
    judge = with_finished(MEDIAN, *FINISHED)
    assert judge.judge(9, course(0.85)) == (
        "up to step 10 its validation loss was 0.850 at best; "
        "the median of the 3 finished trials is 0.800 at that step"
    )
    assert judge.judge(10, course(0.75)) is None


def test_the_median_waits_until_enough_trials_came_that_far() -> None:
    assert with_finished(MEDIAN, *FINISHED[:2]).judge(9, course(5.0)) is None
    assert with_finished(MEDIAN, *FINISHED[:2], course(0.7, 0.3, 0.2)).judge(9, course(5.0, 5.0, 5.0)) is None
    judge = Judge(MEDIAN, 10)
    for number, looks in enumerate(FINISHED):
        judge.end(number, looks, TrialState.PRUNED)
    assert judge.judge(9, course(5.0)) is None


def test_the_median_judges_nothing_before_its_warm_up() -> None:
    judge = with_finished(Median(rule="median", startup_trials=3, warmup_steps=20), *FINISHED)
    assert judge.judge(9, course(5.0)) is None
    assert judge.judge(9, course(5.0, 5.0)) is not None


def test_a_trial_that_has_caught_up_is_not_stopped_for_what_it_was() -> None:
    assert with_finished(MEDIAN, *FINISHED).judge(9, course(5.0, 0.35)) is None


def test_a_look_is_judged_once() -> None:
    judge = with_finished(MEDIAN, *FINISHED)
    assert judge.judge(9, course(5.0)) is not None
    assert judge.judge(9, course(5.0)) is None


def test_halving_lets_only_the_best_go_on() -> None:
    judge = Judge(ASHA, 10)
    judge.recall(1, course(0.5))
    judge.recall(2, course(0.6))
    judge.recall(3, course(0.4))
    assert judge.judge(4, course(0.3)) is None
    assert judge.judge(5, course(0.45)) == (
        "at step 10 its validation loss of 0.450 ranks 3 of 5 trials; the best 1 in 3 continue"
    )


def test_halving_remembers_a_rung_that_was_passed_between_two_looks() -> None:
    judge = Judge(ASHA, 10)
    for number in range(1, 4):
        judge.recall(number, course(0.1 * number))
    found = judge.judge(9, course(0.9, 0.05))
    assert found is not None
    assert found.startswith("at step 10 its validation loss of 0.900 ranks 4 of 4")


def test_patience_ends_where_the_loss_only_got_worse() -> None:
    judge = Judge(PATIENCE, 10)
    assert judge.judge(1, course(0.9, 0.5, 0.6)) is None
    assert judge.judge(1, course(0.9, 0.5, 0.6, 0.7)) == (
        "its validation loss was best at step 20 (0.500), and 0.600 or higher at the 2 looks since, up to step 40"
    )
    assert judge.judge(2, course(0.9, 0.5, 0.6, 0.4)) is None


def test_patience_forgives_what_is_only_a_little_worse() -> None:
    judge = Judge(Patience(rule="patience", patience=2, min_delta=0.2), 10)
    assert judge.judge(1, course(0.5, 0.6, 0.65)) is None
    assert judge.judge(2, course(0.5, 0.8, 0.75)) is not None


def test_a_judge_made_anew_judges_as_the_old_one() -> None:
    for stop in (MEDIAN, ASHA, PATIENCE):
        old, new = with_finished(stop, *FINISHED), with_finished(stop, *FINISHED)
        old.judge(4, course(0.6))
        new.recall(4, course(0.6))
        for losses in ((0.6, 0.55), (0.6, 0.55, 0.7), (0.6, 0.55, 0.7, 0.8)):
            assert old.judge(4, course(*losses)) == new.judge(4, course(*losses))


def test_what_is_over_is_not_judged_again() -> None:
    judge = with_finished(MEDIAN, *FINISHED)
    judge.end(9, course(5.0), TrialState.PRUNED)
    judge.end(9, course(5.0, 5.0), TrialState.SUCCEEDED)
    judge.recall(9, course(5.0, 5.0))
    assert judge.judge(9, course(5.0, 5.0, 5.0)) is None


def test_a_trial_without_a_measurement_is_no_measure_for_others() -> None:
    judge = with_finished(MEDIAN, {}, {}, {})
    assert judge.judge(9, course(5.0)) is None


@pytest.mark.parametrize(("stop", "steps", "expected"), [(MEDIAN, 777, 39), (MEDIAN, 3, 1)])
def test_the_longest_trial_is_looked_at_twenty_times(stop: Median, steps: int, expected: int) -> None:
    assert look_interval(stop, steps) == expected
    assert look_interval(stop.model_copy(update={"interval_steps": 5}), steps) == 5
