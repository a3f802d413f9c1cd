"""The metrics of an evaluation: counted answer by answer, for all cases, each slice, and each tool."""

from __future__ import annotations

from array import array
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import fmean
from typing import Protocol

from orchestrator.dataset.pricing import Rates
from orchestrator.evaluation.answers import Answer
from orchestrator.evaluation.scoring.verdicts import NO_ARGUMENTS, ArgumentCounts, Decision, Level, Mistake, Verdict
from orchestrator.evaluation.statistics import Interval, quantile, wilson
from orchestrator.jobfile import ScoreName

NO_CALL = "(no call)"
_THOUSAND = 1000


@dataclass(frozen=True)
class ArgumentMetrics:
    """Arguments of the cases that expect a call; each argument of each call counts once.

    Precision is the share of answered arguments that are right, recall the share of expected arguments answered
    correctly, and F1 their harmonic mean (C. J. van Rijsbergen, "Information Retrieval", 1979, chapter 7), as slots
    are scored in dialogue systems. Each is None if the divisor is 0.
    """

    precision: float | None
    recall: float | None
    f1: float | None

    @classmethod
    def of(cls, counts: ArgumentCounts) -> ArgumentMetrics:
        precision = counts.right / counts.answered if counts.answered else None
        recall = counts.right / counts.expected if counts.expected else None
        both = counts.answered + counts.expected
        return cls(precision, recall, 2 * counts.right / both if both else None)


@dataclass(frozen=True)
class Metrics:
    """The metrics of one group of answers. API errors are counted, and are in no other metric."""

    answers: int
    """Scored answers."""
    api_errors: int
    accuracy: Mapping[Level, Proportion]
    """The share of answers that are fully right, at each level."""
    call_accuracy: Mapping[Level, Proportion]
    """The same for cases that expect a call: the tool and all arguments."""
    tool_accuracy: Proportion
    """Of the cases that expect a call, those whose tools were chosen, regardless of arguments."""
    rejection_recall: Proportion
    """Of the requests to be rejected, those rejected."""
    over_rejection: Proportion
    """Of the requests that a tool can meet, those rejected. Read it together with `rejection_recall`."""
    missed_calls: Proportion
    """Of the cases that expect a call, those answered without one: in text, refused or rejected."""
    unnecessary_calls: Proportion
    """Of the cases that expect no call, those answered with one."""
    hallucinated_tools: Proportion
    """Of the answers with calls, those that call an undeclared tool."""
    hallucinated_arguments: Proportion
    """Of the answers with calls, those that give an undeclared argument."""
    schema_validity: Proportion
    """Of the answers that call declared tools, those whose arguments all match the schemas."""
    arguments: ArgumentMetrics
    decisions: Mapping[Decision, int]
    mistakes: Mapping[Mistake, int]
    """First differences at the typed level, most frequent first."""
    confusion: Mapping[tuple[str, str], int]
    """Counts of tool pairs (expected, called); several tools of one answer are joined by ` + `, none is NO_CALL."""
    prompt_tokens: Distribution | None
    completion_tokens: Distribution | None
    cached_tokens: Distribution | None
    """Per prompt; None if the endpoint does not report them."""
    seconds: Distribution | None


class Grouped(Protocol):
    """The fields of a case that a tally uses."""

    @property
    def id(self) -> str: ...

    @property
    def slices(self) -> tuple[str, ...]: ...

    @property
    def cluster(self) -> str | None:
        """The name it shares with its paraphrases; None for a single case."""


class Tally:
    """Counts answers one by one. Memory grows with slices, tools and clusters, and by a few numbers per answer.

    With `samples` above 1, the answers to one case form a cluster unless the case belongs to a larger one.
    """

    def __init__(self, samples: int = 1) -> None:
        self.all = Group()
        self.slices: defaultdict[str, Group] = defaultdict(Group)
        """In the order of first appearance."""
        self.tools: defaultdict[str, Group] = defaultdict(Group)
        """By expected tool, including tools that reject."""
        self._samples = samples

    def add(self, case: Grouped, verdict: Verdict, answer: Answer) -> None:
        """Count one answer, with its verdict, in all of its groups."""
        cluster = case.cluster if case.cluster is not None or self._samples == 1 else case.id
        self.all.add(verdict, answer, cluster)
        for name in case.slices:
            self.slices[name].add(verdict, answer, cluster)
        for name in dict.fromkeys(verdict.expected_tools):
            self.tools[name].add(verdict, answer, cluster)


