"""A small first sweep for a size of data, as practitioners begin.

From Microsoft's notes on fine-tuning in Azure AI Foundry (2026): fewer passes the more examples there are, learning
rates lower for small sets and for open-weight models, and one look to each side of the middle.
"""

from __future__ import annotations

from dataclasses import dataclass

from orchestrator.dataset.basemodels import base_model
from orchestrator.sweeps.trials import Parameters

_OPEN_WEIGHT_FAMILIES = ("gpt-oss", "llama", "ministral", "mistral", "mixtral", "qwen", "phi", "gemma", "deepseek")


@dataclass(frozen=True)
class _Rates:
    middle: float
    low: float
    high: float


_USUAL = _Rates(1.0, 0.5, 1.5)
_SMALL_SET = _Rates(0.3, 0.1, 0.5)
_OPEN_WEIGHT = _Rates(0.35, 0.2, 0.5)


def recommended_points(examples: int, model: str) -> list[Parameters]:
    """The middle first, then one change at a time: the learning-rate multiplier, then the number of epochs."""
    rates = _rates(examples, model)
    middle, *others = _epochs(examples)
    pairs = [(middle, rates.middle), (middle, rates.low), (middle, rates.high)]
    pairs += [(epochs, rates.middle) for epochs in others]
    return [{"n_epochs": epochs, "learning_rate_multiplier": rate} for epochs, rate in pairs]


def is_open_weight(model: str) -> bool:
    """Whether a model's name, with or without its publisher before a slash, is one whose weights are public."""
    return base_model(model).lower().rpartition("/")[2].startswith(_OPEN_WEIGHT_FAMILIES)


def _epochs(examples: int) -> tuple[int, ...]:
    """The middle, then what else is worth a try."""
    if examples < 100:
        return (4, 5, 3)
    if examples < 500:
        return (2, 3, 1)
    return (2, 1) if examples < 2_000 else (1,)


def _rates(examples: int, model: str) -> _Rates:
    if is_open_weight(model):
        return _OPEN_WEIGHT
    return _SMALL_SET if examples < 100 else _USUAL
