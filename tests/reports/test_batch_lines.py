"""What is shown of batches that wait."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
from rich.console import Console

from orchestrator.reports import progress
from orchestrator.reports.progress import batch_progress, batches_under_way
from orchestrator.store.batches import Batch

LIMIT = "host is at a limit (slow down); asking again at 14:05:00"


def batch(**changes: object) -> Batch:
    given: dict[str, object] = {"state": "creating", "reason": LIMIT, **changes}
    empty = Batch("b1", "host", "gpt-x", "in.jsonl", "0" * 64, 5, "uploading", "recorded", 1, 0.0, 0.0)
    return replace(empty, **given)  # type: ignore[arg-type]


def test_a_wait_is_a_line_once_and_says_until_when(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = io.StringIO()
    polled = batch(state="waiting", remote_status="in_progress", reason="in_progress on the endpoint")
    with batch_progress(Console(file=shown, width=200)) as listener:
        listener.changed(batch(reason="file uploaded; creating the batch"))
        listener.changed(batch())
        listener.changed(batch())
        listener.changed(batch(reason="another reason, at once"))
        listener.changed(polled)
        listener.changed(polled)
        monkeypatch.setattr(progress, "_LINE_SECONDS", 0.0)
        listener.changed(replace(polled, reason="waiting for host: it is away"))
    assert shown.getvalue().splitlines() == [
        "batch b1: 5 questions, creating: file uploaded; creating the batch",
        f"batch b1: {LIMIT}",
        "batch b1: 5 questions, waiting: in_progress on the endpoint",
        "batch b1: waiting for host: it is away",
    ]


def test_status_says_what_a_batch_waits_for_and_what_to_do_about_an_unknown_one() -> None:
    assert str(batches_under_way([batch()])) == (
        f"batch b1 on host, gpt-x: creating, 0 of 5 answered ({LIMIT}); ftorch resume follows it"
    )
    unknown = batch(state="unknown", reason="not shown; ftorch cancel b1 gives it up")
    assert str(batches_under_way([unknown])).endswith(
        "unknown, 0 of 5 answered; not shown; ftorch cancel b1 gives it up"
    )
