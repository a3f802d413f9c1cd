"""The page of a migration, to show a manager: the verdict, how often each model is right, what using it means."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from orchestrator.evaluation.metrics import METRICS
from orchestrator.evaluation.results import Series
from orchestrator.migration.plan import points
from orchestrator.migration.results import BASELINE, Answered, Migration
from orchestrator.reports import comparison
from orchestrator.reports.documents.document import Block, Code, Document, Paragraph, Section, Shares, some
from orchestrator.reports.documents.evaluation import answers_block
from orchestrator.reports.documents.run import utc
from orchestrator.reports.migration import (
    headline,
    promotion,
    rehearsal,
    use_notes,
    use_tables,
    verdict_notes,
    verdict_table,
)
from orchestrator.reports.migrationplan import cases_of, ends_in
from orchestrator.reports.table import Cell, Column, Fit, Meaning, Table, facts, row
from orchestrator.reports.text import plural


def migration_document(migration: Migration) -> Document:
    """One job file's successors beside the model that they are to replace."""
    plan, baseline = migration.plan, migration.plan.baseline
    return Document(
        kind="migration",
        title=f"Successors of {plan.job.name}",
        lead=headline(migration),
        models=[
            (f"{BASELINE} ({baseline.evaluation.endpoint})", baseline.model),
            *((each.label, each.model or "not trained") for each in migration.judged),
        ],
        warnings=list(_warnings(migration)),
        sections=some(
            Section("verdict", "Verdict", list(_verdict(migration))),
            Section("metrics", "How often right", list(_shares(migration))),
            Section("use", "Latency and cost", list(_use(migration))),
            Section("differences", "Every metric", list(_differences(migration))),
            Section("cases", "Cases that changed", list(_cases(migration))),
            Section("endpoints", "What each endpoint does", list(_endpoints(migration))),
            Section("next", "What to do next", list(_next(migration))),
            Section("method", "How it was measured", [facts(_measured(migration))]),
        ),
        records=partial(verdict_table, migration),
        paths=[str(baseline.file), str(plan.job.source.absolute())],
    )


def _warnings(migration: Migration) -> Iterator[str]:
    baseline = migration.plan.baseline
    if baseline.ends:
        yield f"The {BASELINE} on {baseline.evaluation.endpoint} {ends_in(baseline.ends)}."
    if words := rehearsal(migration):
        yield words
    yield from migration.plan.notes


def _answered(migration: Migration) -> list[Answered]:
    return [each.answered for each in migration.judged if each.answered]


def _verdict(migration: Migration) -> Iterator[Block]:
    yield verdict_table(migration)
    yield from (Paragraph(f"{each.label}: {each.reason}") for each in migration.judged if each.reason)
    yield from (Paragraph(sentence, Meaning.MUTED) for sentence in verdict_notes(migration))


def _shares(migration: Migration) -> Iterator[Block]:
    yield Paragraph("The mark is the share, the band its 95 % CI.", Meaning.MUTED)
    series = list(_series(migration))
    for measure in (each for each in METRICS.values() if each.in_tables):
        shares = [(name, measure.of(each.all)) for name, each in series]
        if any(share.count for _, share in shares):
            yield Shares(measure.title, shares, measure.better_low)


def _series(migration: Migration) -> Iterator[tuple[str, Series]]:
    yield BASELINE, migration.plan.baseline.series
    for judged in migration.judged:
        if judged.answered:
            yield judged.label, judged.answered.series


def _use(migration: Migration) -> Iterator[Block]:
    yield from use_tables(migration)
    yield from (Paragraph(sentence, Meaning.MUTED) for sentence in use_notes(migration))
    days = plural(migration.life_days, "day")
    yield Paragraph(
        f"Tokens as measured, list prices; training spread over {days} of use. That of the {BASELINE} is paid "
        "and not counted. Latency is that of this evaluation; a batch has none.",
        Meaning.MUTED,
    )


def _differences(migration: Migration) -> Iterator[Block]:
    compared = [each for answered in _answered(migration) for each in answered.comparisons]
    if not compared:
        return
    order = list(METRICS)
    compared.sort(key=lambda each: order.index(each.measure))
    yield comparison.comparisons_table(BASELINE, compared)
    yield Paragraph(f"Case by case: {comparison.method(compared)}.", Meaning.MUTED)


def _cases(migration: Migration) -> Iterator[Block]:
    for judged in migration.judged:
        if judged.answered:
            only = f"right with the {BASELINE} only"
            yield answers_block(f"Broken by {judged.label}", only, judged.answered.broken)
            yield answers_block(f"Fixed by {judged.label}", f"wrong with the {BASELINE}", judged.answered.fixed)


def _endpoints(migration: Migration) -> Iterator[Block]:
    columns = [
        Column("", "successor", Fit.FOLD),
        Column("what is converted, left out or to know", "notes", Fit.FOLD),
    ]
    rows = [row(each.label, note) for each in migration.judged for note in each.successor.notes]
    if rows:
        yield Table(columns, rows)


def _next(migration: Migration) -> Iterator[Block]:
    if command := promotion(migration):
        yield Paragraph("To put the best successor into production:")
        yield Code(command)


def _measured(migration: Migration) -> Iterator[tuple[str, Cell | str]]:
    plan, baseline = migration.plan, migration.plan.baseline
    found = baseline.evaluation
    yield "cases", f"{plural(cases_of(baseline), 'case')} of {baseline.file}"
    yield "sha256 of the file", found.file_sha256
    yield "asked with", f"{baseline.variant} definitions, {plural(baseline.samples, 'sample')} of each"
    yield BASELINE, Cell(f"evaluation {found.id} of {utc(found.created_at)}", ref=f"evaluation:{found.id}")
    for each in migration.judged:
        if each.answered:
            evaluation = each.answered.evaluation
            run = f", run {each.successor.run.id}" if each.successor.run else ""
            said = f"evaluation {evaluation.id} of {utc(evaluation.created_at)}{run}"
            yield each.label, Cell(said, ref=f"evaluation:{evaluation.id}")
    yield "asked for", f"not worse by more than {points(plan.margin)} in {METRICS[plan.metric].title}"
    yield "non-inferior", "the lower end of the 95 % CI of the difference is above minus the margin"
    yield "interval", "Tango's score interval for paired proportions (1998), over clusters of paraphrases"
    yield "several successors", "p-values adjusted by Holm: one must be below 0.025"
    yield "no answer", "a question that a successor does not answer counts as wrong"
