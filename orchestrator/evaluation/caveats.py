"""What to know of a cost of ownership before believing it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date

from orchestrator.dataset.basemodels import shutdown_date
from orchestrator.dataset.pricetable import Price
from orchestrator.evaluation.results import Series


def caveats(
    prices: Mapping[str, Price | None], series: Sequence[Series], endpoint_type: str, life_days: int, today: date
) -> Iterator[str]:
    """Sentences on where prices, by base model, are from; on models that end sooner; on tokens from a cache."""
    yield from _sources(prices, endpoint_type)
    for model in prices:
        yield from _ending(model, endpoint_type, life_days, today)
    yield from _cached(series)


def _sources(prices: Mapping[str, Price | None], endpoint_type: str) -> Iterator[str]:
    models_of: dict[str, list[str]] = {}
    for model, price in prices.items():
        found = f"read {price.seen} at {price.source}" if price else "unknown; name a table of yours as `prices`"
        models_of.setdefault(found, []).append(model)
    for found, models in models_of.items():
        yield f"Prices of {', '.join(models)} on {endpoint_type}: {found}."


def _ending(model: str, endpoint_type: str, life_days: int, today: date) -> Iterator[str]:
    ends = shutdown_date(endpoint_type, model)
    if ends is not None and 0 < (left := (ends - today).days) < life_days:
        yield (
            f"{endpoint_type} ends {model} and its fine-tuned models on {ends.isoformat()}, in {left} days; the "
            f"training is spread over {life_days}. What is left: --life-days {left}."
        )


def _cached(series: Sequence[Series]) -> Iterator[str]:
    for each in series:
        cached = each.all.cached_tokens
        if cached is not None and cached.mean > 0:
            yield (
                f"{each.label} ({each.variant}) had {cached.mean:,.0f} tokens of a prompt in the endpoint's cache, "
                "on the mean. They are priced like the others here: too much where a cache gives a rebate."
            )
