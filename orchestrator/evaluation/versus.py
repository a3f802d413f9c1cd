"""Two models on the same cases: which cases only one of them gets right, and which tools were mixed up."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import product
from pathlib import Path

from orchestrator.dataset.files import inspect_file, open_as_sent
from orchestrator.dataset.jsontext import parse_json
from orchestrator.dataset.lines import numbered_lines
from orchestrator.dataset.profile.fingerprints import canonical
from orchestrator.errors import EvaluatedOtherwise, FtorchError, NotEvaluated
from orchestrator.evaluation.asking import VARIANTS
from orchestrator.evaluation.results import MetricComparison, Results, compare_series
from orchestrator.evaluation.scores import (
    Conditions,
    ScoredAnswer,
    SeriesKey,
    SeriesScores,
    asking,
    conditions_of,
    read_scored,
    rescoring,
    scores_of,
)
from orchestrator.evaluation.trained import is_unchanged, variant_of_model
from orchestrator.ledger import Ledger
from orchestrator.store import evaluations as store
from orchestrator.store.evaluations import Evaluation

_AT = "@"


@dataclass(frozen=True, eq=False)
class Side:
    """A model in a variant, and the evaluation that has its answers."""

    evaluation: Evaluation
    key: SeriesKey


@dataclass(frozen=True)
class Changed:
    """One answer that only one model got right; `sample` counts from 0."""

    case: str
    line: int
    sample: int
    request: str
    difference: str
    """What is wrong with the other answer."""
    mistake: str = ""
    """The same without the values."""
    expected: str = ""
    """The part of the expected answer that is not met; "" if no part can be named."""
    found: str = ""
    """What the wrong answer has in its place."""


@dataclass(frozen=True)
class Answers:
    """The answers of a model that are worth reading, in file order."""

    broken: Sequence[Changed] = ()
    """Wrong, but right with the base."""
    fixed: Sequence[Changed] = ()
    """Right, but wrong with the base."""
    wrong: Sequence[Changed] = ()
    """Wrong, and not right with the base either."""


@dataclass(frozen=True)
class ModelComparison:
    """The second model compared with the first."""

    first: Side
    second: Side
    metrics: Sequence[MetricComparison]
    broken: Sequence[Changed]
    """Right with the first only."""
    fixed: Sequence[Changed]
    confusion: Mapping[tuple[str, str], tuple[int, int]]
    """How often each model called the wrong tools, by (expected, called); the most frequent first."""
    has_same_file: bool = True
    """True if the evaluation files have the same bytes; else the same cases with other tool definitions."""
    notes: Sequence[str] = ()
    """Warnings about the comparison."""


def compare_models(ledger: Ledger, first: str, second: str, file: Path | None = None) -> ModelComparison:
    """Compare two models, named as `MODEL`, `RUN` or `MODEL@VARIANT`.

    It uses their newest evaluations scored by the same rules, on one file or on two that differ only in their tool
    definitions. Without a variant, a trained model is compared with the definitions it was trained with, any other
    with the fullest it was asked with. Raises NotEvaluated if there are no such evaluations, EvaluatedOtherwise if
    they were scored by different rules, and AmbiguousRun.
    """
    sides = _sides(ledger, first, second, inspect_file(file).sha256 if file else None)
    ours, theirs = (_gathered(ledger, side) for side in sides)
    broken, fixed = changed_answers(ledger, *sides)
    found = compare_series(ours, {sides[1].key: ("second", theirs)})
    return ModelComparison(
        *sides,
        found,
        broken,
        fixed,
        _confusion(ours, theirs),
        has_same_file=len({side.evaluation.file_sha256 for side in sides}) == 1,
        notes=[note for side in sides for note in _notes(ledger, side)],
    )


def _notes(ledger: Ledger, side: Side) -> Iterator[str]:
    model, variant = side.key
    trained = variant_of_model(ledger, side.evaluation.endpoint, model)
    if trained is not None and trained != variant:
        command = asking(side.evaluation, model, trained)
        yield f"{model} was trained with {trained} definitions but asked with {variant}. To ask it so: {command}"


def changed_answers(ledger: Ledger, first: Side, second: Side) -> tuple[list[Changed], list[Changed]]:
    """The answers right only on the first side, and those right only on the second, in file order."""
    found = _answers(ledger, first, second)
    return list(found.broken), list(found.fixed)


def answers_of(ledger: Ledger, results: Results) -> dict[SeriesKey, Answers]:
    """The answers of each model in a variant, compared with those of the first base in that variant; a base is
    compared with nothing."""
    bases = {series.variant: series for series in reversed(results.series) if series.is_base}
    found = {}
    for series in results.series:
        base = None if series.is_base else bases.get(series.variant)
        first = Side(results.evaluation, base.key) if base else None
        found[series.key] = _answers(ledger, first, Side(results.evaluation, series.key))
    return found


def _answers(ledger: Ledger, first: Side | None, second: Side) -> Answers:
    before = {
        (scored.id, scored.sample): None if scored.verdict.right() else _changed(scored)
        for scored in (read_scored(ledger, first.evaluation.id, first.key) if first else ())
        if not scored.verdict.is_api_error
    }
    broken: list[Changed] = []
    fixed: list[Changed] = []
    wrong: list[Changed] = []
    for after in read_scored(ledger, second.evaluation.id, second.key):
        key = (after.id, after.sample)
        if after.verdict.is_api_error:
            continue
        if not after.verdict.right():
            was_right = key in before and before[key] is None
            (broken if was_right else wrong).append(_changed(after))
        elif (was_wrong := before.get(key)) is not None:
            fixed.append(was_wrong)
    return Answers(broken, fixed, wrong)


# --- Which evaluations ---------------------------------------------------------------------------------------


def _sides(ledger: Ledger, first: str, second: str, on: str | None) -> tuple[Side, Side]:
    with ledger.database.read() as connection:
        done = store.newest(connection, file_sha256=on)
    ours, theirs = (_evaluated(ledger, name, done) for name in (first, second))
    where = " on this file" if on else ""
    for name, found in ((first, ours), (second, theirs)):
        if not found:
            raise NotEvaluated(key=name, where=where, advice=_advice(ledger, name, done))
    cases, ranks = _CasesOf(), {side: _rank(ledger, side) for side in (*ours, *theirs)}
    alike = [pair for pair in product(ours, theirs) if _rules(pair[0]) == _rules(pair[1])]
    alike.sort(key=lambda pair: (ranks[pair[0]] + ranks[pair[1]], not _is_same_file(pair)))
    common = next((pair for pair in alike if _is_same_file(pair) or cases.are_same(pair)), None)
    if common is None:
        _require_same_conditions(first, second, ours, theirs)
        advice = f"Ask both the same file: ftorch evaluate {first} {second} --file FILE"
        raise NotEvaluated(key=second, where=f" on a file that {first} was evaluated on", advice=advice)
    return common


def best_side(ledger: Ledger, name: str, file_sha256: str | None = None, *, only: str | None = None) -> Side | None:
    """The newest evaluation of the model that `name` means, on this file if one is given, in the variant that it is
    compared in; `only` names the evaluation. None if there is none."""
    with ledger.database.read() as connection:
        done = store.newest(connection, file_sha256=file_sha256)
    found = _evaluated(ledger, name, [each for each in done if only in (None, each.id)])
    return min(found, key=lambda side: _rank(ledger, side), default=None)


def _is_same_file(pair: tuple[Side, Side]) -> bool:
    return pair[0].evaluation.file_sha256 == pair[1].evaluation.file_sha256


def _rules(side: Side) -> Conditions:
    return conditions_of(side.evaluation)


def _rank(ledger: Ledger, side: Side) -> int:
    """How far the variant is from the one for a fair comparison, which is 0."""
    model, variant = side.key
    trained = variant_of_model(ledger, side.evaluation.endpoint, model)
    place = VARIANTS.index(variant)
    return place if trained is None else 0 if variant == trained else 1 + place


_TOOL_KEYS = ("tools", "functions", "tool_choice", "function_call", "parallel_tool_calls")


class _CasesOf:
    """The cases of evaluation files without their tool definitions, read once for each file."""

    def __init__(self) -> None:
        self._found: dict[str, str | None] = {}

    def are_same(self, pair: tuple[Side, Side]) -> bool:
        """Whether both files still exist and differ only in their tool definitions."""
        ours, theirs = map(self._of, pair)
        return ours is not None and ours == theirs

    def _of(self, side: Side) -> str | None:
        path, key = Path(side.evaluation.file_path), side.evaluation.file_sha256
        if key not in self._found:
            self._found[key] = _digest(path) if is_unchanged(path, key) else None
        return self._found[key]


def _digest(path: Path) -> str:
    digest = sha256()
    with open_as_sent(path) as stream:
        for _, line in numbered_lines(stream):
            if line is not None:
                row = parse_json(line)
                digest.update(
                    canonical({key: value for key, value in row.items() if key not in _TOOL_KEYS}) + b"\n"
                )
    return digest.hexdigest()


def _require_same_conditions(first: str, second: str, ours: Sequence[Side], theirs: Sequence[Side]) -> None:
    """Raises EvaluatedOtherwise if both were asked the same file under different rules."""
    for our_side in ours:
        for their_side in theirs:
            if _is_same_file((our_side, their_side)):
                our_rules, their_rules = map(_rules, (our_side, their_side))
                # No option removes a rejection tool, so rescore the side without one.
                is_theirs = bool(our_rules.rejection_tools)
                side, requested = (their_side, our_rules) if is_theirs else (our_side, their_rules)
                raise EvaluatedOtherwise(
                    first=first,
                    second=second,
                    path=our_side.evaluation.file_path,
                    first_rules=f"for the first, {our_rules}",
                    second_rules=f"for the second, {their_rules}",
                    command=rescoring(side.evaluation, side.key[0], [side.key[1]], requested),
                )


def _evaluated(ledger: Ledger, name: str, done: Sequence[Evaluation]) -> list[Side]:
    """The newest evaluations, by file, variant and conditions, of the newest evaluated model that `name` means;
    newest first."""
    requested, wanted = _parts(name)
    for model in _models(ledger, requested):
        found: dict[tuple[str, str, Conditions], Side] = {}
        for evaluation in done:
            if any(entry["model"] == model for entry in evaluation.settings["models"]):
                for variant in evaluation.settings["variants"]:
                    if wanted in ("", variant):
                        where = (evaluation.file_sha256, variant, conditions_of(evaluation))
                        found.setdefault(where, Side(evaluation, (model, variant)))
        if found:
            return list(found.values())
    return []


def _parts(name: str) -> tuple[str, str]:
    """A model and a variant; "" if none is named."""
    requested, at, variant = name.rpartition(_AT)
    return (requested, variant) if at and variant in VARIANTS else (name, "")


def _advice(ledger: Ledger, name: str, done: Sequence[Evaluation]) -> str:
    """What to do about a model that was not evaluated in this way."""
    model, variant = _parts(name)
    others = _evaluated(ledger, model, done) if variant else []
    if others:
        return f"To ask it so: {asking(others[0].evaluation, others[0].key[0], variant)}"
    requested, at, unknown = name.rpartition(_AT)
    if at and _evaluated(ledger, requested, done):
        return f'"{unknown}" is not a variant; the variants are {", ".join(VARIANTS)}'
    return "See: ftorch leaderboard"


def model_named(ledger: Ledger, name: str) -> str:
    """The model of the run with this name; else the name itself."""
    return _models(ledger, name)[0]


def _models(ledger: Ledger, name: str) -> list[str]:
    """The models of the runs with this name, newest first; else the name itself."""
    try:
        trained = [run.fine_tuned_model for run in ledger.runs(name) if run.fine_tuned_model]
    except FtorchError:
        return [name]
    return trained or [name]


def _gathered(ledger: Ledger, side: Side) -> SeriesScores:
    return scores_of(ledger, side.evaluation, side.key)[side.key]


def _changed(wrong: ScoredAnswer) -> Changed:
    difference = wrong.verdict.difference
    parts = (difference.kind, difference.expected, difference.found) if difference else ()
    return Changed(wrong.id, wrong.line, wrong.sample, wrong.request, str(difference), *parts)


def _confusion(first: SeriesScores, second: SeriesScores) -> Mapping[tuple[str, str], tuple[int, int]]:
    counted = [each.tally.all.figures().confusion for each in (first, second)]
    names = dict.fromkeys((*counted[0], *counted[1]))
    mixed = {name: (counted[0].get(name, 0), counted[1].get(name, 0)) for name in names if name[0] != name[1]}
    return dict(sorted(mixed.items(), key=lambda entry: -max(entry[1])))
