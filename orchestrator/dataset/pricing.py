"""What training, hosting and calling a model costs, by a dated table that a user can override.

In every function `model` is a base or fine-tuned name; `tier` is the training or deployment type where an endpoint
has several (Azure's "Standard", which is meant where nothing is said, "GlobalStandard", "DeveloperTier"); `prices`
is a TOML file of the shipped form whose rows come first. All raise PricesUnreadable where it is no such file.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

from orchestrator.dataset.basemodels import base_model, is_version_of
from orchestrator.dataset.hosting import hosting_words
from orchestrator.errors import PricesUnreadable

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
    """The source of the price, or the reason why the cost is unknown; and what hosting the result will add."""


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
    rate = price.of_training(method) if price else None
    usd = None
    if endpoint_type == _NO_CHARGE:
        usd = 0.0
    elif tokens_per_epoch is not None and rate is not None:
        usd = tokens_per_epoch * epochs * rate / _MILLION
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
    rate = price.of_training(method) if price else None
    return None if rate is None else trained_tokens * rate / _MILLION


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


def gpu_cost(endpoint_type: str, gpu: str, hours: float, *, prices: Path | None = None) -> float | None:
    """US dollars for this many hours of one processor of a deployment; None where that is unknown."""
    price = find_price(endpoint_type, f"{GPU}{gpu}", prices=prices)
    return None if price is None or price.hosting_per_hour is None else hours * price.hosting_per_hour


GPU = "gpu/"
"""The beginning of the `model` of a row that is the price of a processor."""


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
        return f"reinforcement is charged by the hour ({by_the_hour}), and its duration is unknown before training"
    rate = price.of_training(method) if price else None
    if price is None or rate is None:
        unknown = f"the price of training {base_model(model)} on {endpoint_type} is unknown"
        return f"{unknown}; to use your own table, set `prices` of the endpoint"
    if tokens is None:
        return "the tokens are not counted, so the cost is unknown"
    twice = ", the prompt counted with each of its two answers" if method == "dpo" else ""
    return f"{rate:.2f} USD per 1M tokens{twice}, {_read_at(price)}"


def _hosting_note(price: Price | None) -> str:
    if price is None or not price.hosting_per_hour:
        return ""
    return f"; a standard deployment costs {hosting_words(price.hosting_per_hour)}"


def _read_at(price: Price) -> str:
    return f"seen {price.seen} at {price.source}"


# --- The price table ---------------------------------------------------------------------------------------------


SHIPPED_PRICES = Path(__file__).with_name("prices.toml")

USUAL_TIER = "Standard"


@dataclass(frozen=True)
class Rates:
    """What calls cost, in US dollars for each million tokens; None where that price is not known."""

    input: float | None
    output: float | None

    def cost(self, input_tokens: float, output_tokens: float) -> float | None:
        """US dollars for these tokens; None where that is unknown."""
        if self.input is None or self.output is None:
            return None
        return (input_tokens * self.input + output_tokens * self.output) / _MILLION


@dataclass(frozen=True)
class Price:
    """One row of the table, in US dollars; None where that price is not known."""

    endpoint_type: str
    model: str
    tier: str | None
    """The training and deployment type it holds for; None for all."""
    training: float | None
    """A million tokens, for each epoch."""
    training_dpo: float | None
    """The same for preference data, where it costs more."""
    training_per_hour: float | None
    """Reinforcement."""
    hosting_per_hour: float | None
    """A deployment of the fine-tuned model, used or not."""
    tuned: Rates
    tuned_batch: Rates
    base: Rates
    base_batch: Rates
    source: str
    seen: str
    """The month in which the price was read at its source, as YYYY-MM."""

    def of_training(self, method: Method) -> float | None:
        """What a million tokens cost, for each epoch; None for reinforcement, which is charged by the hour."""
        if method == "reinforcement":
            return None
        return self.training_dpo if method == "dpo" and self.training_dpo is not None else self.training

    def rates(self, *, fine_tuned: bool, batch: bool) -> Rates:
        """What calls to the fine-tuned or to the base model cost, at once or through the Batch API."""
        at_once, batched = (self.tuned, self.tuned_batch) if fine_tuned else (self.base, self.base_batch)
        return batched if batch else at_once


def find_price(
    endpoint_type: str, model: str, *, tier: str | None = None, prices: Path | None = None
) -> Price | None:
    """The row for a model, priced as its base where it is a fine-tuned one; None where there is none.

    A row of the user's file `prices` comes before the shipped ones; of several that fit, the most special one.
    Raises PricesUnreadable.
    """
    base = base_model(model)
    for rows in (_read_prices(prices) if prices is not None else (), _shipped_prices()):
        fitting = [row for row in rows if _fits(row, endpoint_type, base, tier)]
        if fitting:
            return max(fitting, key=lambda row: (len(row.model), row.tier is not None))
    return None


def tiers_of(endpoint_type: str, model: str, *, prices: Path | None = None) -> list[str]:
    """The tiers with a row for a model, in the order of the tables; none where prices don't depend on one."""
    base = base_model(model)
    rows = [*(_read_prices(prices) if prices is not None else ()), *_shipped_prices()]
    fitting = (row.tier for row in rows if row.tier and _fits(row, endpoint_type, base, row.tier))
    return list(dict.fromkeys(fitting))


