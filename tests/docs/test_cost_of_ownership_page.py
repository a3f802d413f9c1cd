"""docs/cost-of-ownership.md beside the code: its options exist, and its numbers follow from its own table."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from orchestrator.cli.evaluate import evaluate
from orchestrator.dataset.pricing import find_price
from orchestrator.evaluation.ownership import break_even

PAGE = (Path(__file__).parents[2] / "docs" / "cost-of-ownership.md").read_text(encoding="utf-8")
ROWS = re.findall(r"^(base|tuned) +([a-z-]+) +\d+ of 27 +(\d+) +(\d+) ", PAGE, flags=re.MULTILINE)
LIFE_DAYS = 365


def per_request(label: str, prompt: str, answer: str) -> float:
    price = find_price("openai", "gpt-4.1-mini")
    assert price is not None
    cost = price.rates(fine_tuned=label == "tuned", batch=False).cost(int(prompt), int(answer))
    assert cost is not None
    return cost


def test_options_that_the_page_names_exist() -> None:
    known = {option for each in evaluate.params for option in each.opts}
    assert set(re.findall(r"(--[a-z][a-z-]+)", PAGE)) <= known


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row[0]} {row[1]}")
def test_months_and_turning_points_follow_from_tokens_and_prices(row: tuple[str, str, str, str]) -> None:
    label, variant, prompt, answer = row
    [base] = [per_request(*(each[0], *each[2:])) for each in ROWS if each[0] == "base"]
    own, fixed = per_request(label, prompt, answer), 3.80 / LIFE_DAYS if label == "tuned" else 0.0
    [months] = re.findall(rf"^{label} +{variant} +\$(\S+) +\$(\S+) +\$(\S+)", PAGE, flags=re.MULTILINE)
    for requests, shown in zip((100, 1000, 10_000), months, strict=True):
        # Tokens are shown as whole numbers, so the last digits may differ.
        assert float(shown) == pytest.approx(30 * (fixed + requests * own), rel=0.02)
    turn = re.search(rf"^{label} +{variant} .* from (\d+) a day$", PAGE, flags=re.MULTILINE)
    if turn:
        assert float(turn[1]) == pytest.approx(break_even(base, own, fixed).requests_per_day, rel=0.1)
    else:
        assert break_even(base, own, fixed).requests_per_day is None


def test_azure_hosts_for_what_the_page_says() -> None:
    price = find_price("azure", "gpt-4.1-mini", tier="GlobalStandard")
    assert price is not None
    assert price.hosting_per_hour == 1.70
    assert f"{30 * 24 * price.hosting_per_hour:,.0f} USD a month" in PAGE
