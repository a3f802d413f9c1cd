"""The cost of owning a tuned model compared with calling the base: measured calls, training spread over the model's
life, and hosting.

Microsoft published this comparison for its stock assistant: a base model with long prompts against a fine-tuned one
with short prompts, by requests per day.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from enum import StrEnum
from pathlib import Path

from orchestrator.dataset.basemodels import shutdown_date
from orchestrator.dataset.hosting import DAYS_A_MONTH, usd_per_day
from orchestrator.dataset.pricing import Price, find_price
from orchestrator.deployments.hosting import cost_per_day
from orchestrator.endpoints.management import gpus_of
from orchestrator.errors import NoBaseToCompare, NothingCharged
from orchestrator.evaluation.asking import VARIANTS
from orchestrator.evaluation.plan import Plan
from orchestrator.evaluation.pricing import Origin, Training, origin_of, training_of, whole_sweep
from orchestrator.evaluation.results import Results, Series
from orchestrator.evaluation.tiers import choose_tier, tier_notes
from orchestrator.ledger import Ledger
from orchestrator.store import deployments
from orchestrator.store.evaluations import Evaluation

_LOCAL = "local"


@dataclass(frozen=True)
class Terms:
    """The assumptions of the calculation."""

    requests_per_day: Sequence[int]
    """The request volumes to show, ascending."""
    life_days: int
    """How long the tuned model is used; its training is spread over these days."""
    endpoint_type: str | None = None
    """Its prices are used instead of the endpoint's own."""
    tier: str | None = None
    """Azure: the deployment type whose prices are used; None for the first one that the table knows."""
    training_usd: float | None = None
    """The training bill, if the user gave one."""

    def __post_init__(self) -> None:
        if not self.requests_per_day or min(self.requests_per_day) <= 0 or self.life_days <= 0:
            raise ValueError("requests per day and days of life must be above 0")


@dataclass(frozen=True)
class Option:
    """One way to answer requests: a model in a variant. Prices are in US dollars, None if unknown."""

    series: Series
    usd_per_request: float | None
    """From the mean prompt and answer tokens of this evaluation."""
    hosting_per_day: float | None
    training: Training | None
    """None if the model was not trained."""

    def fixed_per_day(self, life_days: int) -> float | None:
        """The cost of a day without requests: hosting, and a day's share of the training."""
        training = self.training.usd if self.training else 0.0
        if training is None or self.hosting_per_day is None:
            return None
        return self.hosting_per_day + training / life_days

    def usd_per_day(self, requests: float, life_days: int) -> float | None:
        """The cost of a day with this many requests."""
        fixed = self.fixed_per_day(life_days)
        return None if fixed is None or self.usd_per_request is None else fixed + requests * self.usd_per_request

    def without_training(self) -> Option:
        """The same as if its training had cost nothing."""
        return replace(self, training=None)


@dataclass(frozen=True)
class Owned:
    """A model that would replace the base."""

    option: Option
    base: Option
    break_even: BreakEven


@dataclass(frozen=True)
class Ownership:
    """The base with the fullest definitions, and every other model in each variant asked."""

    terms: Terms
    priced_as: str
    """The endpoint type that these prices are from, and its tier if it has tiers."""
    stands_in: bool
    """True if these are not the prices of the endpoint that answered."""
    metric: str
    """The metric by which the evaluation is judged; a cheap model must also be right."""
    bases: Sequence[Option]
    owned: Sequence[Owned]
    notes: Sequence[str]

    @property
    def options(self) -> Sequence[Option]:
        return [*self.bases, *(each.option for each in self.owned)]

    def usd_per_month(self, option: Option, requests_per_day: float) -> float | None:
        """The cost of a 30-day month."""
        per_day = option.usd_per_day(requests_per_day, self.terms.life_days)
        return None if per_day is None else DAYS_A_MONTH * per_day

    def least_usd_per_month(self, option: Option, requests_per_day: float) -> float | None:
        """The same without the training, if only the cost of that is unknown."""
        return self.usd_per_month(option.without_training(), requests_per_day)


