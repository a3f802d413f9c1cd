"""Where an endpoint type has tiers, as Azure has: whose prices a comparison uses, and what the price table lacks.

In every function `models` are base models, and `prices` is the user's own table. All raise PricesUnreadable.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path

from orchestrator.dataset.pricing import USUAL_TIER, find_price, tiers_of


def choose_tier(
    endpoint_type: str, models: Collection[str], deployed: Collection[str], prices: Path | None
) -> str | None:
    """The first tier with all prices of calls and of hosting: of those that the models are deployed at, then of the
    usual one, then of the table's others. If none has them all, the first of these; None if there are no tiers."""
    known = [tier for model in models for tier in tiers_of(endpoint_type, model, prices=prices)]
    if not known:
        return None
    candidates = list(dict.fromkeys([*deployed, *([USUAL_TIER] if USUAL_TIER in known else []), *known]))
    complete = (
        tier for tier in candidates if not any(lacking(endpoint_type, model, tier, prices) for model in models)
    )
    return next(complete, candidates[0])


def lacking(endpoint_type: str, model: str, tier: str | None, prices: Path | None) -> list[str]:
    """The keys of calls and hosting that a model's row of the price table lacks; all, if it has no row."""
    price = find_price(endpoint_type, model, tier=tier, prices=prices)
    amounts = {
        "input": price and price.tuned.input,
        "output": price and price.tuned.output,
        "base_input": price and price.base.input,
        "base_output": price and price.base.output,
        "hosting_per_hour": price and price.hosting_per_hour,
    }
    return [key for key, amount in amounts.items() if amount is None]


def tier_notes(
    endpoint_type: str, models: Collection[str], tier: str | None, prices: Path | None, *, is_given: bool
) -> Iterator[str]:
    """Sentences on the tier whose prices are used, and on the prices that the table lacks for it and for others."""
    for model in models:
        if missing := lacking(endpoint_type, model, tier, prices):
            place = f"{model} on {endpoint_type}{f' {tier}' if tier else ''}"
            yield (
                f"The price table has no {_listed(missing)} for {place}; add it to your own (`prices`)."
                f"{_known_tiers(endpoint_type, model, tier, prices)}"
            )
    if tier is None or is_given:
        return
    others = dict.fromkeys(each for model in models for each in tiers_of(endpoint_type, model, prices=prices))
    yield (
        f"Calls and hosting are priced at the tier {tier}. For another, give --price-as {endpoint_type}:TIER. "
        f"{' '.join(_of_other(endpoint_type, models, other, prices) for other in others if other != tier)}"
    ).rstrip()


def _known_tiers(endpoint_type: str, model: str, tier: str | None, prices: Path | None) -> str:
    """The tiers with a row, if the tier is none of them."""
    known = tiers_of(endpoint_type, model, prices=prices)
    is_known = (tier or "").casefold() in map(str.casefold, known)
    return f" Tiers with a row: {', '.join(known)}." if known and not is_known else ""


def _of_other(endpoint_type: str, models: Collection[str], tier: str, prices: Path | None) -> str:
    parts = [
        f"{_listed(missing)} of {model}"
        for model in models
        if (missing := lacking(endpoint_type, model, tier, prices))
    ]
    return f"{tier}: {f'no {_listed(parts)}' if parts else 'all prices are known'}."


def _listed(parts: Collection[str]) -> str:
    """`a, b or c`."""
    *first, last = parts
    return f"{', '.join(first)} or {last}" if first else last
