"""What calls to models and hosting cost: recorded tokens and hours, at the prices of today's table.

Training is recorded with its cost, so the database adds it up (`store/spending.py`). Times are seconds since the
epoch, money is US dollars. All raise PricesUnreadable.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from sqlalchemy import Connection

from orchestrator.config import EndpointConfig
from orchestrator.dataset.basemodels import base_model, is_fine_tuned
from orchestrator.dataset.pricing import find_price
from orchestrator.deployments.hosting import charged_between, hosting_of
from orchestrator.store import calls, deployments, spending
from orchestrator.store.calls import Called
from orchestrator.store.deployments import Deployment
from orchestrator.store.spending import Source, Sum, month_begins


class Kind(StrEnum):
    """What money is spent on."""

    TRAINING = "training"
    """Fine-tuning jobs."""
    EVALUATION = "evaluation"
    """Answers to the questions of evaluations."""
    GENERATION = "generation"
    """Requests to teachers, which write training data."""
    HOSTING = "hosting"
    """Deployments, by the hour."""


class Lack(StrEnum):
    """Why a cost is unknown."""

    PRICE = "price"
    """The price table has no price of this kind for the model on this endpoint."""
    TOKENS = "tokens"
    """The endpoint reported no tokens."""
    ENDPOINT = "endpoint"
    """The endpoint is no longer in ftorch.toml, so its type and its prices are unknown."""


@dataclass(frozen=True)
class Expense:
    """What some items cost, and what they belong to."""

    kind: Kind
    used: Sum
    endpoint: str
    model: str
    """The base model, or the model itself if its base is unknown."""
    month: str | None = None
    run_id: str | None = None
    """The run whose model it is."""
    user: str | None = None
    """Who submitted it, if it was not submitted with its run."""
    lack: Lack | None = None
    tier: str | None = None
    """Azure: how the model is deployed."""


@dataclass(frozen=True)
class Book:
    """Where expenses are read from, and since when."""

    connection: Connection
    endpoints: Mapping[str, EndpointConfig]
    since: float | None
    now: float
    by_month: bool = False
    """Whether expenses are split at the end of each month."""

    def calls_and_data(self) -> list[Expense]:
        """Answers to questions, and requests that made training data."""
        found = calls.answered(self.connection, self.since, by_month=self.by_month)
        sources = spending.sources(self.connection, {(each.endpoint, each.model) for each in found})
        tiers = _tiers(self._deployments())
        answers = [each for called in found for each in self._answers(called, sources, tiers)]
        return [*answers, *self._data()]

    def hosting(self) -> list[Expense]:
        """Deployments of the past and of today."""
        found = self._deployments()
        sources = spending.sources(
            self.connection, {(each.endpoint, each.model) for each in found if each.model is not None}
        )
        users = spending.users_of(self.connection, "deployment", [each.id for each in found])
        return [
            expense
            for each in found
            for expense in self._hosting(each, sources.get((each.endpoint, each.model or "")), users.get(each.id))
        ]

    def _deployments(self) -> list[Deployment]:
        return deployments.newest(self.connection)

    def _answers(
        self, called: Called, sources: Mapping[tuple[str, str], Source], tiers: Mapping[tuple[str, str], str]
    ) -> Iterator[Expense]:
        """Those with a count of tokens, then those without."""
        key = (called.endpoint, called.model)
        source = sources.get(key)
        base = source.base_model if source else called.base_model or called.model
        tier = tiers.get(key)
        config = self.endpoints.get(called.endpoint)
        usd = _calls_cost(config, called, base, tier, is_tuned=source is not None or called.run_id is not None)
        counted = called.answers - called.uncounted
        known = Sum(usd or 0.0, counted, unknown=0 if usd is not None else counted)
        lack = None if usd is not None else Lack.PRICE if config else Lack.ENDPOINT
        parts = [(known, lack), (Sum(items=called.uncounted, unknown=called.uncounted), Lack.TOKENS)]
        if config is not None and config.type == "local":  # charges nothing, counted or not
            parts = [(Sum(items=called.answers), None)]
        for used, lack in parts:
            if used.items:
                yield Expense(
                    kind=Kind.EVALUATION,
                    used=used,
                    endpoint=called.endpoint,
                    model=base_model(base),
                    month=called.month,
                    run_id=called.run_id or (source.run_id if source else None),
                    lack=lack,
                    tier=tier,
                )

    def _data(self) -> Iterator[Expense]:
        made = calls.made(self.connection, self.since, by_month=self.by_month)
        users = spending.users_of(self.connection, "generation", {each.generation_id for each in made})
        for each in made:
            lack = Lack.PRICE if each.used.unknown else None
            user = users.get(each.generation_id)
            yield Expense(
                Kind.GENERATION, each.used, each.endpoint, base_model(each.model), each.month, user=user, lack=lack
            )

    def _hosting(self, each: Deployment, source: Source | None, user: str | None) -> Iterator[Expense]:
        config = self.endpoints.get(each.endpoint)
        for month, start, end in _periods(each, self.since, self.now, by_month=self.by_month):
            usd = hosting_of(config, each, end - start) if config else None
            lack = None if usd is not None else Lack.PRICE if config else Lack.ENDPOINT
            yield Expense(
                kind=Kind.HOSTING,
                used=_hosted(usd, is_estimated=each.provisioned_at is None),
                endpoint=each.endpoint,
                model=base_model(source.base_model if source else each.model or ""),
                month=month,
                run_id=each.run_id or (source.run_id if source else None),
                user=user,
                lack=lack,
                tier=each.sku,
            )


def _calls_cost(
    config: EndpointConfig | None, called: Called, base: str, tier: str | None, *, is_tuned: bool
) -> float | None:
    price = config and find_price(config.type, base, tier=tier, prices=config.prices)
    if not price:
        return None
    rates = price.rates(fine_tuned=is_tuned or is_fine_tuned(called.model), batch=called.is_batch)
    return rates.cost(called.prompt_tokens, called.completion_tokens)


def _tiers(found: Sequence[Deployment]) -> dict[tuple[str, str], str]:
    """How each model was deployed last."""
    tiers: dict[tuple[str, str], str] = {}
    for each in found:
        if each.model is not None and each.provisioned_at is not None:
            tiers.setdefault((each.endpoint, each.model), each.sku)
    return tiers


def _hosted(usd: float | None, *, is_estimated: bool) -> Sum:
    if usd is None:
        return Sum(items=1, unknown=1)
    return Sum(usd, 1, usd, 1) if is_estimated and usd else Sum(usd, 1)


def _periods(
    deployment: Deployment, since: float | None, now: float, *, by_month: bool
) -> Iterator[tuple[str | None, float, float]]:
    """When hosting is charged, in one piece or by month."""
    charged = charged_between(deployment, now)
    if charged is None:
        return
    start, end = max(charged[0], since or 0.0), charged[1]
    while start < end:
        until = min(end, _next_month(start)) if by_month else end
        month = datetime.fromtimestamp(start, UTC).strftime("%Y-%m") if by_month else None
        yield month, start, until
        start = until


def _next_month(at: float) -> float:
    return month_begins(month_begins(at) + 32 * 86_400.0)
