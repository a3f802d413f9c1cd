"""What shorter tool definitions save."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from rich.console import Console
from rich.table import Table

from orchestrator.dataset.shorten import Shortened
from orchestrator.reports.formats import count, printable


def print_shortened(done: Sequence[Shortened], console: Console) -> None:
    """Print one line for each file: its prompt tokens before and after, and the share saved."""
    variants = f"{done[0].variant_before} → {done[0].variant}"
    console.print(f"Prompt tokens of a request (an estimate), with definitions {variants}")
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("WROTE", overflow="fold")
    for heading in ("EXAMPLES", "MEAN", "P95", "SAVED"):
        table.add_column(heading, justify="right", no_wrap=True)
    for each in done:
        table.add_row(
            printable(str(each.target)),
            count(each.examples),
            f"{each.before.mean:,.1f} → {each.after.mean:,.1f}",
            f"{each.before.p95:,} → {each.after.p95:,}",
            f"{each.saved:.1%}",
        )
    console.print(table)


def shortened_object(done: Shortened) -> dict[str, Any]:
    """One shortened file for programs; `saved` is a share from 0 to 1."""
    return {
        "source": str(done.source),
        "target": str(done.target),
        "examples": done.examples,
        "variant_before": done.variant_before,
        "variant": done.variant,
        "prompt_tokens_before": asdict(done.before),
        "prompt_tokens_after": asdict(done.after),
        "saved": round(done.saved, 4),
    }
