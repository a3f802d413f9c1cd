"""The cost of ownership as people, programs and tables of lines see it."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from rich.console import Console
from support.recording import BASE, TUNED, record_evaluation

from orchestrator.evaluation.ownership import Ownership, Terms, ownership_of
from orchestrator.evaluation.results import Results, results_of
from orchestrator.ledger import Ledger, open_ledger
from orchestrator.reports.charts.ownership import ownership_chart
from orchestrator.reports.charts.svgfile import svg_file
from orchestrator.reports.documents.files import write_chart
from orchestrator.reports.figures import results_csv, results_object
from orchestrator.reports.ownership import print_ownership

Screen = Callable[..., Console]
LinesOf = Callable[[Console], list[str]]
Evaluated = tuple[Results, Ownership]
VARIANTS = ("full", "no-descriptions", "no-parameters", "no-tools")
TOKENS = {variant: (1000 - 250 * number, 20) for number, variant in enumerate(VARIANTS)}


@pytest.fixture
def ledger(home: Path) -> Iterator[Ledger]:
    (home / "ftorch.toml").write_text("")
    with open_ledger(home, create=True) as opened:
        yield opened


@pytest.fixture
def evaluated(ledger: Ledger) -> Evaluated:
    """The base, and the tuned model in each variant; training cost 30 dollars."""
    return evaluate(ledger, Terms((100, 1000, 10_000, 100_000), 300, training_usd=30.0))


def evaluate(ledger: Ledger, terms: Terms, labels: dict[str, str] | None = None) -> Evaluated:
    right = {(model, variant): range(1, 6) for model in (BASE, TUNED) for variant in VARIANTS}
    evaluation = record_evaluation(ledger, right, tokens=TOKENS, labels=labels)
    results = results_of(ledger, evaluation)
    return results, ownership_of(ledger, results, terms)


def test_the_tables_fit_a_terminal_of_eighty_columns(
    evaluated: Evaluated, screen: Screen, lines_of: LinesOf
) -> None:
    console = screen(80)
    print_ownership(evaluated[1], console)
    lines = lines_of(console)
    assert not any("…" in line for line in lines)
    assert max(len(line) for line in lines if "http" not in line) <= 80
    [row] = [line for line in lines if line.startswith("tuned  no-tools") and " per day" in line]
    # 30 dollars over 300 days; 264 against 432 millionths of a dollar a request.
    assert row.split(maxsplit=6)[2:] == ["$3.79", "$10.92", "$82.20", "$795", "from 596 per day"]
    assert any(line.startswith("tuned  full") and line.endswith("never") for line in lines)


def test_unknown_is_a_word_and_its_reason_is_told(ledger: Ledger, screen: Screen, lines_of: LinesOf) -> None:
    _, ownership = evaluate(ledger, Terms((100,), 300))
    console = screen(100)
    print_ownership(ownership, console)
    text = "\n".join(lines_of(console))
    assert "the cost is incomplete. Unknown: its training cost." in " ".join(text.split())
    assert "$0.00" not in text


def test_an_amount_without_the_training_says_so(ledger: Ledger, screen: Screen, lines_of: LinesOf) -> None:
    results, ownership = evaluate(ledger, Terms((100, 100_000), 300, "azure"))
    console = screen(80)
    print_ownership(ownership, console)
    lines = lines_of(console)
    [row] = [line for line in lines if line.startswith("tuned  no-tools") and " per day" in line]
    # 1.70 an hour for 30 days, and 132 millionths of a dollar a request against 432.
    assert row.split(maxsplit=4)[2:] == ["≥$1,224", "≥$1,620", "above 136,000 per day"]
    assert "≥ and above: without the training, whose cost is unknown." in lines
    assert not any("incomplete" in line for line in lines)
    found = json.loads(json.dumps(results_object(results, ownership)))["cost_of_ownership"]["models"][-1]
    assert found["usd_per_month"]["100"] is None
    assert found["usd_per_month_without_training"]["100"] == pytest.approx(1224 + 30 * 100 * 132e-6)


def test_programs_get_the_same_numbers(evaluated: Evaluated) -> None:
    results, ownership = evaluated
    found = json.loads(json.dumps(results_object(results, ownership)))["cost_of_ownership"]
    [base] = found["base"]
    short = found["models"][-1]
    assert base["usd_per_month"]["1000"] == pytest.approx(30 * 1000 * 432e-6)
    assert short["usd_per_month"]["1000"] == pytest.approx(30 * (0.1 + 1000 * (250 * 0.8 + 20 * 3.2) / 1e6))
    assert short["cheaper_than_base"] == "from"
    assert short["break_even_requests_per_day"] == pytest.approx(0.1 / (432e-6 - 264e-6))
    assert short["training_cost_is"] == "as given with --training-cost"
    assert "cost_of_ownership" not in results_object(results)


def test_lines_of_a_table_have_it_for_whole_models_alone(evaluated: Evaluated) -> None:
    rows = list(csv.DictReader(io.StringIO(results_csv(*evaluated))))
    [row] = [
        each for each in rows if (each["label"], each["variant"], each["group"]) == ("tuned", "no-tools", "all")
    ]
    assert float(row["usd_per_month_at_1000"]) == pytest.approx(30 * (0.1 + 1000 * 264e-6))
    assert row["cheaper_than_base"] == "from"
    assert float(row["usd_per_1000_requests"]) == pytest.approx(0.264)
    assert {each["usd_per_month_at_1000"] for each in rows if each["group"] != "all"} == {""}


def test_the_chart_has_every_model_and_marks_where_one_becomes_cheaper(evaluated: Evaluated) -> None:
    chart = ownership_chart(evaluated[1])
    assert {"base full", "tuned no-tools"} <= {line.label for line in chart.lines}
    assert (chart.x.is_log, chart.y.is_log) == (True, True)
    [mark] = [mark for mark in chart.marks if "no-tools" in mark.label]
    assert mark.x == pytest.approx(0.1 / (432e-6 - 264e-6))
    assert mark.y == pytest.approx(30 * mark.x * 432e-6)


@pytest.mark.parametrize(("name", "start"), [("cost.svg", b"<svg"), ("cost.PNG", b"\x89PNG")])
def test_a_drawing_is_written_in_the_form_that_its_name_says(
    evaluated: Evaluated, tmp_path: Path, name: str, start: bytes
) -> None:
    write_chart(ownership_chart(evaluated[1]), tmp_path / name)
    assert (tmp_path / name).read_bytes().startswith(start)


def test_names_from_outside_are_words_in_a_drawing(ledger: Ledger) -> None:
    hostile = "_$\\frac$ <script>alert(1)</script> 模"
    _, ownership = evaluate(ledger, Terms((100,), 300, training_usd=1.0), {BASE: "base", TUNED: hostile})
    svg = svg_file(ownership_chart(ownership))
    assert "<script" not in svg
    assert "&lt;script&gt;" in svg


def test_of_unknown_prices_an_empty_drawing_is_made(ledger: Ledger) -> None:
    _, ownership = evaluate(ledger, Terms((100,), 300, "compatible"))
    assert ownership_chart(ownership).is_empty
    assert svg_file(ownership_chart(ownership)).startswith("<svg")
