"""`cancel` shows what it will end before it asks, and a name that fits several runs ends none."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from support.paid_host import PaidHost, paid_host
from support.project import Project

PAID = {"endpoint": 'endpoint = "paid"'}
GRID = "[sweep.space]\nn_epochs = [1, 2]\n"
VALIDATED = {"training_file": 'training_file = "train.jsonl"\nvalidation_file = "validation.jsonl"'}


@pytest.fixture
def host(project: Project) -> Iterator[PaidHost]:
    """A host whose jobs run until they are cancelled."""
    with paid_host() as served:
        served.configure(project.root)
        served.status = "running"
        project.write_job(**PAID)
        rows = (project.root / "jobs" / "train.jsonl").read_text()
        (project.root / "jobs" / "validation.jsonl").write_text(rows.replace("Switch on", "Light up"))
        yield served


def submitted(project: Project, *arguments: str) -> dict[str, object]:
    done = project.ftorch("submit", "jobs/greet.toml", "--yes", "--detach", *arguments)
    assert done.code == 0, done.err
    return project.status()[0]


def states(project: Project) -> list[object]:
    return [run["state"] for run in project.status()]


def test_it_shows_the_run_and_what_is_lost_before_it_asks(project: Project, host: PaidHost) -> None:
    run = submitted(project)
    asked = project.terminal("cancel", "greet", typed="n\n")
    # The terminal shows what is typed before, between or after these lines.
    lines = [line for line in asked.out.replace("\r", "").splitlines() if line not in ("n", "")]
    assert lines[0].startswith(f"run {run['run']} (greet) on paid: running, job {run['job_id']}")
    assert lines[1] == "What has been trained so far is lost."
    assert any(line.startswith(f"Cancel run {run['run']}?") for line in lines)
    assert (asked.code, states(project)) == (1, ["running"])
    assert project.terminal("cancel", "greet", typed="y\n").code == 0
    assert states(project) == ["cancelled"]


def test_the_older_unfinished_run_of_a_name_is_the_one_that_is_cancelled(project: Project, host: PaidHost) -> None:
    older = submitted(project)
    project.write_job(n_epochs="n_epochs = 2", **PAID)
    newer = submitted(project)
    project.ftorch("cancel", str(newer["run"]), "--yes")
    assert project.ftorch("cancel", "greet", "--yes").code == 0
    assert {run["run"]: run["state"] for run in project.status()}[older["run"]] == "cancelled"


@pytest.mark.parametrize("command", [("cancel", "--yes"), ("pause",), ("unpause",)])
def test_a_name_of_two_unfinished_runs_changes_neither(
    command: tuple[str, ...], project: Project, host: PaidHost
) -> None:
    submitted(project)
    project.write_job(n_epochs="n_epochs = 2", **PAID)
    submitted(project)
    refused = project.ftorch(*command, "greet")
    assert (refused.code, '"greet" is the name of several unfinished runs' in refused.err) == (2, True), refused.err
    for run in project.status():
        assert f"run {run['run']} on paid (running)" in " ".join(refused.err.split())
    assert states(project) == ["running", "running"]


def test_the_name_of_a_sweep_shows_and_cancels_its_unfinished_trials(project: Project, host: PaidHost) -> None:
    project.write_job(GRID, **PAID, **VALIDATED)
    submitted(project)
    asked = project.terminal("cancel", "greet", typed="n\n").out.replace("\r", "")
    assert "\nsweep greet on paid: 2 unfinished trials\n" in asked
    assert [f"run {run['run']} (greet) on paid: running" in asked for run in project.status()] == [True, True]
    assert "Cancel sweep greet?" in asked
    assert states(project) == ["running", "running"]
    refused = project.ftorch("pause", "greet")
    assert (refused.code, "is a sweep with 2 unfinished trials" in refused.err) == (2, True)
    done = project.ftorch("cancel", "greet", "--yes")
    assert (done.code, states(project)) == (0, ["cancelled", "cancelled"]), done.err
    again = project.ftorch("cancel", "greet", "--yes")
    assert (again.code, "The sweep greet has finished, so nothing was changed." in again.err) == (2, True)


def test_a_finished_run_is_refused_without_a_question(project: Project, host: PaidHost) -> None:
    submitted(project)
    project.ftorch("cancel", "greet", "--yes")
    again = project.terminal("cancel", "greet")
    assert (again.code, "Cancel run" in again.out) == (2, False)
