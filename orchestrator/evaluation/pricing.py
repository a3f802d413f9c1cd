"""What asking is likely to cost, before it is done."""

from __future__ import annotations

from dataclasses import dataclass, replace

from orchestrator.config import EndpointConfig
from orchestrator.dataset.pricing import calls_cost
from orchestrator.dataset.tokens import count_messages
from orchestrator.evaluation.asking import Question

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
