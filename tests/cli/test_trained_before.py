"""The same content under another name is not paid for unasked, and a consent holds for the plan that was shown."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from support.paid_host import PaidHost, paid_host
from support.project import Project

import orchestrator
from orchestrator.api import submit
from orchestrator.errors import TrainedBefore
from orchestrator.notebook.values import Plan, SweepPlan

PAID = {"endpoint": 'endpoint = "paid"'}
OTHER = {**PAID, "name": 'name = "other"'}
GRID = "[sweep.space]\nn_epochs = [1, 2]\n"
VALIDATED = {"training_file": 'training_file = "train.jsonl"\nvalidation_file = "validation.jsonl"'}


@pytest.fixture
def host(project: Project) -> Iterator[PaidHost]:
    """A host under two names, on which the project's job file has been trained."""
    with paid_host() as served:
        served.configure(project.root, "paid", "alias")
        rows = (project.root / "jobs" / "train.jsonl").read_text().splitlines(keepends=True)
        (project.root / "jobs" / "validation.jsonl").write_text("".join(rows[:3]).replace("Switch on", "Put on"))
        project.write_job(**PAID)
        assert project.ftorch("submit", "jobs/greet.toml", "--yes").code == 0
        yield served


def plan(project: Project) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(project.ftorch("submit", "jobs/greet.toml", "--dry-run", "--json").out)
    return found


def convert_lines(path: Path) -> None:
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))


def same_name(project: Project) -> None:
    project.write_job(**OTHER)


def same_alias(project: Project) -> None:
    project.write_job(endpoint='endpoint = "alias"')


def same_alias_renamed(project: Project) -> None:
    path = project.root / "ftorch.toml"
    path.write_text(path.read_text().replace("[endpoints.paid]", "[endpoints.renamed]"))
    project.write_job(endpoint='endpoint = "renamed"')


def same_metadata(project: Project) -> None:
    project.write_job('[metadata]\nteam = "a"\n', **PAID)


def same_suffix(project: Project) -> None:
    project.write_job(**PAID, model='model = "gpt-4.1-mini-2025-04-14"\nsuffix = "mine"')


def same_lines(project: Project) -> None:
    convert_lines(project.root / "jobs" / "train.jsonl")


def same_lines_without_the_last_end(project: Project) -> None:
    path = project.root / "jobs" / "train.jsonl"
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().rstrip(b"\n"))


SAME = [
    same_name,
    same_alias,
    same_alias_renamed,
    same_metadata,
    same_suffix,
    same_lines,
    same_lines_without_the_last_end,
]


@pytest.mark.parametrize("change", SAME)
def test_the_same_content_in_other_words_is_named_and_not_paid_unasked(
    change: Any, project: Project, host: PaidHost
) -> None:
    [first] = project.status()
    change(project)
    [named] = plan(project)["trained_before"]
    assert (named["run"], named["model"]) == (first["run"], first["fine_tuned_model"])
    shown = project.ftorch("submit", "jobs/greet.toml", "--dry-run")
    said = f"trained before as run {first['run']} (greet) on paid, model {first['fine_tuned_model']}"
    assert (shown.code, said in shown.err) == (0, True), shown.err
    refused = project.ftorch("submit", "jobs/greet.toml", "--yes")
    assert (refused.code, refused.out, len(host.jobs)) == (4, "", 1)
    assert f"{said}. Nothing was submitted. To train it again" in refused.err
    assert len(project.status()) == 1


@pytest.mark.parametrize(
    "change",
    [
        {"n_epochs": "n_epochs = 2"},
        {"model": 'model = "gpt-4.1-mini-2025-04-14"\nseed = 5'},
        {"model": 'model = "gpt-4.1-2025-04-14"'},
        VALIDATED,
    ],
    ids=str,
)
def test_other_content_is_paid_for_with_yes(change: dict[str, str], project: Project, host: PaidHost) -> None:
    project.write_job(**PAID, **change)
    assert plan(project)["trained_before"] == []
    done = project.ftorch("submit", "jobs/greet.toml", "--yes")
    assert (done.code, len(host.jobs)) == (0, 2), done.err


def test_another_host_is_another_account(project: Project, host: PaidHost) -> None:
    with paid_host() as second:
        text = (project.root / "ftorch.toml").read_text()
        second.configure(project.root, "second")
        (project.root / "ftorch.toml").write_text(text + (project.root / "ftorch.toml").read_text())
        project.write_job(endpoint='endpoint = "second"')
        assert project.ftorch("submit", "jobs/greet.toml", "--yes").code == 0
        assert len(second.jobs) == 1