def _fits(row: Price, endpoint_type: str, base: str, tier: str | None) -> bool:
    same_tier = row.tier is None or row.tier.casefold() == (tier or USUAL_TIER).casefold()
    return row.endpoint_type == endpoint_type and same_tier and is_version_of(base, row.model)


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
    return tuple(_Row(path, number, row).price() for number, row in enumerate(rows, start=1))


_WORDS = ("endpoint_type", "model", "tier", "source", "seen")
_RATES = ("", "batch_", "base_", "base_batch_")
_AMOUNTS = (
    *("training", "training_dpo", "training_per_hour", "hosting_per_hour"),
    *(f"{prefix}{way}" for prefix in _RATES for way in ("input", "output")),
)


@dataclass(frozen=True)
class _Row:
    """A row as written in a file."""

    path: Path
    number: int
    values: Mapping[str, Any]

    def price(self) -> Price:
        for key in self.values:
            if key not in (*_WORDS, *_AMOUNTS):
                raise self._error(f'has the key "{key}", which is not one of {", ".join((*_WORDS, *_AMOUNTS))}')
        if not any(key in self.values for key in _AMOUNTS):
            raise self._error("has no price")
        tuned, tuned_batch, base, base_batch = (self._rates(prefix) for prefix in _RATES)
        return Price(
            endpoint_type=self._word("endpoint_type"),
            model=self._word("model"),
            tier=self._word("tier") if "tier" in self.values else None,
            training=self._amount("training"),
            training_dpo=self._amount("training_dpo"),
            training_per_hour=self._amount("training_per_hour"),
            hosting_per_hour=self._amount("hosting_per_hour"),
            tuned=tuned,
            tuned_batch=tuned_batch,
            base=base,
            base_batch=base_batch,
            source=str(self.values.get("source", self.path)),
            seen=str(self.values.get("seen", "?")),
        )

    def _rates(self, prefix: str) -> Rates:
        return Rates(self._amount(f"{prefix}input"), self._amount(f"{prefix}output"))

    def _word(self, key: str) -> str:
        value = self.values.get(key)
        if not isinstance(value, str) or not value:
            raise self._error(f'needs "{key}" as a string')
        return value

    def _amount(self, key: str) -> float | None:
        value = self.values.get(key)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < float("inf"):
            raise self._error(f'needs "{key}" as a number from 0')
        return float(value)

    def _error(self, problem: str) -> PricesUnreadable:
        return PricesUnreadable(path=self.path, problem=f"row {self.number} {problem}")
