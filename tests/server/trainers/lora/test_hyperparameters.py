"""What "auto" means for the lora trainer, and which options it refuses."""

from __future__ import annotations

from typing import Any

import pytest

from orchestrator.server.trainers.interface import Requested
from orchestrator.server.trainers.lora.hyperparameters import resolve


@pytest.mark.parametrize(
    ("examples", "epochs", "batch"), [(3, 5, 3), (20, 5, 4), (259, 3, 8), (5_000, 2, 64), (50_000, 1, 64)]
)
def test_auto_follows_the_size_of_the_data(examples: int, epochs: int, batch: int) -> None:
    numbers = resolve(examples, "supervised", Requested())
    assert (numbers.n_epochs, numbers.batch_size, numbers.learning_rate_multiplier) == (epochs, batch, 1.0)


def test_options_that_nobody_set_have_their_defaults() -> None:
    options = resolve(20, "supervised", Requested()).options
    assert options["lora_rank"] == 16
    assert options["lora_alpha"] == 32
    assert options["lora_targets"] == "all-linear"
    assert options["learning_rate"] == 2e-4


def test_the_multiplier_multiplies_the_base_rate_of_the_method() -> None:
    supervised = resolve(20, "supervised", Requested(learning_rate_multiplier=3))
    dpo = resolve(20, "dpo", Requested(learning_rate_multiplier=3))
    assert supervised.options["learning_rate"] == pytest.approx(6e-4)
    assert dpo.options["learning_rate"] == pytest.approx(3e-5)
    assert (supervised.beta, dpo.beta) == (None, 0.1)


def test_an_absolute_rate_gives_the_multiplier() -> None:
    numbers = resolve(20, "supervised", Requested(options={"learning_rate": 1e-3}))
    assert numbers.learning_rate_multiplier == pytest.approx(5)
    again = Requested(learning_rate_multiplier=numbers.learning_rate_multiplier, options=numbers.options)
    assert resolve(20, "supervised", again) == resolve(20, "supervised", Requested(options=numbers.options))


def test_two_different_rates_are_refused() -> None:
    with pytest.raises(ValueError, match="give one of them, not both"):
        resolve(20, "supervised", Requested(learning_rate_multiplier=2, options={"learning_rate": 1e-3}))


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"lora_rnak": 8}, "no option lora_rnak. Did you mean lora_rank?"),
        ({"lora_rank": 0}, "lora_rank must be a whole number from 1 to 1,024, and is 0"),
        ({"lora_rank": True}, "lora_rank must be"),
        ({"lora_rank": 8.5}, "lora_rank must be"),
        ({"lora_alpha": -1}, "lora_alpha must be a number above 0"),
        ({"lora_dropout": 1.0}, "lora_dropout must be a number from 0 to below 1"),
        ({"lora_dropout": False}, "lora_dropout must be"),
        ({"lora_targets": []}, 'lora_targets must be "all-linear" or a list'),
        ({"lora_targets": "q_proj"}, "lora_targets must be"),
        ({"learning_rate": 0}, "learning_rate must be a number above 0"),
        ({"learning_rate": float("nan")}, "learning_rate must be"),
        ({"quantization": "int8"}, 'quantization must be "none" or "nf4"'),
        ({"gradient_checkpointing": "yes"}, 'gradient_checkpointing must be "auto", true or false'),
        ({"precision": "fp16"}, 'precision must be "auto", "bf16" or "fp32"'),
    ],
)
def test_an_option_that_makes_no_sense_is_refused_by_name(options: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint.replace("?", r"\?")):
        resolve(20, "supervised", Requested(options=options))


def test_every_allowed_value_is_taken() -> None:
    given = {
        "lora_rank": 1,
        "lora_alpha": 0.5,
        "lora_dropout": 0.1,
        "lora_targets": ["q_proj", "v_proj"],
        "learning_rate": 1e-5,
        "quantization": "nf4",
        "gradient_checkpointing": False,
        "precision": "fp32",
        "num_processes": 2,
    }
    assert resolve(20, "supervised", Requested(options=given)).options == given
