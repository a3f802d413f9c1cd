"""Which requests of a log become cases and which training examples, so that no side knows of the other."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence, Set as AbstractSet
from dataclasses import dataclass, field
from random import Random

from orchestrator.dataset.methods import Purpose
from orchestrator.dataset.split import assign_parts, clusters_of
from orchestrator.dataset.survey.leaks import leaks_between
from orchestrator.dataset.survey.prompts import Prompts
from orchestrator.evaluation.logs.known import Alike, KnownFiles, alike

Cluster = Sequence[int]
"""Indexes of requests that are equal or nearly so."""
_NEARLY = "holds nearly the same request"


@dataclass
class Division:
    """The requests of a log by their index: where each goes, or why it goes nowhere."""

    parts: dict[int, Purpose] = field(default_factory=dict)
    problems: dict[int, str] = field(default_factory=dict)

    def put(self, cluster: Cluster, part: Purpose) -> None:
        self.parts |= dict.fromkeys(cluster, part)

    def leave_out(self, cluster: Cluster, problem: str) -> None:
        self.problems |= dict.fromkeys(cluster, problem)
        for index in cluster:
            self.parts.pop(index, None)

    def of(self, part: Purpose) -> list[int]:
        return [index for index, its in self.parts.items() if its == part]


def divide(
    prompts: Prompts,
    answers: Sequence[str],
    written: AbstractSet[Purpose],
    known: KnownFiles,
    case_share: float,
    seed: int,
) -> Division:
    """Divide requests into the files that are `written`, clusters whole, about `case_share` of each of `answers`
    into the cases; those that a known file holds nearly go into the file of its purpose.
    """
    near = alike(known, prompts)
    found = Division(problems={**dict(_doubles(prompts)), **near.problems})
    clusters = [[index for index in cluster if index not in found.problems] for cluster in clusters_of(prompts)]
    free = []
    for cluster in filter(None, clusters):
        side, problem = _side(cluster, near, written)
        if problem is not None:
            found.leave_out(cluster, problem)
        elif side is not None:
            found.put(cluster, side)
        else:
            free.append(cluster)
    if len(written) == 1:
        [only] = written
        found.put([index for cluster in free for index in cluster], only)
    else:
        _assign(free, answers, case_share, seed, found)
        _keep_apart(clusters, prompts, near, found)
    return found


def _doubles(prompts: Prompts) -> Iterator[tuple[int, str]]:
    """What comes again, with why it is left out: of equal requests the first stays, unless they contradict."""
    first: dict[tuple[int, int], int] = {}
    contradicted: dict[int, int] = {}
    for index, key in enumerate(zip(prompts.prompts, prompts.instructions, strict=True)):
        place = first.setdefault(key, index)
        if place == index:
            continue
        if prompts.answers[place] == prompts.answers[index]:
            yield index, f"it is line {prompts.lines[place]} again"
        else:
            contradicted.setdefault(place, index)
            yield index, f"line {prompts.lines[place]} has the same request with another right answer"
    for place, index in contradicted.items():
        yield place, f"line {prompts.lines[index]} has the same request with another right answer"


def _side(cluster: Cluster, near: Alike, written: Collection[Purpose]) -> tuple[Purpose | None, str | None]:
    """Where paraphrases must go because of known files, None for anywhere; and why they can go nowhere."""
    sides = {side for index in cluster for side in near.sides.get(index, ())}
    if "validation" in sides:
        return None, f"the validation file {_NEARLY}"
    if len(sides) > 1:
        return None, f"each of the training and the evaluation file {_NEARLY}"
    side = next(iter(sides), None)
    if side is not None and side not in written:
        return None, f"the {side} file {_NEARLY}"
    return side, None


def _assign(free: Sequence[Cluster], answers: Sequence[str], case_share: float, seed: int, found: Division) -> None:
    """Divide what may go anywhere, numbered anew: the share is one of these."""
    indexes = [index for cluster in free for index in cluster]
    place = {index: number for number, index in enumerate(indexes)}
    clusters = [[place[index] for index in cluster] for cluster in free]
    shares: dict[Purpose, float] = {"evaluation": case_share}
    parts = assign_parts(clusters, [answers[index] for index in indexes], shares, Random(seed))
    for index, part in zip(indexes, parts, strict=True):
        found.put([index], part)


def _keep_apart(clusters: Sequence[Cluster], prompts: Prompts, near: Alike, found: Division) -> None:
    """Take cases back that are nearly training examples: between two files words of a template count as well, so
    more is near than within one. Each round leaves fewer cases."""
    while True:
        training, cases = found.of("training"), found.of("evaluation")
        leaks = leaks_between(prompts.taken(training), prompts.taken(cases))
        leaking = {leak.line for leak in leaks}
        touched = [
            each
            for each in clusters
            if any(found.parts.get(index) == "evaluation" and prompts.lines[index] in leaking for index in each)
        ]
        if not touched:
            return
        for cluster in touched:
            if any("evaluation" in near.sides.get(index, ()) for index in cluster):
                found.leave_out(cluster, f"each of the training and the evaluation file {_NEARLY}")
            else:
                found.put(cluster, "training")
