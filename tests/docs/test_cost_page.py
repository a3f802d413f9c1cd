"""docs/cost.md beside the code: its options exist, and its figures follow from the code and from its own tables."""

from __future__ import annotations

import json
import re
import tomllib
from dataclasses import fields
from pathlib import Path

import pytest
from support.command import ftorch

from orchestrator.cli.cost import cost
from orchestrator.cli.data.convert import shorten
from orchestrator.cli.evaluate import evaluate
from orchestrator.cli.submit import submit
from orchestrator.config import find_workspace
from orchestrator.dataset.hosting import DAYS_A_MONTH, HOURS_A_DAY
from orchestrator.dataset.pricing import Price, assumed_epochs, find_price, training_cost
from orchestrator.evaluation.ownership import BreakEven, break_even
from orchestrator.evaluation.tiers import choose_tier

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "cost.md").read_text(encoding="utf-8")
CONFIG, PRICES = re.findall(r"```toml\n(.+?)```", PAGE, flags=re.DOTALL)
ROWS = re.findall(r"^(base|tuned) +([a-z-]+) +\d+ of 27 +(\d+) +(\d+) ", PAGE, flags=re.MULTILINE)
TRAINING = 3.63
LIFE_DAYS = 365


def price_of(endpoint_type: str, tier: str | None = None) -> Price:
    price = find_price(endpoint_type, "gpt-4.1-mini", tier=tier)
    assert price is not None
    return price


def per_request(row: tuple[str, str, str, str], price: Price) -> float:
    label, _, prompt, answer = row
    usd = price.rates(fine_tuned=label == "tuned", batch=False).cost(int(prompt), int(answer))
    assert usd is not None
    return usd


def turning_point(row: tuple[str, str, str, str], price: Price, fixed_per_day: float) -> BreakEven:
    [base] = [per_request(each, price) for each in ROWS if each[0] == "base"]
    return break_even(base, per_request(row, price), fixed_per_day)


def test_options_that_the_page_names_exist() -> None:
    known = {
        option for command in (cost, evaluate, shorten, submit) for each in command.params for option in each.opts
    }
    assert set(re.findall(r"(--[a-z][a-z-]+)", PAGE)) <= known


# --- Training -----------------------------------------------------------------------------------------------------


def test_the_table_of_the_page_is_read_from_where_the_page_puts_it(home: Path) -> None:
    (home / "ftorch.toml").write_text(CONFIG)
    (home / "prices.toml").write_text(PRICES)
    config = find_workspace().endpoint("together")
    estimate = training_cost(config.type, "qwen-3-32b", 1_000_000, 2, 100, prices=config.prices)
    assert estimate.usd == 2.40
    assert "our contract of March" in estimate.note


def test_the_page_shows_every_key_of_a_row(home: Path) -> None:
    (home / "prices.toml").write_text(re.sub(r"^# (?=tier|training_)", "", PRICES, flags=re.MULTILINE))
    price = find_price("compatible", "qwen-3-32b", tier="GlobalStandard", prices=home / "prices.toml")
    assert price is not None
    values = [getattr(price, field.name) for field in fields(Price)]
    assert None not in values
    assert "None" not in repr(price)
    assert len(tomllib.loads(PRICES)["price"]) == 1


def test_the_page_gives_the_bounds_of_the_assumed_epochs() -> None:
    assert "more for 25 examples or fewer" in PAGE
    assert "more than 8,333" in PAGE
    assert [assumed_epochs(examples) for examples in (25, 26, 8_333, 8_334)] == [4, 3, 3, 2]


# --- Shorter prompts ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("job", "column"), [("stock", 0), ("drone", 1)])
@pytest.mark.parametrize("drop", ["descriptions", "descriptions,parameters", "tools"])
def test_shorter_definitions_save_what_the_table_says(drop: str, job: str, column: int, tmp_path: Path) -> None:
    file, short = ROOT / "jobs" / job / "train.jsonl", tmp_path / "short.jsonl"
    [written] = json.loads(ftorch("data", "shorten", str(file), "--drop", drop, "-o", str(short), "--json").stdout)
    [line] = [line for line in PAGE.splitlines() if line.startswith(f"| `{drop}` |")]
    shown = re.findall(r"(\d+) %", line)
    assert round(100 * written["saved"]) == int(shown[column])


# --- Base or tuned? -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row[0]} {row[1]}")
def test_months_and_turning_points_follow_from_tokens_and_prices(row: tuple[str, str, str, str]) -> None:
    label, variant, _, _ = row
    price, fixed = price_of("openai"), TRAINING / LIFE_DAYS if label == "tuned" else 0.0
    own = per_request(row, price)
    [months] = re.findall(rf"^{label} +{variant} +\$(\S+) +\$(\S+) +\$(\S+)", PAGE, flags=re.MULTILINE)
    for requests, shown in zip((100, 1000, 10_000), months, strict=True):
        # Tokens are shown as whole numbers, so the last digits may differ.
        assert float(shown) == pytest.approx(DAYS_A_MONTH * (fixed + requests * own), rel=0.02)
    turn = re.search(rf"^{label} +{variant} .* from (\d+) per day$", PAGE, flags=re.MULTILINE)
    found = turning_point(row, price, fixed).requests_per_day
    assert found == (pytest.approx(int(turn[1]), rel=0.1) if turn else None)


def test_training_costs_what_the_tables_say() -> None:
    estimate = training_cost("openai", "gpt-4.1-mini", 242_025, 3, 259)
    assert estimate.usd == pytest.approx(TRAINING, abs=0.005)
    assert PAGE.count(f"${TRAINING}") == 4


def test_hosting_on_azure_costs_and_earns_what_the_page_says() -> None:
    price = price_of("azure", "GlobalStandard")
    assert price.hosting_per_hour == 1.70
    per_day = HOURS_A_DAY * price.hosting_per_hour
    assert f"{DAYS_A_MONTH * per_day:,.0f} USD per {DAYS_A_MONTH} days" in PAGE
    [row] = [row for row in ROWS if row[1] == "no-descriptions"]
    found = turning_point(row, price, per_day + TRAINING / LIFE_DAYS).requests_per_day
    [shown] = re.findall(r"about ([\d,]+) requests per day", PAGE)
    assert found == pytest.approx(int(shown.replace(",", "")), rel=0.02)


def test_the_tiers_that_the_page_names_are_those_that_are_chosen() -> None:
    chosen = {
        model: choose_tier("azure", [model], [], None)
        for model in ("gpt-4.1-nano", "gpt-4.1", "gpt-4.1-mini", "gpt-4o", "gpt-4o-mini")
    }
    assert chosen.pop("gpt-4.1-nano") == "Standard"
    assert set(chosen.values()) == {"GlobalStandard"}
