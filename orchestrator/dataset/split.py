"""One file of examples divided into training, validation and evaluation files."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from orchestrator.dataset.basemodels import Method, Purpose
from orchestrator.dataset.checking.rows import read_rows
from orchestrator.dataset.files import new_files, open_as_sent
from orchestrator.dataset.profile import Profile
from orchestrator.dataset.profile.answers import TEXT
from orchestrator.dataset.profile.prompts import Prompts
from orchestrator.errors import DataFileEmpty, LineUnreadable, OutputIsSource, SplitLeavesNothing

PARTS: tuple[Purpose, ...] = ("training", "validation", "evaluation")
FILE_NAMES: Mapping[Purpose, str] = {
    "training": "train.jsonl",
    "validation": "validation.jsonl",
    "evaluation": "evaluation.jsonl",
}


@dataclass(frozen=True)
class Split:
    """What went where."""

    source: Path
    targets: Mapping[Purpose, Path]
    """The files that were written; a part with the share 0 has none."""
    counts: Mapping[str, Mapping[Purpose, int]]
    """For each answer (the functions it calls, or text) its examples in each part, the most frequent first."""
    kept_together: int
    """Examples that share their prompt, or nearly, with another."""

    def examples(self, part: Purpose) -> int:
        return sum(parts[part] for parts in self.counts.values())


def split_file(
    source: Path,
    folder: Path,
    *,
    validation: float,
    evaluation: float,
    seed: int,
    replace: bool = False,
    method: Method | None = None,
) -> Split:
    """Write `train.jsonl`, `validation.jsonl` and `evaluation.jsonl` into `folder`; all of them, or none.

    The shares (0 to 1, together below 1) hold for each called function as nearly as whole examples allow. Prompts
    that are equal or nearly so stay together (see `Prompts.near_pairs`), and each function keeps an example to
    train on. Lines stay as they are, in their order; the same seed and file give the same split. `method` says what
    an example must look like; without it each row tells.
    Raises LineUnreadable where a line has an error, SplitLeavesNothing where a file would be empty,
    OutputIsSource, OutputExists (unless `replace`), OutputUnwritable, NotExamples, DataFileNotFound,
    DataFileUnreadable and DataFileEmpty.
    """
    shares: dict[Purpose, float] = {"evaluation": evaluation, "validation": validation}
    targets = {part: folder / FILE_NAMES[part] for part in PARTS if part == "training" or shares[part]}
    if any(target.exists() and target.samefile(source) for target in targets.values()):
        raise OutputIsSource(path=source)
    reading = _read(source, method)
    clusters = clusters_of(reading.survey.prompts)
    parts = assign_parts(clusters, reading.answers, shares, Random(seed))
    _require_examples(source, clusters, parts, shares)
    _write(source, targets, reading.survey.prompts.lines, parts, replace)
    return Split(
        source=source,
        targets=targets,
        counts=_counts(reading.answers, parts),
        kept_together=sum(len(cluster) for cluster in clusters if len(cluster) > 1),
    )


@dataclass
class _Reading:
    survey: Profile = field(default_factory=lambda: Profile("training"))
    answers: list[str] = field(default_factory=list)
    """For each example, the functions that it calls."""


def _read(source: Path, method: Method | None) -> _Reading:
    reading = _Reading()
    names: dict[str, str] = {}
    for row in read_rows(source, method):
        if row.example is None:
            raise LineUnreadable(path=source, line=row.line, problem=row.problem)
        calls = reading.survey.add(row.line, row.example).calls
        answer = " + ".join(sorted({name for name, _ in calls})) or TEXT
        reading.answers.append(names.setdefault(answer, answer))
    if not reading.answers:
        raise DataFileEmpty(path=source)
    return reading


def clusters_of(prompts: Prompts) -> list[list[int]]:
    """The indexes of all examples; those that must stay together in one list, in the order of the file."""
    leaders = list(range(len(prompts)))

    def leader(index: int) -> int:
        while leaders[index] != index:
            leaders[index] = leaders[leaders[index]]
            index = leaders[index]
        return index

    for alike in prompts.groups(prompts.prompts):
        for index in alike[1:]:
            leaders[leader(index)] = leader(alike[0])
    for one, other in prompts.near_pairs():
        leaders[leader(other)] = leader(one)
    found: defaultdict[int, list[int]] = defaultdict(list)
    for index in range(len(prompts)):
        found[leader(index)].append(index)
    return list(found.values())


def assign_parts(
    clusters: Iterable[list[int]], answers: Sequence[str], shares: Mapping[Purpose, float], random: Random
) -> list[Purpose]:
    """The part of each example. A cluster counts for the answer of its first example."""
    by_answer: defaultdict[str, list[list[int]]] = defaultdict(list)
    for cluster in clusters:
        by_answer[answers[cluster[0]]].append(cluster)
    totals = {answer: sum(map(len, alike)) for answer, alike in by_answer.items()}
    for alike in by_answer.values():
        random.shuffle(alike)
    parts: list[Purpose] = ["training"] * len(answers)
    for part, share in shares.items():
        for answer, quota in _quotas(totals, share, random).items():
            taken, by_answer[answer] = _taken(by_answer[answer], quota)
            for index in taken:
                parts[index] = part
    return parts


def _require_examples(
    source: Path, clusters: Sequence[list[int]], parts: Sequence[Purpose], shares: Mapping[Purpose, float]
) -> None:
    """Raise SplitLeavesNothing where a part with a share gets no example."""
    filled = set(parts)
    for part in PARTS[1:]:
        if shares[part] and part not in filled:
            raise SplitLeavesNothing(
                path=source, part=part, examples=len(parts), groups=len(clusters), share=f"{shares[part]:.0%}"
            )


def _quotas(totals: Mapping[str, int], share: float, random: Random) -> dict[str, int]:
    """How many examples of each answer a part gets: its share rounded down, and the largest fractions up."""
    quotas = {answer: int(total * share) for answer, total in totals.items()}
    missing = round(sum(totals.values()) * share) - sum(quotas.values())
    in_turn = list(totals)
    random.shuffle(in_turn)
    in_turn.sort(key=lambda answer: quotas[answer] - totals[answer] * share)
    for answer in in_turn[:missing]:
        quotas[answer] += 1
    return quotas


def _taken(clusters: Sequence[list[int]], quota: int) -> tuple[list[int], list[list[int]]]:
    """Indexes of up to `quota` examples in whole clusters, and the clusters that remain: at least one."""
    taken: list[int] = []
    remaining: list[list[int]] = []
    for position, cluster in enumerate(clusters):
        last = position == len(clusters) - 1 and not remaining
        if last or len(taken) + len(cluster) > quota:
            remaining.append(cluster)
        else:
            taken.extend(cluster)
    return taken, remaining


def _write(
    source: Path, targets: Mapping[Purpose, Path], lines: Sequence[int], parts: Sequence[Purpose], replace: bool
) -> None:
    with open_as_sent(source) as stream, new_files([*targets.values()], replace=replace) as outputs:
        output_of = dict(zip(targets, outputs, strict=True))
        wanted = zip(lines, parts, strict=True)
        number, part = next(wanted)
        for line_number, line in enumerate(stream, 1):
            if line_number == number:
                output_of[part].write(line if line.endswith(b"\n") else line + b"\n")
                number, part = next(wanted, (0, "training"))


def _counts(answers: Iterable[str], parts: Iterable[Purpose]) -> dict[str, dict[Purpose, int]]:
    together = list(zip(answers, parts, strict=True))
    of_each = Counter(together)
    ranked = Counter(answer for answer, _ in together).most_common()
    return {answer: {part: of_each[answer, part] for part in PARTS} for answer, _ in ranked}
