"""Scored answers: written for each evaluation, and read again without its file."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from orchestrator.dataset.findings import shown
from orchestrator.errors import AnswersMissing
from orchestrator.evaluation.answers import Answer, read_answer
from orchestrator.evaluation.asking import Question
from orchestrator.evaluation.cases import Case
from orchestrator.evaluation.comparison import PairedAnswer
from orchestrator.evaluation.metrics import METRICS, Tally
from orchestrator.evaluation.plan import Plan, all_questions, asked_as, batches
from orchestrator.evaluation.scorer import score
from orchestrator.evaluation.scoring.verdicts import (
    ArgumentCounts,
    CallCounts,
    Decision,
    Difference,
    Level,
    Mistake,
    Verdict,
)
from orchestrator.jobfile import ScoreName
from orchestrator.ledger import Ledger
from orchestrator.store import evaluations as store
from orchestrator.store.evaluations import Asked, Evaluation, RecordedAnswer, Score

SCORING = 1
"""The version of the rules in docs/evaluation.md, raised with any change that can score an answer differently."""
NOT_RECORDED = "no answer is recorded"
_LONGEST_REQUEST = 100
_AT_ONCE = 500
"""Answers read, scored and written at a time."""


@dataclass(frozen=True)
class ScoredAnswer:
    """One answer with its verdict and the groups of its case."""

    model: str
    variant: str
    sample: int
    id: str
    """The case's id."""
    line: int
    slices: tuple[str, ...]
    cluster: str | None
    request: str
    """The beginning of the user's message, for tables."""
    verdict: Verdict
    answer: Answer
    """Without calls and text."""


def score_answers(ledger: Ledger, plan: Plan, evaluation_id: str, errors: Mapping[Asked, str]) -> None:
    """Score the recorded answers to all questions of the plan, a batch at a time; `errors` say why one is missing.

    Raises AnswersMissing if neither an answer nor an error is recorded.
    """
    with ledger.database.write() as connection:
        store.clear_scores(connection, evaluation_id)
    found = 0
    for batch in batches(all_questions(plan.cases.path, plan.settings, plan.grid), _AT_ONCE):
        with ledger.database.read() as connection:
            recorded = store.answers_to(connection, plan.config.name, [asked_as(each) for _, each in batch])
        found += len(recorded)
        rows = [_scored(plan, evaluation_id, pair, recorded, errors) for pair in batch]
        with ledger.database.write() as connection:
            store.add_scores(connection, rows)
    if not found and not errors:
        raise AnswersMissing(missing=f"{plan.questions:,}", of=f"{plan.questions:,}")


def read_scored(ledger: Ledger, evaluation_id: str, of: tuple[str, str] | None = None) -> Iterator[ScoredAnswer]:
    """The scored answers of an evaluation in file order: all, or those of a model and variant."""
    with ledger.database.read() as connection:
        for row in store.scores_of(connection, evaluation_id, of):
            yield _read(row)


def _scored(
    plan: Plan,
    evaluation_id: str,
    asked: tuple[Case, Question],
    recorded: Mapping[Asked, RecordedAnswer],
    errors: Mapping[Asked, str],
) -> Score:
    case, question = asked
    found = recorded.get(asked_as(question))
    if found is None:
        answer = Answer(api_error=errors.get(asked_as(question), NOT_RECORDED))
    else:
        answer = read_answer(found.completion, found.seconds)
    verdict = score(case, answer, plan.cases.rejections)
    return Score(
        evaluation_id=evaluation_id,
        model=question.model,
        variant=question.variant,
        case_id=case.id,
        sample=question.sample,
        line=case.line,
        level=verdict.level,
        mistake=verdict.difference.mistake if verdict.difference else None,
        detail=_detail(case, verdict, answer),
    )


def _detail(case: Case, verdict: Verdict, answer: Answer) -> dict[str, Any]:
    return {
        "slices": case.slices,
        "cluster": case.cluster,
        "request": _request(case),
        "expects": verdict.expects,
        "decision": verdict.decision,
        "difference": _written(verdict.difference),
        "rejected": verdict.rejected,
        "expected_tools": verdict.expected_tools,
        "called_tools": verdict.called_tools,
        "calls": _numbers(verdict.calls),
        "arguments": _numbers(verdict.arguments),
        "tokens": (answer.prompt_tokens, answer.completion_tokens),
        "cached_tokens": answer.cached_tokens,
        "seconds": answer.seconds,
    }


def _written(difference: Difference | None) -> Mapping[str, str] | None:
    if difference is None:
        return None
    return {field.name: getattr(difference, field.name) for field in fields(difference)}


def _numbers(counts: CallCounts | ArgumentCounts) -> tuple[int, ...]:
    """The fields in order; `astuple` would copy immutable values."""
    return tuple(getattr(counts, field.name) for field in fields(counts))


def _request(case: Case) -> str:
    """The user's last message."""
    said = (message.get("content") for message in reversed(case.request["messages"]) if message["role"] == "user")
    content = next(said, "")
    return shown(content if isinstance(content, str) else "(parts)", _LONGEST_REQUEST)[1:-1]


