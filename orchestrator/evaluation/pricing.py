"""Estimates of what asking and training cost."""

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
"""Assumed tokens of one answer: a call with its arguments has 20 to 60."""


@dataclass(frozen=True)
class Price:
    """Prompt tokens by our own count, and US dollars for prompts and answers; `usd` is None if unknown."""

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
    """The price of one question by the price table, with ASSUMED_ANSWER answer tokens.

    `batch` uses the table's Batch API prices.
    """
    request = question.request
    tokens = count_messages(request["messages"], request.get("tools") or request.get("functions"), question.model)
    usd = calls_cost(config.type, question.model, tokens, ASSUMED_ANSWER, batch=batch, prices=config.prices)
    return Price(tokens, usd)


# --- Training cost -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Origin:
    """The base model and run that a model comes from."""

    base: str
    """The base model's name, used for prices; the model's own name if it is not tuned."""
    is_tuned: bool
    run: Run | None
    """Its run, if recorded."""


@dataclass(frozen=True)
class Training:
    """US dollars, None if unknown, and in a few words their source."""

    usd: float | None
    source: str


def origin_of(ledger: Ledger, endpoint: str, model: str) -> Origin:
    """The origin of a model or checkpoint, from the records, else from its name."""
    with ledger.database.read() as connection:
        run_id = records.run_of_model(connection, endpoint, model)
    run = ledger.run(run_id) if run_id else None
    return Origin(base_model(run.model if run else model), run is not None or is_fine_tuned(model), run)


def training_of(
    run: Run | None, *, priced_as: str | None = None, tier: str | None = None, prices: Path | None = None
) -> Training:
    """The cost of a run's training: as recorded, else as estimated before it.

    `priced_as` names another endpoint type whose prices are used for the same tokens. Raises PricesUnreadable.
    """
    if run is None:
        return Training(None, "unknown: its run is not recorded; set it with --training-cost")
    if priced_as is not None:
        return _at_prices_of(priced_as, run, tier, prices)
    if run.cost_usd is not None:
        return Training(run.cost_usd, "recorded, from the trained tokens")
    if run.estimated_cost_usd is not None:
        return Training(run.estimated_cost_usd, "estimated before the run: the endpoint reported no trained tokens")
    return Training(None, "unknown: there was no price for it; set it with --training-cost")


def whole_sweep(ledger: Ledger, sweep_id: str) -> str:
    """A sentence on the total cost of a sweep's trials; "" for a sweep of one trial."""
    trials = [trial for _, trial in ledger.trials(sweep_id)]
    known = [trial.cost_usd for trial in trials if trial.cost_usd is not None]
    if len(trials) < 2:
        return ""
    least = "" if len(known) == len(trials) else "at least "
    return (
        f"Training is the cost of each single trial. All {len(trials)} trials of sweep {trials[0].name} cost "
        f"{least}${sum(known):,.2f}; set the amount to earn back with --training-cost."
    )


def _at_prices_of(endpoint_type: str, run: Run, tier: str | None, prices: Path | None) -> Training:
    if run.trained_tokens is None:
        return Training(None, "unknown: the endpoint reported no trained tokens; set it with --training-cost")
    method = run.method["type"]
    usd = trained_tokens_cost(endpoint_type, run.model, run.trained_tokens, method=method, tier=tier, prices=prices)
    place = f"{endpoint_type} {tier}" if tier else endpoint_type
    if usd is None:
        lack = f"the price table has no training price per token for {base_model(run.model)} on {place}"
        return Training(None, f"unknown: {lack}; set it with --training-cost")
    return Training(usd, f"{run.trained_tokens:,} trained tokens at the price of {place}")
