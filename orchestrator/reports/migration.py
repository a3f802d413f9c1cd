"""A migration on a terminal and for programs: its successors beside the baseline."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from rich.console import Console

from orchestrator.dataset.hosting import DAYS_A_MONTH
from orchestrator.evaluation.metrics import METRICS
from orchestrator.evaluation.noninferiority import NonInferiority, fewest_cases
from orchestrator.evaluation.ownership import Option
from orchestrator.evaluation.results import Series
from orchestrator.migration.plan import points
from orchestrator.migration.results import BASELINE, Answered, Judged, Migration, Outcome
from orchestrator.reports.comparison import comparison_object, share_object
from orchestrator.reports.migrationplan import baseline_object, successor_object
from orchestrator.reports.ownership import amount, turning_point
from orchestrator.reports.table import Cell, Column, Fit, Meaning, Number, Row, Table, row
from orchestrator.reports.text import count, money, plural, print_wrapped, printable


def print_migration(migration: Migration, console: Console) -> None:
    """The verdict, a table of successors, and what to do next."""
    print_wrapped(headline(migration), console, indent="", style="bold")
    if words := rehearsal(migration):
        print_wrapped(words, console, indent="", style="yellow")
    console.print()
    table = verdict_table(migration)
    console.print(table.title, style="bold")
    console.print(table)
    for judged in migration.judged:
        if judged.reason:
            print_wrapped(f"{printable(judged.label)}: {printable(judged.reason)}", console, indent="")
    for sentence in verdict_notes(migration):
        print_wrapped(sentence, console, indent="", hanging="")
    console.print()
    for number, table in enumerate(use_tables(migration)):
        if number:
            console.print()
        console.print(table.title, style="bold")
        console.print(table)
    for sentence in use_notes(migration):
        print_wrapped(sentence, console, indent="", hanging="")
    if command := promotion(migration):
        console.print(f"To promote the best: {command}", soft_wrap=True)


def headline(migration: Migration) -> str:
    """The result in one sentence."""
    plan = migration.plan
    points_of = f"{points(plan.margin)} in {METRICS[plan.metric].title} (95 %)"
    passing = [printable(each.label) for each in migration.non_inferior]
    if passing:
        *first, last = passing
        names = f"{', '.join(first)} and {last} pass" if first else f"{last} passes"
        return f"{names}: not worse than the {BASELINE} by more than {points_of}."
    if {each.outcome for each in migration.judged} == {Outcome.INFERIOR}:
        each = "each is" if len(migration.judged) > 1 else "it is"
        return f"No successor passes: {each} worse than the {BASELINE} by more than {points_of}."
    return f"No successor passes: none is shown not to be worse than the {BASELINE} by more than {points_of}."


def rehearsal(migration: Migration) -> str:
    """Whose answers say nothing about other models; "" if all are real."""
    baseline = [BASELINE] if migration.plan.baseline.evaluation.is_rehearsal else []
    names = [*baseline, *(printable(each.label) for each in migration.judged if each.is_rehearsal)]
    if not names:
        return ""
    return f"Rehearsal: a tiny local model answered for {', '.join(names)}; this says nothing about other models."


def verdict_table(migration: Migration) -> Table:
    """The baseline and each successor: how often right, the difference, and the verdict."""
    title = METRICS[migration.plan.metric].title
    columns = [
        Column("", "successor", Fit.FOLD),
        Column("verdict", fit=Fit.LINE),
        Column("right", title, Fit.LINE),
        Column("difference", fit=Fit.LINE),
        Column("broken", fit=Fit.LINE, is_number=True),
        Column("fixed", fit=Fit.LINE, is_number=True),
    ]
    measured = METRICS[migration.plan.metric].of(migration.plan.baseline.series.all)
    base = row(BASELINE, "", Number(f"{measured.successes} of {measured.count}", value=measured.value), "", "", "")
    return Table(columns, [base, *map(_verdict_row, migration.judged)], f"{title[:1].upper()}{title[1:]}")


_MEANINGS = {
    Outcome.NON_INFERIOR: Meaning.GOOD,
    Outcome.INFERIOR: Meaning.BAD,
    Outcome.UNDECIDED: Meaning.WARNING,
    Outcome.WAITS: Meaning.WARNING,
    Outcome.FAILED: Meaning.ERROR,
}


def _verdict_row(judged: Judged) -> Row:
    verdict = Cell(judged.outcome, _MEANINGS[judged.outcome])
    found = judged.answered.judgement if judged.answered else None
    if found is None:
        return row(printable(judged.label), verdict, "", "", "", "")
    return row(
        printable(judged.label),
        verdict,
        Number(f"{found.second.successes} of {found.second.count}", value=found.second.value),
        Number(difference(found), value=found.difference.value),
        Number(count(len(found.broken)), value=len(found.broken)),
        Number(count(len(found.fixed)), value=len(found.fixed)),
    )


def difference(found: NonInferiority) -> str:
    """`+2 (-6 to +11)`, in points."""
    interval = found.difference
    return f"{interval.value * 100:+.0f} ({interval.low * 100:+.1f} to {interval.high * 100:+.1f})"


def verdict_notes(migration: Migration) -> Iterator[str]:
    """How it was judged, and how many cases would decide what is undecided."""
    judged = [each.answered.judgement for each in migration.judged if each.answered and each.answered.judgement]
    if judged:
        holm = f" Verdicts are Holm-adjusted for {judged[0].of} successors." if judged[0].of > 1 else ""
        yield f"Difference in points with Tango's score 95 % CI, successor minus {BASELINE}.{holm}"
    for each in migration.judged:
        answered = each.answered
        if answered is not None and answered.unanswered:
            number = plural(answered.unanswered, "question")
            label = printable(each.label)
            yield f"{label}: {number} got no answer and count as wrong. To ask again, repeat the command."
        if answered is not None and answered.judgement is not None and each.outcome is Outcome.UNDECIDED:
            yield f"{printable(each.label)}: {_what_would_decide(answered.judgement)}"


def _what_would_decide(found: NonInferiority) -> str:
    if found.cases_needed is None:
        return (
            f"undecided, and at this rate of right answers more cases would not show it: the difference is "
            f"{found.difference.value * 100:+.1f} points."
        )
    needed = max(found.cases_needed, fewest_cases(found.margin, found.of))
    return (
        f"undecided with {plural(found.second.clusters, 'case')}; if the answers stay as they are, about "
        f"{needed:,} would show it (with a chance of 80 %)."
    )


# --- Latency and cost --------------------------------------------------------------------------------------------


def use_tables(migration: Migration) -> Iterator[Table]:
    """What using the baseline and each successor means: latency and prices, then the monthly cost if it was asked
    for."""
    yield _prices_table(migration)
    if migration.requests_per_day:
        yield _months_table(migration)


def _prices_table(migration: Migration) -> Table:
    columns = [
        Column("", "successor", Fit.FOLD),
        Column("median, p95", "latency", Fit.LINE, is_number=True),
        Column("1,000 calls", "usd_per_thousand", Fit.LINE, is_number=True),
        Column("training", "training_usd", Fit.LINE, is_number=True),
        Column("hosting", "hosting_usd_per_month", Fit.LINE, is_number=True),
        Column("cheaper", "cheaper", Fit.FOLD, is_number=True),
    ]
    rows = [_prices_row(name, option, answered, migration) for name, option, answered in _options(migration)]
    return Table(columns, rows, f"Latency, cost, hosting per {DAYS_A_MONTH} days")


def _options(migration: Migration) -> Iterator[tuple[str, Option, Answered | None]]:
    yield BASELINE, migration.baseline_option, None
    for judged in migration.judged:
        if judged.answered is not None:
            yield printable(judged.label), judged.answered.option, judged.answered


def _prices_row(name: str, option: Option, answered: Answered | None, migration: Migration) -> Row:
    thousand = None if option.usd_per_request is None else 1000 * option.usd_per_request
    hosting = None if option.hosting_per_day is None else DAYS_A_MONTH * option.hosting_per_day
    training = option.training.usd if option.training else None
    return row(
        name,
        latency_cell(option.series),
        Number(money(thousand), value=thousand, unit="USD"),
        Number(money(training), value=training, unit="USD") if answered else Number("paid"),
        Number("none" if hosting == 0 else money(hosting), value=hosting, unit="USD"),
        _cheaper(migration, answered) if answered else "",
    )


def _months_table(migration: Migration) -> Table:
    requests = migration.requests_per_day
    columns = [
        Column("", "successor", Fit.FOLD),
        *(Column(f"{number:,}", f"usd_per_month_at_{number}", Fit.LINE, is_number=True) for number in requests),
    ]
    rows = []
    for name, option, _ in _options(migration):
        months = [migration.usd_per_month(option, number) for number in requests]
        rows.append(row(name, *(Number(amount(usd), value=usd, unit="USD") for usd in months)))
    return Table(columns, rows, f"US dollars per {DAYS_A_MONTH} days, by requests per day")


def use_notes(migration: Migration) -> Iterator[str]:
    """Why a cost is unknown, and what the training cost is based on."""
    for name, option, answered in _options(migration):
        missing = [
            *(["calls"] if option.usd_per_request is None else []),
            *(["hosting (hosting_per_hour, 0 for none)"] if option.hosting_per_day is None else []),
        ]
        if missing:
            lacking = " and of ".join(missing)
            yield f"{name}: the price table has no price of {lacking}; add it to your own (`prices`)."
        if answered is not None and option.training and option.training.usd is None:
            yield f"Training of {name}: {option.training.source.partition(';')[0]}."


def latency_cell(series: Series) -> Number:
    """`0.8 s, 1.9 s`; a dash where it was not measured, as in a batch."""
    found = series.all.seconds
    if found is None:
        return Number("–", unit="s")
    return Number(f"{_seconds(found.median)}, {_seconds(found.p95)}", value=found.median, unit="s")


def _seconds(value: float) -> str:
    return f"{value:.2f} s" if value < 1 else f"{value:.1f} s"


def _cheaper(migration: Migration, answered: Answered) -> str:
    """When it is cheaper than the baseline; "" if neither is charged for."""
    if answered.option.usd_per_request == migration.baseline_option.usd_per_request == 0:
        return "–"
    return turning_point(answered.break_even)


def promotion(migration: Migration) -> str:
    """The command that promotes the best successor; "" if none passes."""
    best = next(iter(migration.non_inferior), None)
    return f"ftorch models promote {printable(str(best.model))} production" if best else ""


# --- For programs ------------------------------------------------------------------------------------------------


def migration_object(migration: Migration) -> dict[str, Any]:
    """What `migrate --json` prints."""
    plan = migration.plan
    return {
        "name": plan.job.name,
        "baseline": {**baseline_object(plan.baseline), **_use_object(migration, migration.baseline_option)},
        "metric": plan.metric,
        "margin": plan.margin,
        "life_days": migration.life_days,
        "warnings": list(plan.notes),
        "successors": [_judged_object(migration, each) for each in migration.judged],
        "non_inferior": [each.successor.target.written for each in migration.non_inferior],
        "exit_code": migration.exit_code,
    }


def _judged_object(migration: Migration, judged: Judged) -> dict[str, Any]:
    successor, answered = judged.successor, judged.answered
    return {
        **successor_object(successor),
        "model": judged.model,
        "verdict": str(judged.outcome),
        "reason": judged.reason or None,
        "is_rehearsal": judged.is_rehearsal,
        "evaluation": answered.evaluation.id if answered else None,
        "judgement": _judgement_object(answered.judgement) if answered and answered.judgement else None,
        "unanswered": answered.unanswered if answered else None,
        **(_use_object(migration, answered.option) if answered else {}),
        "cheaper_than_baseline": str(answered.break_even.cheaper) if answered else None,
        "break_even_requests_per_day": answered.break_even.requests_per_day if answered else None,
        "against_baseline": [comparison_object(each) for each in answered.comparisons] if answered else [],
    }


def _judgement_object(found: NonInferiority) -> dict[str, Any]:
    return {
        "baseline": share_object(found.first),
        "successor": share_object(found.second),
        "difference": asdict(found.difference),
        "p_value": found.p_value,
        "judged_together": found.of,
        "cases_needed": found.cases_needed,
        "broken": list(found.broken),
        "fixed": list(found.fixed),
    }


def _use_object(migration: Migration, option: Option) -> dict[str, Any]:
    seconds = option.series.all.seconds
    return {
        "median_seconds": seconds.median if seconds else None,
        "p95_seconds": seconds.p95 if seconds else None,
        "usd_per_request": option.usd_per_request,
        "hosting_usd_per_day": option.hosting_per_day,
        "usd_per_month": {
            str(number): migration.usd_per_month(option, number) for number in migration.requests_per_day
        },
    }
