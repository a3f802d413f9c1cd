"""Evaluations that follow a run by themselves where a notebook submits it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from support.project import Project, make_project

import orchestrator
from orchestrator.errors import CasesInTraining
from orchestrator.ledger import open_ledger
from orchestrator.store import evaluations as store
from orchestrator.store.evaluations import Evaluation

EVALUATION = '[evaluation]\nfile = "cases.jsonl"\nauto = true\nmodels = ["tuned"]\n'


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    found = make_project(tmp_path)
    monkeypatch.chdir(found.root)
    monkeypatch.setenv("HOME", str(found.root / "home"))
    return found


def write_cases(project: Project, *requests: str | None) -> None:
    """A case for each request; None: one that stands in training too."""
    trained = json.loads((project.root / "jobs" / "train.jsonl").read_text().splitlines()[0])
    rows = []
    for request in requests:
        row = json.loads(json.dumps(trained))
        row["messages"][0]["content"] = request or row["messages"][0]["content"]
        rows.append(json.dumps(row) + "\n")
    (project.root / "jobs" / "cases.jsonl").write_text("".join(rows))


def recorded(project: Project) -> Sequence[Evaluation]:
    with open_ledger(project.root) as ledger, ledger.database.read() as connection:
        return store.newest(connection, states=(store.WANTED, store.ASKING, store.DONE))


def test_a_submission_is_evaluated_by_itself_at_once_or_by_resume(project: Project) -> None:
    write_cases(project, "Switch on the light in the winter garden")
    job = project.write_job(EVALUATION)
    orchestrator.submit(job, follow=False)
    assert [each.state for each in recorded(project)] == ["wanted"]
    [run] = orchestrator.resume()
    assert [(each.state, each.run_id) for each in recorded(project)] == [("done", run.id)]
    again = orchestrator.submit(job, again=True)
    assert isinstance(again, orchestrator.Run)
    assert {each.run_id for each in recorded(project) if each.state == "done"} == {run.id, again.id}


def test_an_evaluation_that_could_not_be_carried_out_keeps_the_run_from_being_recorded(project: Project) -> None:
    write_cases(project, "Light up the winter garden", "Let the sauna shine", None)
    with pytest.raises(CasesInTraining):
        orchestrator.submit(project.write_job(EVALUATION))
    assert orchestrator.status() == []
