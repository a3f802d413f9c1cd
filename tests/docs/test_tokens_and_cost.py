"""docs/tokens-and-cost.md says what the code does."""

from __future__ import annotations

import re
import tomllib
from dataclasses import fields
from pathlib import Path

from orchestrator.config import find_workspace
from orchestrator.dataset.pricing import Price, assumed_epochs, find_price, training_cost

PAGE = (Path(__file__).parents[2] / "docs" / "tokens-and-cost.md").read_text(encoding="utf-8")
CONFIG, PRICES = re.findall(r"```toml\n(.+?)```", PAGE, flags=re.DOTALL)


def test_the_table_of_the_page_is_read_from_where_the_page_puts_it(home: Path) -> None:
    (home / "ftorch.toml").write_text(CONFIG)
    (home / "prices.toml").write_text(PRICES)
    config = find_workspace().endpoint("together")
    estimate = training_cost(config.type, "qwen-3-32b", 1_000_000, 2, 100, prices=config.prices)
    assert estimate.usd == 2.40
    assert "our contract of March" in estimate.note


def test_the_page_shows_every_key_of_a_row(home: Path) -> None:
    (home / "prices.toml").write_text(re.sub(r"^# (?=tier|training_per)", "", PRICES, flags=re.MULTILINE))
    price = find_price("compatible", "qwen-3-32b", tier="GlobalStandard", prices=home / "prices.toml")
    assert price is not None
    values = [getattr(price, field.name) for field in fields(Price)]
    assert None not in values
    assert "None" not in repr(price)
    assert len(tomllib.loads(PRICES)["price"]) == 1


def test_the_page_tells_the_bounds_of_the_assumed_epochs() -> None:
    assert "more for 25 examples or fewer" in PAGE
    assert "more than 8,333" in PAGE
    assert [assumed_epochs(examples) for examples in (25, 26, 8_333, 8_334)] == [4, 3, 3, 2]
