"""What an export wrote: for people, and as an object for programs."""

from __future__ import annotations

from typing import Any

from rich.console import Console

from orchestrator.api.export import Export, Exported
from orchestrator.reports.table import Column, Fit, Number, Table, row
from orchestrator.reports.text import print_wrapped, printable


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
