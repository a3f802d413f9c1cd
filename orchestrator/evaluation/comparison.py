"""Two models on the same cases: which cases only one of them gets right, and whether that is more than chance."""

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
    """How two models answered one case. A case with an API error on either side makes no pair."""

    case: str
    cluster: str | None
    first: bool
    second: bool


@dataclass(frozen=True)
class Comparison:
    """The second model compared with the first, case by case."""

    first: Proportion
    second: Proportion
    broken: tuple[str, ...]
    """Cases that only the first answers correctly, in the order given."""
    fixed: tuple[str, ...]
    """Cases that only the second answers correctly."""
    worse: int
    """Clusters whose share of right answers fell; without clusters, the number of broken cases."""
    better: int
    p_value: float
    """From the exact McNemar test; for clusters, the sign test."""
    difference: Interval | None
    """Second minus first share, with the paired bootstrap 95 % CI over clusters; None without pairs."""

    @property
    def is_established(self) -> bool:
        return is_established(self, self.p_value)

    @property
    def sentence(self) -> str:
        """The result in plain words, with its numbers."""
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
    """Only the p-value of `compare`, without the interval, which takes long."""
    found = _Pairs()
    for pair in pairs:
        found.add(pair)
    return found.p_value()


def is_established(found: Comparison, p_value: float) -> bool:
    """Whether test and interval agree that the difference, in one direction, is more than chance.

    The interval must exclude 0. `p_value` is adjusted for multiple comparisons.
    """
    interval = found.difference
    if p_value >= SIGNIFICANCE or interval is None or interval.low <= 0 <= interval.high:
        return False
    return (found.better > found.worse) == (interval.value > 0)


def sentence_of(found: Comparison, p_value: float, *, is_better_low: bool = False) -> str:
    """A comparison in plain words, by a p-value adjusted for multiple comparisons. With `is_better_low` the lower
    share is better."""
    if found.difference is None:
        return "Nothing to compare: the models have no answered case in common."
    shares = f"{_of(found.second)} against {_of(found.first)}"
    changed = found.better + found.worse
    if changed == 0:
        return f"No difference: {shares}, and every case came out the same."
    test = f"p = {p_shown(p_value)}, exact McNemar test"
    if is_established(found, p_value):
        low, high = found.difference.low * 100, found.difference.high * 100
        word = "better" if (found.better > found.worse) != is_better_low else "worse"
        points = f"{found.difference.value * 100:+.0f} points, 95 % CI {low:+.0f} to {high:+.0f}"
        return f"The second is {word}: {shares} ({points}; {test})."
    few = ""
    if changed < fewest_changes():
        few = f" Only {changed} answers changed; a difference needs at least {fewest_changes()} to be established."
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
        """The numbers of clusters that improved and that got worse."""
        differences = self.differences()
        return sum(each > 0 for each in differences), sum(each < 0 for each in differences)

    def p_value(self) -> float:
        return mcnemar_exact(*self.changed())


def _of(share: Proportion) -> str:
    text = f"{share.successes} of {share.count}"
    return text if share.clusters == share.count else f"{text} (in {share.clusters} clusters)"


def p_shown(p_value: float) -> str:
    """A p-value as printed: three decimals, or two significant digits if it is small."""
    if p_value < 0.0001:
        return "below 0.0001"
    return f"{p_value:.4f}" if p_value < 0.01 else f"{p_value:.3f}"


def adjusted(p_values: Mapping[str, float]) -> dict[str, float]:
    """The p-values of several comparisons with one base, Holm-adjusted, by name."""
    return dict(zip(p_values, holm(list(p_values.values())), strict=True))
