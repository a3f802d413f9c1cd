"""What training, hosting and calling a model costs, by a dated table that a user can override.

In every function `model` is a base or fine-tuned name; `tier` is the training or deployment type where an endpoint
has several (Azure's "Standard", which is meant where nothing is said, "GlobalStandard", "DeveloperTier"); `prices`
is a TOML file of the shipped form whose rows come first. All raise PricesUnreadable where it is no such file.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from orchestrator.dataset.basemodels import base_model
from orchestrator.dataset.pricetable import Price, find_price

Method = Literal["supervised", "dpo", "reinforcement"]

_MILLION = 1_000_000
_NO_CHARGE = "local"
_USUAL_EPOCHS = 3
_LEAST_SHOWN, _MOST_SHOWN = 100, 25_000
_MOST_EPOCHS = 25


@dataclass(frozen=True)
class CostEstimate:
    """What a training is likely to cost. `usd` is None where it is unknown, and 0 only where nothing is charged."""

    usd: float | None
    tokens_per_epoch: int | None
    epochs: int
    epochs_assumed: bool
    """True where the number of epochs is "auto" and `epochs` is our assumption."""
    price: Price | None
    note: str
    """Where the price comes from, or why the cost is unknown; and what hosting the result will add."""


def training_cost(
    endpoint_type: str,
    model: str,
    tokens_per_epoch: int | None,
    n_epochs: int | Literal["auto"],
    examples: int,
    *,
    method: Method = "supervised",
    tier: str | None = None,
    prices: Path | None = None,
) -> CostEstimate:
    """Estimate the cost of training `model` on `examples` of that many tokens in all: tokens × epochs × price."""
    epochs = assumed_epochs(examples) if n_epochs == "auto" else n_epochs
    price = find_price(endpoint_type, model, tier=tier, prices=prices)
    usd = None
    if endpoint_type == _NO_CHARGE:
        usd = 0.0
    elif method != "reinforcement" and tokens_per_epoch is not None and price and price.training is not None:
        usd = tokens_per_epoch * epochs * price.training / _MILLION
    note = _note(endpoint_type, model, method, tokens_per_epoch, price)
    return CostEstimate(usd, tokens_per_epoch, epochs, n_epochs == "auto", price, note)


def trained_tokens_cost(
    endpoint_type: str,
    model: str,
    trained_tokens: int,
    *,
    method: Method = "supervised",
    tier: str | None = None,
    prices: Path | None = None,
) -> float | None:
    """US dollars for the tokens that a job says it was trained on (all epochs); None where that is unknown, as for
    reinforcement, which is charged by the hour."""
    if endpoint_type == _NO_CHARGE:
        return 0.0
    price = find_price(endpoint_type, model, tier=tier, prices=prices)
    if price is None or price.training is None or method == "reinforcement":
        return None
    return trained_tokens * price.training / _MILLION


def calls_cost(
    endpoint_type: str,
    model: str,
    input_tokens: float,
    output_tokens: float,
    *,
    batch: bool = False,
    tier: str | None = None,
    prices: Path | None = None,
) -> float | None:
    """US dollars for calling `model`, which may be a base or a fine-tuned one; None where that is unknown."""
    if endpoint_type == _NO_CHARGE:
        return 0.0
    price = find_price(endpoint_type, model, tier=tier, prices=prices)
    if price is None:
        return None
    return price.rates(fine_tuned=base_model(model) != model, batch=batch).cost(input_tokens, output_tokens)


def hosting_cost(
    endpoint_type: str, model: str, hours: float, *, tier: str | None = None, prices: Path | None = None
) -> float | None:
    """US dollars for keeping a fine-tuned `model` callable, used or not; None where that is unknown."""
    if endpoint_type == _NO_CHARGE or base_model(model) == model:
        return 0.0
    price = find_price(endpoint_type, model, tier=tier, prices=prices)
    return None if price is None or price.hosting_per_hour is None else hours * price.hosting_per_hour


def assumed_epochs(examples: int) -> int:
    """What "auto" is taken to be: 3 epochs, but more for few examples and fewer for very many.

    The rule of OpenAI's cookbook, "Data preparation and analysis for chat model fine-tuning": between 100 and
    25,000 examples shown in all, at most 25 epochs. What a service really chooses is known only from its answer.
    """
    if examples * _USUAL_EPOCHS < _LEAST_SHOWN:
        return min(_MOST_EPOCHS, _LEAST_SHOWN // max(examples, 1))
    if examples * _USUAL_EPOCHS > _MOST_SHOWN:
        return max(1, _MOST_SHOWN // examples)
    return _USUAL_EPOCHS


def _note(endpoint_type: str, model: str, method: Method, tokens: int | None, price: Price | None) -> str:
    if endpoint_type == _NO_CHARGE:
        return "no charge"
    return f"{_training_note(endpoint_type, model, method, tokens, price)}{_hosting_note(price)}"


def _training_note(endpoint_type: str, model: str, method: Method, tokens: int | None, price: Price | None) -> str:
    if method == "reinforcement":
        rate = price.training_per_hour if price else None
        by_the_hour = f"{rate:.2f} USD, {_read_at(price)}" if price and rate is not None else "at an unknown price"
        return f"reinforcement is charged by the hour ({by_the_hour}), and how long it takes is not known before"
    if price is None or price.training is None:
        unknown = f"the price of training {base_model(model)} on {endpoint_type} is unknown"
        return f"{unknown}; name a table of your own as `prices` of the endpoint"
    if tokens is None:
        return "the tokens are not counted, so the cost is unknown"
    twice = ", the prompt counted with each of its two answers" if method == "dpo" else ""
    return f"{price.training:.2f} USD for 1M tokens{twice}, {_read_at(price)}"


def _hosting_note(price: Price | None) -> str:
    if price is None or not price.hosting_per_hour:
        return ""
    return f"; a standard deployment costs {price.hosting_per_hour:.2f} USD an hour, used or not"


def _read_at(price: Price) -> str:
    return f"seen {price.seen} at {price.source}"
