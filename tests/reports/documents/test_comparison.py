"""The document that compares runs: what differs is marked, what is the same is said."""

from __future__ import annotations

from collections.abc import Callable

from reports.documents.pages import self_contained

from orchestrator.api.reporting import ComparisonRecord, RunRecord
from orchestrator.ledger import RunDetails
from orchestrator.reports.charts.chart import Chart
from orchestrator.reports.documents.comparison import comparison_document
from orchestrator.reports.documents.html import page
from orchestrator.store.records import Metric
from orchestrator.store.runs import Run

MakeRun = Callable[..., Run]


def record(run: Run, metrics: list[Metric]) -> RunRecord:
    return RunRecord(RunDetails(run, [], metrics, []))


def asking(epochs: int, used: int | None = None) -> dict[str, object]:
    job = {"hyperparameters": {"n_epochs": used}} if used else None
    return {"method": {"type": "supervised", "hyperparameters": {"n_epochs": epochs}}, "remote_job": job}


def test_what_differs_is_marked_and_named(make_run: MakeRun) -> None:
    runs = [
        make_run(name="one", fine_tuned_model="model-1", **asking(3)),
        make_run(name="two", fine_tuned_model="model-2", training_sha256="b" * 64, **asking(4)),
    ]
    document = comparison_document(ComparisonRecord([record(run, []) for run in runs]))
    found = self_contained(page(document))
    assert document.lead == "Different data: its sha256; different settings: n_epochs."
    assert document.models == [("one", "model-1"), ("two", "model-2")]
    assert found.tags["mark"] == 2
    assert "No training step is measured yet." in found.text


def test_the_same_data_and_settings_are_said(make_run: MakeRun) -> None:
    runs = [make_run(**asking(3)), make_run(**asking(-1, used=3))]
    document = comparison_document(ComparisonRecord([record(run, []) for run in runs]))
    assert document.lead == "The same data; the same settings."
    assert "3 (asked: -1)" in self_contained(page(document)).text


def test_runs_of_one_name_are_told_apart_by_their_ids(make_run: MakeRun) -> None:
    document = comparison_document(
        ComparisonRecord([record(make_run(id="aaa"), []), record(make_run(id="bbb"), [])])
    )
    assert [name for name, _ in document.models] == ["drone aaa", "drone bbb"]


def test_losses_are_drawn_over_each_other_if_all_runs_have_them(make_run: MakeRun) -> None:
    one = [Metric("run", step, train_loss=1.0, valid_loss=0.5) for step in (1, 2)]
    two = [Metric("run", step, train_loss=2.0) for step in (1, 2, 3)]
    both = comparison_document(ComparisonRecord([record(make_run(), one), record(make_run(), two)]))
    assert [chart.title for chart in both.charts] == ["Training loss"]
    same = comparison_document(ComparisonRecord([record(make_run(), one), record(make_run(), one)]))
    assert [chart.title for chart in same.charts] == ["Validation loss", "Training loss"]
    assert all(isinstance(chart, Chart) and len(chart.lines) == 2 for chart in same.charts)


def test_a_spreadsheet_gets_a_row_for_each_run(make_run: MakeRun) -> None:
    runs = [make_run(cost_usd=1.5, **asking(3)), make_run(name="=1+1", **asking(2))]
    document = comparison_document(ComparisonRecord([record(run, []) for run in runs]))
    assert document.records is not None
    table = document.records()
    first, second = table.to_dicts()
    assert (first["n_epochs"], first["cost_usd"], second["cost_usd"]) == ("3", 1.5, None)
    assert "'=1+1" in table.to_csv()