def require_prices(plan: Plan, terms: Terms) -> None:
    """Check before asking that the cost can be calculated afterwards.

    Raises NothingCharged for an endpoint that charges nothing if `terms` name no other prices, and
    NoBaseToCompare if no base model is asked.
    """
    if plan.config.type == _LOCAL and terms.endpoint_type is None:
        raise NothingCharged(endpoint=plan.config.name)
    if not any(candidate.is_base for candidate in plan.candidates):
        raise NoBaseToCompare()


def ownership_of(ledger: Ledger, results: Results, terms: Terms, today: date | None = None) -> Ownership:
    """The cost of base and tuned models at each request volume, from the measured tokens.

    A sum with an unknown price is None. Raises NothingCharged, NoBaseToCompare and PricesUnreadable.
    """
    found = results.evaluation
    endpoint_type = terms.endpoint_type or found.endpoint_type
    if endpoint_type == _LOCAL:
        raise NothingCharged(endpoint=found.endpoint)
    calculator = _Calculator(ledger, found, terms, endpoint_type)
    models = dict.fromkeys(calculator.origin(series).base for series in results.series)
    calculator = replace(calculator, tier=terms.tier or calculator.choose_tier(models, results.series))
    bases = {series.model: calculator.option(series) for series in _bases(results)}
    prices = {model: calculator.price(model) for model in models}
    return Ownership(
        terms=terms,
        priced_as=f"{endpoint_type} {calculator.tier}" if calculator.tier else endpoint_type,
        stands_in=endpoint_type != found.endpoint_type,
        metric=found.settings.get("metric", "call_accuracy"),
        bases=list(bases.values()),
        owned=[_owned(series, calculator, bases) for series in results.series if not series.is_base],
        notes=[
            *calculator.tier_notes(models),
            *caveats(prices, results.series, endpoint_type, terms.life_days, today or date.today()),
            *calculator.sweeps(results.series),
        ],
    )


def option_of(ledger: Ledger, evaluation: Evaluation, series: Series, life_days: int) -> Option:
    """The cost of one model by the prices of the endpoint that answered; nothing if that is this machine. Raises
    PricesUnreadable."""
    if evaluation.endpoint_type == _LOCAL:
        return Option(series, 0.0, 0.0, Training(0.0, "this machine charges nothing"))
    calculator = _Calculator(ledger, evaluation, Terms([1], life_days), evaluation.endpoint_type)
    base = calculator.origin(series).base
    return replace(calculator, tier=calculator.choose_tier({base: None}, [series])).option(series)