def test_again_trains_it_once_more_and_yes_is_still_asked_for(project: Project, host: PaidHost) -> None:
    project.write_job(**OTHER)
    asked = project.ftorch("submit", "jobs/greet.toml", "--again")
    assert (asked.code, "add --yes" in asked.err) == (4, True)
    done = project.ftorch("submit", "jobs/greet.toml", "--again", "--yes")
    assert (done.code, len(host.jobs)) == (0, 2), done.err


@pytest.mark.parametrize(("typed", "code", "jobs"), [("n\n", 1, 1), ("y\n", 0, 2)])
def test_a_terminal_is_asked_also_with_yes(
    typed: str, code: int, jobs: int, project: Project, host: PaidHost
) -> None:
    project.write_job(**OTHER)
    done = project.terminal("submit", "jobs/greet.toml", "--yes", typed=typed)
    assert (done.code, len(host.jobs)) == (code, jobs), done.out
    assert done.out.count("[y/N]") == 1


def test_what_is_being_trained_counts_and_what_failed_does_not(project: Project, host: PaidHost) -> None:
    host.status = "failed"
    project.write_job(**OTHER, n_epochs="n_epochs = 2")
    assert project.ftorch("submit", "jobs/greet.toml", "--yes").code == 1
    project.write_job(**PAID, n_epochs="n_epochs = 2", name='name = "third"')
    assert plan(project)["trained_before"] == []
    host.status = "running"
    assert project.ftorch("submit", "jobs/greet.toml", "--yes", "--detach").code == 0
    project.write_job(**PAID, n_epochs="n_epochs = 2", name='name = "fourth"')
    refused = project.ftorch("submit", "jobs/greet.toml", "--yes")
    assert (refused.code, "was being trained as run" in refused.err) == (4, True)


def test_a_free_endpoint_names_it_and_trains_it(project: Project) -> None:
    project.ftorch("submit", "jobs/greet.toml")
    project.write_job(name='name = "other"')
    done = project.ftorch("submit", "jobs/greet.toml")
    assert (done.code, "trained before as run" in done.err) == (0, True)
    assert len(project.status()) == 2


def test_an_adopted_job_is_known_by_its_file_and_differing_hyperparameters_are_shown(
    project: Project, host: PaidHost
) -> None:
    shutil.rmtree(project.root / ".ftorch")
    assert project.ftorch("adopt", "--all", "--endpoint", "paid").code == 0
    project.write_job(**OTHER, n_epochs="n_epochs = 2")
    refused = project.ftorch("submit", "jobs/greet.toml", "--yes")
    assert refused.code == 4, refused.err
    assert "n_epochs 1 there, 2 here" in refused.err
    [named] = plan(project)["trained_before"]
    assert named["differs"] == ["n_epochs 1 there, 2 here"]
    project.write_job(**OTHER, model='model = "gpt-4.1-2025-04-14"')
    assert plan(project)["trained_before"] == []


