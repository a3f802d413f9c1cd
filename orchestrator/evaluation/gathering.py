"""The scored answers of an evaluation, put together by model and variant: counted, and kept for comparing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from orchestrator.evaluation.comparison import PairedAnswer
from orchestrator.evaluation.figures import Tally
from orchestrator.evaluation.measures import MEASURES
from orchestrator.evaluation.scored import ScoredAnswer, read_scored
from orchestrator.jobfile import ScoreName
from orchestrator.runs.ledger import Ledger
from orchestrator.store.evaluations import Evaluation

SeriesKey = tuple[str, str]
"""Model and variant."""
_PLACES = {name: place for place, name in enumerate(MEASURES)}


@dataclass(frozen=True, slots=True)
class Kept:
    """Of an answer what comparing needs."""

    cluster: str | None
    counts: tuple[bool | None, ...]
    """For each measure, in their order, whether the answer counts for it."""


@dataclass
class Gathered:
    """One model in one variant."""

    tally: Tally
    kept: dict[tuple[str, int], Kept] = field(default_factory=dict)
    """By case and sample."""

    def add(self, scored: ScoredAnswer, samples: int) -> None:
        self.tally.add(scored, scored.verdict, scored.answer)
        alone = scored.cluster is None and samples > 1
        counts = tuple(measure.counts(scored.verdict) for measure in MEASURES.values())
        self.kept[scored.id, scored.sample] = Kept(scored.id if alone else scored.cluster, counts)


def gather(ledger: Ledger, evaluation: Evaluation, key: SeriesKey | None = None) -> dict[SeriesKey, Gathered]:
    """Read the scores of an evaluation once: all of them, or those of one model in one variant."""
    samples = int(evaluation.settings["samples"])
    found: dict[SeriesKey, Gathered] = {}
    for scored in read_scored(ledger, evaluation.id, key):
        series = (scored.model, scored.variant)
        if series not in found:
            found[series] = Gathered(Tally(samples))
        found[series].add(scored, samples)
    return found


def pairs(first: Gathered, second: Gathered, name: ScoreName) -> Iterator[PairedAnswer]:
    """The answers that both models gave and that the measure is asked of."""
    place = _PLACES[name]
    for key, ours in first.kept.items():
        theirs = second.kept.get(key)
        if theirs is None:
            continue
        one, other = ours.counts[place], theirs.counts[place]
        if one is not None and other is not None:
            yield PairedAnswer(key[0], ours.cluster, one, other)
