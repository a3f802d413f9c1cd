"""How a migration ended: each successor judged against the baseline, and what it would cost to use."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from orchestrator.dataset.hosting import DAYS_A_MONTH
from orchestrator.errors import AwaitsPerson, FtorchError
from orchestrator.evaluation.comparison import PairedAnswer
from orchestrator.evaluation.metrics import METRICS
from orchestrator.evaluation.noninferiority import NonInferiority, Verdict, judge, judged_together
from orchestrator.evaluation.ownership import BreakEven, Option, option_of, replacing
from orchestrator.evaluation.results import MetricComparison, Series, compare_series, series_of
from orchestrator.evaluation.scores import SeriesKey, SeriesScores, scores_of
from orchestrator.evaluation.versus import Changed, Side, changed_answers
from orchestrator.jobfile import ScoreName
from orchestrator.ledger import Ledger
from orchestrator.migration.baseline import Baseline
from orchestrator.migration.plan import MigrationPlan, Successor
from orchestrator.store.evaluations import Evaluation

BASELINE = "baseline"
_ACCURACY = list(METRICS).index("accuracy")
FAILED, NOT_SHOWN, WAITS = 1, 3, 4


class Outcome(StrEnum):
    """How a successor ended."""

    NON_INFERIOR = Verdict.NON_INFERIOR
    INFERIOR = Verdict.INFERIOR
    UNDECIDED = Verdict.UNDECIDED
    WAITS = "waits"
    """For a person: for the budget, a missing answer of the endpoint, or a paused job."""
    FAILED = "failed"
    """It was not trained, or gave no answers."""


@dataclass(frozen=True)
class Answered:
    """A successor's answers beside the baseline's."""

    evaluation: Evaluation
    series: Series
    """Its label is the successor's."""
    comparisons: Sequence[MetricComparison]
    """With the baseline, by every metric."""
    judgement: NonInferiority | None
    """None if no case counts for the metric."""
    broken: Sequence[Changed]
    """Answers that only the baseline got right."""
    fixed: Sequence[Changed]
    unanswered: int
    """Cases that the baseline answered and the successor did not: they count as wrong."""
    option: Option
    break_even: BreakEven
    """From how many requests per day it is cheaper than the baseline."""


@dataclass(frozen=True)
class Judged:
    """A successor as it ended."""

    successor: Successor
    answered: Answered | None = None
    problem: FtorchError | None = None
    """Why it has no answers; None if its run says it."""

    @property
    def label(self) -> str:
        return self.successor.label

    @property
    def model(self) -> str | None:
        """The tuned model; None if there is none."""
        return self.successor.run.fine_tuned_model if self.successor.run else None

    @property
    def outcome(self) -> Outcome:
        if self.answered is not None:
            found = self.answered.judgement
            return Outcome(found.verdict.value) if found else Outcome.UNDECIDED
        if isinstance(self.problem, AwaitsPerson):
            return Outcome.WAITS
        run = self.successor.run
        return Outcome.WAITS if self.problem is None and run and not run.is_over else Outcome.FAILED

    @property
    def is_rehearsal(self) -> bool:
        """Whether a stand-in on this machine answered."""
        return self.answered is not None and self.answered.evaluation.is_rehearsal

    @property
    def reason(self) -> str:
        """Why it has no answers; "" if it has."""
        if self.answered is not None:
            return ""
        if self.problem is not None:
            return str(self.problem)
        run = self.successor.run
        return f"run {run.id} is {run.state}: {run.reason}" if run else ""

    @property
    def exit_code(self) -> int:
        if self.outcome is Outcome.WAITS:
            return WAITS
        if self.outcome is Outcome.FAILED:
            return self.problem.exit_code if self.problem else FAILED
        return 0 if self.outcome is Outcome.NON_INFERIOR else NOT_SHOWN


@dataclass(frozen=True)
class Migration:
    """Everything that the page shows."""

    plan: MigrationPlan
    judged: Sequence[Judged]
    baseline_option: Option
    """The baseline's training is paid and not counted."""
    requests_per_day: Sequence[int]
    life_days: int
    """How long a successor is used; its training is spread over these days."""

    @property
    def non_inferior(self) -> list[Judged]:
        """Successors that may take the baseline's place, the best first and rehearsals last."""
        found = [each for each in self.judged if each.outcome is Outcome.NON_INFERIOR]
        return sorted(found, key=_worth)

    @property
    def exit_code(self) -> int:
        """0 if a successor is non-inferior; else 4 if one waits for a person, 3 if one was judged, or the first
        failure's."""
        codes = [each.exit_code for each in self.judged]
        if 0 in codes:
            return 0
        return next((code for code in (WAITS, NOT_SHOWN) if code in codes), codes[0])

    def usd_per_month(self, option: Option, requests_per_day: int) -> float | None:
        """The cost of a 30-day month; None if unknown."""
        per_day = option.usd_per_day(requests_per_day, self.life_days)
        return None if per_day is None else DAYS_A_MONTH * per_day


