"""A migration as JUnit XML: `migrate --junit`. A test case for each successor, which fails if it does not pass."""

from __future__ import annotations

from collections.abc import Iterator

from orchestrator.evaluation.metrics import METRICS
from orchestrator.migration.plan import points
from orchestrator.migration.results import BASELINE, Judged, Migration, Outcome
from orchestrator.reports.junit import JUnitCase, JUnitSuite, Problem, classname
from orchestrator.reports.migration import difference, verdict_notes

_MOST_LISTED = 100
"""Broken cases that are named."""


def migration_suites(migration: Migration) -> list[JUnitSuite]:
    """One suite, with a case for each successor. One that has no answers is an error, not a failure."""
    plan = migration.plan
    cases = [_case(migration, judged) for judged in migration.judged]
    properties = {
        BASELINE: plan.baseline.model,
        "evaluation": plan.baseline.evaluation.id,
        "file_sha256": plan.baseline.evaluation.file_sha256,
        "metric": plan.metric,
        "margin": f"{plan.margin:g}",
    }
    return [JUnitSuite(f"{plan.job.name}: migration", lambda: cases, properties)]


def _case(migration: Migration, judged: Judged) -> JUnitCase:
    plan = migration.plan
    name = f"{judged.successor.target.written}: {METRICS[plan.metric].title}, {points(plan.margin)}"
    seconds = judged.answered.series.all.seconds if judged.answered else None
    return JUnitCase(
        name,
        classname(plan.job.name, "migration"),
        seconds.mean * seconds.count if seconds else None,
        _problem(migration, judged),
    )


def _problem(migration: Migration, judged: Judged) -> Problem | None:
    if judged.outcome is Outcome.NON_INFERIOR:
        return None
    found = judged.answered.judgement if judged.answered else None
    if found is None:
        return Problem(judged.outcome, judged.reason or "no case counts for the metric", is_error=True)
    message = f"{judged.outcome}: {difference(found)} points against the {BASELINE}"
    return Problem(judged.outcome, message, "\n".join(_lines(migration, judged)))


def _lines(migration: Migration, judged: Judged) -> Iterator[str]:
    own = f"{judged.label}: "
    yield from (note.removeprefix(own) for note in verdict_notes(migration) if note.startswith(own))
    broken = judged.answered.broken if judged.answered else ()
    yield from (f"broken: {each.case}: {each.difference}" for each in broken[:_MOST_LISTED])
    if len(broken) > _MOST_LISTED:
        yield f"… and {len(broken) - _MOST_LISTED:,} more"
