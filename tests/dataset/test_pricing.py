from __future__ import annotations

import re
from pathlib import Path

import pytest

from orchestrator.dataset.pricing import (
    SHIPPED_PRICES,
    assumed_epochs,
    find_price,
    trained_tokens_cost,
    training_cost,
)
from orchestrator.errors import PricesUnreadable


def test_the_cost_is_tokens_times_epochs_times_price() -> None:
    estimate = training_cost("openai", "gpt-4.1-mini-2025-04-14", 200_000, 3, 150)
    assert estimate.usd == pytest.approx(3.0)
    assert (estimate.epochs, estimate.epochs_assumed) == (3, False)
    assert estimate.price is not None
    assert (estimate.price.input, estimate.price.output) == (0.80, 3.20)
    assert "5.00 USD" in estimate.note


@pytest.mark.parametrize(
    "model",
    [
        "ft:gpt-4o-mini-2024-07-18:org:drone:abc",
        "ft:gpt-4o-mini-2024-07-18:org::abc:ckpt-step-100",
        "gpt-4o-mini-2024-07-18.ft-0123-drone",
    ],
)
def test_a_fine_tuned_model_is_priced_as_its_base(model: str) -> None:
    assert trained_tokens_cost("openai", model, 1_000_000) == 3.0


@pytest.mark.parametrize(
    ("endpoint_type", "model"),
    [
        ("openai", "gpt-9"),
        ("openai", "gpt-4.1-micro"),
        ("openai", "gpt-4o-audio-preview"),
        ("azure", "gpt-4.1-mini"),
        ("compatible", "gpt-4.1-mini"),
    ],
)
def test_an_unknown_price_is_unknown_and_never_zero(endpoint_type: str, model: str) -> None:
    estimate = training_cost(endpoint_type, model, 1000, 1, 10)
    assert estimate.usd is None
    assert "unknown" in estimate.note
    assert trained_tokens_cost(endpoint_type, model, 1000) is None


def test_uncounted_tokens_leave_the_cost_unknown() -> None:
    estimate = training_cost("openai", "gpt-4.1", None, 3, 10)
    assert (estimate.usd, "not counted" in estimate.note) == (None, True)


def test_local_training_is_free_whatever_the_model() -> None:
    estimate = training_cost("local", "anything", None, "auto", 50)
    assert (estimate.usd, estimate.note) == (0.0, "no charge")
    assert trained_tokens_cost("local", "anything", 10**9) == 0.0


@pytest.mark.parametrize(
    ("examples", "epochs"), [(0, 25), (1, 25), (10, 10), (33, 3), (34, 3), (8_333, 3), (8_334, 2), (10**6, 1)]
)
def test_auto_is_assumed_to_show_few_examples_often_and_many_seldom(examples: int, epochs: int) -> None:
    assert assumed_epochs(examples) == epochs
    estimate = training_cost("openai", "gpt-4.1", 1000, "auto", examples)
    assert (estimate.epochs, estimate.epochs_assumed) == (epochs, True)


def test_every_shipped_row_names_its_source_and_its_month() -> None:
    models = re.findall(r'^model = "(.+)"$', SHIPPED_PRICES.read_text(), re.MULTILINE)
    rows = [find_price("openai", model) for model in models]
    assert len(rows) >= 6
    for model, row in zip(models, rows, strict=True):
        assert row is not None
        assert row.model == model
        assert row.source.startswith("https://")
        assert re.fullmatch(r"20\d\d-\d\d", row.seen)


def test_a_file_of_the_user_takes_precedence_and_adds_to_the_table(tmp_path: Path) -> None:
    prices = tmp_path / "prices.toml"
    prices.write_text(
        '[[price]]\nendpoint_type = "azure"\nmodel = "gpt-4.1-mini"\ntraining = 4\n'
        '[[price]]\nendpoint_type = "openai"\nmodel = "gpt-4.1-mini"\ninput = 1\n'
    )
    assert trained_tokens_cost("azure", "gpt-4.1-mini-2025-04-14", 500_000, prices=prices) == 2.0
    assert trained_tokens_cost("openai", "gpt-4.1-mini", 500_000, prices=prices) is None
    assert trained_tokens_cost("openai", "gpt-4.1", 1_000_000, prices=prices) == 25.0


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("price = 3", "no [[price]] rows"),
        ("[[price]", "line 1"),
        ('[[price]]\nmodel = "x"', 'row 1 needs "endpoint_type"'),
        ('[[price]]\nendpoint_type = "azure"\nmodel = "x"\ntraining = "4"', 'needs "training" as a number'),
        ('[[price]]\nendpoint_type = "azure"\nmodel = "x"\ntraining = -1', 'needs "training" as a number'),
    ],
)
def test_a_broken_price_table_is_named_with_its_problem(tmp_path: Path, text: str, words: str) -> None:
    prices = tmp_path / "mine.toml"
    prices.write_text(text)
    with pytest.raises(PricesUnreadable, match=re.escape(words)) as refused:
        find_price("azure", "x", prices=prices)
    assert str(prices) in str(refused.value)
    with pytest.raises(PricesUnreadable, match="No such file"):
        find_price("azure", "x", prices=tmp_path / "none.toml")
