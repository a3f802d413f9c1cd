"""Two models on the same cases: what only one of them answers rightly, and whether that proves anything."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from statistics import fmean

from orchestrator.evaluation.metrics import Proportion, Share
from orchestrator.evaluation.statistics import (
    SIGNIFICANCE,
    Interval,
    fewest_changes,
    holm,
    mcnemar_exact,
    paired_bootstrap,
)


@dataclass(frozen=True)
class PairedAnswer:
    """How two models answered one case. API errors on either side make no pair."""

    case: str
    cluster: str | None
    first: bool
    second: bool


@dataclass(frozen=True)
class Comparison:
    """The second model against the first, paired case by case."""

    first: Proportion
    second: Proportion
    broken: tuple[str, ...]
    """Cases that the first answers rightly and the second does not, in the order given."""
    fixed: tuple[str, ...]
    """Cases that the second answers rightly and the first does not."""
    worse: int
    """Clusters whose share of right answers fell; without clusters, as many as broken cases."""
    better: int
    p_value: float
    """Exact McNemar test, of clusters the sign test."""
    difference: Interval | None
    """Second minus first share, with the paired bootstrap 95 % interval over clusters; None without pairs."""

    @property
    def is_established(self) -> bool:
        return is_established(self, self.p_value)

    @property
    def sentence(self) -> str:
        """The result in plain words, with the numbers that it stands on."""
        return sentence_of(self, self.p_value)


def compare(pairs: Iterable[PairedAnswer], seed: int = 0) -> Comparison:
    """Compare two models over the cases that both answered. The same seed gives the same interval."""
    found = _Pairs()
    for pair in pairs:
        found.add(pair)
    better, worse = found.changed()
    return Comparison(
        first=found.first.proportion(),
        second=found.second.proportion(),
        broken=tuple(found.broken),
        fixed=tuple(found.fixed),
        worse=worse,
        better=better,
        p_value=found.p_value(),
        difference=paired_bootstrap(found.differences(), seed),
    )


def p_value(pairs: Iterable[PairedAnswer]) -> float:
    """The p-value of a comparison alone, as `compare` has it, without the interval that takes long."""
    found = _Pairs()
    for pair in pairs:
        found.add(pair)
    return found.p_value()


def is_established(found: Comparison, p_value: float) -> bool:
    """Whether the difference is more than chance: by the test, by an interval without 0, and both in one direction.

    `p_value` was adjusted for others beside it.
    """
    interval = found.difference
    if p_value >= SIGNIFICANCE or interval is None or interval.low <= 0 <= interval.high:
        return False
    return (found.better > found.worse) == (interval.value > 0)


def sentence_of(found: Comparison, p_value: float, *, is_better_low: bool = False) -> str:
    """A comparison in plain words, by a p-value that was adjusted for others beside it. `is_better_low` says that
    the second is the better one where it has fewer."""
    if found.difference is None:
        return "Nothing to compare: there is no case that both models answered."
    shares = f"{_of(found.second)} against {_of(found.first)}"
    changed = found.better + found.worse
    if changed == 0:
        return f"No difference: {shares}, and every case came out the same."
    test = f"p = {p_shown(p_value)}, exact McNemar test"
    if is_established(found, p_value):
        low, high = found.difference.low * 100, found.difference.high * 100
        word = "better" if (found.better > found.worse) != is_better_low else "worse"
        points = f"{found.difference.value * 100:+.0f} points, 95 % interval {low:+.0f} to {high:+.0f}"
        return f"The second is {word}: {shares} ({points}; {test})."
    few = ""
    if changed < fewest_changes():
        few = f" Only {changed} came out differently; fewer than {fewest_changes()} can never establish anything."
    return f"Not established: {shares} may be chance ({test}).{few}"


@dataclass
class _Pairs:
    first: Share = field(default_factory=Share)
    second: Share = field(default_factory=Share)
    broken: list[str] = field(default_factory=list)
    fixed: list[str] = field(default_factory=list)
    alone: list[int] = field(default_factory=list)
    clusters: dict[str, list[int]] = field(default_factory=dict)

    def add(self, pair: PairedAnswer) -> None:
        self.first.add(pair.first, pair.cluster)
        self.second.add(pair.second, pair.cluster)
        change = pair.second - pair.first
        if change:
            (self.fixed if change > 0 else self.broken).append(pair.case)
        (self.alone if pair.cluster is None else self.clusters.setdefault(pair.cluster, [])).append(change)

    def differences(self) -> list[float]:
        return [*map(float, self.alone), *(fmean(changes) for changes in self.clusters.values())]

    def changed(self) -> tuple[int, int]:
        """How many clusters came out better, and how many worse."""
        differences = self.differences()
        return sum(each > 0 for each in differences), sum(each < 0 for each in differences)

    def p_value(self) -> float:
        return mcnemar_exact(*self.changed())


def _of(share: Proportion) -> str:
    text = f"{share.successes} of {share.count}"
    return text if share.clusters == share.count else f"{text} (in {share.clusters} clusters)"


def p_shown(p_value: float) -> str:
    """A p-value as it is printed: three digits, two of them significant where it is small."""
    if p_value < 0.0001:
        return "below 0.0001"
    return f"{p_value:.4f}" if p_value < 0.01 else f"{p_value:.3f}"


def adjusted(p_values: Mapping[str, float]) -> dict[str, float]:
    """Holm's adjustment of several comparisons with one base, by name."""
    return dict(zip(p_values, holm(list(p_values.values())), strict=True))
