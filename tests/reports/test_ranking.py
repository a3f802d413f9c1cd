"""The ranking of a sweep as people see it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from rich.console import Console

from orchestrator.jobfile import Sweep
from orchestrator.reports.ranking import print_ranking, print_unranked
from orchestrator.sweeps.results import TrialResult, TrialState, rank

Make = Callable[..., TrialResult]
Screen = Callable[..., Console]
LinesOf = Callable[[Console], list[str]]


def ranking_lines(
    results: list[TrialResult], console: Console, lines_of: LinesOf, limit: int | None = 20
) -> list[str]:
    sweep = Sweep()
    print_ranking(rank(sweep, results), sweep, console, limit)
    return lines_of(console)


def test_a_line_has_score_parameters_run_tokens_cost_and_time(
    make_result: Make, screen: Screen, lines_of: LinesOf
) -> None:
    results = [
        make_result(1, 0.5, n_epochs=1, learning_rate_multiplier=0.5),
        make_result(2, 0.25, n_epochs=3, learning_rate_multiplier=1.0),
    ]
    lines = ranking_lines(results, screen(), lines_of)
    first, second = (line.split() for line in lines if "run0" in line)
    assert first == ["1", "0.2500", "3", "1", "run00002", "1,000", "$1.25", "1:05"]
    assert second == ["2", "0.5000", "1", "0.5", "run00001", "1,000", "$1.25", "1:05"]
    assert not any("SPREAD" in line or "STEP" in line for line in lines)


def test_repeats_show_their_spread_and_how_many_they_are(
    make_result: Make, screen: Screen, lines_of: LinesOf
) -> None:
    results = [make_result(1, 0.1, n_epochs=1), make_result(2, 0.3, repeat=1, n_epochs=1)]
    [line] = [line for line in ranking_lines(results, screen(), lines_of) if "run0" in line]
    assert line.split()[:6] == ["1", "0.2000", "0.1414", "1", "run00001", "+1"]


def test_an_earlier_checkpoint_and_a_measurement_on_a_part_are_told(
    make_result: Make, screen: Screen, lines_of: LinesOf
) -> None:
    results = [make_result(1, 0.1, step=200, is_whole=False, n_epochs=1), make_result(2, 0.3, n_epochs=2)]
    lines = ranking_lines(results, screen(), lines_of)
    first, second = (line for line in lines if "run0" in line)
    assert "~0.1000" in first
    assert "200/300" in first
    assert "300/300" in second
    assert any(line.startswith("  ~ measured on a part of the validation file") for line in lines)


@pytest.mark.parametrize("width", [80, 200])
def test_every_point_is_one_line_whatever_the_width(
    width: int, make_result: Make, screen: Screen, lines_of: LinesOf
) -> None:
    results = [
        make_result(n, n / 10, n_epochs=n, learning_rate_multiplier=0.125, batch_size=64, beta=0.1)
        for n in range(1, 10)
    ]
    lines = ranking_lines(results, screen(width), lines_of)
    assert max(map(len, lines)) <= width
    points = [line.split()[0] for line in lines if "run0" in line]
    assert points == [str(place) for place in range(1, 10)]
    assert not any("…" in line for line in lines)


def test_repeats_and_earlier_checkpoints_leave_no_figure_cut_off(
    make_result: Make, screen: Screen, lines_of: LinesOf
) -> None:
    results = [
        replace(
            make_result(n, n / 10, repeat=n % 2, step=200, n_epochs=n // 2, learning_rate_multiplier=0.5),
            trained_tokens=1_013_622,
        )
        for n in range(2, 6)
    ]
    for width in range(80, 140, 4):
        lines = ranking_lines(results, screen(width), lines_of)
        assert not any("…" in line for line in lines)
        assert sum("run0" in line for line in lines) == 2


def test_a_long_ranking_ends_with_how_many_are_left(make_result: Make, screen: Screen, lines_of: LinesOf) -> None:
    results = [make_result(n, n / 10, learning_rate_multiplier=n / 100) for n in range(1, 1001)]
    lines = ranking_lines(results, screen(), lines_of)
    assert sum("run0" in line for line in lines) == 20
    assert "  and 980 worse points; --all shows every one" in lines
    everything = ranking_lines(results, screen(), lines_of, limit=None)
    assert sum("run0" in line for line in everything) == 1000


def test_nothing_yet_is_said_in_words(screen: Screen, lines_of: LinesOf) -> None:
    assert ranking_lines([], screen(), lines_of) == ["", "Ranking", "  No trial has a result yet."]


def test_what_is_not_ranked_is_told_by_state_with_its_reason(
    make_result: Make, screen: Screen, lines_of: LinesOf
) -> None:
    console = screen(200)
    results = [
        make_result(1, 0.5, n_epochs=1),
        make_result(3, state=TrialState.PRUNED, reason="the median is better", n_epochs=3),
        make_result(2, state=TrialState.FAILED, reason="server\x1b[31m_error", n_epochs=2),
        make_result(4, state=TrialState.ACTIVE, reason="waiting", n_epochs=4),
    ]
    print_unranked(rank(Sweep(), results), console)
    assert lines_of(console) == [
        "",
        "Stopped by the rule (1)",
        "  trial 3 (n_epochs 3): the median is better",
        "",
        "Failed (1)",
        "  trial 2 (n_epochs 2): server [31m_error",
    ]


def test_a_long_list_of_what_failed_is_cut(make_result: Make, screen: Screen, lines_of: LinesOf) -> None:
    console = screen()
    results = [make_result(n, state=TrialState.FAILED, n_epochs=n) for n in range(1, 101)]
    print_unranked(rank(Sweep(), results), console)
    assert len(lines_of(console)) == 8
    assert lines_of(console)[-1] == "  and 95 more; --all shows every one"
