from __future__ import annotations

from typing import Any

import pytest

from orchestrator.jobfile import Sweep
from orchestrator.sweeps.effects import effects
from orchestrator.sweeps.results import Ranking, Score, TrialResult, TrialState, rank
from orchestrator.sweeps.tpe import suggestions
from orchestrator.sweeps.trials import Parameters, Trial

LOSS = Sweep()
ACCURACY = Sweep(metric="valid_accuracy")


def results(
    *scores: float | None, state: TrialState = TrialState.SUCCEEDED, step: int = 100, **parameters: float | str
) -> list[TrialResult]:
    """A point, repeated once for each score."""
    return [
        TrialResult(
            Trial(number + 1, parameters, number),
            state,
            run_id=f"{parameters}-{number}",
            score=None if score is None else Score(score, step, f"model-{score}"),
            final_step=100,
            cost_usd=2.0,
        )
        for number, score in enumerate(scores)
    ]


def order(ranking: Ranking) -> list[object]:
    return [point.parameters["n_epochs"] for point in ranking.ranked]


def test_points_are_ranked_by_the_mean_of_their_repeats() -> None:
    one, two, three = results(0.5, 0.5, n_epochs=1), results(0.1, 0.7, n_epochs=2), results(0.6, n_epochs=3)
    ranking = rank(LOSS, [*three, *one, *two])
    assert order(ranking) == [2, 1, 3]
    assert [point.mean for point in ranking.ranked] == pytest.approx([0.4, 0.5, 0.6])
    assert [point.spread for point in ranking.ranked] == [pytest.approx(0.42426, abs=1e-5), 0.0, None]
    assert ranking.ranked[0].cost_usd == 4.0
    assert order(rank(ACCURACY, [*one, *two, *three])) == [3, 1, 2]


def test_the_best_model_is_the_best_repeat_of_the_first_point() -> None:
    trials = [*results(0.3, 0.5, n_epochs=1), *results(0.1, 0.9, n_epochs=2)]
    best = rank(LOSS, trials).best
    assert best is not None
    assert best.score == Score(0.3, 100, "model-0.3")
    best = rank(ACCURACY, trials).best
    assert best is not None
    assert best.score == Score(0.9, 100, "model-0.9")


def test_a_point_with_a_pruned_repeat_is_not_ranked() -> None:
    survivor = results(0.1, n_epochs=1)
    pruned = results(None, n_epochs=1, state=TrialState.PRUNED)
    ranking = rank(LOSS, [*survivor, *pruned, *results(0.5, n_epochs=2)])
    assert order(ranking) == [2]
    assert [point.state for point in ranking.others] == [TrialState.PRUNED]


def test_what_failed_or_has_no_score_is_kept_apart() -> None:
    ranking = rank(
        LOSS,
        [
            *results(None, n_epochs=1, state=TrialState.FAILED),
            *results(None, n_epochs=2),
            *results(0.2, n_epochs=3),
        ],
    )
    assert order(ranking) == [3]
    assert [point.parameters["n_epochs"] for point in ranking.others] == [1, 2]
    assert rank(LOSS, []).best is None


@pytest.mark.parametrize(
    ("first", "second", "verdict"),
    [
        ((0.1, 0.11), (0.2, 0.21), "More than chance: the first leads the second by 0.1000, and repeats"),
        (
            (0.1, 0.3),
            (0.2, 0.3),
            "Too close to call: the first leads the second by 0.0500, and repeats of a point spread",
        ),
        (
            (0.1,),
            (0.2,),
            "The first leads the second by 0.1000. Each point was trained once, so the difference may be",
        ),
    ],
)
def test_the_verdict_says_how_sure_the_first_place_is(
    first: tuple[float, ...], second: tuple[float, ...], verdict: str
) -> None:
    assert rank(LOSS, [*results(*first, n_epochs=1), *results(*second, n_epochs=2)]).verdict.startswith(verdict)
    assert rank(LOSS, results(*first, n_epochs=1)).verdict == ""


# --- effects ------------------------------------------------------------------------------------------------


def grid(loss_of: dict[tuple[int, float], float]) -> Ranking:
    trials = [
        result
        for (epochs, rate), loss in loss_of.items()
        for result in results(loss, n_epochs=epochs, learning_rate_multiplier=rate, model="m")
    ]
    return rank(LOSS, trials)


