"""The document of a data file: findings, tokens, and what its calls show of each function."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial

from orchestrator.api.reporting import DataRecord
from orchestrator.dataset.checking.report import CheckReport
from orchestrator.dataset.findings import Finding
from orchestrator.dataset.rules import RULES
from orchestrator.dataset.stats import Statistics
from orchestrator.reports.datasets import coverage_table, numbers_table
from orchestrator.reports.documents.document import Block, Document, Folded, Paragraph, Section, some
from orchestrator.reports.findings import tally
from orchestrator.reports.table import Bar, Cell, Column, Fit, Meaning, Number, Table, facts, row
from orchestrator.reports.text import count, plural

_PLACES = 20
"""Findings of one kind that are listed."""
_MEANINGS = {"error": Meaning.ERROR, "warning": Meaning.WARNING}


def data_document(record: DataRecord) -> Document:
    """Everything about a data file."""
    report, source, statistics = record.checked.report, record.checked.source, record.statistics
    return Document(
        kind="data",
        title=f"Data file {source.path.name}",
        lead=f"{plural(report.examples, 'example')}: {tally(report.total('error'), report.total('warning'))}.",
        sections=some(
            Section("summary", "Summary", [facts(_summary(record))]),
            Section("findings", "Findings", list(_findings(report))),
            Section("lengths", "Messages and tokens", list(_lengths(statistics)) if statistics else []),
            Section("functions", "Functions and arguments", _functions(statistics) if statistics else []),
        ),
        records=partial(_records, report),
        paths=[str(source.path.absolute()), str(source.path)],
    )


def _summary(record: DataRecord) -> Iterator[tuple[str, str]]:
    report, statistics = record.checked.report, record.statistics
    yield "file", record.checked.source.path.name
    yield "purpose", record.checked.source.purpose
    yield "method", report.method
    yield "examples", count(report.examples)
    if statistics:
        yield "with calls", count(statistics.examples - statistics.answered_in_text)
        yield "answered in text", count(statistics.answered_in_text)
        yield "with errors, in no figure below", count(statistics.left_out)
        yield "tokens per epoch, estimated", count(statistics.tokens)
        if statistics.functions:
            yield "tool definitions in the prompts", f"{statistics.definition_share:.0%} of their tokens"


def _findings(report: CheckReport) -> Iterator[Block]:
    """One part for each kind, errors first."""
    if not report.counts:
        yield Paragraph("No finding.", Meaning.GOOD)
        return
    codes = sorted(report.counts, key=lambda code: (RULES[code].severity, code))
    columns = [*(Column(heading, fit=Fit.LINE) for heading in ("code", "severity")), Column("title", fit=Fit.FOLD)]
    rows = [
        row(
            code,
            Cell(RULES[code].severity, _MEANINGS[RULES[code].severity]),
            RULES[code].title,
            Number(f"{report.counts[code]:,}", value=report.counts[code]),
        )
        for code in codes
    ]
    yield Table([*columns, Column("found", fit=Fit.LINE, is_number=True)], rows)
    for code in codes:
        found = [finding for finding in report.findings if finding.code == code]
        yield _places(code, found, report.counts[code])


def _places(code: str, found: Sequence[Finding], total: int) -> Folded:
    shown = found[:_PLACES]
    columns = [Column("line", fit=Fit.LINE, is_number=True), *(Column(name, fit=Fit.FOLD) for name in _PARTS)]
    rows = [
        row(
            Number("–" if each.line is None else f"{each.line:,}", value=each.line),
            each.pointer,
            each.reason,
            each.excerpt,
            each.fix,
        )
        for each in shown
    ]
    left = total - len(shown)
    notes = [f"{left:,} more; ftorch data check --all lists every one."] if left else []
    return Folded(f"{code} {RULES[code].title}: {plural(total, 'place')}", [Table(columns, rows, notes=notes)])


_PARTS = ("at", "reason", "text", "fix")


def _lengths(found: Statistics) -> Iterator[Block]:
    yield _in_lower_case(numbers_table(found))
    columns = [Column("messages", fit=Fit.LINE, is_number=True), Column("examples", fit=Fit.LINE, is_number=True)]
    most = max(found.lengths.values())
    rows = [
        row(
            Number(str(messages), value=messages),
            Number(f"{examples:,}", value=examples),
            Bar(done=examples, total=most),
        )
        for messages, examples in sorted(found.lengths.items())
    ]
    yield Table([*columns, Column("", "bar")], rows, "Examples by their number of messages")


def _functions(found: Statistics) -> list[Block]:
    """The arguments of a function follow it."""
    if not found.functions:
        return []
    table = _in_lower_case(coverage_table(found, True))
    rows = [
        replace(each, cells=[Cell(f"› {each.cells[0].text.strip()}"), *each.cells[1:]])
        if each.cells[0].text.startswith(" ")
        else each
        for each in table.rows
    ]
    return [replace(table, rows=rows)]


def _in_lower_case(table: Table) -> Table:
    """With headings as other tables of a document have them."""
    return replace(table, columns=[replace(column, heading=column.heading.lower()) for column in table.columns])


def _records(report: CheckReport) -> Table:
    """A row for each finding that is kept."""
    columns = [Column(key=key) for key in ("code", "severity", "line", "pointer", "reason", "fix")]
    rows = [
        row(each.code, each.severity, Number("", value=each.line), each.pointer, each.reason, each.fix)
        for each in report.findings
    ]
    return Table(columns, rows)