class Group:
    """The counts of one group of answers."""

    def __init__(self) -> None:
        self._answers = self._api_errors = 0
        self._accuracy = {level: Share() for level in Level}
        self._call_accuracy = {level: Share() for level in Level}
        self._tool_accuracy, self._rejection_recall, self._over_rejection = Share(), Share(), Share()
        self._missed_calls, self._unnecessary_calls = Share(), Share()
        self._hallucinated_tools, self._hallucinated_arguments, self._validity = Share(), Share(), Share()
        self._arguments = NO_ARGUMENTS
        self._decisions: Counter[Decision] = Counter()
        self._mistakes: Counter[Mistake] = Counter()
        self._confusion: Counter[tuple[str, str]] = Counter()
        self._prompt_tokens, self._completion_tokens, self._seconds = Spread(), Spread(), Spread()
        self._cached_tokens = Spread()

    def add(self, verdict: Verdict, answer: Answer, cluster: str | None) -> None:
        """Count one answer. `cluster` is the name it shares with others; None for a single one."""
        if verdict.difference is not None:
            self._mistakes[verdict.difference.mistake] += 1
        if verdict.decision is None:
            self._api_errors += 1
            return
        self._answers += 1
        self._decisions[verdict.decision] += 1
        for level, share in self._accuracy.items():
            share.add(verdict.right(level), cluster)
        if verdict.expects == "call":
            self._add_call(verdict, cluster)
        else:
            self._unnecessary_calls.add(verdict.decision is Decision.ACTED_NEEDLESSLY, cluster)
            if verdict.expects == "rejection":
                self._rejection_recall.add(verdict.rejected, cluster)
        self._add_calls_made(verdict, cluster)
        self._prompt_tokens.add(answer.prompt_tokens)
        self._completion_tokens.add(answer.completion_tokens)
        self._cached_tokens.add(answer.cached_tokens)
        self._seconds.add(answer.seconds)

    def _add_call(self, verdict: Verdict, cluster: str | None) -> None:
        for level, share in self._call_accuracy.items():
            share.add(verdict.right(level), cluster)
        self._tool_accuracy.add(verdict.decision is Decision.RIGHT_TOOL, cluster)
        self._over_rejection.add(verdict.rejected, cluster)
        self._missed_calls.add(verdict.decision is Decision.DID_NOT_ACT, cluster)
        self._arguments += verdict.arguments

    def _add_calls_made(self, verdict: Verdict, cluster: str | None) -> None:
        self._confusion[_joined(verdict.expected_tools), _joined(verdict.called_tools)] += 1
        made = verdict.calls
        if made.calls:
            self._hallucinated_tools.add(made.hallucinated > 0, cluster)
            self._hallucinated_arguments.add(made.hallucinated_arguments > 0, cluster)
        if made.declared:
            self._validity.add(made.valid == made.declared, cluster)

    def figures(self) -> Metrics:
        """The metrics of the answers counted so far."""
        return Metrics(
            answers=self._answers,
            api_errors=self._api_errors,
            accuracy={level: share.proportion() for level, share in self._accuracy.items()},
            call_accuracy={level: share.proportion() for level, share in self._call_accuracy.items()},
            tool_accuracy=self._tool_accuracy.proportion(),
            rejection_recall=self._rejection_recall.proportion(),
            over_rejection=self._over_rejection.proportion(),
            missed_calls=self._missed_calls.proportion(),
            unnecessary_calls=self._unnecessary_calls.proportion(),
            hallucinated_tools=self._hallucinated_tools.proportion(),
            hallucinated_arguments=self._hallucinated_arguments.proportion(),
            schema_validity=self._validity.proportion(),
            arguments=ArgumentMetrics.of(self._arguments),
            decisions={decision: self._decisions[decision] for decision in Decision},
            mistakes=dict(self._mistakes.most_common()),
            confusion=dict(self._confusion.most_common()),
            prompt_tokens=self._prompt_tokens.distribution(),
            completion_tokens=self._completion_tokens.distribution(),
            cached_tokens=self._cached_tokens.distribution(),
            seconds=self._seconds.distribution(),
        )


def cost_per_thousand(figures: Metrics, rates: Rates) -> float | None:
    """US dollars for 1,000 requests like those answered; None if tokens or prices are unknown."""
    prompt, completion = figures.prompt_tokens, figures.completion_tokens
    if prompt is None or completion is None:
        return None
    return rates.cost(_THOUSAND * prompt.mean, _THOUSAND * completion.mean)


