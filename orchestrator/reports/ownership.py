"""The cost of ownership as tables: cost per request and fixed costs, then a month by requests per day."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

from rich.console import Console

from orchestrator.dataset.hosting import DAYS_A_MONTH
from orchestrator.evaluation.metrics import METRICS, value_of
from orchestrator.evaluation.ownership import BreakEven, Cheaper, Option, Owned, Ownership
from orchestrator.evaluation.results import Series
from orchestrator.reports.comparison import share_cell
from orchestrator.reports.table import Column, Fit, Number, Row, Table, row
from orchestrator.reports.text import money, plural, print_wrapped, printable

_PARTS = "Cost of requests, and fixed cost"
_MONTHS = f"US dollars per {DAYS_A_MONTH} days, by requests per day"


def print_ownership(ownership: Ownership, console: Console) -> None:
    """Print the cost of base and tuned models, and the requests per day from which a tuned one is cheaper."""
    console.print()
    console.print("Cost of ownership", style="bold")
    for sentence in basis(ownership):
        print_wrapped(sentence, console, indent="", hanging="")
    for table in (parts_table(ownership), months_table(ownership)):
        console.print()
        console.print(table.title, style="bold")
        console.print(table)
    console.print()
    for sentence in notes(ownership):
        print_wrapped(printable(sentence), console, indent="", hanging="")


def basis(ownership: Ownership) -> Iterator[str]:
    """The assumptions, in sentences."""
    days = plural(ownership.terms.life_days, "day")
    yield (
        f"Tokens as measured, list prices of {printable(ownership.priced_as)}, training spread over {days} of use."
    )
    if ownership.stands_in:
        yield (
            "The tokens were measured on another endpoint than the one these prices are from. Read the table as a "
            "rehearsal."
        )


def parts_table(ownership: Ownership) -> Table:
    """A row for each model in a variant: its accuracy, its tokens, and the parts of its cost."""
    metric = METRICS.get(ownership.metric)  # type: ignore[call-overload]
    quality = metric.title if metric else "argument F1"
    columns = _columns(quality, "prompt", "answer", "1,000 calls", "training", f"hosting per {DAYS_A_MONTH} days")
    return Table(columns, [_parts(ownership, option) for option in ownership.options], _PARTS)


def months_table(ownership: Ownership) -> Table:
    """A row for each model in a variant: the monthly cost by requests per day, and where it becomes cheaper."""
    requests = ownership.terms.requests_per_day
    cheaper = Column("cheaper than the base", fit=Fit.LINE, is_number=True)
    rows = [row(*_who(base), *_months(ownership, base, requests), "") for base in ownership.bases]
    for owned in ownership.owned:
        months = _months(ownership, owned.option, requests)
        rows.append(row(*_who(owned.option), *months, turning_point(owned.break_even)))
    return Table([*_columns(*(f"{number:,}" for number in requests)), cheaper], rows, _MONTHS)


def notes(ownership: Ownership) -> Iterator[str]:
    """Notes on the figures: the sources of training costs and prices, and what may make them wrong."""
    for owned in ownership.owned:
        if owned.break_even.cheaper is Cheaper.UNKNOWN and owned.break_even.least_per_day is None:
            yield f"{named(owned.option)}: the cost is incomplete. {_what_is_unknown(owned)}"
    if any(_is_least(ownership, owned) for owned in ownership.owned):
        yield "≥ and above: without the training, whose cost is unknown."
    yield from _trainings(ownership)
    yield from ownership.notes


def named(option: Option) -> str:
    """`tuned no-parameters`."""
    return printable(f"{option.series.label} {option.series.variant}")


def amount(usd: float | None) -> str:
    """Without cents from $100."""
    return f"${usd:,.0f}" if usd is not None and usd >= 100 else money(usd)


def turning_point(found: BreakEven) -> str:
    """`from 1,235 per day`, `below 500 per day`, `above 1,200 per day` without the unknown cost of training, or the
    word."""
    if found.least_per_day is not None:
        return f"above {math.floor(found.least_per_day):,} per day"
    if found.requests_per_day is None:
        return found.cheaper
    if found.cheaper is Cheaper.BELOW:
        return f"below {math.ceil(found.requests_per_day):,} per day"
    return f"from {math.floor(found.requests_per_day) + 1:,} per day"


def _is_least(ownership: Ownership, owned: Owned) -> bool:
    first = ownership.terms.requests_per_day[0]
    has_month = ownership.usd_per_month(owned.option, first) is not None
    return not has_month and ownership.least_usd_per_month(owned.option, first) is not None


# --- cells -------------------------------------------------------------------------------------------------


def _columns(*numbers: str) -> list[Column]:
    names = [Column("", "model", Fit.BELOW), Column("variant", fit=Fit.LINE)]
    return [*names, *(Column(heading, fit=Fit.FOLD, is_number=True) for heading in numbers)]


def _parts(ownership: Ownership, option: Option) -> Row:
    thousand = None if option.usd_per_request is None else 1000 * option.usd_per_request
    return row(
        *_who(option),
        _quality(ownership, option),
        *_tokens(option),
        Number(money(thousand), value=thousand, unit="USD"),
        _training(option),
        _hosting(option),
    )


def _who(option: Option) -> list[str]:
    return [printable(option.series.label), option.series.variant]


def _quality(ownership: Ownership, option: Option) -> Number:
    figures = option.series.all
    for name, measure in METRICS.items():
        if name == ownership.metric:
            return share_cell(measure.of(figures), has_interval=False)
    value = value_of("argument_f1", figures)
    return Number("–" if value is None else f"{value:.2f}", value=value)


def _tokens(option: Option) -> list[Number]:
    found = (option.series.all.prompt_tokens, option.series.all.completion_tokens)
    return [
        Number(f"{each.mean:,.0f}", value=each.mean, unit="tokens") if each else Number("–", unit="tokens")
        for each in found
    ]


def _training(option: Option) -> Number:
    return _usd(option.training.usd) if option.training else Number("–", value=0.0, unit="USD")


def _hosting(option: Option) -> Number:
    per_day = option.hosting_per_day
    if per_day == 0:
        return Number("none", value=0.0, unit="USD")
    return _usd(None if per_day is None else DAYS_A_MONTH * per_day)


def _months(ownership: Ownership, option: Option, requests: Sequence[int]) -> list[Number]:
    return [_month(ownership, option, number) for number in requests]


def _month(ownership: Ownership, option: Option, requests: int) -> Number:
    usd = ownership.usd_per_month(option, requests)
    least = ownership.least_usd_per_month(option, requests)
    if usd is None and least is not None:
        return Number(f"≥{amount(least)}", value=None, unit="USD")
    return _usd(usd)


def _usd(usd: float | None) -> Number:
    return Number(amount(usd), value=usd, unit="USD")


def _trainings(ownership: Ownership) -> Iterator[str]:
    told: dict[str, str] = {}
    for owned in ownership.owned:
        if owned.option.training:
            told.setdefault(owned.option.series.label, owned.option.training.source)
    for label, source in told.items():
        yield f"Training of {label}: {source}."


def _what_is_unknown(owned: Owned) -> str:
    missing = [
        *(["the price of calls to the base"] if owned.base.usd_per_request is None else []),
        *(["the price of its calls"] if owned.option.usd_per_request is None else []),
        *(["its training cost"] if owned.option.training and owned.option.training.usd is None else []),
        *(["the price of hosting it"] if owned.option.hosting_per_day is None else []),
    ]
    return f"Unknown: {', '.join(missing)}."


# --- The cost of ownership for programs: an object, or further cells of a row ---------------------------------


def ownership_object(ownership: Ownership) -> dict[str, Any]:
    """The value of `cost_of_ownership`; US dollars, None if unknown."""
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
    """The same for one series as columns of a row; empty cells if the series is not compared."""
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
        "usd_per_month_without_training": {
            str(number): ownership.least_usd_per_month(option, number)
            for number in ownership.terms.requests_per_day
        },
    }


def _turning(owned: Owned) -> dict[str, Any]:
    found = owned.break_even
    return {
        "base": {"model": owned.base.series.model, "variant": owned.base.series.variant},
        "cheaper_than_base": str(found.cheaper),
        "break_even_requests_per_day": found.requests_per_day,
        "break_even_without_training": found.least_per_day,
    }