def test_an_effect_is_the_mean_at_each_value_and_its_share_of_all_differences() -> None:
    ranking = grid({(1, 0.5): 0.9, (1, 1.0): 0.8, (2, 0.5): 0.3, (2, 1.0): 0.2})
    epochs, rate = effects(ranking.ranked, "minimize")
    assert (epochs.parameter, rate.parameter) == ("n_epochs", "learning_rate_multiplier")
    found: list[Any] = [(level.label, level.points, level.mean) for level in epochs.levels]
    assert found == [
        ("1", 2, pytest.approx(0.85)),
        ("2", 2, pytest.approx(0.25)),
    ]
    assert epochs.share == pytest.approx(0.36 / 0.37)
    assert epochs.share + rate.share == pytest.approx(1.0)
    assert epochs.contrast == pytest.approx(0.6)
    assert epochs.importance is None


def test_many_values_are_shown_in_ranges() -> None:
    trials = [r for n in range(40) for r in results(n / 10, learning_rate_multiplier=0.1 + n / 20)]
    trials += results(1.0, learning_rate_multiplier="auto")
    [effect] = effects(rank(LOSS, trials).ranked, "minimize")
    assert [(level.label, level.points) for level in effect.levels] == [
        ("0.1 to 0.55", 10),
        ("0.6 to 1.05", 10),
        ("1.1 to 1.55", 10),
        ("1.6 to 2.05", 10),
        ("auto", 1),
    ]


def test_optuna_weighs_the_parameters_where_there_are_enough_points() -> None:
    pytest.importorskip("optuna")
    trials = [
        result for n in range(40) for result in results(n % 8 + n / 1000, n_epochs=n % 8 + 1, batch_size=n % 3 + 1)
    ]
    found = {effect.parameter: effect.importance for effect in effects(rank(LOSS, trials).ranked, "minimize")}
    assert found["n_epochs"] is not None
    assert found["batch_size"] is not None
    assert found["n_epochs"] > 0.6 > found["batch_size"]
    assert found["n_epochs"] + found["batch_size"] == pytest.approx(1.0)


def test_what_matters_for_the_best_depends_on_what_is_best() -> None:
    """Where the loss is low only the epochs decide, where it is high only the batch size does."""
    pytest.importorskip("optuna")
    trials = [
        result
        for n in range(64)
        for result in results((n % 8) + (n // 8 if n % 8 == 7 else 0), n_epochs=n % 8 + 1, batch_size=n // 8 + 1)
    ]
    ranked = rank(LOSS, trials).ranked
    lowest = {effect.parameter: effect.importance for effect in effects(ranked, "minimize")}
    highest = {effect.parameter: effect.importance for effect in effects(ranked, "maximize")}
    assert (lowest["batch_size"] or 0.0) < (highest["batch_size"] or 0.0)


def test_equal_scores_explain_nothing() -> None:
    [effect] = effects(rank(LOSS, [*results(0.5, n_epochs=1), *results(0.5, n_epochs=2)]).ranked, "minimize")
    assert effect.share == 0.0


# --- suggestions --------------------------------------------------------------------------------------------


def suggested(ranking: Ranking) -> list[tuple[Parameters, str]]:
    return [(suggestion.parameters, suggestion.reason) for suggestion in suggestions(ranking)]


def test_beyond_the_end_and_between_neighbours_is_suggested() -> None:
    ranking = grid({(e, r): abs(e - 3) + abs(r - 1.0) for e in (1, 2, 3) for r in (0.5, 1.0, 2.0)})
    assert suggested(ranking) == [
        (
            {"n_epochs": 4, "learning_rate_multiplier": 1.0, "model": "m"},
            "the best was the highest n_epochs tried",
        ),
        (
            {"n_epochs": 3, "learning_rate_multiplier": 0.707, "model": "m"},
            "between the best and 0.5, the next learning_rate_multiplier tried",
        ),
        (
            {"n_epochs": 3, "learning_rate_multiplier": 1.41, "model": "m"},
            "between the best and 2, the next learning_rate_multiplier tried",
        ),
    ]


def test_nothing_outside_the_ranges_of_the_api_is_suggested() -> None:
    ranking = rank(LOSS, [*results(0.1, n_epochs=1), *results(0.5, n_epochs=2)])
    assert suggested(ranking) == []
    ranking = rank(LOSS, [*results(0.1, beta=2.0), *results(0.5, beta=1.0)])
    assert suggested(ranking) == []


def test_fewer_epochs_are_suggested_where_an_earlier_checkpoint_was_better() -> None:
    ranking = rank(LOSS, [*results(0.1, n_epochs=6, step=34), *results(0.5, n_epochs=8)])
    assert suggested(ranking)[0] == ({"n_epochs": 3}, "the best checkpoint was at step 34 of 100")


def test_no_suggestion_repeats_what_was_tried() -> None:
    trials = [
        *results(0.1, n_epochs=2),
        *results(0.5, n_epochs=1),
        *results(None, n_epochs=3, state=TrialState.FAILED),
    ]
    assert suggested(rank(LOSS, trials)) == []
    assert suggested(rank(LOSS, [])) == []
