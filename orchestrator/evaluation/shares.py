"""Shares and means, counted value by value, in which a cluster of cases counts once."""

from __future__ import annotations

from array import array
from dataclasses import dataclass
from statistics import fmean

from orchestrator.evaluation.statistics import Interval, quantile, wilson


@dataclass(frozen=True, slots=True)
class Proportion:
    """How many of how many, and what share that makes.

    `interval` is the Wilson 95 % interval over clusters, None where nothing was counted. Its value is the mean of
    the clusters' own shares, which is successes / count where there are no clusters.
    """

    successes: int
    count: int
    clusters: int
    interval: Interval | None

    @property
    def value(self) -> float | None:
        """The share, from 0 to 1; None where nothing was counted."""
        return self.interval.value if self.interval else None


class Share:
    """Counts yes and no. Answers of the same cluster are put together; those without one stand alone."""

    def __init__(self) -> None:
        self._yes = self._alone_yes = self._count = self._alone = 0
        self._clusters: dict[str, tuple[int, int]] = {}

    def add(self, is_so: bool, cluster: str | None) -> None:
        self._count += 1
        self._yes += is_so
        if cluster is None:
            self._alone += 1
            self._alone_yes += is_so
        else:
            yes, count = self._clusters.get(cluster, (0, 0))
            self._clusters[cluster] = (yes + is_so, count + 1)

    def proportion(self) -> Proportion:
        clusters = self._alone + len(self._clusters)
        weighted = self._alone_yes + sum(yes / count for yes, count in self._clusters.values())
        return Proportion(self._yes, self._count, clusters, wilson(weighted, clusters))


@dataclass(frozen=True, slots=True)
class Distribution:
    """Numbers in short, in their own unit."""

    count: int
    mean: float
    median: float
    p95: float


class Spread:
    """Collects numbers, eight bytes each."""

    def __init__(self) -> None:
        self._values = array("d")

    def add(self, value: float | None) -> None:
        """Take up a number; None, where it is not known, is passed over."""
        if value is not None:
            self._values.append(value)

    def distribution(self) -> Distribution | None:
        """None where no number is known."""
        if not self._values:
            return None
        ordered = sorted(self._values)
        return Distribution(len(ordered), fmean(ordered), quantile(ordered, 0.5), quantile(ordered, 0.95))
