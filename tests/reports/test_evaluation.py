"""What `evaluate` prints, from recorded scores."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Collection
from pathlib import Path

from rich.console import Console

from orchestrator.evaluation.results import results_of
from orchestrator.ledger import open_ledger
from orchestrator.reports.evaluation import print_results
from orchestrator.reports.figures import results_csv
from orchestrator.store import evaluations as store
from orchestrator.store.evaluations import DONE, Evaluation, Score

Screen = Callable[..., Console]
LinesOf = Callable[[Console], list[str]]

WRONG = {"mistake": "wrong_tool", "place": "", "expected": "any", "found": "hover"}


def evaluation_of(models: Collection[str], variants: Collection[str] = ("full",)) -> Evaluation:
    return Evaluation(
        id="eval0001",
        name="drone",
        job_file=None,
        run_id=None,
        endpoint="local",
        endpoint_type="local",
        file_path="/cases.jsonl",
        file_sha256="b" * 64,
        settings={
            "models": [{"model": model, "label": model} for model in models],
            "variants": list(variants),
            "samples": 1,
        },
        state=DONE,
        scored_with=1,
        created_at=1000.0,
    )


def score(model: str, number: int, tool: str, *, is_right: bool) -> Score:
    detail = {
        "slices": [],
        "cluster": None,
        "request": f"request {number}",
        "expects": "call",
        "decision": "right_tool" if is_right else "wrong_tool",
        "difference": None if is_right else WRONG,
        "rejected": False,
        "expected_tools": [tool],
        "called_tools": [tool] if is_right else ["hover"],
        "calls": [1, 1, 1, 0, 0],
        "arguments": [0, 0, 0],
        "tokens": [100, 10],
        "seconds": 0.5,
    }
    level, mistake = ("typed", None) if is_right else (None, "wrong_tool")
    return Score("eval0001", model, "full", f"case-{number}", 0, number, level, mistake, detail)


def test_of_many_models_those_tools_come_first_that_fare_worst_with_all(
    home: Path, screen: Screen, lines_of: LinesOf
) -> None:
    right = {"a": {"climb"}, "b": {"climb"}, "c": {"climb"}, "d": set[str]()}
    (home / "ftorch.toml").write_text("")
    with open_ledger(home, create=True) as ledger:
        evaluation = evaluation_of(right)
        with ledger.database.write() as connection:
            store.add(connection, evaluation)
            rows = [
                score(model, number, tool, is_right=tool in tools)
                for model, tools in right.items()
                for number, tool in enumerate(("climb", "land"), 1)
            ]
            store.add_scores(connection, rows)
        console = screen(120)
        print_results(results_of(ledger, evaluation), console, details=True)
    lines = lines_of(console)
    heading = lines[lines.index("By expected tool: right answers") + 1]
    assert heading.split() == ["land", "climb"]


def test_narrow_screens_break_headings_and_cut_nothing_off(home: Path, screen: Screen, lines_of: LinesOf) -> None:
    tools = [f"set_the_{part}_of_the_drone" for part in ("speed", "height", "lights", "camera", "home", "gimbal")]
    (home / "ftorch.toml").write_text("")
    with open_ledger(home, create=True) as ledger:
        evaluation = evaluation_of("abcd", ["full", "no-descriptions"])
        with ledger.database.write() as connection:
            store.add(connection, evaluation)
            rows = [
                score(model, number, tool, is_right=True) for model in "abcd" for number, tool in enumerate(tools)
            ]
            store.add_scores(connection, rows)
        console = screen(80)
        print_results(results_of(ledger, evaluation), console, details=True)
    lines = lines_of(console)
    table = lines[lines.index("By expected tool: right answers") :]
    assert not any("…" in line for line in table[: table.index("")])


def test_a_spreadsheet_runs_no_name_of_a_model_or_a_tool(home: Path) -> None:
    (home / "ftorch.toml").write_text("")
    with open_ledger(home, create=True) as ledger:
        with ledger.database.write() as connection:
            store.add(connection, evaluation_of(["=1+1"]))
            store.add_scores(connection, [score("=1+1", 1, "@SUM(A1)", is_right=True)])
        results = results_of(ledger, evaluation_of(["=1+1"]))
    rows = list(csv.DictReader(io.StringIO(results_csv(results))))
    assert {each["model"] for each in rows} == {"'=1+1"}
    assert "'@SUM(A1)" in {each["name"] for each in rows}
