"""The document of a run: whole in any state, and safe whatever its records say."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from reports.documents.pages import Page, self_contained

from orchestrator.api.reporting import RunRecord
from orchestrator.config import EndpointConfig
from orchestrator.ledger import RunDetails
from orchestrator.reports.documents.html import page, section_html
from orchestrator.reports.documents.places import without_places
from orchestrator.reports.documents.run import run_document
from orchestrator.store.datachecks import DataCheck
from orchestrator.store.records import Checkpoint, Event, Metric
from orchestrator.store.runs import Run, Transition

HOSTILE = "<script>alert(1)</script>\u202e\x1b[31m\ud800{{ 7 * 7 }}"
TUNED = "ft:gpt-4.1-mini-2025-04-14:org:drone:abc"
OPENAI = EndpointConfig("openai", "openai", base_url="https://api.openai.com/v1", api_key_env="OPENAI_API_KEY")
Record = Callable[..., RunRecord]


@pytest.fixture
def record(make_run: Callable[..., Run]) -> Record:
    def make(config: EndpointConfig | None = OPENAI, text: str = "said", **columns: object) -> RunRecord:
        values = {"state": "succeeded", "finished_at": 5000.0, "fine_tuned_model": TUNED, "endpoint": "openai"}
        run = make_run(
            **{**values, "endpoint_type": "openai", "cost_usd": 1.25, "trained_tokens": 12_000, **columns}
        )
        history = [
            Transition(run.id, 1, None, "pending", text, 1000.0, None),
            Transition(run.id, 2, "pending", "failed", text, 1060.0, None),
        ]
        metrics = [Metric(run.id, step, 20, 2.0 / step, 0.5, 1.0, 0.6) for step in range(1, 21)]
        checkpoints = [Checkpoint(run.id, "c1", 10, f"{TUNED}:ckpt-{text}", {"full_valid_loss": 0.7}, 1030.0)]
        check = DataCheck("a" * 64, "training", "supervised", 20, 4000, "full", {"FT301": 2}, 1000.0)
        details = RunDetails(run, history, metrics, checkpoints, {"training": check})
        events = [Event(run.id, f"e{number}", 1000.0 + number, "info", None, text, None) for number in range(3)]
        return RunRecord(details, config, events, 3)

    return make


def test_a_run_is_told_whole(record: Record) -> None:
    run = self_contained(page(run_document(record())))
    for text in (
        "Run drone: succeeded",
        TUNED,
        "gpt-4.1-mini-2025-04-14",
        "Trained on openai in 1:06:39 for $1.25, validation loss 1.000.",
        "Loss and accuracy",
        f"{TUNED}:ckpt-said",
        "n_epochs 3",
        "2 × FT301",
        "20 examples, 4,000 tokens per epoch",
        "$20.00",
        "pending 1:00",
        "1970-01-01 00:17:40 UTC",
        "3 events",
        "client.chat.completions.create(",
    ):
        assert text in run.text, text
    assert run.tags["figure"] == 2


def test_models_are_named_before_everything_else(record: Record) -> None:
    text = page(run_document(record()))
    assert text.index(TUNED) < text.index("<section")


@pytest.mark.parametrize("state", ["pending", "running", "unknown", "paused", "failed", "cancelled"])
def test_a_run_without_a_result_says_why(record: Record, state: str) -> None:
    over = state in ("failed", "cancelled")
    columns = {
        "state": state,
        "finished_at": 1.0 if over else None,
        "fine_tuned_model": None,
        "reason": "no credit",
    }
    run = self_contained(page(run_document(record(**columns))))
    assert "no credit" in run.text
    assert "How to call it" not in run.text


def test_an_unmeasured_run_has_no_empty_chart(make_run: Callable[..., Run]) -> None:
    bare = RunRecord(RunDetails(make_run(), [], [], []), None)
    run = self_contained(page(run_document(bare)))
    assert "No training step is measured yet." in run.text
    assert run.tags["svg"] == run.tags["details"] == 0


@pytest.mark.parametrize("column", ["name", "reason", "model", "fine_tuned_model", "error_message", "endpoint"])
def test_what_comes_from_outside_stays_text(record: Record, column: str) -> None:
    text = page(run_document(record(text=HOSTILE, **{column: HOSTILE})))
    run = self_contained(text)
    assert "<script>alert(1)</script>" in run.text
    assert "{{ 7 * 7 }}" in run.text
    assert not {"\u202e", "\x1b", "\ud800"} & set(text)


def test_no_path_of_the_machine_is_in_it(record: Record, home: Path) -> None:
    made = record(
        text=f"read {home}/jobs/train.jsonl",
        job_file=f"{home}/jobs/drone.toml",
        training_path="/data/of/ann/train.jsonl",
        reason=f"see {Path.home()}/.cache/log and /data/of/ann/train.jsonl",
        state="failed",
    )
    text = page(without_places(run_document(made), home))
    assert str(home) not in text
    assert str(Path.home()) not in text
    assert "/data" not in text
    assert "jobs/drone.toml" in text
    assert "see ~/.cache/log and train.jsonl" in text


def test_a_page_of_the_project_gets_links_and_points(record: Record) -> None:
    document = run_document(record())
    sections = {each.key: each for each in document.sections}
    linked = section_html(sections["checkpoints"], lambda ref: f"/{ref.replace(':', '/', 1)}?a=1&b=2")
    assert f'href="/model/{TUNED}:ckpt-said?a=1&amp;b=2"' in linked
    live = section_html(sections["curves"], is_live=True)
    assert Page(live).tags["figure"] == live.count("data-chart=") == 2
    assert "data-chart" not in section_html(sections["curves"])


def test_a_file_that_would_be_too_large_leaves_out_rows_and_says_so(record: Record) -> None:
    made = record()
    events = [
        Event("run", f"e{number}", 1.0, "info", None, "a long message " * 200, None) for number in range(2000)
    ]
    text = page(run_document(RunRecord(made.details, None, events, 2000)))
    assert len(text.encode()) <= 2_000_000
    assert "further rows left out" in self_contained(text).text