@dataclass(frozen=True)
class _Calculator:
    ledger: Ledger
    evaluation: Evaluation
    terms: Terms
    endpoint_type: str
    """Its prices are used."""
    tier: str | None = None
    """The same of this tier, except for a model that is deployed at another one."""

    def option(self, series: Series) -> Option:
        origin = self.origin(series)
        price = self._hosted(origin.base, series.model) if origin.is_tuned else self.price(origin.base)
        return Option(
            series=series,
            usd_per_request=_per_request(series, price, fine_tuned=origin.is_tuned),
            hosting_per_day=self._hosting(series.model, price) if origin.is_tuned else 0.0,
            training=self._training(origin) if origin.is_tuned else None,
        )

    def origin(self, series: Series) -> Origin:
        return origin_of(self.ledger, self.evaluation.endpoint, series.model)

    def price(self, model: str) -> Price | None:
        return find_price(self.endpoint_type, model, tier=self.tier, prices=self._prices)

    def choose_tier(self, models: Mapping[str, None], series: Sequence[Series]) -> str | None:
        deployed = [sku for each in series if (sku := self._deployed_at(each.model)) is not None]
        return choose_tier(self.endpoint_type, models, deployed, self._prices)

    def tier_notes(self, models: Mapping[str, None]) -> Iterator[str]:
        is_given = self.terms.tier is not None
        return tier_notes(self.endpoint_type, models, self.tier, self._prices, is_given=is_given)

    def sweeps(self, series: Sequence[Series]) -> Iterator[str]:
        """A sentence for each sweep on what finding the model cost, if training costs are the recorded ones."""
        if self.terms.training_usd is not None or self.terms.endpoint_type is not None:
            return
        runs = (self.origin(each).run for each in series)
        for sweep_id in dict.fromkeys(run.sweep_id for run in runs if run and run.sweep_id):
            if sentence := whole_sweep(self.ledger, sweep_id):
                yield sentence

    def _hosted(self, base: str, model: str) -> Price | None:
        """The price of a tuned model's calls and hosting at the given tier, else at the tier of its recorded
        deployment."""
        deployed = None if self.terms.tier else self._deployed_at(model)
        return find_price(self.endpoint_type, base, tier=deployed or self.tier, prices=self._prices)

    def _deployed_at(self, model: str) -> str | None:
        """The tier of its recorded deployment, unless other prices are asked for."""
        if self.terms.endpoint_type is not None:
            return None
        with self.ledger.database.read() as connection:
            return deployments.sku_of(connection, self.evaluation.endpoint, model)

    def _hosting(self, model: str, price: Price | None) -> float | None:
        """By the row of the model, or by the hardware of its newest deployment where hardware is what is hired."""
        if price is not None and price.hosting_per_hour is not None:
            return usd_per_day(price.hosting_per_hour)
        config = self.ledger.workspace.endpoints.get(self.evaluation.endpoint)
        with self.ledger.database.read() as connection:
            sku = deployments.sku_of(connection, self.evaluation.endpoint, model, temporary=True)
        if config is None or config.type != self.endpoint_type or sku is None or gpus_of(sku) is None:
            return None
        return cost_per_day(config, model, sku)

    @property
    def _prices(self) -> Path | None:
        config = self.ledger.workspace.endpoints.get(self.evaluation.endpoint)
        return config.prices if config else None

    def _training(self, origin: Origin) -> Training:
        if self.terms.training_usd is not None:
            return Training(self.terms.training_usd, "as given with --training-cost")
        priced_as = self.endpoint_type if self.terms.endpoint_type else None
        return training_of(origin.run, priced_as=priced_as, tier=self.tier, prices=self._prices)


def _bases(results: Results) -> list[Series]:
    """Each base model in the variant with the fullest definitions asked."""
    asked = [series for series in results.series if series.is_base]
    if not asked:
        raise NoBaseToCompare()
    fullest = {
        series.model: series
        for series in sorted(asked, key=lambda each: VARIANTS.index(each.variant), reverse=True)
    }
    return [fullest[model] for model in dict.fromkeys(series.model for series in asked)]


def _owned(series: Series, calculator: _Calculator, bases: Mapping[str, Option]) -> Owned:
    """Compared with its own base if that was asked, else with the first base."""
    option = calculator.option(series)
    base = bases.get(calculator.origin(series).base) or next(iter(bases.values()))
    fixed = option.fixed_per_day(calculator.terms.life_days)
    found = break_even(base.usd_per_request, option.usd_per_request, fixed)
    if fixed is None and found.cheaper is Cheaper.UNKNOWN:
        least = break_even(base.usd_per_request, option.usd_per_request, option.hosting_per_day)
        found = replace(found, least_per_day=least.requests_per_day)
    return Owned(option, base, found)


def _per_request(series: Series, price: Price | None, *, fine_tuned: bool) -> float | None:
    prompt, answer = series.all.prompt_tokens, series.all.completion_tokens
    if price is None or prompt is None or answer is None:
        return None
    return price.rates(fine_tuned=fine_tuned, batch=False).cost(prompt.mean, answer.mean)


# --- Break-even --------------------------------------------------------------------------------------------------


class Cheaper(StrEnum):
    """When one way is cheaper than the other."""

    FROM = "from"
    """Above a number of requests per day."""
    BELOW = "below"
    """Below a number of requests per day, if what it replaces has the higher fixed cost."""
    ALWAYS = "always"
    """From the first request: there is no fixed cost to earn back."""
    NEVER = "never"
    """Each request costs as much as the other's, or more."""
    UNKNOWN = "unknown"
    """A price is unknown."""


