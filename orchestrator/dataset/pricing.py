"""What a training costs: tokens × epochs × price, from a dated table that a user can override."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

from orchestrator.dataset.basemodels import base_model, is_version_of
from orchestrator.errors import PricesUnreadable

SHIPPED_PRICES = Path(__file__).with_name("prices.toml")

_MILLION = 1_000_000
_NO_CHARGE = "local"
_USUAL_EPOCHS = 3
_LEAST_SHOWN, _MOST_SHOWN = 100, 25_000
_MOST_EPOCHS = 25


@dataclass(frozen=True)
class Price:
    """One row of the table: US dollars for each million tokens; None where that price is not known."""

    endpoint_type: str
    model: str
    training: float | None
    input: float | None
    output: float | None
    source: str
    seen: str
    """The month in which the price was read at its source, as YYYY-MM."""


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


def training_cost(
    endpoint_type: str,
    model: str,
    tokens_per_epoch: int | None,
    n_epochs: int | Literal["auto"],
    examples: int,
    *,
    prices: Path | None = None,
) -> CostEstimate:
    """Estimate the cost of training `model` (a base or fine-tuned name) on `examples` of that many tokens in all.

    `prices` is a TOML file of the shipped form whose rows come first. Raises PricesUnreadable where it is no such
    file.
    """
    epochs = assumed_epochs(examples) if n_epochs == "auto" else n_epochs
    price = find_price(endpoint_type, model, prices=prices)
    usd = None
    if endpoint_type == _NO_CHARGE:
        usd = 0.0
    elif tokens_per_epoch is not None and price is not None and price.training is not None:
        usd = tokens_per_epoch * epochs * price.training / _MILLION
    note = _note(endpoint_type, model, tokens_per_epoch, price)
    return CostEstimate(usd, tokens_per_epoch, epochs, n_epochs == "auto", price, note)


def trained_tokens_cost(
    endpoint_type: str, model: str, trained_tokens: int, *, prices: Path | None = None
) -> float | None:
    """US dollars for the tokens that a job says it was trained on (all epochs); None where the price is unknown."""
    if endpoint_type == _NO_CHARGE:
        return 0.0
    price = find_price(endpoint_type, model, prices=prices)
    if price is None or price.training is None:
        return None
    return trained_tokens * price.training / _MILLION


def find_price(endpoint_type: str, model: str, *, prices: Path | None = None) -> Price | None:
    """The row for a model, priced as its base where it is a fine-tuned one; None where there is none."""
    base = base_model(model)
    rows = (*(_read_prices(prices) if prices is not None else ()), *_shipped_prices())
    fitting = (row for row in rows if row.endpoint_type == endpoint_type and is_version_of(base, row.model))
    return next(fitting, None)


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


def _note(endpoint_type: str, model: str, tokens: int | None, price: Price | None) -> str:
    if endpoint_type == _NO_CHARGE:
        return "no charge"
    if price is None or price.training is None:
        return f"the price of training {base_model(model)} on {endpoint_type} is unknown"
    if tokens is None:
        return "the tokens are not counted, so the cost is unknown"
    return f"{price.training:.2f} USD for 1M tokens, seen {price.seen} at {price.source}"


@cache
def _shipped_prices() -> tuple[Price, ...]:
    return _read_prices(SHIPPED_PRICES)


def _read_prices(path: Path) -> tuple[Price, ...]:
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise PricesUnreadable(path=path, problem=getattr(error, "strerror", None) or str(error)) from error
    rows = table.get("price")
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise PricesUnreadable(path=path, problem="it has no [[price]] rows")
    return tuple(_price(path, number, row) for number, row in enumerate(rows, start=1))


def _price(path: Path, number: int, row: Mapping[str, Any]) -> Price:
    return Price(
        endpoint_type=_word(path, number, row, "endpoint_type"),
        model=_word(path, number, row, "model"),
        training=_amount(path, number, row, "training"),
        input=_amount(path, number, row, "input"),
        output=_amount(path, number, row, "output"),
        source=str(row.get("source", path)),
        seen=str(row.get("seen", "?")),
    )


def _word(path: Path, number: int, row: Mapping[str, Any], key: str) -> str:
    value = row.get(key)
    if not isinstance(value, str) or not value:
        raise PricesUnreadable(path=path, problem=f'row {number} needs "{key}" as a string')
    return value


def _amount(path: Path, number: int, row: Mapping[str, Any], key: str) -> float | None:
    value = row.get(key)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < float("inf"):
        raise PricesUnreadable(path=path, problem=f'row {number} needs "{key}" as a number from 0')
    return float(value)
