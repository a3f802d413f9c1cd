"""The cost of ownership for programs: an object, or the cells that it adds to a row."""

from __future__ import annotations

from typing import Any

from orchestrator.evaluation.ownership import DAYS_A_MONTH, Option, Owned, Ownership
from orchestrator.evaluation.results import Series


def ownership_object(ownership: Ownership) -> dict[str, Any]:
    """What stands under `cost_of_ownership`; US dollars, None where they are unknown."""
    return {
        "priced_as": ownership.priced_as,
        "prices_are_borrowed": ownership.stands_in,
        "life_days": ownership.terms.life_days,
        "days_a_month": DAYS_A_MONTH,
        "base": [_option(ownership, base) for base in ownership.bases],
        "models": [{**_option(ownership, owned.option), **_turning(owned)} for owned in ownership.owned],
        "notes": list(ownership.notes),
    }


def ownership_cells(ownership: Ownership, series: Series) -> dict[str, Any]:
    """The same for one series as columns of a row; empty cells where the series is not compared."""
    requests = ownership.terms.requests_per_day
    names = [f"usd_per_month_at_{number}" for number in requests]
    cells: dict[str, Any] = dict.fromkeys((*names, "cheaper_than_base", "break_even_requests_per_day"))
    for option in ownership.options:
        if option.series.key == series.key:
            months = (ownership.usd_per_month(option, number) for number in requests)
            cells |= dict(zip(names, months, strict=True))
    for owned in ownership.owned:
        if owned.option.series.key == series.key:
            cells["cheaper_than_base"] = str(owned.break_even.cheaper)
            cells["break_even_requests_per_day"] = owned.break_even.requests_per_day
    return cells


def _option(ownership: Ownership, option: Option) -> dict[str, Any]:
    series, training = option.series, option.training
    prompt, answer, cached = series.all.prompt_tokens, series.all.completion_tokens, series.all.cached_tokens
    return {
        "model": series.model,
        "label": series.label,
        "variant": series.variant,
        "prompt_tokens": prompt.mean if prompt else None,
        "cached_tokens": cached.mean if cached else None,
        "completion_tokens": answer.mean if answer else None,
        "usd_per_request": option.usd_per_request,
        "training_usd": training.usd if training else 0.0,
        "training_cost_is": training.source if training else "not trained",
        "hosting_usd_per_day": option.hosting_per_day,
        "usd_per_month": {
            str(number): ownership.usd_per_month(option, number) for number in ownership.terms.requests_per_day
        },
    }


def _turning(owned: Owned) -> dict[str, Any]:
    found = owned.break_even
    return {
        "base": {"model": owned.base.series.model, "variant": owned.base.series.variant},
        "cheaper_than_base": str(found.cheaper),
        "break_even_requests_per_day": found.requests_per_day,
    }
