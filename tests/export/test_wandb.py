"""`[track.wandb]` goes with a job to endpoints that report to W&B, is said in plans, and makes no other run."""

from __future__ import annotations

from support.project import Project

WANDB = '[track.wandb]\nproject = "drones"\n'


def test_the_plan_says_where_the_endpoint_reports(project: Project) -> None:
    (project.root / "ftorch.toml").write_text(WANDB)
    here = project.ftorch("submit", "jobs/greet.toml", "--dry-run")
    assert "local reports no jobs there: [track.wandb] has no effect" in here.err
    there = project.ftorch("submit", "jobs/greet.toml", "--dry-run", "--endpoint", "openai")
    assert "project drones, reported by openai" in there.err


def test_it_is_no_part_of_what_makes_a_run_the_same(project: Project) -> None:
    first = project.ftorch("submit", "jobs/greet.toml")
    (project.root / "ftorch.toml").write_text(WANDB)
    second = project.ftorch("submit", "jobs/greet.toml")
    assert "already submitted as run" in second.err
    assert second.out == first.out
