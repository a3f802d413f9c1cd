"""Model against model on narrow terminals."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from rich.console import Console
from support.recording import BASE, TUNED, record_evaluation

from orchestrator.evaluation.results import Results, results_of
from orchestrator.ledger import Ledger, open_ledger
from orchestrator.reports.comparison import print_comparisons

Screen = Callable[..., Console]
LinesOf = Callable[[Console], list[str]]
VARIANTS = ("full", "no-descriptions", "no-parameters", "no-tools")


@pytest.fixture
def ledger(home: Path) -> Iterator[Ledger]:
    (home / "ftorch.toml").write_text("")
    with open_ledger(home, create=True) as opened:
        yield opened


def compared(ledger: Ledger, *variants: str, cases: int = 20) -> Results:
    """The tuned model is right in all but the last case; the base in the last four."""
    right = {(BASE, variant): range(cases - 3, cases + 1) for variant in variants}
    right |= {(TUNED, variant): range(1, cases) for variant in variants}
    return results_of(ledger, record_evaluation(ledger, right, cases=cases))


def test_four_variants_have_a_line_each_under_every_measure(
    ledger: Ledger, screen: Screen, lines_of: LinesOf
) -> None:
    console = screen(80)
    print_comparisons("tuned against base", "base", compared(ledger, *VARIANTS).comparisons, console)
    lines = lines_of(console)
    first = lines.index("call accuracy")
    assert [line.split()[0] for line in lines[first + 1 : first + 5]] == list(VARIANTS)
    row = r"  no-descriptions  4 of 20   19 of 20  \+75 \(\+\d\d to \+\d\d\)  0\.000\d  better"
    assert re.fullmatch(row, lines[first + 2])
    assert not any("…" in line for line in lines)
    assert all(len(line) <= 80 for line in lines)


def test_one_model_has_one_line_for_each_measure(ledger: Ledger, screen: Screen, lines_of: LinesOf) -> None:
    console = screen(80)
    print_comparisons("tuned against base", "base", compared(ledger, "full").comparisons, console)
    [line] = [line for line in lines_of(console) if line.startswith("call accuracy")]
    assert line.split()[:6] == ["call", "accuracy", "4", "of", "20", "19"]


def test_too_few_changes_are_explained_once(ledger: Ledger, screen: Screen, lines_of: LinesOf) -> None:
    console = screen(80)
    print_comparisons("tuned against base", "base", compared(ledger, "full", cases=5).comparisons, console)
    text = " ".join(" ".join(lines_of(console)).split())
    assert "not established" in text
    assert text.count("at least 6 changed answers") == 1
