"""The verdict comes first, says plainly what is established, and one table supports it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console
from support.recording import BASE, TUNED, record_evaluation

from orchestrator.evaluation.comparison import PairedAnswer, compare
from orchestrator.evaluation.results import Results, results_of
from orchestrator.ledger import Ledger, open_ledger
from orchestrator.reports.evaluation import LEVELS, print_results
from orchestrator.reports.verdict import verdict_lines

Screen = Callable[..., Console]
LinesOf = Callable[[Console], list[str]]
OTHER = "ft:gpt-4.1-mini-2025-04-14:org:drone:def"


@pytest.fixture
def ledger(home: Path) -> Iterator[Ledger]:
    (home / "ftorch.toml").write_text("")
    with open_ledger(home, create=True) as opened:
        yield opened


def found(ledger: Ledger, right: dict[tuple[str, str], range], **changes: object) -> Results:
    return results_of(ledger, record_evaluation(ledger, right, cases=20, **changes))  # type: ignore[arg-type]


def test_a_clear_gain_is_said_first_with_its_interval(ledger: Ledger, screen: Screen, lines_of: LinesOf) -> None:
    results = found(ledger, {(BASE, "full"): range(1, 5), (TUNED, "full"): range(1, 19)})
    console = screen(80)
    print_results(results, console)
    lines = lines_of(console)
    assert lines[0] == "Tuned is better: call accuracy 90 %, base 20 % (+70, 95 % CI +50 to +90)."
    assert lines[1] == "Also established: better accuracy (+70), tool accuracy (+70)."
    assert lines[2] == ""
    assert all(len(line) <= 80 for line in lines)
    [row] = [line for line in lines if line.startswith("call accuracy")]
    assert row.split() == [
        "call",
        "accuracy",
        "20%",
        "of",
        "20",
        "90%",
        "of",
        "20",
        *["+70", "(+50", "to", "+90)", "better"],
    ]


def test_a_clear_loss_is_called_worse(ledger: Ledger) -> None:
    results = found(ledger, {(BASE, "full"): range(1, 19), (TUNED, "full"): range(1, 5)})
    assert verdict_lines(results)[0].startswith("Tuned is worse: call accuracy 20 %, base 90 % (-70, 95 % CI -")


def test_what_may_be_chance_is_not_established(ledger: Ledger) -> None:
    results = found(ledger, {(BASE, "full"): range(1, 11), (TUNED, "full"): range(1, 13)})
    first, second = verdict_lines(results)
    assert first.startswith("Not established: call accuracy tuned 60 %, base 50 % (+10, 95 % CI +0 to ")
    assert second == "Nor is any other difference. Only 2 cases changed, too few to tell: ask more cases."


def test_no_changed_case_is_no_difference(ledger: Ledger) -> None:
    results = found(ledger, {(BASE, "full"): range(1, 11), (TUNED, "full"): range(1, 11)})
    assert verdict_lines(results) == [
        "No difference: call accuracy 50 % with both, every case came out the same.",
        "No other difference is established.",
    ]


def test_a_small_p_value_is_not_enough_where_the_interval_includes_no_difference() -> None:
    """Many clusters gain a little and few lose all: the sign test sees the one, the mean the other."""
    gains = [
        PairedAnswer(f"gain-{cluster}-{case}", f"gain-{cluster}", case > 0, True)
        for cluster in range(12)
        for case in range(8)
    ]
    losses = [PairedAnswer(f"loss-{number}", f"loss-{number}", True, False) for number in range(2)]
    result = compare([*gains, *losses])
    assert result.p_value < 0.05
    assert result.difference.low < 0 < result.difference.high
    assert not result.is_established
    assert result.sentence.startswith("Not established")


def test_of_several_models_those_are_named_that_are_better_or_worse(
    ledger: Ledger, screen: Screen, lines_of: LinesOf
) -> None:
    right = {(BASE, "full"): range(1, 9), (TUNED, "full"): range(1, 21), (OTHER, "full"): range(1, 10)}
    results = found(ledger, right, labels={BASE: "base", TUNED: "tuned a", OTHER: "tuned b"})
    assert verdict_lines(results) == [
        "By call accuracy, of 2: better than the base: tuned a.",
        "Highest: tuned a 100 %, base 40 % (+60, 95 % CI +40 to +80).",
    ]
    console = screen(80)
    print_results(results, console)
    assert "tool accuracy" not in "\n".join(lines_of(console))


def test_without_a_base_the_share_is_said_and_how_to_compare(ledger: Ledger) -> None:
    series = found(ledger, {(TUNED, "full"): range(1, 11)})
    first, second = verdict_lines(series)
    assert first == "Call accuracy: 50 % of 20 answers (95 % CI 30 to 70)."
    assert second.endswith("nothing is compared. To ask it: --models base,tuned")
    of_a_run = replace(series, evaluation=replace(series.evaluation, run_id="7pw2v6vb", file_path="my cases.jsonl"))
    assert verdict_lines(of_a_run)[1].endswith(
        "To ask it: ftorch evaluate 7pw2v6vb --file 'my cases.jsonl' --models base,tuned"
    )
    only_base = results_of(ledger, record_evaluation(ledger, {(BASE, "full"): [1]}, id="eval0002"))
    assert verdict_lines(only_base)[1] == "Only the base was asked, so there is nothing to compare."


def test_everything_else_comes_with_details_and_is_explained(
    ledger: Ledger, screen: Screen, lines_of: LinesOf
) -> None:
    results = found(ledger, {(BASE, "full"): range(1, 5), (TUNED, "full"): range(1, 19)})
    short, detailed = screen(80), screen(80)
    print_results(results, short)
    print_results(results, detailed, details=True)
    details = (
        "Metrics, with 95 % CI",
        "Decisions",
        "Tool calls",
        "Tokens and time",
        "By slice: right answers",
        "By expected tool: right answers",
        "First error in each wrong answer",
        "Tools mixed up",
        "tuned against base, case by case",
        LEVELS,
    )
    assert not set(details) & set(lines_of(short))
    assert set(details) <= set(lines_of(detailed))
    assert len(lines_of(short)) < 20
