"""What sending runs to a tracker did."""

from __future__ import annotations

from typing import Any

from orchestrator.api.tracking import ExportOutcome
from orchestrator.export.destination import Result
from orchestrator.reports.text import plural, printable


def said(found: ExportOutcome) -> str:
    """`3 runs to http://127.0.0.1:5000, experiment ftorch: 1 created, 2 there already`."""
    there = found.counts.get(Result.SAME, 0) + found.skipped
    counted = [
        (found.counts.get(Result.NEW, 0), "created"),
        (found.counts.get(Result.CHANGED, 0), "updated"),
        (there, "there already"),
        (found.counts.get(Result.DELETED, 0), "deleted there and left out"),
        (len(found.failed), "refused"),
    ]
    total = sum(number for number, _ in counted)
    parts = ", ".join(f"{number:,} {what}" for number, what in counted if number) or "nothing to send"
    return f"{plural(total, 'run')} to {printable(found.destination)}: {parts}"


def outcome_object(found: ExportOutcome) -> dict[str, Any]:
    """The same for programs."""
    return {
        "destination": found.destination,
        "created": found.counts.get(Result.NEW, 0),
        "updated": found.counts.get(Result.CHANGED, 0),
        "unchanged": found.counts.get(Result.SAME, 0) + found.skipped,
        "deleted_there": found.counts.get(Result.DELETED, 0),
        "refused": list(found.failed),
    }
