"""Whom a chat is with, by job file, run or model."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from support.project import make_project
from support.sweeping import Sweeping

from orchestrator.chat.targets import find_target
from orchestrator.errors import NothingToEvaluate, NoTunedModel, SeveralModels
from orchestrator.store import runs as run_store
from orchestrator.store.database import Database
from orchestrator.store.runs import Run

EVALUATION = '[evaluation]\nfile = "train.jsonl"\nrejection_tools = ["decline"]\n'


@pytest.fixture
def made(tmp_path: Path, database: Database) -> Sweeping:
    project = make_project(tmp_path / "project")
    training = (project.root / "jobs" / "train.jsonl").read_text()
    (project.root / "jobs" / "valid.jsonl").write_text(training.replace("Switch on", "Put on"))
    return Sweeping(project, database)


def test_run_model_and_job_file_lead_to_the_same_partner(made: Sweeping, make_run: Callable[..., Run]) -> None:
    job = made.project.write_job(EVALUATION)
    run = make_run(name="greet", job_file=str(job), state="succeeded", fine_tuned_model="ft:x", finished_at=1.0)
    with made.database.write() as connection:
        run_store.add(connection, run, "recorded")
    found = [find_target(made.ledger, target) for target in ("greet", run.id, str(job))]
    assert {each.model for each in found} == {"ft:x"}
    assert [each.run.id if each.run else None for each in found] == [run.id] * 3
    assert all(each.rejection_tools == {"decline"} for each in found)
    assert not found[0].is_new


def test_a_model_that_nobody_trained_needs_its_endpoint(made: Sweeping) -> None:
    with pytest.raises(NothingToEvaluate, match="--endpoint NAME"):
        find_target(made.ledger, "gpt-4.1-mini")
    target = find_target(made.ledger, "gpt-4.1-mini", "local")
    assert (target.model, target.config.name, target.run) == ("gpt-4.1-mini", "local", None)


def test_a_job_without_a_model_is_to_be_trained_first(made: Sweeping) -> None:
    with pytest.raises(NoTunedModel) as caught:
        find_target(made.ledger, str(made.project.write_job()))
    assert str(caught.value).endswith("jobs/greet.toml")
    assert "--models" not in str(caught.value)


def test_a_sweep_is_not_one_partner(made: Sweeping) -> None:
    submitted = made.submit()
    for trial in made.trials(submitted):
        made.score(trial, 0.1)
    with pytest.raises(SeveralModels, match="ftorch sweep best greet"):
        find_target(made.ledger, "greet")
