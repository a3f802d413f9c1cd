from __future__ import annotations

import re
import tomllib
from datetime import date
from pathlib import Path

import pytest

from orchestrator.dataset.pricing import SHIPPED_PRICES, Price, find_price
from orchestrator.errors import PricesUnreadable

ROWS = tomllib.loads(SHIPPED_PRICES.read_text())["price"]


def price_of(row: dict[str, object]) -> Price:
    tier = row.get("tier")
    found = find_price(str(row["endpoint_type"]), str(row["model"]), tier=str(tier) if tier else None)
    assert found is not None
    return found


@pytest.mark.parametrize(
    "row", ROWS, ids=lambda row: f"{row['endpoint_type']}-{row['model']}-{row.get('tier', '')}"
)
def test_every_shipped_row_is_found_and_names_its_source_and_its_month(row: dict[str, object]) -> None:
    price = price_of(row)
    assert (price.model, price.tier) == (row["model"], row.get("tier"))
    assert price.source.startswith("https://")
    assert date(2025, 1, 1) <= date.fromisoformat(f"{price.seen}-01") <= date.today()


@pytest.mark.parametrize(
    "row", ROWS, ids=lambda row: f"{row['endpoint_type']}-{row['model']}-{row.get('tier', '')}"
)
def test_no_shipped_row_contradicts_itself(row: dict[str, object]) -> None:
    """Output is dearer than input, a batch no dearer than calls at once, the base no dearer than the tuned."""
    price = price_of(row)
    for rates in (price.tuned, price.tuned_batch, price.base, price.base_batch):
        assert (rates.input is None) == (rates.output is None)
        assert (rates.input or 0) <= (rates.output or 0)
    for cheap, dear in (
        (price.tuned_batch, price.tuned),
        (price.base_batch, price.base),
        (price.base, price.tuned),
    ):
        if cheap.input is not None and dear.input is not None:
            assert cheap.input <= dear.input


def test_no_row_stands_twice() -> None:
    keys = [(row["endpoint_type"], row["model"], row.get("tier")) for row in ROWS]
    assert len(keys) == len(set(keys))


@pytest.mark.parametrize(
    ("model", "row"),
    [
        ("gpt-4o-2024-08-06", "gpt-4o"),
        ("gpt-4o-2024-05-13", "gpt-4o-2024-05-13"),
        ("gpt-3.5-turbo-0125", "gpt-3.5-turbo-0125"),
        ("gpt-3.5-turbo-0613", "gpt-3.5-turbo"),
    ],
)
def test_the_most_special_row_counts(model: str, row: str) -> None:
    price = find_price("openai", model)
    assert price is not None
    assert price.model == row


def test_a_file_of_the_user_takes_precedence_row_by_row(tmp_path: Path) -> None:
    prices = tmp_path / "prices.toml"
    prices.write_text(
        '[[price]]\nendpoint_type = "azure"\nmodel = "gpt-4.1-mini"\ntraining = 4\n'
        '[[price]]\nendpoint_type = "azure"\nmodel = "gpt-4.1-mini"\ntier = "GlobalStandard"\ntraining = 3\n'
        '[[price]]\nendpoint_type = "openai"\nmodel = "gpt-4.1-mini"\ninput = 1\n'
    )

    def training(endpoint_type: str, model: str, tier: str | None = None) -> float | None:
        price = find_price(endpoint_type, model, tier=tier, prices=prices)
        return price.training if price else None

    assert training("azure", "gpt-4.1-mini-2025-04-14") == 4
    assert training("azure", "gpt-4.1-mini", "DeveloperTier") == 4
    assert training("azure", "gpt-4.1-mini", "globalStandard") == 3
    assert training("openai", "gpt-4.1-mini") is None
    assert training("openai", "gpt-4.1") == 25


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("price = 3", "no [[price]] rows"),
        ("[[price]", "line 1"),
        ('[[price]]\nmodel = "x"\ntraining = 1', 'row 1 needs "endpoint_type"'),
        ('[[price]]\nendpoint_type = "azure"\nmodel = "x"', "row 1 has no price"),
        ('[[price]]\nendpoint_type = "azure"\nmodel = "x"\ntraining = "4"', 'needs "training" as a number'),
        ('[[price]]\nendpoint_type = "azure"\nmodel = "x"\ntraining = -1', 'needs "training" as a number'),
        ('[[price]]\nendpoint_type = "azure"\nmodel = "x"\ntraining = inf', 'needs "training" as a number'),
        ('[[price]]\nendpoint_type = "azure"\nmodel = "x"\nbatch_input = true', 'needs "batch_input" as a number'),
        ('[[price]]\nendpoint_type = "azure"\nmodel = "x"\ntier = 3\ninput = 1', 'needs "tier" as a string'),
        ('[[price]]\nendpoint_type = "azure"\nmodel = "x"\ntrainig = 4', 'has the key "trainig"'),
    ],
)
def test_a_broken_price_table_is_named_with_its_problem(tmp_path: Path, text: str, words: str) -> None:
    prices = tmp_path / "mine.toml"
    prices.write_text(text)
    with pytest.raises(PricesUnreadable, match=re.escape(words)) as refused:
        find_price("azure", "x", prices=prices)
    assert str(prices) in str(refused.value)
    assert refused.value.exit_code == 2


def test_a_price_table_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(PricesUnreadable, match="No such file"):
        find_price("azure", "x", prices=tmp_path / "none.toml")
