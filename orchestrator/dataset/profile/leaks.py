"""Cases that appear in more than one file: a model must not be measured on what it was trained on."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from orchestrator.dataset.findings import Notes
from orchestrator.dataset.profile.fingerprints import listed_apart
from orchestrator.dataset.profile.profile import Profile
from orchestrator.dataset.profile.prompts import Prompts, is_near, rarest

_COMPARED_WITH = 64


@dataclass(frozen=True)
class Leak:
    """An example that measures a model, and the example of another file that is the same or nearly so."""

    line: int
    other_line: int
    exact: bool


def note_leaks(
    surveys: Mapping[str, Profile], notes: Mapping[str, Notes], allowed: Collection[str] = frozenset()
) -> None:
    """Compare each two files and note, at the later one, which of its examples the earlier one holds too.

    `surveys` and `notes` are by file name, files to train on first. Two for the same purpose are not compared. Half
    of a file or more that is in training too is an error, unless the file is among `allowed`.
    """
    for (name, survey), (other, measured) in combinations(surveys.items(), 2):
        if survey.purpose == measured.purpose:
            continue
        leaks = list(leaks_between(survey.prompts, measured.prompts))
        are_most = leaks and survey.purpose == "training" and 2 * len(leaks) >= len(measured.prompts)
        if are_most and other not in allowed:
            _note("FT802", name, leaks, measured, notes[other])
            continue
        for code, exact in (("FT606", True), ("FT607", False)):
            _note(code, name, [leak for leak in leaks if leak.exact is exact], measured, notes[other])


def leaks_between(prompts: Prompts, measured: Prompts) -> Iterator[Leak]:
    """For each example of `measured`, the first of `prompts` that is the same up to the answer, or nearly.

    Tool definitions make no difference: they may have been shortened in one of the files. Nearly is meant as in
    `Prompts.near_pairs`; prompts that are equal under other instructions count where the answers are equal.
    """
    equal = _indexes(prompts.prompts, set(measured.prompts))
    alike = _candidates(prompts, measured)
    for index, line in enumerate(measured.lines):
        place = _equal(prompts, equal[measured.prompts[index]], measured, index)
        exact = place is not None
        if place is None:
            place = _near(prompts, alike, measured, index)
        if place is not None:
            yield Leak(line, prompts.lines[place], exact)


def _indexes(keys: Sequence[int], wanted: set[int]) -> defaultdict[int, list[int]]:
    found: defaultdict[int, list[int]] = defaultdict(list)
    for index, key in enumerate(keys):
        if key in wanted:
            found[key].append(index)
    return found


def _equal(prompts: Prompts, places: Sequence[int], measured: Prompts, index: int) -> int | None:
    """The first of `places`, where the prompt is equal, that is the same example."""
    for place in places:
        if prompts.instructions[place] == measured.instructions[index]:
            return place
    # Where one prompt comes under several instructions, it is these that tell the examples apart.
    if len({prompts.instructions[place] for place in places}) == 1:
        return next((place for place in places if prompts.answers[place] == measured.answers[index]), None)
    return None


def _candidates(prompts: Prompts, measured: Prompts) -> Mapping[tuple[int, int], list[int]]:
    """The examples that give an answer of `measured`, by it and by each word of the prompts that it answers."""
    answers = set(measured.answers)
    words = {(measured.answers[index], word) for index in range(len(measured)) for word in measured.sketch(index)}
    found: defaultdict[tuple[int, int], list[int]] = defaultdict(list)
    for index, answer in enumerate(prompts.answers):
        if answer in answers:
            for word in prompts.sketch(index):
                if (answer, word) in words:
                    found[answer, word].append(index)
    return found


def _near(
    prompts: Prompts, alike: Mapping[tuple[int, int], list[int]], measured: Prompts, index: int
) -> int | None:
    words = measured.sketch(index)
    groups = sorted((alike.get((measured.answers[index], word), []) for word in words), key=len)
    for group in groups[: rarest(len(words), 1)]:
        for place in group[:_COMPARED_WITH]:
            if prompts.prompts[place] != measured.prompts[index] and is_near(prompts.sketch(place), words):
                return place
    return None


def _note(code: str, name: str, leaks: Sequence[Leak], measured: Profile, notes: Notes) -> None:
    if leaks:
        notes.at(leaks[0].line)
        first = (f"line {leak.line} is line {leak.other_line} there" for leak in leaks[:5])
        where = listed_apart(first, len(leaks))
        same = "with the same answer" if measured.prompts.hold_answers else "with the same keys for the grader"
        notes.add(code, count=f"{len(leaks):,}", of=f"{len(measured):,}", other=name, where=where, same=same)
        notes.at(None)
