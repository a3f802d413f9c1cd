"""Asks a model many questions concurrently, as fast as the endpoint allows, and records each answer as it arrives.

The functions that send a question, read the clock and sleep are passed in.
"""

from __future__ import annotations

import asyncio
import hashlib
import random
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, get_args

from orchestrator.dataset.profile.fingerprints import canonical
from orchestrator.dataset.shorten import in_variant
from orchestrator.dataset.variants import Variant, variant_of_file
from orchestrator.errors import EndpointBusy, EndpointError, EndpointUnreachable, RequestRefused, VariantNotThere
from orchestrator.evaluation.cases import Case

_NO_SUCH_MODEL = 404
_MOST_DOUBLINGS = 16


@dataclass(frozen=True)
class Question:
    """One case for one model in one variant. `sample` counts from 0 if a case is asked several times."""

    case: str
    model: str
    variant: Variant
    sample: int
    request: Mapping[str, Any]
    """The body of a chat completion request."""

    @cached_property
    def sha256(self) -> str:
        """The hash of the request as JSON with sorted keys, in hex: equal requests need one answer."""
        return hashlib.sha256(canonical(self.request)).hexdigest()

    @property
    def once(self) -> str:
        """A key by which the endpoint can recognise a repeated question."""
        return f"{self.sha256}:{self.sample}"


@dataclass(frozen=True)
class Reply:
    """The reply: a chat completion as JSON, or the error that every attempt returned."""

    question: Question
    completion: Mapping[str, Any] | None
    api_error: str
    """"" if there is a completion."""
    seconds: float | None
    """Of the request that was answered, without the attempts before it."""


@dataclass(frozen=True)
class Patience:
    """How often a question is retried, and how long it may wait for a busy endpoint, in seconds."""

    attempts: int = 4
    """In total, if the endpoint is not reached or fails. Busy responses do not count."""
    base: float = 0.5
    """The first pause; each one after it is twice as long, ± 50 %."""
    longest: float = 60.0
    """The longest pause, unless the endpoint asks for more."""
    busy: float = 600.0
    """How long one question waits for a busy endpoint. One that asks for a longer wait ends the asking."""


Ask = Callable[[Question], Awaitable[Mapping[str, Any]]]
Record = Callable[[Reply], None]


async def ask_all(
    questions: Iterable[Question],
    ask: Ask,
    record: Record,
    *,
    concurrency: int,
    patience: Patience | None = None,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    rng: random.Random | None = None,
    stop: asyncio.Event | None = None,
) -> None:
    """Send all questions with `ask`, at most `concurrency` at a time, and pass each reply to `record` at once.

    Questions are drawn as needed. Nothing is sent while the endpoint is busy. If every attempt at a question fails,
    its error is recorded. Setting `stop` ends the drawing and the retries; answers under way are still recorded. An
    error that concerns all questions ends the asking once they are, and is raised: KeyRefused, QuotaExhausted,
    RequestRefused for a model that does not exist, EndpointBusy with a wait longer than `Patience.busy`, and the
    last error once twice `concurrency` questions in a row failed.
    """
    stop, rng = stop or asyncio.Event(), rng or random.Random()
    asking = _Asking(ask, record, patience or Patience(), clock, sleep, rng, stop, 2 * concurrency)
    drawn = iter(questions)
    async with asyncio.TaskGroup() as group:
        for _ in range(concurrency):
            group.create_task(asking.work(drawn))
    if asking.fatal is not None:
        raise asking.fatal


