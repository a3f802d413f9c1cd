"""The document of a sweep: whole while it runs and when it has failed, and small however many trials it has."""

from __future__ import annotations

import pytest
from reports.documents.pages import self_contained
from support.project import make_project
from support.sweeping import GRID, Sweeping

from orchestrator.api.reporting import CURVES, SweepRecord, sweep_record
from orchestrator.reports.charts.chart import Chart
from orchestrator.reports.charts.parallel import Parallel
from orchestrator.reports.documents.document import Document
from orchestrator.reports.documents.html import page
from orchestrator.reports.documents.sweep import sweep_document
from orchestrator.store.database import Database


@pytest.fixture
def sweeping(tmp_path, home, database: Database) -> Sweeping:
    project = make_project(tmp_path / "sweeping")
    rows = (project.root / "jobs" / "train.jsonl").read_text()
    (project.root / "jobs" / "valid.jsonl").write_text(
        rows.replace("Switch on the light in", "Make it bright around")
    )
    return Sweeping(project, database)


def record(sweeping: Sweeping) -> SweepRecord:
    found = sweep_record(sweeping.ledger, "greet")
    assert found is not None
    return found


def blocks(document: Document, kind: type) -> list[object]:
    return [block for section in document.sections for block in section.blocks if isinstance(block, kind)]


def test_a_sweep_is_ranked_with_its_curves_and_parameters(sweeping: Sweeping) -> None:
    trials = sweeping.trials(sweeping.submit())
    for trial, loss in zip(trials, (0.5, 0.25, 0.75), strict=True):
        sweeping.train(trial, {5: 1.0, 8: loss + 0.1}, 10)
        sweeping.score(trial, loss)
    document = sweep_document(record(sweeping))
    found = self_contained(page(document))
    assert document.models[0] == ("best", f"model-{trials[1].number}")
    for text in (
        "3 trials: 3 succeeded",
        "Best: n_epochs 2, with valid_loss 0.2500",
        "Effects",
        "Explains 100%",
    ):
        assert text in found.text, text
    [chart], [parallel] = blocks(document, Chart), blocks(document, Parallel)
    assert isinstance(chart, Chart)
    assert [(line.key, line.is_strong) for line in chart.lines][-1] == (trials[1].run_id, True)
    assert isinstance(parallel, Parallel)
    assert [course.values for course in parallel.courses] == [[3, 0.75], [1, 0.5], [2, 0.25]]
    assert document.records is not None
    assert [each["valid_loss"] for each in document.records().to_dicts()] == [0.5, 0.25, 0.75]


@pytest.mark.parametrize("space", [GRID, "[sweep.space]\nn_epochs = [1]"])
def test_a_sweep_without_a_result_says_so(sweeping: Sweeping, space: str) -> None:
    sweeping.submit(space)
    found = self_contained(page(sweep_document(record(sweeping))))
    assert "No trial has a result yet." in found.text
    assert "No training step is measured yet." in found.text
    assert found.tags["figure"] == 0


def test_failed_and_stopped_trials_have_their_reasons(sweeping: Sweeping) -> None:
    first, second, third = sweeping.trials(sweeping.submit())
    sweeping.score(first, 0.5)
    sweeping.end(second, "failed", reason="the file <b>is</b> bad")
    sweeping.end(third, "cancelled", reason="by the user")
    found = self_contained(page(sweep_document(record(sweeping))))
    assert "Failed: 1 trial" in found.text
    assert "the file <b>is</b> bad" in found.text
    assert "Cancelled: 1 trial" in found.text
    assert found.tags["b"] == 0


def test_a_sweep_of_1000_trials_stays_under_2_megabytes(sweeping: Sweeping) -> None:
    rates = ", ".join(f"{number / 1000}" for number in range(1, 501))
    axes = f"n_epochs = [1, 2]\nlearning_rate_multiplier = [{rates}]"
    submitted = sweeping.submit(f"[sweep.space]\n{axes}")
    trials = sweeping.trials(submitted)
    for trial in trials:
        sweeping.score(trial, 1.0 + trial.number / 1000)
    found = record(sweeping)
    assert len(found.metrics) == CURVES
    text = page(sweep_document(found))
    assert len(trials) == 1000
    assert len(text.encode()) <= 2_000_000
    assert f"{CURVES} of 1,000 trials" in self_contained(text).text
