"""What a notebook shows of plans, runs, sweeps and results."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from support.modelfolders import model_folder
from support.project import Project, make_project

import orchestrator
from orchestrator import notebook
from orchestrator.notebook.values import Run
from orchestrator.store import runs as store


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    found = make_project(tmp_path)
    monkeypatch.chdir(found.root)
    monkeypatch.setenv("HOME", str(found.root / "home"))
    return found


def write_sweep(project: Project) -> Path:
    """A job file of two trials, which are ranked by their validation loss."""
    rows = (project.root / "jobs" / "train.jsonl").read_text().splitlines()[:3]
    lines = "\n".join(rows).replace("Switch on the light in the", "Light up the") + "\n"
    (project.root / "jobs" / "validation.jsonl").write_text(lines)
    files = 'training_file = "train.jsonl"\nvalidation_file = "validation.jsonl"'
    return project.write_job("[sweep.space]\nn_epochs = [1, 2]\n", training_file=files)


def test_a_run_is_short_and_its_texts_are_escaped(make_run: Callable[..., store.Run]) -> None:
    recorded = make_run(name="<b>drone</b>", state="succeeded", finished_at=1.0, fine_tuned_model="ft:x&y")
    shown = Run.of(recorded)
    assert repr(shown) == f"<Run {recorded.id} <b>drone</b> on local: succeeded, ft:x&y>"
    assert "&lt;b&gt;drone&lt;/b&gt;" in shown._repr_html_()
    assert "ft:x&amp;y" in shown._repr_html_()
    assert "<b>" not in shown._repr_html_()
    assert isinstance(shown, store.Run)
    assert shown == Run.of(recorded)
    [row] = shown.to_dicts()
    assert (row["run"], row["fine_tuned_model"]) == (recorded.id, "ft:x&y")


def test_plan_takes_runs_and_sweeps(project: Project) -> None:
    planned = orchestrator.plan(project.write_job())
    assert repr(planned) == "<Plan greet on local: $0.00>"
    assert "<caption>Plan: greet on local</caption>" in planned._repr_html_()
    assert [row["examples"] for row in planned.to_dicts()] == [12]
    swept = orchestrator.plan(write_sweep(project))
    assert repr(swept) == "<SweepPlan greet on local: 2 trials, $0.00>"
    assert "<caption>Sweep: greet on local</caption>" in swept._repr_html_()
    assert [row["n_epochs"] for row in swept.to_dicts()] == [1, 2]


def test_a_sweep_and_its_evaluation_are_tables_and_rows(project: Project) -> None:
    swept = orchestrator.submit(write_sweep(project))
    assert repr(swept).startswith("<Sweep greet on local: 2 trials: 2 succeeded, best ft:")
    assert swept._repr_html_().count("<tr>") == 3
    assert [(row["trial"], row["n_epochs"], row["state"]) for row in swept.to_dicts()] == [
        (1, 1, "succeeded"),
        (2, 2, "succeeded"),
    ]
    case = (project.root / "jobs" / "train.jsonl").read_text().splitlines()[0].replace("Switch on", "Put on")
    (project.root / "jobs" / "cases.jsonl").write_text(case + "\n")
    results = orchestrator.evaluate(
        "gpt-4.1-mini", file="jobs/cases.jsonl", endpoint="local", models=["gpt-4.1-mini"]
    )
    assert repr(results).startswith("<Results of gpt-4.1-mini, 1 case: Call accuracy: ")
    assert "<table>" in results._repr_html_()
    [row] = results.to_dicts()
    assert (row["answers"], row["variant"]) == (1, "full")


def test_a_rescue_a_migration_and_costs_are_tables_and_rows(project: Project) -> None:
    case = (project.root / "jobs" / "train.jsonl").read_text().splitlines()[0].replace("Switch on", "Put on")
    (project.root / "jobs" / "cases.jsonl").write_text(case + "\n")
    orchestrator.submit(project.write_job('[evaluation]\nfile = "cases.jsonl"\nmodels = ["tuned"]\nauto = true\n'))
    kept = notebook.rescue("local", "rescued", answers=True)
    assert repr(kept) == "<Rescued from local in rescued: 1 job, 2 models, 0 missing>"
    assert "<caption>Rescued from local</caption>" in kept._repr_html_()
    assert kept.baseline is not None
    assert len(kept.baseline.done) == 1
    assert {row["job"] for row in kept.to_dicts()} == set(kept.job_files)
    [job_file] = kept.job_files.values()
    found = orchestrator.migrate(job_file, ["local:another-model"], margin=99.5)
    assert repr(found).startswith("<Migration of greet: ")
    assert "<caption>Call accuracy</caption>" in found._repr_html_()
    assert [row["model"] for row in found.to_dicts()] == [found.judged[0].model]
    spent = orchestrator.cost("kind")
    assert repr(spent) == "<Costs by kind: $0.00 in all>"
    assert {row["group"] for row in spent.to_dicts()} == {"training", "evaluation"}
    assert "training" in spent._repr_html_()
    with pytest.raises(ValueError, match="colour"):
        orchestrator.cost("colour")


def test_a_preview_has_what_is_learned_apart(project: Project, tmp_path: Path) -> None:
    folder = model_folder(tmp_path / "small", max_position_embeddings=4096)
    shown = orchestrator.preview(project.root / "jobs" / "train.jsonl", model=str(folder), line=2)
    assert "train.jsonl:2 for small: All 12 rows can be rendered" in repr(shown)
    learned = [row for row in shown.to_dicts() if row["learned"]]
    assert "light_room" in learned[0]["text"]
    assert shown._repr_html_().count("<b>") == len(learned)
    assert "EACH SEQUENCE" in shown._repr_html_()