def _worth(found: Judged) -> tuple[bool, float, float]:
    """Rehearsals last, then by the difference and by the cost of a request."""
    answered = found.answered
    if answered is None or answered.judgement is None:
        return found.is_rehearsal, 0.0, 0.0
    usd = answered.option.usd_per_request
    return found.is_rehearsal, -answered.judgement.difference.value, float("inf") if usd is None else usd


def migration_of(
    ledger: Ledger,
    plan: MigrationPlan,
    ended: Sequence[tuple[Successor, Evaluation | FtorchError | None]],
    requests_per_day: Sequence[int] = (),
    life_days: int = 365,
) -> Migration:
    """Judge the successors, each with its evaluation or with why it has none. Raises PricesUnreadable."""
    baseline = plan.baseline
    option = option_of(ledger, baseline.evaluation, replace(baseline.series, label=BASELINE), life_days)
    option = option.without_training()
    judged = [
        Judged(successor, _answered(ledger, plan, successor, found, option, life_days))
        if isinstance(found, Evaluation)
        else Judged(successor, problem=found)
        for successor, found in ended
    ]
    return Migration(plan, _together(judged), option, sorted({*requests_per_day}), life_days)


def _answered(
    ledger: Ledger, plan: MigrationPlan, successor: Successor, found: Evaluation, base: Option, life_days: int
) -> Answered:
    baseline = plan.baseline
    key = _key(found)
    scores = scores_of(ledger, found, key)[key]
    series = replace(series_of(ledger, found, key, scores), label=successor.label)
    broken, fixed = changed_answers(ledger, baseline.side, Side(found, key))
    option = option_of(ledger, found, series, life_days)
    return Answered(
        evaluation=found,
        series=series,
        comparisons=compare_series(baseline.scores, {(successor.label, key[1]): (successor.label, scores)}),
        judgement=judge(paired(baseline.scores, scores, plan.metric), plan.margin),
        broken=broken,
        fixed=fixed,
        unanswered=_unanswered(baseline, scores),
        option=option,
        break_even=replacing(base, option, life_days),
    )


def unanswered(ledger: Ledger, found: Evaluation) -> int:
    """How many questions a successor's evaluation scored as not answered."""
    key = _key(found)
    return series_of(ledger, found, key, scores_of(ledger, found, key)[key]).all.api_errors


def _key(found: Evaluation) -> SeriesKey:
    """A successor's evaluation asks one model in one variant."""
    return found.settings["models"][0]["model"], found.settings["variants"][0]


def paired(first: SeriesScores, second: SeriesScores, metric: ScoreName) -> Iterator[PairedAnswer]:
    """The cases that the first model answered and that count for the metric, in pairs. One that the second did not
    answer is wrong: a host that does not answer is no successor."""
    place = list(METRICS).index(metric)
    for key, ours in first.kept.items():
        theirs = second.kept.get(key)
        if ours.counts[place] is not None:
            is_right = theirs is not None and bool(theirs.counts[place])
            yield PairedAnswer(key[0], ours.cluster, bool(ours.counts[place]), is_right)


def _unanswered(baseline: Baseline, scores: SeriesScores) -> int:
    answered = {key for key, kept in scores.kept.items() if kept.counts[_ACCURACY] is not None}
    asked = {key for key, kept in baseline.scores.kept.items() if kept.counts[_ACCURACY] is not None}
    return len(asked - answered)


def _together(judged: Sequence[Judged]) -> list[Judged]:
    """The same, their judgements adjusted for how many there are."""
    labels = [each.label for each in judged if each.answered and each.answered.judgement]
    found = [each.answered.judgement for each in judged if each.answered and each.answered.judgement]
    adjusted: Mapping[str, NonInferiority] = dict(zip(labels, judged_together(found), strict=True))
    return [
        replace(each, answered=replace(each.answered, judgement=adjusted[each.label]))
        if each.answered and each.label in adjusted
        else each
        for each in judged
    ]