@dataclass
class _Asking:
    ask: Ask
    record: Record
    patience: Patience
    clock: Callable[[], float]
    sleep: Callable[[float], Awaitable[None]]
    rng: random.Random
    stop: asyncio.Event
    most_failures: int
    busy_until: float = 0.0
    failures_in_a_row: int = 0
    busy_in_a_row: int = 0
    fatal: EndpointError | None = None
    """Why no further question is asked."""

    @property
    def is_over(self) -> bool:
        return self.fatal is not None or self.stop.is_set()

    async def work(self, questions: Iterator[Question]) -> None:
        while not self.is_over and (question := next(questions, None)) is not None:
            try:
                reply = await self._reply(question)
            except EndpointError as error:
                self.fatal = self.fatal or error
            else:
                if reply is not None:
                    self.record(reply)

    async def _reply(self, question: Question) -> Reply | None:
        """None if the asking ended before there was one."""
        waited_since = self.clock()
        failures = 0
        while True:
            await self._wait_while_busy()
            if self.is_over:
                return None
            start = self.clock()
            try:
                completion = await self.ask(question)
            except EndpointBusy as error:
                if (told := error.facts.get("retry_after") or 0.0) > self.patience.busy:
                    problem = f"{error.facts['problem']}; it asks to wait {told / 60:,.0f} minutes"
                    raise EndpointBusy(**{**error.facts, "problem": problem}) from error
                self._hold_all(error)
                if self.busy_until - waited_since > self.patience.busy:
                    return self._given_up(question, error)
            except EndpointUnreachable as error:
                failures += 1
                if failures >= self.patience.attempts:
                    return self._given_up(question, error)
                await self._rest(self._pause(failures))
            except RequestRefused as error:
                if error.facts.get("status") == _NO_SUCH_MODEL:
                    raise
                return Reply(question, None, str(error), None)
            else:
                self.failures_in_a_row = self.busy_in_a_row = 0
                return Reply(question, completion, "", self.clock() - start)

    async def _wait_while_busy(self) -> None:
        while not self.is_over and (left := self.busy_until - self.clock()) > 0:
            # Spread out, or the endpoint would be busy again at once.
            await self._rest(left * self.rng.uniform(1.0, 1.2))

    async def _rest(self, seconds: float) -> None:
        """Sleep until the time has passed or `stop` is set."""
        rest, stopped = asyncio.ensure_future(self.sleep(seconds)), asyncio.ensure_future(self.stop.wait())
        try:
            await asyncio.wait((rest, stopped), return_when=asyncio.FIRST_COMPLETED)
        finally:
            rest.cancel()
            stopped.cancel()

    def _hold_all(self, error: EndpointBusy) -> None:
        now = self.clock()
        # Requests under way at the first busy response count as the same occasion.
        if now >= self.busy_until:
            self.busy_in_a_row += 1
        told = error.facts.get("retry_after")
        pause = self._pause(self.busy_in_a_row) if told is None else float(told)
        self.busy_until = max(self.busy_until, now + pause)

    def _given_up(self, question: Question, error: EndpointBusy | EndpointUnreachable) -> Reply:
        self.failures_in_a_row += 1
        if self.failures_in_a_row >= self.most_failures:
            raise error
        return Reply(question, None, str(error), None)

    def _pause(self, times: int) -> float:
        doubled: float = self.patience.base * 2 ** min(times - 1, _MOST_DOUBLINGS)
        return min(self.patience.longest, doubled * self.rng.uniform(0.5, 1.5))


# --- Questions: every case, model, variant and sample ------------------------------------------------------------


VARIANTS: tuple[Variant, ...] = get_args(Variant)
"""From the longest definitions to none; each can be made from those before it."""


@dataclass(frozen=True)
class Grid:
    """Which models are asked, in which variants, and how often."""

    models: Sequence[str]
    variants: Sequence[Variant]
    samples: int
    parameters: Mapping[str, Any]
    """Further fields of the request, such as the temperature."""

    def count(self, cases: int) -> int:
        """The number of questions."""
        return len(self.models) * len(self.variants) * self.samples * cases


def questions(cases: Iterable[Case], grid: Grid) -> Iterator[tuple[Case, Question]]:
    """Yield all questions with their cases, case by case, so that the cases are read only once.

    The file must support the variants; see `chosen_variants`.
    """
    for case in cases:
        for variant in grid.variants:
            request = in_variant(dict(case.request), variant)
            for model in grid.models:
                for sample in range(grid.samples):
                    body = {"model": model, **request, **grid.parameters}
                    yield case, Question(case.id, model, variant, sample, body)


def chosen_variants(path: Path, requested: Sequence[Variant] | None) -> Sequence[Variant]:
    """The requested variants; without a request, the evaluation file's own.

    Raises VariantNotThere if the file's definitions are shorter than a requested variant's, DataFileNotFound or
    DataFileUnreadable.
    """
    found = variant_of_file(path)
    if requested is None:
        return [found]
    for variant in requested:
        if VARIANTS.index(variant) < VARIANTS.index(found):
            raise VariantNotThere(path=path, found=found, variant=variant)
    return requested
