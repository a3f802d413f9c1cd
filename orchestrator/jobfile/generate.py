"""The job file's `[generate]`: what training data is made of, and in which words."""

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
    """Settings of a generation. Paths are relative to the job file, or on the command line to the folder."""

    tools: str = Field(min_length=1)
    """Tool definitions, an OpenAPI document, Python functions, or a training file."""
    endpoint: str | None = None
    """Where the teacher is; None for the job file's endpoint."""
    model: str | None = Field(default=None, min_length=1, max_length=256)
    """The teacher, which writes the requests."""
    verifier: str | None = Field(default=None, min_length=1, max_length=256)
    """The model of the round trip; None for the teacher."""
    verify: bool = True
    """Ask a model each request with the tools alone, and keep it only if it returns the same calls."""

    per_call: int = Field(default=2, ge=1, le=100)
    """Requests for each call."""
    per_function: Count = 6
    """The least requests for each function: those with few calls get more for each call."""
    reject: Count | None = None
    """Nearly possible requests; None for 15 % of the requests with calls."""
    missing: Count = 0
    """Requests that lack a required value."""
    parallel: Count = 0
    """Further calls of two functions or more at once, each with `per_call` requests."""
    turns: Count = 0
    """Conversations of two requests with the result of the first call between them."""
    full_up_to: int = Field(default=64, ge=1, le=100_000)
    """A function with at most so many calls is enumerated in full; another one by pairs of choices."""
    styles: list[StyleName] = Field(default=list(STYLES), min_length=1)
    language: str = Field(default="en", pattern="^[a-z]{2}$")
    languages: list[Annotated[str, Field(pattern="^[a-z]{2}$")]] = Field(default=[])
    """Languages of the style "language", as ISO 639-1 codes."""

    system: str | None = None
    """The system message of every example."""
    rejection_tool: str | None = Field(default=None, min_length=1, max_length=64)
    """The function whose call rejects a request; None: the assistant says so in words."""
    when_missing: Literal["ask", "reject"] = "ask"
    """What answers a request that lacks a value."""

    seed: int = Field(default=0, ge=0, le=MAX_SEED)
    attempts: int = Field(default=3, ge=1, le=10)
    """How often words are asked for in all, where they are dropped."""
    temperature: float | None = Field(default=None, ge=0, le=2)
    """Of the teacher; None leaves it to the endpoint."""
    structured: bool = True
    """Ask for structured output (`response_format`); false for endpoints that refuse it."""
    max_concurrency: int = Field(default=16, ge=1, le=MOST_AT_ONCE)
    max_cost_usd: float | None = Field(default=None, gt=0, allow_inf_nan=False)

    validation: Share = 0.0
    """The share of the examples that goes into a validation file."""
    evaluation: Share = 0.0
    """The share that goes into an evaluation file."""
    against: list[str] = Field(default=[])
    """Files whose requests must not appear among the new ones."""

    @model_validator(mode="after")
    def _leave_rows_to_train(self) -> Self:
        if self.validation + self.evaluation >= 1:
            raise PydanticCustomError("shares", "validation and evaluation together must leave rows to train on")
        return self