def _read(row: Score) -> ScoredAnswer:
    detail = row.detail
    difference = detail["difference"]
    prompt, completion = detail["tokens"]
    verdict = Verdict(
        case=row.case_id,
        expects=detail["expects"],
        decision=Decision(detail["decision"]) if detail["decision"] else None,
        level=Level(row.level) if row.level else None,
        difference=Difference(**{**difference, "mistake": Mistake(difference["mistake"])}) if difference else None,
        rejected=detail["rejected"],
        expected_tools=tuple(detail["expected_tools"]),
        called_tools=tuple(detail["called_tools"]),
        calls=CallCounts(*detail["calls"]),
        arguments=ArgumentCounts(*detail["arguments"]),
    )
    return ScoredAnswer(
        model=row.model,
        variant=row.variant,
        sample=row.sample,
        id=row.case_id,
        line=row.line,
        slices=tuple(detail["slices"]),
        cluster=detail["cluster"],
        request=detail["request"],
        verdict=verdict,
        answer=Answer(
            prompt_tokens=prompt,
            completion_tokens=completion,
            cached_tokens=detail.get("cached_tokens"),  # not recorded by the first versions
            seconds=detail["seconds"],
        ),
    )


# --- Scoring conditions ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Conditions:
    """What decides, together with the file, whether an answer is right."""

    rejection_tools: tuple[str, ...]
    """Tools that reject a request when called."""
    scored_with: int
    """The version of the scoring rules."""

    def __str__(self) -> str:
        tools = ", ".join(self.rejection_tools)
        rejecting = f"calls of {tools} reject" if tools else "no rejection tool is set"
        return f"{rejecting} (rules version {self.scored_with})"


def conditions_of(evaluation: Evaluation) -> Conditions:
    """The conditions recorded with an evaluation."""
    tools = evaluation.settings.get("rejection_tools", ())
    return Conditions(tuple(sorted(tools)), evaluation.scored_with)


def asking(evaluation: Evaluation, model: str, variant: str) -> str:
    """The command that asks a model the evaluation's file in this variant."""
    command = ["ftorch", "evaluate", model, "--endpoint", evaluation.endpoint, "--file", evaluation.file_path]
    command += ["--variants", variant]
    command += [word for tool in conditions_of(evaluation).rejection_tools for word in ("--rejection-tool", tool)]
    return shlex.join(command)


def rescoring(evaluation: Evaluation, model: str, variants: Sequence[str], requested: Conditions) -> str:
    """The command that scores a model's recorded answers by the requested conditions, without asking again."""
    command = ["ftorch", "evaluate", model, "--endpoint", evaluation.endpoint, "--file", evaluation.file_path]
    command += ["--variants", ",".join(variants)] if evaluation.settings["variants"] != ["full"] else []
    command += [word for tool in requested.rejection_tools for word in ("--rejection-tool", tool)]
    return shlex.join([*command, "--rescore"])


# --- Scores by model and variant ---------------------------------------------------------------------------------


SeriesKey = tuple[str, str]
"""Model and variant."""
_PLACES = {name: place for place, name in enumerate(METRICS)}


@dataclass(frozen=True, slots=True)
class Kept:
    """The part of an answer that comparisons use."""

    cluster: str | None
    counts: tuple[bool | None, ...]
    """For each metric in order, whether the answer meets it; None if it does not count."""


@dataclass
class SeriesScores:
    """One model in one variant."""

    tally: Tally
    kept: dict[tuple[str, int], Kept] = field(default_factory=dict)
    """By case and sample."""

    def add(self, scored: ScoredAnswer, samples: int) -> None:
        self.tally.add(scored, scored.verdict, scored.answer)
        alone = scored.cluster is None and samples > 1
        counts = tuple(measure.counts(scored.verdict) for measure in METRICS.values())
        self.kept[scored.id, scored.sample] = Kept(scored.id if alone else scored.cluster, counts)


def scores_of(
    ledger: Ledger, evaluation: Evaluation, key: SeriesKey | None = None
) -> dict[SeriesKey, SeriesScores]:
    """Read the scores of an evaluation once: all of them, or those of one model in one variant."""
    samples = int(evaluation.settings["samples"])
    found: dict[SeriesKey, SeriesScores] = {}
    for scored in read_scored(ledger, evaluation.id, key):
        series = (scored.model, scored.variant)
        if series not in found:
            found[series] = SeriesScores(Tally(samples))
        found[series].add(scored, samples)
    return found


def pairs(first: SeriesScores, second: SeriesScores, name: ScoreName) -> Iterator[PairedAnswer]:
    """The cases that both models answered and that count for the metric, in pairs."""
    place = _PLACES[name]
    for key, ours in first.kept.items():
        theirs = second.kept.get(key)
        if theirs is None:
            continue
        one, other = ours.counts[place], theirs.counts[place]
        if one is not None and other is not None:
            yield PairedAnswer(key[0], ours.cluster, one, other)
