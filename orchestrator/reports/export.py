"""What an export wrote: for people, and as an object for programs."""

from __future__ import annotations

from typing import Any

from rich.console import Console

from orchestrator.api.export import Export, Exported
from orchestrator.api.tracking import ExportOutcome
from orchestrator.export.destination import Result
from orchestrator.reports.table import Column, Fit, Number, Table, row
from orchestrator.reports.text import plural, print_wrapped, printable


def print_export(export: Export, written: Exported, console: Console) -> None:
    """The folder, its files, and what to check before sharing it."""
    console.print(printable(f"{export.model.name} → {written.folder}"), soft_wrap=True)
    columns = [Column("", "file", Fit.FOLD), Column("", "bytes", Fit.LINE, is_number=True)]
    rows = [row(f"  {printable(name)}", Number(_size(size), value=size)) for name, size in written.files]
    console.print(Table(columns, rows, has_headings=False))
    if export.base.license is None:
        text = f"The folder of {printable(export.base.name)} names no license: check it before you share the model."
        print_wrapped(text, console, indent="", hanging="")


def export_object(export: Export, written: Exported, *, merged: bool) -> dict[str, Any]:
    """What `models export --json` prints."""
    base = export.base
    return {
        "folder": str(written.folder),
        "model": export.model.name,
        "run": export.run.id if export.run else None,
        "base_model": base.name,
        "hub_id": base.hub_id,
        "license": base.license.id if base.license else None,
        "merged": merged,
        "evaluations": [results.evaluation.id for results in export.results],
        "bytes": written.bytes,
        "files": [{"name": name, "bytes": size} for name, size in written.files],
    }


def _size(size: int) -> str:
    return f"{size / 1e6:,.1f} MB" if size >= 1e5 else f"{size:,} bytes"


# --- Runs sent to a tracker ---------------------------------------------------------------------------------------


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