_ROUNDING = 1e-9
"""A smaller difference between prices is a rounding error of summation."""


@dataclass(frozen=True)
class BreakEven:
    """When one way to answer requests is cheaper than another."""

    cheaper: Cheaper
    requests_per_day: float | None = None
    """The volume at which both cost the same; None unless `cheaper` is FROM or BELOW."""
    least_per_day: float | None = None
    """If only the cost of training is unknown: the same without it, so the volume is higher."""


def break_even(
    other_per_request: float | None, per_request: float | None, fixed_per_day: float | None
) -> BreakEven:
    """When an option with a fixed daily cost is cheaper than one priced per request; US dollars.

    Both cost the same at fixed / (other - own) requests per day.
    """
    if other_per_request is None or per_request is None:
        return BreakEven(Cheaper.UNKNOWN)
    saved = other_per_request - per_request
    if saved <= _ROUNDING * other_per_request:
        return BreakEven(Cheaper.NEVER)  # whatever the fixed cost is
    if fixed_per_day is None:
        return BreakEven(Cheaper.UNKNOWN)
    if fixed_per_day == 0:
        return BreakEven(Cheaper.ALWAYS)
    return BreakEven(Cheaper.FROM, fixed_per_day / saved)


def replacing(other: Option, own: Option, life_days: int) -> BreakEven:
    """When an option is cheaper than one in use that has a fixed daily cost too, such as hosting."""
    fixed, instead = own.fixed_per_day(life_days), other.fixed_per_day(life_days)
    if instead is None or (fixed is None and instead > 0):
        return BreakEven(Cheaper.UNKNOWN)
    if fixed is None or fixed >= instead:
        more_per_day = None if fixed is None else fixed - instead
        return break_even(other.usd_per_request, own.usd_per_request, more_per_day)
    if other.usd_per_request is None or own.usd_per_request is None:
        return BreakEven(Cheaper.UNKNOWN)
    more_per_request = own.usd_per_request - other.usd_per_request
    if more_per_request <= _ROUNDING * other.usd_per_request:
        return BreakEven(Cheaper.ALWAYS)
    return BreakEven(Cheaper.BELOW, (instead - fixed) / more_per_request)


# --- Caveats -----------------------------------------------------------------------------------------------------


def caveats(
    prices: Mapping[str, Price | None], series: Sequence[Series], endpoint_type: str, life_days: int, today: date
) -> Iterator[str]:
    """Sentences on the sources of prices by base model, on models that are retired sooner, and on cached tokens."""
    yield from _sources(prices, endpoint_type)
    for model in prices:
        yield from _ending(model, endpoint_type, life_days, today)
    yield from _cached(series)


def _sources(prices: Mapping[str, Price | None], endpoint_type: str) -> Iterator[str]:
    models_of: dict[str, list[str]] = {}
    for model, price in prices.items():
        found = f"read {price.seen} at {price.source}" if price else "unknown; set `prices` to your own table"
        models_of.setdefault(found, []).append(model)
    for found, models in models_of.items():
        yield f"Prices of {', '.join(models)} on {endpoint_type}: {found}."


def _ending(model: str, endpoint_type: str, life_days: int, today: date) -> Iterator[str]:
    ends = shutdown_date(endpoint_type, model)
    if ends is not None and 0 < (left := (ends - today).days) < life_days:
        yield (
            f"{endpoint_type} retires {model} and its fine-tuned models on {ends.isoformat()}, in {left} days, but "
            f"training is spread over {life_days}. Use --life-days {left}."
        )


def _cached(series: Sequence[Series]) -> Iterator[str]:
    for each in series:
        cached = each.all.cached_tokens
        if cached is not None and cached.mean > 0:
            yield (
                f"{each.label} ({each.variant}): {cached.mean:,.0f} tokens per prompt on average came from the "
                "endpoint's cache. They are priced in full, which is too high if cached tokens cost less."
            )
