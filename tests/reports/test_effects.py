"""What each parameter did, and what to try next, as people see it."""

from __future__ import annotations

import tomllib
from collections.abc import Callable

import pytest
from rich.console import Console

from orchestrator.jobfile import Point, Sweep
from orchestrator.reports.ranking import points_lines, print_effects, print_suggestions, reason
from orchestrator.sweeps.effects import Effect, effects
from orchestrator.sweeps.results import TrialResult, rank
from orchestrator.sweeps.tpe import suggestions

Make = Callable[..., TrialResult]
Screen = Callable[..., Console]
LinesOf = Callable[[Console], list[str]]
RATE = "learning_rate_multiplier"


def found(results: list[TrialResult], sweep: Sweep) -> list[Effect]:
    return effects(rank(sweep, results).ranked, sweep.goal)


@pytest.fixture
def grid(make_result: Make) -> list[TrialResult]:
    """The number of epochs decides, the rate does little."""
    losses = {(1, 0.5): 0.9, (1, 1.0): 0.8, (2, 0.5): 0.5, (2, 1.0): 0.4, (3, 0.5): 0.2, (3, 1.0): 0.1}
    points = enumerate(losses.items(), 1)
    return [make_result(n, loss, n_epochs=e, learning_rate_multiplier=r) for n, ((e, r), loss) in points]


def test_each_value_has_its_mean_and_a_bar_from_zero(
    grid: list[TrialResult], screen: Screen, lines_of: LinesOf
) -> None:
    console = screen()
    print_effects(found(grid, Sweep()), Sweep(), console)
    lines = lines_of(console)
    assert lines[2] == "  n_epochs: explains 97% of the differences (chance alone 40%)"
    levels = [line.split() for line in lines[3:6]]
    assert [level[:-1] for level in levels] == [
        ["1", "2", "points", "mean", "valid_loss", "0.8500"],
        ["2", "2", "points", "mean", "valid_loss", "0.4500"],
        ["3", "2", "points", "mean", "valid_loss", "0.1500"],
    ]
    assert [len(level[-1]) for level in levels] == [20, 11, 4]
    assert max(map(len, lines)) <= 80


@pytest.mark.parametrize(
    ("sweep", "said"),
    [
        (
            Sweep(),
            "Mostly n_epochs: 3 is best (0.1500 on average), 1 worst (0.8500).",
        ),
        (Sweep(direction="maximize"), "Mostly n_epochs: 1 is best (0.8500 on average), 3 worst (0.1500)."),
    ],
)
def test_the_parameter_that_decided_is_named_with_its_best_value(
    sweep: Sweep, said: str, grid: list[TrialResult]
) -> None:
    assert reason(found(grid, sweep), sweep) == said


def test_parameters_that_went_together_are_not_told_apart(make_result: Make) -> None:
    results = [
        make_result(
            n, n // 4 + n / 100, n_epochs=1 + n // 4, batch_size=1 + n // 4, learning_rate_multiplier=n / 10
        )
        for n in range(1, 8)
    ]
    said = reason(found(results, Sweep()), Sweep())
    assert said.startswith("batch_size and n_epochs changed together in these points")


def test_two_parameters_that_matter_each_by_itself_are_both_named(make_result: Make) -> None:
    losses = {(e, r): 3 - e + 2.2 * (1 - r) for e in (1, 2, 3) for r in (0.0, 0.5, 1.0)}
    points = enumerate(losses.items(), 1)
    results = [make_result(n, loss, n_epochs=e, learning_rate_multiplier=r) for n, ((e, r), loss) in points]
    said = reason(found(results, Sweep()), Sweep())
    assert said.startswith(f"Mostly {RATE}: 1 is best")
    assert "; and n_epochs: 3 is best" in said


def test_what_chance_explains_as_well_is_no_reason(make_result: Make) -> None:
    """Four points with four values: the values explain everything, and so would any four numbers."""
    results = [make_result(n, n / 10, n_epochs=n) for n in range(1, 5)]
    [effect] = found(results, Sweep())
    assert (effect.share, effect.by_chance) == (1.0, 1.0)
    assert reason([effect], Sweep()).startswith("No single parameter stands out")


def test_the_lines_offered_for_the_job_file_are_what_it_takes(make_result: Make) -> None:
    points: list[dict[str, int | float | str]] = [{"n_epochs": 4, RATE: 0.707}]
    points.append({"model": 'a"b\\c', "batch_size": "auto"})
    read = tomllib.loads("\n".join(points_lines(points)))["points"]
    assert read == points
    assert [Point.model_validate(point).parameters for point in read] == [dict(point) for point in points]


def test_suggestions_come_with_their_reasons(grid: list[TrialResult], screen: Screen, lines_of: LinesOf) -> None:
    console = screen(120)
    print_suggestions(suggestions(rank(Sweep(), grid)), console)
    lines = lines_of(console)
    assert lines[2] == f"  n_epochs 4, {RATE} 1: the best was the highest n_epochs tried"
    assert f"      {{ n_epochs = 4, {RATE} = 1.0 }}," in lines
