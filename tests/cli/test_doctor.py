"""`adopt` and `doctor`: jobs that a script made, files nobody needs, runs whose job is gone."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from support.command import like_a_process
from support.contents import content_of
from support.project import Project

from orchestrator.config import EndpointConfig
from orchestrator.endpoints import open_endpoint
from orchestrator.endpoints.interface import JobRequest, RemoteJob
from orchestrator.engine.worker import run_blocking

LOCAL = EndpointConfig("local", "local", poll_seconds=0.05)


def job_made_by_a_script(project: Project, sent_name: str = "train.jsonl", **metadata: str) -> RemoteJob:
    """A finished job on the project's local endpoint that its ledger knows nothing of."""

    async def make() -> RemoteJob:
        async with open_endpoint(LOCAL, project.root / ".ftorch") as endpoint:
            path = project.root / "jobs" / "train.jsonl"
            file = await endpoint.upload(content_of(path), sent_name)
            method = {"type": "supervised", "hyperparameters": {"n_epochs": 1}}
            request = JobRequest("gpt-4.1-mini", file.id, None, method, 1, "script", metadata, "01T")
            job = await endpoint.create(request)
            while job.status not in ("succeeded", "failed"):
                job = await endpoint.job(job.id)
            return job

    with like_a_process():
        return run_blocking(make)


def answered(project: Project, answers: str, *arguments: str) -> str:
    """What `ftorch` says at a terminal whose user types `answers`."""
    return project.terminal(*arguments, typed=answers).out


def test_adopting_records_the_job_with_all_it_left_and_twice_changes_nothing(project: Project) -> None:
    job = job_made_by_a_script(project)
    first = project.ftorch("adopt", job.id)
    second = project.ftorch("adopt", "--all")
    assert first.code == second.code == 0, first.err + second.err
    assert "adopted as run" in first.out
    assert "is already run" in second.out
    [run] = project.status()
    assert run["name"] == "script"
    assert run["state"] == "succeeded"
    assert run["fine_tuned_model"] == job.fine_tuned_model
    assert "completed" in project.ftorch("logs", str(run["run"])).out
    assert run["step"] == run["total_steps"]


def test_adopting_needs_jobs_and_names_an_unknown_one(project: Project) -> None:
    assert project.ftorch("adopt").code == 2
    done = project.ftorch("adopt", "ftjob-nothere")
    assert done.code == 1
    assert "ftjob-nothere" in done.err


def test_a_healthy_ledger_has_no_findings(project: Project) -> None:
    project.ftorch("submit", "jobs/greet.toml")
    done = project.ftorch("doctor")
    assert done.code == 0, done.out
    assert "agree" in done.err


def test_doctor_finds_an_unknown_job_and_adopts_it_after_a_yes(project: Project) -> None:
    job = job_made_by_a_script(project)
    told = project.ftorch("doctor")
    assert told.code == 1
    assert job.id in told.out
    assert project.ftorch("doctor", "--fix").code == 1, "no terminal, no remedy"
    assert project.status() == []
    assert "adopted as run" in answered(project, "y\n", "doctor", "--fix")
    assert len(project.status()) == 1


def test_a_no_changes_nothing(project: Project) -> None:
    job_made_by_a_script(project)
    answered(project, "n\n", "doctor", "--fix")
    assert project.status() == []


def test_doctor_finds_a_file_that_nothing_needs(project: Project) -> None:
    job_made_by_a_script(project, sent_name="ftorch-0123456789abcdef-train.jsonl")
    project.ftorch("adopt", "--all")
    told = project.ftorch("doctor")
    assert "ftorch-0123456789abcdef-train.jsonl" in told.out
    assert "deleted" in answered(project, "y\n", "doctor", "--fix")
    assert project.ftorch("doctor").code == 0


def test_doctor_finds_a_run_whose_job_is_gone(project: Project) -> None:
    project.ftorch("submit", "jobs/greet.toml")
    with closing(sqlite3.connect(_database(project))) as connection, connection:
        connection.execute("UPDATE runs SET state = 'running', finished_at = NULL, job_id = 'ftjob-gone'")
    told = project.ftorch("doctor")
    assert "ftjob-gone, which local no longer knows" in told.out
    said = answered(project, "y\n", "doctor", "--fix")
    states = {run["state"] for run in project.status()}
    assert "failed" in states, said


def _database(project: Project) -> Path:
    return project.root / ".ftorch" / "ftorch.db"
