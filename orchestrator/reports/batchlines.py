"""A line for each batch of questions that is under way; loads no SDK, as `status` asks."""

from __future__ import annotations

from collections.abc import Sequence

from rich.text import Text

from orchestrator.reports.formats import count, printable
from orchestrator.store.batches import Batch


def batches_under_way(batches: Sequence[Batch]) -> Text:
    """What each is asked, and how far it is."""
    return Text("\n").join(Text(_line(batch)) for batch in batches)


def _line(batch: Batch) -> str:
    done = f"{count(batch.completed + batch.failed)} of {count(batch.questions)} answered"
    what = f"batch {batch.id} on {batch.endpoint}, {batch.model}: {batch.state}, {done}"
    return printable(f"{what}; ftorch resume follows it")