def _joined(names: tuple[str, ...]) -> str:
    return " + ".join(sorted(names)) or NO_CALL


# --- The metrics a gate or a sweep can name ----------------------------------------------------------------------


@dataclass(frozen=True)
class Metric:
    """One share of answers."""

    title: str
    of: Callable[[Metrics], Proportion]
    counts: Callable[[Verdict], bool | None]
    """Whether an answer meets it; None if the answer does not count for it, and for API errors."""
    better_low: bool = False
    in_tables: bool = True
    """False for a metric that only those see who name it, or read JSON or CSV."""


def _of_calls(is_so: Callable[[Verdict], bool]) -> Callable[[Verdict], bool | None]:
    return lambda verdict: is_so(verdict) if verdict.expects == "call" and not verdict.is_api_error else None


def _right(verdict: Verdict) -> bool | None:
    return None if verdict.is_api_error else verdict.right()


def _rejected(verdict: Verdict) -> bool | None:
    return verdict.rejected if verdict.expects == "rejection" and not verdict.is_api_error else None


def _called_unnecessarily(verdict: Verdict) -> bool | None:
    is_asked = verdict.expects != "call" and not verdict.is_api_error
    return verdict.decision is Decision.ACTED_NEEDLESSLY if is_asked else None


def _keeps_to_schema(verdict: Verdict) -> bool | None:
    made = verdict.calls
    return made.valid == made.declared if made.declared and not verdict.is_api_error else None


METRICS: Mapping[ScoreName, Metric] = {
    "accuracy": Metric("accuracy", lambda found: found.accuracy[Level.TYPED], _right),
    "call_accuracy": Metric(
        "call accuracy", lambda found: found.call_accuracy[Level.TYPED], _of_calls(lambda verdict: verdict.right())
    ),
    "tool_accuracy": Metric(
        "tool accuracy",
        lambda found: found.tool_accuracy,
        _of_calls(lambda verdict: verdict.decision is Decision.RIGHT_TOOL),
    ),
    "rejection_recall": Metric("correct refusals", lambda found: found.rejection_recall, _rejected),
    "over_rejection": Metric(
        "false refusals",
        lambda found: found.over_rejection,
        _of_calls(lambda verdict: verdict.rejected),
        better_low=True,
    ),
    "schema_validity": Metric("schema-valid", lambda found: found.schema_validity, _keeps_to_schema),
    "missed_calls": Metric(
        "missed calls",
        lambda found: found.missed_calls,
        _of_calls(lambda verdict: verdict.decision is Decision.DID_NOT_ACT),
        better_low=True,
        in_tables=False,
    ),
    "unnecessary_calls": Metric(
        "unnecessary calls",
        lambda found: found.unnecessary_calls,
        _called_unnecessarily,
        better_low=True,
        in_tables=False,
    ),
}
"""In table order. `argument_f1` is not a share of answers, so it is not included."""


def value_of(name: ScoreName, figures: Metrics) -> float | None:
    """The value of a metric, from 0 to 1; None if nothing was counted."""
    return figures.arguments.f1 if name == "argument_f1" else METRICS[name].of(figures).value


# --- Proportions and means, clustered by case --------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Proportion:
    """Successes, count and their share.

    `interval` is the Wilson 95 % CI over clusters; None if nothing was counted. Its value is the mean of the
    clusters' shares, which is successes / count without clusters.
    """

    successes: int
    count: int
    clusters: int
    interval: Interval | None

    @property
    def value(self) -> float | None:
        """The share, from 0 to 1; None if nothing was counted."""
        return self.interval.value if self.interval else None


class Share:
    """Counts yes and no. Answers of the same cluster are grouped; an answer without one counts alone."""

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
    """A summary of numbers, in their unit."""

    count: int
    mean: float
    median: float
    p95: float


class Spread:
    """Collects numbers, eight bytes each."""

    def __init__(self) -> None:
        self._values = array("d")

    def add(self, value: float | None) -> None:
        """Add a number; None (unknown) is skipped."""
        if value is not None:
            self._values.append(value)

    def distribution(self) -> Distribution | None:
        """None if no number is known."""
        if not self._values:
            return None
        ordered = sorted(self._values)
        return Distribution(len(ordered), fmean(ordered), quantile(ordered, 0.5), quantile(ordered, 0.95))
