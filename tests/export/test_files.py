"""Runs as CSV, JSON lines and Parquet: a row for each run or step, harmless in a spreadsheet, never half a file."""

from __future__ import annotations

import csv
import io
import json
import sys
from pathlib import Path

import pytest
from support.project import Project

from orchestrator.errors import OutputUnwritable, ParquetMissing
from orchestrator.export.files import write_file
from orchestrator.export.rows import Row


def export(project: Project, *arguments: str) -> str:
    done = project.ftorch("runs", "export", *arguments)
    assert done.code == 0, done.err
    return done.out


def test_a_row_has_what_people_compare_runs_by(trained: Project) -> None:
    rows = [json.loads(line) for line in export(trained, "jsonl").splitlines()]
    shown = {row["run"]: row for row in trained.status()}
    assert [row["trial"] for row in rows] == [1, 2]
    for row in rows:
        run = json.loads(trained.ftorch("show", str(row["run"]), "--json").out)
        assert row["model"] == shown[row["run"]]["fine_tuned_model"]
        assert row["training_file"] == "jobs/train.jsonl"
        assert len(row["training_sha256"]) == 64
        assert row["asked.n_epochs"] == row["used.n_epochs"] == row["trial"]
        assert (row["asked.batch_size"], type(row["used.batch_size"])) == ("auto", int)
        assert (row["tag.team"], row["user"]) == ("flight", "ada")
        assert row["train_loss"] == run["metrics"][-1]["train_loss"]
        assert row["steps"] == run["metrics"][-1]["step"]
        assert 0 <= row["evaluation.call_accuracy"] <= 1
        assert row["cost_usd"] == 0
    text = json.dumps(rows)
    assert str(trained.root) not in text.replace(json.dumps([row["reason"] for row in rows]), "")


def test_the_formats_say_the_same(trained: Project, tmp_path: Path) -> None:
    from pyarrow import parquet

    rows = [json.loads(line) for line in export(trained, "jsonl").splitlines()]
    table = list(csv.DictReader(io.StringIO(export(trained, "csv"))))
    export(trained, "parquet", "-o", str(tmp_path / "runs.parquet"))
    typed = parquet.read_table(tmp_path / "runs.parquet").to_pylist()
    assert typed == rows
    for row, texts in zip(rows, table, strict=True):
        assert texts.keys() == row.keys()
        assert texts["train_loss"] == str(row["train_loss"])
        assert texts["archived"] == "false"
        assert texts["tag.formula"] == "'=1+1"
        assert row["tag.formula"] == "=1+1"


def test_steps_have_a_row_each(trained: Project) -> None:
    steps = list(csv.DictReader(io.StringIO(export(trained, "csv", "--metrics", "greet"))))
    per_run = {row["run"]: row["steps"] for row in map(json.loads, export(trained, "jsonl").splitlines())}
    assert len(steps) == sum(per_run.values())
    assert list(steps[0])[:4] == ["run", "name", "step", "total_steps"]


def test_one_run_can_be_named_and_a_wrong_name_is_said(trained: Project) -> None:
    run = trained.status()[0]["run"]
    [row] = [json.loads(line) for line in export(trained, "jsonl", str(run)).splitlines()]
    assert row["run"] == run
    assert len(export(trained, "jsonl", "--tag", "team=flight", "--state", "succeeded").splitlines()) == 2
    assert export(trained, "jsonl", "--state", "failed") == ""
    newest, oldest = [json.loads(line)["trial"] for line in export(trained, "jsonl", "--reverse").splitlines()]
    assert newest > oldest
    both = trained.ftorch("runs", "export", "csv", str(run), "--state", "failed")
    assert both.code == 2
    assert "not both" in both.err
    wrong = trained.ftorch("runs", "export", "csv", "nothing")
    assert wrong.code == 2
    assert "nothing" in wrong.err


def test_without_runs_there_is_a_heading(project: Project) -> None:
    assert export(project, "jsonl") == ""
    assert export(project, "csv", "--metrics").startswith("run,name,step,")


def test_a_file_is_replaced_only_with_force(trained: Project, tmp_path: Path) -> None:
    target = tmp_path / "runs.csv"
    done = trained.ftorch("runs", "export", "csv", "-o", str(target))
    assert done.err == f"Wrote {target}: 2 rows\n"
    kept = target.read_text()
    again = trained.ftorch("runs", "export", "jsonl", "-o", str(target))
    assert again.code == 2
    assert "already exists" in again.err
    assert target.read_text() == kept
    assert trained.ftorch("runs", "export", "jsonl", "-o", str(target), "--force").code == 0
    assert target.read_text().startswith("{")
    assert trained.ftorch("runs", "export", "parquet").code == 2
    nowhere = trained.ftorch("runs", "export", "csv", "-o", str(tmp_path / "no" / "runs.csv"))
    assert nowhere.code == 1
    assert "can't be written" in nowhere.err


def test_a_write_that_fails_leaves_no_file(tmp_path: Path) -> None:
    def broken():
        yield {"run": "a"}
        raise OSError(28, "No space left on device")

    with pytest.raises(OutputUnwritable, match="No space left"):
        write_file(broken(), "jsonl", tmp_path / "runs.jsonl")
    assert list(tmp_path.iterdir()) == []


def test_without_pyarrow_the_command_to_install_it_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(ParquetMissing, match="install"):
        write_file([{"run": "a"}], "parquet", tmp_path / "runs.parquet")


def test_a_column_of_texts_and_numbers_becomes_text(tmp_path: Path) -> None:
    from pyarrow import parquet

    rows: list[Row] = [{"a": "auto", "b": 1, "c": None}, {"a": 3, "b": 0.5, "c": None}]
    write_file(rows, "parquet", tmp_path / "x.parquet")
    assert parquet.read_table(tmp_path / "x.parquet").to_pydict() == {
        "a": ["auto", "3"],
        "b": [1.0, 0.5],
        "c": [None, None],
    }


def test_no_text_is_a_formula_or_begins_a_row(tmp_path: Path) -> None:
    rows: list[Row] = [
        {"=name": '=HYPERLINK("http://x")', "b": "@SUM(1)", "c": "a\rb", "d": "\ud800", "e": "-1", "f": -1.5}
    ]
    write_file(rows, "csv", tmp_path / "x.csv")
    content = (tmp_path / "x.csv").read_text()
    assert "\r" not in content
    heading, row = csv.reader(io.StringIO(content))
    assert heading[0] == "'=name"
    assert row == ['\'=HYPERLINK("http://x")', "'@SUM(1)", "a\nb", "?", "'-1", "-1.5"]
