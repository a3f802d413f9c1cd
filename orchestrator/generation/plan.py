"""What a generation will make and may cost, decided before the teacher is asked anything."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from orchestrator.config import EndpointConfig
from orchestrator.dataset.basemodels import doubt_about
from orchestrator.dataset.checking.schemas import parameters_of
from orchestrator.dataset.pricing import calls_cost
from orchestrator.dataset.tokens import count_messages
from orchestrator.endpoints import capabilities_of
from orchestrator.errors import (
    BudgetWithoutPrice,
    DataFileNotFound,
    NoBatches,
    NoSuchFunction,
    NoTeacher,
    NothingToGenerate,
    RejectionToolNeedsArguments,
    TeacherIsRehearsal,
)
from orchestrator.generation.asking import CALL_TOKENS, answer_tokens
from orchestrator.generation.calls import Kind, Target
from orchestrator.generation.checks.roundtrip import RoundTrip
from orchestrator.generation.spec import Spec
from orchestrator.generation.stages import grouped
from orchestrator.generation.targets import Counts, Targets
from orchestrator.generation.templates import template_words
from orchestrator.generation.words import request_for
from orchestrator.spelling import did_you_mean

_SAMPLED_GROUPS = 200
"""Requests counted exactly; with more, the rest are extrapolated from these."""


@dataclass(frozen=True)
class Expense:
    """The requests and cost of one purpose; `usd` is None if unknown."""

    requests: int
    input_tokens: int
    output_tokens: int
    usd: float | None


@dataclass(frozen=True)
class Plan:
    """A generation that can be run."""

    spec: Spec
    counts: Counts
    words: Expense | None
    """Asking the teacher for every request once; None for template requests."""
    checks: Expense | None
    """One round trip of each request; None without round trips."""
    notes: tuple[str, ...]

    @property
    def usd(self) -> float | None:
        """The cost if every request passes at the first attempt; None if unknown."""
        parts = [each for each in (self.words, self.checks) if each]
        known = [each.usd for each in parts if each.usd is not None]
        return sum(known) if len(known) == len(parts) else None


def plan_generation(spec: Spec, config: EndpointConfig | None) -> Plan:
    """Plan the spec on the teacher's endpoint, or without one for template requests.

    Raises NothingToGenerate, NoSuchFunction for a rejection tool that is not among the functions, DataFileNotFound,
    NoTeacher, TeacherIsRehearsal, and BudgetWithoutPrice.
    """
    _require_sense(spec, config)
    targets = spec.targets
    counts = targets.counts if isinstance(targets, Targets) else _counted(targets)
    if not counts.all:
        raise NothingToGenerate(origin=spec.origin)
    if config is None:
        return Plan(spec, counts, None, None, tuple(_notes(spec, counts)))
    words, checks = _expenses(spec, counts, config)
    plan = Plan(spec, counts, words, checks, tuple(_notes(spec, counts)))
    if spec.settings.max_cost_usd is not None and plan.usd is None:
        raise BudgetWithoutPrice(model=spec.settings.model, endpoint=config.name)
    return plan


def _require_sense(spec: Spec, config: EndpointConfig | None) -> None:
    tool = spec.settings.rejection_tool
    if tool is not None and tool not in spec.by_name:
        hint = did_you_mean(tool, list(spec.by_name), 'Did you mean "{}"?', otherwise="Name one of its functions.")
        raise NoSuchFunction(name=tool, origin=spec.origin, hint=hint)
    if tool is not None:
        _require_no_arguments(spec, tool)
    for path in spec.settings.against:
        if not Path(path).is_file():
            raise DataFileNotFound(path=path)
    if config is None:
        return
    if config.type == "local":
        raise TeacherIsRehearsal(endpoint=config.name)
    if spec.settings.model is None:
        raise NoTeacher
    if spec.batch and not capabilities_of(config).batch:
        raise NoBatches(endpoint=config.name)


def _require_no_arguments(spec: Spec, tool: str) -> None:
    """Check that the rejection tool needs no arguments. Raises RejectionToolNeedsArguments."""
    problem = next(iter(parameters_of(spec.by_name[tool].schema).validator.iter_errors({})), None)
    if problem is not None:
        raise RejectionToolNeedsArguments(origin=spec.origin, name=tool, problem=problem.message)


def _counted(targets: Sequence[Target]) -> Counts:
    refusals = sum(target.kind == Kind.REJECT for target in targets)
    parallel = sum(len(target.calls) > 1 for target in targets)
    return Counts(len(targets) - refusals, parallel, refusals, 0, 0)


def _expenses(spec: Spec, counts: Counts, config: EndpointConfig) -> tuple[Expense, Expense | None]:
    """Estimated from an evenly spread sample of the requests."""
    groups = list(_sample(spec, counts))
    examples = sum(map(len, groups))
    scale = counts.all / examples
    bodies = [request_for(group, spec.by_name, spec.settings) for group in groups]
    model = str(spec.settings.model)
    written = [count_messages(body["messages"], None, model) for body in bodies]
    words = _expense(
        spec, config, model, len(groups) * scale, sum(written) * scale, sum(map(answer_tokens, bodies)) * scale
    )
    if not spec.settings.verify:
        return words, None
    verifier = spec.settings.verifier or model
    trip = RoundTrip(spec.functions, spec.settings)
    checked = [
        count_messages(check.request["messages"], check.request["tools"], verifier)
        for group in groups
        for target in group
        for check in trip.checks(template_words(target, spec.by_name, spec.settings.seed))
    ]
    questions = len(checked) * scale
    return words, _expense(spec, config, verifier, questions, sum(checked) * scale, questions * CALL_TOKENS)


def _expense(
    spec: Spec, config: EndpointConfig, model: str, requests: float, tokens: float, answers: float
) -> Expense:
    usd = calls_cost(config.type, model, tokens, answers, batch=spec.batch, prices=config.prices)
    return Expense(round(requests), round(tokens), round(answers), usd)


def _sample(spec: Spec, counts: Counts) -> Iterator[list[Target]]:
    every = max(1, counts.all // spec.settings.per_call // _SAMPLED_GROUPS)
    yield from islice(grouped(spec.targets), 0, None, every)


def _notes(spec: Spec, counts: Counts) -> Iterator[str]:
    settings = spec.settings
    for model in dict.fromkeys((settings.model, settings.verifier)):
        if model and (doubt := doubt_about(model)):
            yield doubt
    yield from spec.cells.notes
    if counts.reject and settings.rejection_tool is None:
        yield "requests are rejected in text; to reject by calling a function: --rejection-tool NAME"
    if "language" in settings.styles and not settings.languages:
        yield 'the style "language" needs --languages'
    if not spec.settings.against and not spec.failures:
        yield "requests are not compared with an evaluation file; to drop those it has: --against FILE"
