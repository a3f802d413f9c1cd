from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.dataset.pricing import (
    assumed_epochs,
    calls_cost,
    hosting_cost,
    trained_tokens_cost,
    training_cost,
)

TUNED = "ft:gpt-4.1-mini-2025-04-14:org:drone:abc"


# --- training ----------------------------------------------------------------------------------------------


def test_the_cost_is_tokens_times_epochs_times_price() -> None:
    estimate = training_cost("openai", "gpt-4.1-mini-2025-04-14", 200_000, 3, 150)
    assert estimate.usd == pytest.approx(3.0)
    assert (estimate.epochs, estimate.epochs_assumed) == (3, False)
    assert "5.00 USD per 1M tokens, seen 2026-08 at https://" in estimate.note


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
        ("openai", "gpt-4o-2024-05-13"),
        ("azure", "gpt-4.1-mini"),
        ("compatible", "gpt-4.1-mini"),
    ],
)
def test_an_unknown_price_is_unknown_and_never_zero(endpoint_type: str, model: str) -> None:
    estimate = training_cost(endpoint_type, model, 1000, 1, 10)
    assert estimate.usd is None
    assert "unknown; to use your own table" in estimate.note
    assert trained_tokens_cost(endpoint_type, model, 1000) is None


def test_uncounted_tokens_leave_the_cost_unknown() -> None:
    estimate = training_cost("openai", "gpt-4.1", None, 3, 10)
    assert (estimate.usd, "not counted" in estimate.note) == (None, True)


@pytest.mark.parametrize("tier", [None, "Standard", "globalStandard", "developerTier"])
def test_each_tier_of_azure_has_its_own_price_and_says_what_hosting_adds(tier: str | None) -> None:
    estimate = training_cost("azure", "gpt-4.1-nano", 1_000_000, 2, 100, tier=tier)
    assert estimate.usd == {None: 3.30, "Standard": 3.30, "globalStandard": 3.00, "developerTier": 1.50}[tier]
    assert ("$1.70 an hour, $40.80 a day, $1,224.00 per 30 days, used or not" in estimate.note) is (
        tier != "developerTier"
    )


def test_preferences_are_charged_by_the_token_and_say_how_they_are_counted() -> None:
    estimate = training_cost("openai", "gpt-4.1", 100_000, 1, 100, method="dpo")
    assert estimate.usd == 2.5
    assert "the prompt counted with each of its two answers" in estimate.note


def test_reinforcement_is_charged_by_the_hour_so_its_cost_is_unknown_before() -> None:
    estimate = training_cost("openai", "o4-mini-2025-04-16", 1_000_000, 1, 100, method="reinforcement")
    assert estimate.usd is None
    assert "by the hour (100.00 USD, seen" in estimate.note
    unpriced = training_cost("compatible", "mine", 1, 1, 1, method="reinforcement")
    assert "by the hour (at an unknown price)" in unpriced.note
    assert trained_tokens_cost("openai", "gpt-4.1", 1000, method="reinforcement") is None


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


# --- calls and hosting -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("model", "batch", "usd"),
    [
        ("gpt-4.1-mini", False, 0.40 + 3.20),
        ("gpt-4.1-mini", True, 0.20 + 1.60),
        (TUNED, False, 0.80 + 6.40),
        (TUNED, True, 0.40 + 3.20),
    ],
)
def test_calls_cost_more_to_a_fine_tuned_model_and_less_in_a_batch(model: str, batch: bool, usd: float) -> None:
    assert calls_cost("openai", model, 1_000_000, 2_000_000, batch=batch) == pytest.approx(usd)


def test_on_azure_calls_cost_what_the_base_model_does_and_hosting_comes_by_the_hour() -> None:
    tuned, tier = "gpt-4.1-nano-2025-04-14.ft-0123-drone", "GlobalStandard"
    base = calls_cost("azure", "gpt-4.1-nano", 10**6, 10**6, tier=tier)
    assert calls_cost("azure", tuned, 10**6, 10**6, tier=tier) == base == pytest.approx(0.50)
    assert hosting_cost("azure", tuned, 24 * 30, tier=tier) == pytest.approx(1224.0)
    assert hosting_cost("azure", tuned, 24, tier="DeveloperTier") == 0.0
    assert hosting_cost("azure", "gpt-4.1-nano", 24, tier=tier) == 0.0


def test_what_calls_and_hosting_cost_is_unknown_where_no_row_says_it() -> None:
    assert calls_cost("azure", "gpt-4.1", 1, 1, tier="Standard") is None
    assert calls_cost("compatible", "mine", 1, 1) is None
    assert hosting_cost("compatible", "ft:mine:org:x:1", 1) is None


def test_nothing_local_costs_anything() -> None:
    assert (calls_cost("local", "x", 1, 1), hosting_cost("local", "ft:x:local:y:1", 9)) == (0.0, 0.0)


def test_a_table_of_the_user_prices_everything(tmp_path: Path) -> None:
    prices = tmp_path / "prices.toml"
    prices.write_text(
        '[[price]]\nendpoint_type = "compatible"\nmodel = "qwen-3-32b"\ntraining = 4\ninput = 1\noutput = 2\n'
        "hosting_per_hour = 3\n"
    )
    model = "ft:qwen-3-32b:org:drone:1"
    assert training_cost("compatible", "qwen-3-32b", 500_000, 1, 10, prices=prices).usd == 2.0
    assert trained_tokens_cost("compatible", model, 500_000, prices=prices) == 2.0
    assert calls_cost("compatible", model, 1_000_000, 1_000_000, prices=prices) == 3.0
    assert hosting_cost("compatible", model, 2, prices=prices) == 6.0
