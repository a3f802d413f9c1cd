"""The stock job: its data is what its description says, and it trains."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from support.project import make_project

from orchestrator.dataset.shorten import CUTS, shorten_files
from orchestrator.dataset.variants import Variant
from orchestrator.tools.sources import load_tools

JOBS = Path(__file__).parents[2] / "jobs"
STOCK = JOBS / "stock"
FILES = ("train.jsonl", "validation.jsonl", "evaluation.jsonl")


def rows(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (STOCK / name).read_text().splitlines()]


def tickers(found: list[dict[str, Any]]) -> set[str]:
    calls = [row["messages"][-1]["tool_calls"][0] for row in found if "tool_calls" in row["messages"][-1]]
    return {json.loads(call["function"]["arguments"])["ticker"] for call in calls}


def prompts(name: str) -> set[str]:
    return {re.sub(r"\W", "", row["messages"][1]["content"].lower()) for row in rows(name)}


def test_no_request_stands_twice_or_in_two_files() -> None:
    found = [prompts(name) for name in FILES]
    assert len(set.union(*found)) == sum(len(rows(name)) for name in FILES)


def test_every_file_has_the_same_system_message_and_definitions() -> None:
    alike = {json.dumps([row["messages"][0], row["tools"]]) for name in FILES for row in rows(name)}
    assert len(alike) == 1


def test_the_slices_are_what_their_names_say() -> None:
    trained = tickers(rows("train.jsonl"))
    assert len(trained) >= 40
    slices: dict[str, list[dict[str, Any]]] = {}
    for row in rows("evaluation.jsonl"):
        slices.setdefault(row["slice"], []).append(row)
    assert {name: len(found) for name, found in slices.items()} == {"real": 16, "real-unseen": 8, "invented": 16}
    assert tickers(slices["real"]) <= trained
    assert not tickers(slices["real-unseen"]) & (trained | tickers(rows("validation.jsonl")))
    assert tickers(slices["invented"]) == set()


@pytest.mark.parametrize("variant", ["no-descriptions", "no-parameters", "no-tools"])
def test_the_shortened_files_are_what_the_command_makes(variant: Variant, tmp_path: Path) -> None:
    shorten_files({STOCK / name: tmp_path / name for name in FILES}, CUTS[variant])
    for name in FILES:
        assert (tmp_path / name).read_bytes() == (STOCK / variant / name).read_bytes()


def test_the_job_trains_to_a_model(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    shutil.copytree(JOBS, project.root / "jobs", dirs_exist_ok=True)
    job = project.root / "jobs" / "stock.toml"
    job.write_text(job.read_text().replace("n_epochs = 3", "n_epochs = 1"))
    done = project.ftorch("submit", "jobs/stock.toml")
    assert done.code == 0, done.err
    assert re.fullmatch(r"ft:gpt-4\.1-mini-2025-04-14:local:stock:\w+", done.out.strip())


@pytest.fixture(scope="module")
def functions() -> dict[str, Any]:
    """The functions of the job, by name."""
    return {tool.name: tool.function for tool in load_tools([str(STOCK / "tools.py")])}


def test_the_functions_have_the_definitions_of_the_data() -> None:
    definitions = [tool.definition for tool in load_tools([str(STOCK / "tools.py")])]
    assert definitions == rows("train.jsonl")[0]["tools"]


def test_the_table_of_made_up_prices_has_every_company_that_the_data_names(functions: dict[str, Any]) -> None:
    for ticker in {each for name in FILES for each in tickers(rows(name))}:
        found = functions["get_current_price"](ticker)
        past = functions["get_past_prices"](ticker, 60)
        assert found["price_usd"] > 0
        assert found["source"] == past["source"] == "made-up table"
        assert list(past["prices_usd"].items())[-1] == (found["day"], found["price_usd"])
        assert len(past["prices_usd"]) == 60


def test_what_the_table_does_not_hold_is_an_error(functions: dict[str, Any]) -> None:
    with pytest.raises(LookupError, match='no company with the ticker "GLBX"'):
        functions["get_current_price"]("GLBX")
    for days in (0, 61):
        with pytest.raises(ValueError, match="the table holds 60 trading days"):
            functions["get_past_prices"]("MSFT", days)
