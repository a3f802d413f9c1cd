from __future__ import annotations

from datetime import date

import pytest

from orchestrator.dataset.basemodels import (
    base_model,
    is_version_of,
    meant_instead,
    shutdown_date,
    training_context,
    tuned_until,
)


@pytest.mark.parametrize(
    ("model", "base"),
    [
        ("gpt-4.1-mini-2025-04-14", "gpt-4.1-mini-2025-04-14"),
        ("ft:gpt-4.1-mini-2025-04-14:org:drone:abc:ckpt-step-10", "gpt-4.1-mini-2025-04-14"),
        ("gpt-4o-mini-2024-07-18.ft-0123-drone", "gpt-4o-mini-2024-07-18"),
        ("Ministral-3B", "Ministral-3B"),
        ("Qwen/Qwen3-4B-fast-LoRa:grammar-checker-WpCf", "Qwen/Qwen3-4B-fast"),
    ],
)
def test_the_base_is_in_the_name_of_a_fine_tuned_model(model: str, base: str) -> None:
    assert base_model(model) == base


@pytest.mark.parametrize(
    ("model", "family", "is_one"),
    [
        ("gpt-4o", "gpt-4o", True),
        ("gpt-4o-2024-08-06", "gpt-4o", True),
        ("gpt-3.5-turbo-0125", "gpt-3.5-turbo", True),
        ("gpt-4o-mini", "gpt-4o", False),
        ("gpt-4o-audio-preview", "gpt-4o", False),
        ("gpt-4x1", "gpt-4.1", False),
    ],
)
def test_a_version_is_a_date_behind_the_name(model: str, family: str, is_one: bool) -> None:
    assert is_version_of(model, family) is is_one


@pytest.mark.parametrize(
    ("model", "limit"),
    [
        ("ft:gpt-4.1-2025-04-14:org:drone:abc", 65_536),
        ("gpt-4o-2024-08-06", 65_536),
        ("gpt-3.5-turbo-0125", 16_385),
        ("gpt-3.5-turbo-1106", None),
        ("qwen-3-32b", None),
    ],
)
def test_how_much_of_an_example_is_trained_on_is_known_for_some_models(model: str, limit: int | None) -> None:
    assert training_context(model) == limit


@pytest.mark.parametrize(
    ("model", "meant"),
    [
        ("gpt-4.1-mimi", "gpt-4.1-mini"),
        ("gpt4.1-mini", "gpt-4.1-mini"),
        ("gpt-4.1-mni-2025-04-14", "gpt-4.1-mini-2025-04-14"),
        ("gpt-4.1-mini-2025-04-15", "gpt-4.1-mini-2025-04-14"),
        ("GPT-4o-mini", "gpt-4o-mini"),
        ("ft:gpt-4.1-mimi:org::abc", "gpt-4.1-mini"),
        ("gpt-oss-20", "gpt-oss-20b"),
        ("Qwen-3-32b", "Qwen-3-32B"),
    ],
)
def test_a_misspelt_name_has_a_known_one_near(model: str, meant: str | None) -> None:
    assert meant_instead(model) == meant


@pytest.mark.parametrize(
    "model",
    [
        *("gpt-4.1-mini", "gpt-4.1-mini-2025-04-14", "gpt-4o-2024-11-20", "gpt-4o-2025-01-01", "gpt-35-turbo-0125"),
        *("gpt-5-mini", "gpt-5.1", "o3-mini", "gpt-oss-120b", "Qwen/Qwen3-8B", "mistral-small", "tiny", "base"),
    ],
)
def test_known_names_and_those_of_other_models_are_no_misspellings(model: str) -> None:
    assert meant_instead(model) is None


def test_tuned_models_may_end_before_their_base() -> None:
    assert tuned_until("openai", "gpt-4.1-nano-2025-04-14") == date(2026, 10, 23)
    assert shutdown_date("openai", "gpt-4.1-nano-2025-04-14") is None
    assert tuned_until("openai", "gpt-4.1-mini") == date(2027, 1, 14)
    assert tuned_until("azure", "gpt-4.1-nano") is None
