"""The table of prices: rows of `prices.toml`, and those of a user's file before them."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from orchestrator.dataset.basemodels import base_model, is_version_of
from orchestrator.errors import PricesUnreadable

SHIPPED_PRICES = Path(__file__).with_name("prices.toml")

_MILLION = 1_000_000
_USUAL_TIER = "Standard"


@dataclass(frozen=True)
class Rates:
    """What calls cost, in US dollars for each million tokens; None where that price is not known."""

    input: float | None
    output: float | None

    def cost(self, input_tokens: float, output_tokens: float) -> float | None:
        """US dollars for so many tokens; None where that is unknown."""
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


def _fits(row: Price, endpoint_type: str, base: str, tier: str | None) -> bool:
    same_tier = row.tier is None or row.tier.casefold() == (tier or _USUAL_TIER).casefold()
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
    *("training", "training_per_hour", "hosting_per_hour"),
    *(f"{prefix}{way}" for prefix in _RATES for way in ("input", "output")),
)


@dataclass(frozen=True)
class _Row:
    """A row as it stands in a file."""

    path: Path
    number: int
    values: Mapping[str, Any]

    def price(self) -> Price:
        for key in self.values:
            if key not in (*_WORDS, *_AMOUNTS):
                raise self._error(f'has the key "{key}", which is none of {", ".join((*_WORDS, *_AMOUNTS))}')
        if not any(key in self.values for key in _AMOUNTS):
            raise self._error("has no price")
        tuned, tuned_batch, base, base_batch = (self._rates(prefix) for prefix in _RATES)
        return Price(
            endpoint_type=self._word("endpoint_type"),
            model=self._word("model"),
            tier=self._word("tier") if "tier" in self.values else None,
            training=self._amount("training"),
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