def test_a_notebook_is_refused_too_and_says_again(
    project: Project, host: PaidHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = project.write_job(**OTHER)
    with project.entered():
        with pytest.raises(TrainedBefore, match="again=True"):
            orchestrator.submit(job)
        run = orchestrator.submit(job, again=True)
    assert isinstance(run, orchestrator.Run)
    assert (run.state, len(host.jobs)) == ("succeeded", 2)


# --- sweeps ------------------------------------------------------------------------------------------------------


def test_a_trial_that_another_run_has_trained_is_not_paid_unasked(project: Project, host: PaidHost) -> None:
    project.write_job(**OTHER, **VALIDATED)
    assert project.ftorch("submit", "jobs/greet.toml", "--yes").code == 0
    paid = len(host.jobs)
    project.write_job(GRID, **PAID, **VALIDATED, name='name = "grid"')
    [named] = plan(project)["trained_before"]
    assert (named["trial"], named["name"]) == (1, "other")
    refused = project.ftorch("submit", "jobs/greet.toml", "--yes")
    assert (refused.code, len(host.jobs)) == (4, paid)
    assert "The same content as trial 1 was trained before as run" in refused.err
    assert project.ftorch("submit", "jobs/greet.toml", "--yes", "--again").code == 0
    assert len(host.jobs) == paid + 2
    assert project.ftorch("submit", "jobs/greet.toml", "--yes").code == 0, "its own trials are found"
    assert len(host.jobs) == paid + 2


def test_repeats_of_a_point_are_no_reason_to_ask(project: Project, host: PaidHost) -> None:
    project.write_job(GRID, **PAID, **VALIDATED, name='name = "grid"')
    assert project.ftorch("submit", "jobs/greet.toml", "--yes").code == 0
    project.write_job("[sweep]\nseeds = 2\n" + GRID, **PAID, **VALIDATED, name='name = "grid"')
    assert project.ftorch("submit", "jobs/greet.toml", "--yes").code == 0
    assert len(host.jobs) == 5


def test_trials_whose_metadata_was_edited_are_not_paid_unasked(project: Project, host: PaidHost) -> None:
    project.write_job(GRID, **PAID, **VALIDATED, name='name = "grid"')
    assert project.ftorch("submit", "jobs/greet.toml", "--yes").code == 0
    project.write_job('[metadata]\nteam = "a"\n' + GRID, **PAID, **VALIDATED, name='name = "grid"')
    refused = project.ftorch("submit", "jobs/greet.toml", "--yes")
    assert (refused.code, "(2 trials were trained before in all)" in refused.err) == (4, True), refused.err
    assert len(host.jobs) == 3


def test_what_tpe_may_draw_again_is_named_and_not_paid_unasked(project: Project, host: PaidHost) -> None:
    pytest.importorskip("optuna")
    tpe = "[sweep]\nstrategy = 'tpe'\ntrials = 2\n[sweep.space]\nn_epochs = { low = 1, high = 3 }\n"
    project.write_job(tpe, **PAID, **VALIDATED, n_epochs="", name='name = "drawn"')
    assert project.ftorch("submit", "jobs/greet.toml", "--yes").code == 0
    assert project.ftorch("submit", "jobs/greet.toml", "--yes").code == 0, "its own trials are found"
    project.write_job(tpe, **PAID, **VALIDATED, n_epochs="", name='name = "renamed"')
    refused = project.ftorch("submit", "jobs/greet.toml", "--yes")
    assert (refused.code, len(host.jobs)) == (4, 3), refused.err
    assert "a trial that may be drawn was trained before as run" in refused.err
    assert project.ftorch("submit", "jobs/greet.toml", "--yes", "--again").code == 0


# --- the budget, and what was agreed to --------------------------------------------------------------------------


@pytest.mark.parametrize("sweep", ["", GRID], ids=["run", "sweep"])
def test_a_plan_over_its_cap_says_so(sweep: str, project: Project, host: PaidHost) -> None:
    cap = "2.0" if sweep else "0.01"
    project.write_job(f"{sweep}[limits]\nmax_cost_usd = {cap}\n", **OTHER, **VALIDATED)
    shown = project.ftorch("submit", "jobs/greet.toml", "--dry-run")
    assert (shown.code, "max_cost_usd is $" in shown.err) == (0, True), shown.err
    assert "max_cost_usd is $" in plan(project)["over_budget"]


def test_a_plan_within_its_cap_says_nothing_of_it(project: Project, host: PaidHost) -> None:
    project.write_job("[limits]\nmax_cost_usd = 50.0\n", **OTHER)
    assert plan(project)["over_budget"] is None


def test_a_cap_that_was_raised_is_agreed_to_anew(project: Project, host: PaidHost) -> None:
    limits = "[limits]\nmax_cost_usd = {}\n"
    project.write_job(limits.format("0.01"), **OTHER, n_epochs="n_epochs = 2")
    assert project.ftorch("submit", "jobs/greet.toml", "--yes").code == 4
    project.write_job(limits.format("50.0"), **OTHER, n_epochs="n_epochs = 2")
    refused = project.ftorch("submit", "jobs/greet.toml")
    assert (refused.code, "add --yes" in refused.err, len(host.jobs)) == (4, True, 1)
    assert project.ftorch("submit", "jobs/greet.toml", "--yes").code == 0
    assert len(host.jobs) == 2


def test_a_higher_price_is_agreed_to_anew(project: Project, host: PaidHost) -> None:
    text = (project.root / "ftorch.toml").read_text()
    host.configure(project.root, settings="max_active = 1\n")
    host.status = "running"
    project.write_job(**OTHER, n_epochs="n_epochs = 2")
    project.ftorch("submit", "jobs/greet.toml", "--yes", "--detach")
    project.write_job(**OTHER, n_epochs="n_epochs = 3")
    assert project.ftorch("submit", "jobs/greet.toml", "--yes", "--detach").code == 4
    prices = project.root / "prices.toml"
    prices.write_text(prices.read_text().replace("1000", "2000"))
    (project.root / "ftorch.toml").write_text(text)
    host.status = "succeeded"
    assert project.ftorch("submit", "jobs/greet.toml").code == 4
    assert len(host.jobs) == 2
    assert project.ftorch("submit", "jobs/greet.toml", "--yes").code == 0
    newest = project.status()[0]
    assert newest["estimated_cost_usd"] == plan(project)["estimated_cost_usd"]


def test_a_run_that_fails_while_its_plan_is_read_does_not_begin_another(
    project: Project, host: PaidHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Found, so nothing is asked; then it fails in another process, and a new run would have to be paid."""
    agree = submit._agree

    def and_then_it_fails(*arguments: Any) -> None:
        agree(*arguments)
        with closing(sqlite3.connect(project.root / ".ftorch" / "ftorch.db")) as connection, connection:
            connection.execute("UPDATE runs SET state = 'failed'")

    monkeypatch.setattr(submit, "_agree", and_then_it_fails)
    done = project.ftorch("submit", "jobs/greet.toml")
    assert (done.code, len(host.jobs)) == (4, 1), done.err
    assert "Run the same command again" in done.err


def test_the_same_content_that_came_meanwhile_is_not_paid_for(
    project: Project, host: PaidHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    with closing(sqlite3.connect(project.root / ".ftorch" / "ftorch.db")) as connection, connection:
        connection.execute("UPDATE runs SET state = 'failed'")
    agree = submit._agree

    def and_then_it_comes(*arguments: Any) -> None:
        agree(*arguments)
        with closing(sqlite3.connect(project.root / ".ftorch" / "ftorch.db")) as connection, connection:
            connection.execute("UPDATE runs SET state = 'running'")

    monkeypatch.setattr(submit, "_agree", and_then_it_comes)
    project.write_job(**OTHER)
    done = project.ftorch("submit", "jobs/greet.toml", "--yes")
    assert (done.code, len(host.jobs)) == (4, 1), done.err


LIMITED = GRID + "[limits]\nmax_cost_usd = {}\n"
GRID_JOB = {**PAID, **VALIDATED, "name": 'name = "grid"'}


@pytest.fixture
def half_a_sweep(project: Project, host: PaidHost) -> float:
    """A sweep whose cap holds the second of its trials back; returns what that would cost, in dollars."""
    project.write_job(LIMITED.format("2.0"), **GRID_JOB)
    assert project.ftorch("submit", "jobs/greet.toml", "--yes").code == 4
    same = project.ftorch("submit", "jobs/greet.toml")
    assert (same.code, "add --yes" in same.err) == (4, False), "of the same plan nothing is asked"
    assert len(host.jobs) == 2
    return waiting_cost(project)


def waiting_cost(project: Project) -> float:
    with closing(sqlite3.connect(project.root / ".ftorch" / "ftorch.db")) as connection, connection:
        [(cost,)] = connection.execute("SELECT estimated_cost_usd FROM runs WHERE state = 'pending'")
    return float(cost)


def test_a_cap_that_was_raised_is_agreed_to_anew_for_the_trials_that_wait(
    project: Project, host: PaidHost, half_a_sweep: float
) -> None:
    project.write_job(LIMITED.format("50.0"), **GRID_JOB)
    refused = project.ftorch("submit", "jobs/greet.toml")
    assert (refused.code, "add --yes" in refused.err, len(host.jobs)) == (4, True, 2), refused.err
    assert project.ftorch("resume").code == 4, "what was not agreed to is not recorded"
    assert len(host.jobs) == 2
    assert project.ftorch("submit", "jobs/greet.toml", "--yes").code == 0
    assert len(host.jobs) == 3


def test_a_higher_price_is_agreed_to_anew_for_the_trials_that_wait(
    project: Project, host: PaidHost, half_a_sweep: float
) -> None:
    prices = project.root / "prices.toml"
    prices.write_text(prices.read_text().replace("1000", "1100"))
    refused = project.ftorch("submit", "jobs/greet.toml")
    assert (refused.code, "add --yes" in refused.err, len(host.jobs)) == (4, True, 2), refused.err
    assert waiting_cost(project) == half_a_sweep
    assert project.ftorch("submit", "jobs/greet.toml", "--yes").code == 4
    assert waiting_cost(project) == pytest.approx(1.1 * half_a_sweep)
    assert len(host.jobs) == 2


def test_a_notebooks_plan_says_what_was_trained_before(project: Project, host: PaidHost) -> None:
    [first] = project.status()
    job = project.write_job(**OTHER)
    with project.entered():
        planned = orchestrator.plan(job)
        assert isinstance(planned, Plan)
        assert f"trained before as run {first['run']}" in repr(planned)
        assert [each.run.id for each in planned.trained_before] == [first["run"]]
        assert "<caption>Trained before</caption>" in planned._repr_html_()


def test_a_notebooks_plan_of_a_sweep_says_what_was_trained_before(project: Project, host: PaidHost) -> None:
    project.write_job(**OTHER, **VALIDATED)
    assert project.ftorch("submit", "jobs/greet.toml", "--yes").code == 0
    job = project.write_job(GRID, **PAID, **VALIDATED, name='name = "grid"')
    with project.entered():
        planned = orchestrator.plan(job)
        assert isinstance(planned, SweepPlan)
        assert "2 trials, 1 of them trained before" in repr(planned)
        assert [found.run.name for _, found in planned.trained_before] == ["other"]
