"""The numbers and options of a LoRA training: what "auto" means, and which values are refused."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from orchestrator.server.trainers.interface import Hyperparameters, Method, Requested
from orchestrator.spelling import did_you_mean

BASE_RATE: Mapping[Method, float] = {"supervised": 2e-4, "dpo": 1e-5}
"""The learning rate at multiplier 1.0. Supervised: what QLoRA found for models of 7 and 13 billion parameters
(Dettmers et al. 2023, appendix B.2); small models bear five times as much. Preferences need a twentieth."""
EPOCHS = ((100, 5), (1_000, 3), (10_000, 2))
"""Below this many examples, this many epochs; above, one."""
BATCH_SHARE = 32
"""The automatic batch is this fraction of the examples, within SMALLEST_BATCH and LARGEST_BATCH."""
SMALLEST_BATCH, LARGEST_BATCH = 4, 64
BETA = 0.1
"""From the DPO paper (Rafailov et al. 2023)."""
RANK = 16
LARGEST_RANK = 1024
MOST_PROCESSES = 64
ALL_LINEAR = "all-linear"
"""Every linear layer but the output layer, as PEFT names it."""

DEFAULTS: Mapping[str, Any] = {
    "lora_rank": RANK,
    "lora_alpha": "auto",
    "lora_dropout": 0.0,
    "lora_targets": ALL_LINEAR,
    "learning_rate": "auto",
    "quantization": "none",
    "gradient_checkpointing": "auto",
    "precision": "auto",
    "num_processes": 1,
}
"""The options, with what they are if nobody sets them. An alpha of "auto" is twice the rank, a learning rate of
"auto" is the multiplier times BASE_RATE."""


def resolve(examples: int, method: Method, requested: Requested) -> Hyperparameters:
    """All values for this many training examples. Raises ValueError, with a sentence."""
    options = _options(requested.options)
    multiplier = _multiplier(options["learning_rate"], requested.learning_rate_multiplier, BASE_RATE[method])
    if options["learning_rate"] == "auto":
        options["learning_rate"] = multiplier * BASE_RATE[method]
    if options["lora_alpha"] == "auto":
        options["lora_alpha"] = 2 * options["lora_rank"]
    beta = BETA if requested.beta is None or requested.beta == "auto" else requested.beta
    return Hyperparameters(
        n_epochs=_epochs(examples) if requested.n_epochs == "auto" else requested.n_epochs,
        batch_size=_batch_size(examples) if requested.batch_size == "auto" else requested.batch_size,
        learning_rate_multiplier=multiplier,
        beta=beta if method == "dpo" else None,
        options=options,
    )


def _epochs(examples: int) -> int:
    return next((epochs for below, epochs in EPOCHS if examples < below), 1)


def _batch_size(examples: int) -> int:
    return max(1, min(examples, LARGEST_BATCH, max(SMALLEST_BATCH, examples // BATCH_SHARE)))


def _multiplier(rate: float | str, multiplier: float | str, base: float) -> float:
    """The multiplier that gives the absolute rate, if there is one."""
    if rate == "auto":
        return 1.0 if multiplier == "auto" else float(multiplier)
    found = float(rate) / base
    if multiplier != "auto" and not math.isclose(float(multiplier), found, rel_tol=1e-6):
        raise ValueError(
            "learning_rate is the rate itself, and learning_rate_multiplier multiplies the base rate "
            f"of {base:g}: give one of them, not both."
        )
    return found


def _options(given: Mapping[str, Any]) -> dict[str, Any]:
    options = {**DEFAULTS, **{name: value for name, value in given.items() if value is not None}}
    for name, value in options.items():
        if name not in DEFAULTS:
            raise ValueError(f"The lora trainer has no option {name}. {_known(name)}")
        rule, expected = _RULES[name]
        is_truth = isinstance(value, bool) and name != "gradient_checkpointing"
        if is_truth or (value != DEFAULTS[name] and not rule(value)):
            raise ValueError(f"{name} must be {expected}, and is {value!r}.")
    return options


def _known(name: str) -> str:
    return did_you_mean(name, DEFAULTS, otherwise=f"It has {', '.join(DEFAULTS)}.")


def _is_number(value: Any, lowest: float, below: float = math.inf) -> bool:
    return isinstance(value, int | float) and lowest <= value < below


def _is_rank(value: Any) -> bool:
    return isinstance(value, int) and 1 <= value <= LARGEST_RANK


def _is_targets(value: Any) -> bool:
    return isinstance(value, list | tuple) and bool(value) and all(isinstance(name, str) and name for name in value)


_RULES: Mapping[str, tuple[Callable[[Any], bool], str]] = {
    "lora_rank": (_is_rank, f"a whole number from 1 to {LARGEST_RANK:,}"),
    "lora_alpha": (lambda value: _is_number(value, 1e-6), "a number above 0"),
    "lora_dropout": (lambda value: _is_number(value, 0.0, 1.0), "a number from 0 to below 1"),
    "lora_targets": (_is_targets, f'"{ALL_LINEAR}" or a list of module names such as "q_proj"'),
    "learning_rate": (lambda value: _is_number(value, 1e-12, 1.0), "a number above 0 and below 1"),
    "quantization": (lambda value: value == "nf4", '"none" or "nf4"'),
    "gradient_checkpointing": (lambda value: isinstance(value, bool), '"auto", true or false'),
    "num_processes": (
        lambda value: isinstance(value, int) and 1 <= value <= MOST_PROCESSES,
        f"a whole number from 1 to {MOST_PROCESSES}",
    ),
    "precision": (lambda value: value in ("bf16", "fp32"), '"auto", "bf16" or "fp32"'),
}
