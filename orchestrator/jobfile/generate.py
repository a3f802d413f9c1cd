"""The job file's `[generate]`: how training data is made."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from orchestrator.jobfile.tables import MAX_SEED, MOST_AT_ONCE, Table

MOST_EXAMPLES = 1_000_000
Count = Annotated[int, Field(ge=0, le=MOST_EXAMPLES)]
Share = Annotated[float, Field(ge=0, lt=1)]
StyleName = Literal["direct", "indirect", "terse", "polite", "typo", "language", "units", "distractors"]
STYLES: tuple[StyleName, ...] = ("direct", "indirect", "terse", "polite", "typo", "units", "distractors")


class Generate(Table):
    """Settings of a generation. Paths are relative to the job file; on the command line, to the current folder."""

    tools: str = Field(min_length=1)
    """Tool definitions, an OpenAPI document, Python functions, or a training file."""
    endpoint: str | None = None
    """The teacher's endpoint; None for the job file's endpoint."""
    model: str | None = Field(default=None, min_length=1, max_length=256)
    """The teacher, which writes the requests."""
    verifier: str | None = Field(default=None, min_length=1, max_length=256)
    """The model that makes the round trip; None for the teacher."""
    verify: bool = True
    """Send each request with only the tools to a model, and keep it only if the model returns the same calls."""

    per_call: int = Field(default=2, ge=1, le=100)
    """Requests for each call."""
    per_function: Count = 6
    """The minimum requests for each function: one with few calls gets more for each call."""
    reject: Count | None = None
    """Requests to reject; None for 15 % of the requests with calls."""
    missing: Count = 0
    """Requests that lack a required value."""
    parallel: Count = 0
    """Parallel calls of two or more functions, each with `per_call` requests."""
    turns: Count = 0
    """Conversations of two requests, with the result of the first call between them."""
    full_up_to: int = Field(default=64, ge=1, le=100_000)
    """A function with at most this many calls gets all of them; a larger one gets pairs of choices."""
    styles: list[StyleName] = Field(default=list(STYLES), min_length=1)
    language: str = Field(default="en", pattern="^[a-z]{2}$")
    languages: list[Annotated[str, Field(pattern="^[a-z]{2}$")]] = Field(default=[])
    """Languages of the style "language", as ISO 639-1 codes."""

    system: str | None = None
    """The system message of every example."""
    rejection_tool: str | None = Field(default=None, min_length=1, max_length=64)
    """The function whose call rejects a request; None: the assistant rejects it in text."""
    when_missing: Literal["ask", "reject"] = "ask"
    """The answer to a request that lacks a value."""

    seed: int = Field(default=0, ge=0, le=MAX_SEED)
    attempts: int = Field(default=3, ge=1, le=10)
    """The most attempts at a request, if earlier ones are dropped."""
    temperature: float | None = Field(default=None, ge=0, le=2)
    """The teacher's temperature; None for the endpoint's default."""
    structured: bool = True
    """Request structured output (`response_format`); false for endpoints that refuse it."""
    max_concurrency: int = Field(default=16, ge=1, le=MOST_AT_ONCE)
    max_cost_usd: float | None = Field(default=None, gt=0, allow_inf_nan=False)

    validation: Share = 0.0
    """The share of the examples for a validation file."""
    evaluation: Share = 0.0
    """The share for an evaluation file."""
    against: list[str] = Field(default=[])
    """Files whose requests must not appear among the new ones."""

    @model_validator(mode="after")
    def _leave_rows_to_train(self) -> Self:
        if self.validation + self.evaluation >= 1:
            raise PydanticCustomError("shares", "validation and evaluation together must leave rows to train on")
        return self
