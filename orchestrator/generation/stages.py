"""What a generation has made and still has to ask, derived from the recorded answers each time.

There are at most `attempts` rounds. Each asks for a request for every target without one, then makes the round
trip of every request that passed the checks without a model. Each stage is complete before the next begins, so
the outcome depends on the answers, not on the order in which they arrive.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby

from orchestrator.dataset.variants import Variant
from orchestrator.evaluation.asking import Question
from orchestrator.evaluation.plan import asked_as, batches
from orchestrator.generation.calls import Drop, Function, Kind, Target, Written
from orchestrator.generation.checks.evidence import Synonyms, unproven
from orchestrator.generation.checks.roundtrip import Check, RoundTrip
from orchestrator.generation.checks.screening import Screen
from orchestrator.generation.words import read_words, request_for
from orchestrator.jobfile.generate import Generate
from orchestrator.store.evaluations import Asked, RecordedAnswer

_FULL: Variant = "full"
_AT_ONCE = 50

Answers = Callable[[Sequence[Asked]], Mapping[Asked, RecordedAnswer]]
"""Looks up recorded answers."""


@dataclass(frozen=True)
class Example:
    """A request that passed every check, and its origin."""

    written: Written
    attempt: int
    """Starts at 1."""
    request_sha256: str
    """Hash of the request to the teacher."""


@dataclass
class Standing:
    """How far a generation is."""

    open: list[Question] = field(default_factory=list)
    """Questions to ask next; empty when done."""
    stage: str = "done"
    """What the open questions are for."""
    unchecked: int = 0
    """Written examples of this attempt whose round trip is still to be paid."""
    examples: list[Example] = field(default_factory=list)
    """In the order of the targets."""
    drops: list[Drop] = field(default_factory=list)
    unmade: int = 0
    """Targets that got no request within the attempts. Drops give the reasons."""


@dataclass
class Making:
    """A generation in progress. `failed` holds the requests that were given up, with the reason."""

    targets: Sequence[Target]
    functions: Mapping[str, Function]
    settings: Generate
    answers: Answers
    failed: Mapping[Asked, str]
    new_screen: Callable[[], Screen]
    words_ended: bool = False
    """Ask for no more requests; only check the existing ones."""

    def standing(self) -> Standing:
        """Go through the stages as far as answers are recorded."""
        standing = Standing()
        found: dict[str, Example] = {}
        screen, synonyms = self.new_screen(), Synonyms()
        faults: defaultdict[str, list[Drop]] = defaultdict(list)
        for attempt in range(1, self.settings.attempts + 1):
            left = [target for target in self.targets if target.id not in found]
            fresh = self._words(left, faults, attempt, standing)
            standing.unchecked = len(fresh)
            if self.words_ended and not fresh:
                break
            passed = [each for each in fresh if self._passes(each, screen, synonyms, faults)]
            if standing.open:
                break
            for each in self._verified(passed, faults, standing):
                found[each.written.target.id] = each
            if standing.open or len(found) == len(self.targets):
                break
        standing.open = list({asked_as(question): question for question in standing.open}.values())
        standing.examples = [found[target.id] for target in self.targets if target.id in found]
        standing.drops = [drop for target in self.targets for drop in faults[target.id]]
        standing.unmade = len(self.targets) - len(found)
        return standing

    def _words(
        self, left: Sequence[Target], faults: dict[str, list[Drop]], attempt: int, standing: Standing
    ) -> list[Example]:
        """What the teacher wrote in this attempt; new questions go to `standing.open`."""
        found: list[Example] = []
        asked = ((group, self._words_question(group, faults, attempt)) for group in grouped(left))
        for some in batches(asked, _AT_ONCE):
            answers = self.answers([asked_as(question) for _, question in some])
            for group, question in some:
                answer = answers.get(asked_as(question))
                if answer is not None:
                    written, drops = read_words(answer.completion, group)
                    found += [Example(each, attempt, question.sha256) for each in written]
                    _note(faults, drops)
                elif (problem := self.failed.get(asked_as(question))) is not None:
                    _note(faults, [Drop(each.id, "teacher-error", problem) for each in group])
                elif not self.words_ended:
                    standing.open.append(question)
                    standing.stage = "requests" if attempt == 1 else f"requests, attempt {attempt}"
        return found

    def _words_question(self, group: Sequence[Target], faults: Mapping[str, list[Drop]], attempt: int) -> Question:
        request = request_for(group, self.functions, self.settings, faults)
        return Question(group[0].id, str(self.settings.model), _FULL, attempt - 1, request)

    def _passes(self, example: Example, screen: Screen, synonyms: Synonyms, faults: dict[str, list[Drop]]) -> bool:
        written = example.written
        drops = (
            self._unanswered(written)
            or unproven(written, self.functions)
            or synonyms.conflicts(written)
            or screen.faults(written)
        )
        if drops:
            _note(faults, drops)
            return False
        synonyms.add(written)
        screen.add(written)
        return True

    def _unanswered(self, written: Written) -> list[Drop]:
        """A drop if the assistant should answer in text and the teacher wrote none."""
        kind, settings = written.target.kind, self.settings
        in_words = (kind == Kind.REJECT and not settings.rejection_tool) or (
            kind == Kind.MISSING and settings.when_missing == "ask"
        )
        if written.answer or not in_words:
            return []
        return [Drop(written.target.id, "empty", "The teacher wrote no answer for the assistant.", written.text)]

    def _verified(
        self, passed: Sequence[Example], faults: dict[str, list[Drop]], standing: Standing
    ) -> Iterator[Example]:
        """The examples that pass the round trip; new questions go to `standing.open`."""
        if not self.settings.verify:
            yield from passed
            return
        trip = RoundTrip(list(self.functions.values()), self.settings)
        for some in batches(iter(passed), _AT_ONCE):
            checks = [
                (each, check, self._check_question(each, check))
                for each in some
                for check in trip.checks(each.written)
            ]
            answers = self.answers([asked_as(question) for _, _, question in checks])
            for example, of_one in groupby(checks, key=lambda entry: entry[0]):
                if self._passes_trip(example.written, list(of_one), trip, answers, faults, standing):
                    yield example

    def _passes_trip(
        self,
        written: Written,
        checks: Iterable[tuple[Example, Check, Question]],
        trip: RoundTrip,
        answers: Mapping[Asked, RecordedAnswer],
        faults: dict[str, list[Drop]],
        standing: Standing,
    ) -> bool:
        is_passed = True
        for _, check, question in checks:
            answer = answers.get(asked_as(question))
            if answer is not None:
                fault = trip.fault(written, check, answer.completion)
            elif (problem := self.failed.get(asked_as(question))) is not None:
                fault = Drop(written.target.id, "verifier-error", problem, written.text)
            else:
                standing.open.append(question)
                standing.stage, fault, is_passed = "round trip", None, False
            if fault:
                _note(faults, [fault])
                return False
        return is_passed

    def _check_question(self, example: Example, check: Check) -> Question:
        model = self.settings.verifier or self.settings.model
        return Question(example.written.target.id, str(model), _FULL, 0, check.request)


def grouped(targets: Iterable[Target]) -> Iterator[list[Target]]:
    """The targets that share one request to the teacher: those of a cell."""
    for _, group in groupby(targets, key=lambda target: target.cell):
        yield list(group)


def _note(faults: dict[str, list[Drop]], drops: Iterable[Drop]) -> None:
    for drop in drops:
        faults[drop.target].append(drop)
