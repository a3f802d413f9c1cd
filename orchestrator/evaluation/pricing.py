"""What asking is likely to cost, before it is done."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from orchestrator.config import EndpointConfig
from orchestrator.dataset.basemodels import base_model, is_fine_tuned
from orchestrator.dataset.pricing import calls_cost, trained_tokens_cost
from orchestrator.dataset.tokens import count_messages
from orchestrator.evaluation.asking import Question
from orchestrator.ledger import Ledger
from orchestrator.store import records
from orchestrator.store.runs import Run

ASSUMED_ANSWER = 60
"""Tokens of one answer, assumed: a call with its arguments has 20 to 60."""


@dataclass(frozen=True)
class Price:
    """Tokens of the prompts by our own count, and US dollars for prompts and answers; `usd` None is unknown."""

    prompt_tokens: int = 0
    usd: float | None = 0.0

    def plus(self, other: Price) -> Price:
        known = self.usd is not None and other.usd is not None
        return replace(
            self,
            prompt_tokens=self.prompt_tokens + other.prompt_tokens,
            usd=(self.usd or 0.0) + (other.usd or 0.0) if known else None,
        )

    def times(self, number: int) -> Price:
        usd = None if self.usd is None else self.usd * number
        return replace(self, prompt_tokens=self.prompt_tokens * number, usd=usd)


def price_of(question: Question, config: EndpointConfig, *, batch: bool = False) -> Price:
    """The price of one question, by the table of prices; its answer is taken to have ASSUMED_ANSWER tokens.

    `batch` takes the prices of the Batch API, which the table has beside the others.
    """
    request = question.request
    tokens = count_messages(request["messages"], request.get("tools") or request.get("functions"), question.model)
    usd = calls_cost(config.type, question.model, tokens, ASSUMED_ANSWER, batch=batch, prices=config.prices)
    return Price(tokens, usd)


# --- Training cost -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Origin:
    """What a model was made of."""

    base: str
    """The base model's name, by which it is priced; the model's own where it is none else's."""
    is_tuned: bool
    run: Run | None
    """Its run, where one is recorded."""


@dataclass(frozen=True)
class Training:
    """US dollars, None where they are unknown, and in a few words where that is from."""

    usd: float | None
    source: str


def origin_of(ledger: Ledger, endpoint: str, model: str) -> Origin:
    """The origin of a model or checkpoint, by the records, or else by its name."""
    with ledger.database.read() as connection:
        run_id = records.run_of_model(connection, endpoint, model)
    run = ledger.run(run_id) if run_id else None
    return Origin(base_model(run.model if run else model), run is not None or is_fine_tuned(model), run)


def training_of(
    run: Run | None, *, priced_as: str | None = None, tier: str | None = None, prices: Path | None = None
) -> Training:
    """What a run's training has cost: as recorded, else as estimated before it.

    `priced_as` names another endpoint type, at whose prices the same tokens are reckoned. Raises PricesUnreadable.
    """
    if run is None:
        return Training(None, "unknown: no run of it is recorded; give it with --training-cost")
    if priced_as is not None:
        return _at_prices_of(priced_as, run, tier, prices)
    if run.cost_usd is not None:
        return Training(run.cost_usd, "recorded, by the trained tokens")
    if run.estimated_cost_usd is not None:
        return Training(run.estimated_cost_usd, "estimated before the run: no trained tokens were told")
    return Training(None, "unknown: there was no price for it; give it with --training-cost")


def whole_sweep(ledger: Ledger, sweep_id: str) -> str:
    """A sentence on what all trials of a sweep cost, beside the cost of each; "" for a sweep of one."""
    trials = [trial for _, trial in ledger.trials(sweep_id)]
    known = [trial.cost_usd for trial in trials if trial.cost_usd is not None]
    if len(trials) < 2:
        return ""
    least = "" if len(known) == len(trials) else "at least "
    return (
        f"Training is that of each trial alone. All {len(trials)} of the sweep {trials[0].name} together cost "
        f"{least}${sum(known):,.2f}; --training-cost takes what you want to earn back."
    )


def _at_prices_of(endpoint_type: str, run: Run, tier: str | None, prices: Path | None) -> Training:
    if run.trained_tokens is None:
        return Training(None, "unknown: the endpoint told no trained tokens; give it with --training-cost")
    method = run.method["type"]
    usd = trained_tokens_cost(endpoint_type, run.model, run.trained_tokens, method=method, tier=tier, prices=prices)
    if usd is None:
        return Training(None, f"unknown: no price of training on {endpoint_type}; give it with --training-cost")
    return Training(usd, f"{run.trained_tokens:,} trained tokens at the price of {endpoint_type}")
