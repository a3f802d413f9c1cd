"""The document of an evaluation: the verdict, every model in every variant, then the cases that decided it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from difflib import SequenceMatcher
from functools import partial

from orchestrator.evaluation.metrics import METRICS
from orchestrator.evaluation.ownership import Ownership
from orchestrator.evaluation.results import Results, Series
from orchestrator.evaluation.scores import SeriesKey
from orchestrator.evaluation.versus import Answers, Changed
from orchestrator.reports import comparison, evaluation, ownership
from orchestrator.reports.charts.ownership import ownership_chart
from orchestrator.reports.confusion import confusion_table
from orchestrator.reports.documents.document import Block, Document, Folded, Paragraph, Section, Shares, some
from orchestrator.reports.documents.run import utc
from orchestrator.reports.figures import results_table
from orchestrator.reports.table import Cell, Column, Fit, Marked, Meaning, Number, Row, Table, marked, row
from orchestrator.reports.text import plural
from orchestrator.reports.verdict import verdict_lines

MOST_LISTED = 200
"""Answers of one kind that are listed for one model; `evaluate --json` has the ids of all."""
_OPEN = 20
"""A list of at most this many answers is open from the start."""


def evaluation_document(
    results: Results, answers: Mapping[SeriesKey, Answers], owned: Ownership | None = None
) -> Document:
    """Everything about an evaluation. `answers` are those of `evaluation.versus.answers_of`; `owned` is the cost of
    ownership, if it was asked for."""
    found = results.evaluation
    samples = found.settings["samples"]
    asked = f", each asked {samples} times" if samples > 1 else ""
    said = [Paragraph(line, Meaning.STRONG) for line in verdict_lines(results) if line]
    return Document(
        kind="evaluation",
        title=f"{found.name} on {found.endpoint}",
        lead=f"Evaluation {found.id}: {plural(results.cases, 'case')}{asked}.",
        models=[(entry["label"], entry["model"]) for entry in found.settings["models"]],
        warnings=list(_warnings(results)),
        sections=some(
            Section("verdict", "Verdict", [*said, *_verdict(results)]),
            Section("metrics", "How often right", list(_shares(results))),
            Section("ownership", "Cost of ownership", list(_owning(owned)) if owned else []),
            *(Section(_key(table), table.title, [table]) for table in _tables(results) if table.rows),
            Section("cases", "Cases", list(_cases(results, answers))),
            Section("method", "How it was measured", [_facts(results)]),
        ),
        records=partial(results_table, results, owned),
        paths=[found.file_path, *([found.job_file] if found.job_file else [])],
    )


def _warnings(results: Results) -> Iterator[str]:
    if results.evaluation.is_rehearsal:
        yield evaluation.REHEARSAL
    if unanswered := sum(series.all.api_errors for series in results.series):
        first = f" The first: {results.why_unanswered}" if results.why_unanswered else ""
        text = "got no answer and are in no metric; ftorch evaluate asks them again."
        yield f"{plural(unanswered, 'question')} {text}{first}"


# --- Metrics --------------------------------------------------------------------------------------------------


def _verdict(results: Results) -> Iterator[Block]:
    """With the verdicts in the second column: a phone shows only the first columns."""
    if not results.comparisons:
        return
    table = comparison.comparisons_table("base", results.comparisons)
    first, *others, last = table.columns
    rows = [each if each.is_heading else _with_last_second(each) for each in table.rows]
    columns = [first, replace(last, heading="verdict"), *others]
    notes = [f"Case by case: {comparison.method(results.comparisons)}.", comparison.too_few(results.comparisons)]
    yield replace(table, columns=columns, rows=rows, notes=list(filter(None, notes)))


def _with_last_second(given: Row) -> Row:
    first, *others, last = given.cells
    return replace(given, cells=[first, last, *others])


def _shares(results: Results) -> Iterator[Block]:
    yield Paragraph("The mark is the share, the band its 95 % CI.", Meaning.MUTED)
    for measure in (each for each in METRICS.values() if each.in_tables):
        shares = [(_named(results, series), measure.of(series.all)) for series in results.series]
        if any(share.count for _, share in shares):
            yield Shares(measure.title, shares, measure.better_low)


def _named(results: Results, series: Series) -> str:
    several = len(results.evaluation.settings["variants"]) > 1
    return f"{series.label} {series.variant}" if several else series.label


def _owning(owned: Ownership) -> Iterator[Block]:
    yield from map(Paragraph, ownership.basis(owned))
    chart = ownership_chart(owned)
    if not chart.is_empty:
        yield chart
    yield from (ownership.parts_table(owned), ownership.months_table(owned))
    yield from (Paragraph(note, Meaning.MUTED) for note in ownership.notes(owned))


def _tables(results: Results) -> Iterator[Table]:
    yield from evaluation.result_tables(results, is_wide=True)
    yield confusion_table(results)


def _key(table: Table) -> str:
    return table.title.partition(":")[0].lower().replace(" ", "-")


# --- Cases ----------------------------------------------------------------------------------------------------


def _cases(results: Results, answers: Mapping[SeriesKey, Answers]) -> Iterator[Block]:
    """Of each model what it broke and fixed, then what else is wrong; of bases only if nothing else was asked."""
    judged = [series for series in results.series if not series.is_base] or results.series
    has_base = any(series.is_base for series in results.series) and not judged[0].is_base
    for series in judged:
        found, name = answers[series.key], _named(results, series)
        if has_base:
            yield answers_block(f"Broken by {name}", "right with the base only", found.broken)
            yield answers_block(f"Fixed by {name}", "right with this model only", found.fixed)
        also = "wrong with the base too" if has_base else ""
        yield answers_block(
            f"{'Still wrong' if has_base else 'Wrong'} with {name}", also, found.wrong, is_folded=has_base
        )


def answers_block(title: str, meaning: str, found: Sequence[Changed], *, is_folded: bool = False) -> Block:
    """A list of answers that opens, or that there are none."""
    summary = f"{title}: {plural(len(found), 'answer')}{f' {meaning}' if meaning else ''}"
    if not found:
        return Paragraph(summary, Meaning.MUTED)
    shown = found[:MOST_LISTED]
    left = len(found) - len(shown)
    notes = [f"The first {len(shown)} are listed; ftorch evaluate --json has the ids of all."] if left else []
    is_open = not is_folded and len(found) <= _OPEN
    return Folded(summary, [Table(_CASE_COLUMNS, [_case(each) for each in shown], notes=notes)], is_open)


_CASE_COLUMNS = (
    Column("case", fit=Fit.LINE),
    Column("line", fit=Fit.LINE, is_number=True),
    *(Column(heading, fit=Fit.FOLD) for heading in ("asked", "mistake", "expected", "found")),
)


def _case(each: Changed) -> Row:
    sample = f" ({each.sample + 1})" if each.sample else ""
    line = Number(str(each.line), value=each.line)
    return row(
        Cell(each.case, note=sample), line, each.request, each.mistake, *marked_apart(each.expected, each.found)
    )


# --- How it was measured --------------------------------------------------------------------------------------


def _facts(results: Results) -> Table:
    columns = [Column(key="name"), Column(key="value", fit=Fit.FOLD)]
    return Table(columns, [row(name, value) for name, value in _measured(results)], has_headings=False)


def _measured(results: Results) -> Iterator[tuple[str, Cell | str]]:
    found, settings = results.evaluation, results.evaluation.settings
    yield "cases", f"{plural(results.cases, 'case')} of {found.file_path}"
    yield "sha256 of the file", found.file_sha256
    yield "endpoint", f"{found.endpoint} ({found.endpoint_type})"
    yield "variants", ", ".join(settings["variants"])
    yield "samples of each question", str(settings["samples"])
    yield "temperature", str(settings.get("temperature", "not recorded"))
    yield "rejection tools", ", ".join(settings.get("rejection_tools", ())) or "none named"
    yield "run", Cell(found.run_id, ref=f"run:{found.run_id}") if found.run_id else "none, or several"
    yield "begun", utc(found.created_at)
    yield "scored", f"{utc(found.finished_at)}, by version {found.scored_with} of the rules"
    yield "evaluation", found.id
    yield "intervals", "Wilson, 95 %, over clusters of paraphrases"
    yield "differences", "exact McNemar test, paired bootstrap, Holm's adjustment where several models are compared"


# --- Where two texts differ ---------------------------------------------------------------------------------------


_LONGEST = 2_000
"""Characters that are compared; longer texts are not marked."""


def marked_apart(expected: str, found: str) -> tuple[Marked, Marked]:
    """Both as cells; nothing is marked if one of them is empty."""
    if not expected or not found or max(len(expected), len(found)) > _LONGEST:
        return marked([(expected, False)]), marked([(found, False)])
    first, second = _words(expected), _words(found)
    left: list[tuple[str, bool]] = []
    right: list[tuple[str, bool]] = []
    for kind, a, b, c, d in SequenceMatcher(None, first, second, autojunk=False).get_opcodes():
        differs = kind != "equal"
        left += [("".join(first[a:b]), differs)] if a < b else []
        right += [("".join(second[c:d]), differs)] if c < d else []
    return marked(left), marked(right)


def _words(text: str) -> list[str]:
    """Words, numbers with their decimals, and each other character."""
    return re.findall(r"[^\W\d]+|\d+(?:\.\d+)?|.", text, re.DOTALL)
