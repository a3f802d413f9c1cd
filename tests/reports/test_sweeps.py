"""The plan of a sweep as people and programs see it before anything happens."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console
from support.project import make_project

from orchestrator.config import find_workspace
from orchestrator.jobfile import load_job_file
from orchestrator.reports.sweeps import print_sweep_plan, sweep_plan_object
from orchestrator.sweeps.plan import SweepPlan, plan_sweep

Screen = Callable[..., Console]
LinesOf = Callable[[Console], list[str]]
Planned = Callable[..., SweepPlan]
GRID = "[sweep.space]\nn_epochs = [1, 2]\nlearning_rate_multiplier = [0.5, 1.0]"


@pytest.fixture
def planned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Planned:
    """Plans a sweep on an endpoint that charges."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-none")
    project = make_project(tmp_path)
    validation = (project.root / "jobs" / "train.jsonl").read_text().splitlines(keepends=True)[:3]
    text = "".join(validation).replace("Switch on the light in the", "Light up the")
    (project.root / "jobs" / "validation.jsonl").write_text(text)
    files = 'training_file = "train.jsonl"\nvalidation_file = "validation.jsonl"'

    def plan(sweep: str) -> SweepPlan:
        job = load_job_file(project.write_job(sweep, training_file=files))
        return plan_sweep(job, find_workspace(project.root), "openai")

    return plan


def lines(plan: SweepPlan, console: Console, lines_of: LinesOf) -> list[str]:
    print_sweep_plan(plan, console)
    return lines_of(console)


def test_each_trial_has_its_tokens_and_cost_and_the_last_line_their_sum(
    planned: Planned, screen: Screen, lines_of: LinesOf
) -> None:
    plan = planned(GRID)
    found = lines(plan, screen(), lines_of)
    start = next(place for place, line in enumerate(found) if line.startswith("  trial"))
    rows = [line.split() for line in found[start + 1 : start + 6]]
    per_epoch = plan.trials[0].cost.tokens_per_epoch
    assert per_epoch
    assert [row[:4] for row in rows[:4]] == [
        ["1", "1", "0.5", f"{per_epoch:,}"],
        ["2", "1", "1", f"{per_epoch:,}"],
        ["3", "2", "0.5", f"{2 * per_epoch:,}"],
        ["4", "2", "1", f"{2 * per_epoch:,}"],
    ]
    assert rows[4][:3] == ["all", "4", f"{6 * per_epoch:,}"]
    assert plan.cost_usd == pytest.approx(sum(trial.cost.usd or 0.0 for trial in plan.trials))
    assert max(map(len, found[:start])) <= 80


def test_a_cap_below_the_total_is_a_warning_with_both_sums(
    planned: Planned, screen: Screen, lines_of: LinesOf
) -> None:
    cost = planned(GRID).cost_usd
    assert cost is not None
    capped = planned(f"[limits]\nmax_cost_usd = {cost * 0.5}\n{GRID}")
    enough = planned(f"[limits]\nmax_cost_usd = {cost * 2}\n{GRID}")
    assert any(line.startswith("Warning: all trials may cost") for line in lines(capped, screen(), lines_of))
    assert not any("may cost" in line for line in lines(enough, screen(), lines_of))


def test_what_is_drawn_later_is_priced_at_most(planned: Planned, screen: Screen, lines_of: LinesOf) -> None:
    pytest.importorskip("optuna")
    plan = planned(f"[sweep]\nstrategy = 'tpe'\ntrials = 5\nseeds = 2\n{GRID.replace('[1, 2]', '[1, 2, 3]')}")
    found = "\n".join(lines(plan, screen(120), lines_of))
    assert "10 (tpe), each combination 2 times with its own seed" in found
    assert "10 of them chosen from the results of earlier ones" in found
    assert "10 to be drawn" in found
    assert "at most" in found
    corner = plan.corners[0].cost.tokens_per_epoch
    assert corner
    assert f"{corner:,} to {3 * corner:,}" in found
    assert f"{10 * 3 * corner:,}" in found, "all of them, at the most each"


def test_a_long_plan_is_cut(planned: Planned, screen: Screen, lines_of: LinesOf) -> None:
    plan = planned("[sweep.space]\nlearning_rate_multiplier = { low = 0.1, high = 100.0, step = 0.1 }")
    found = lines(plan, screen(), lines_of)
    assert len(found) < 60
    assert any("980 more" in line for line in found)
    assert any(line.split()[:2] == ["all", "1,000"] for line in found)


def test_programs_get_every_trial(planned: Planned) -> None:
    found = json.loads(json.dumps(sweep_plan_object(planned(GRID)), allow_nan=False))
    assert [trial["parameters"] for trial in found["trials"]] == [
        {"n_epochs": 1, "learning_rate_multiplier": 0.5},
        {"n_epochs": 1, "learning_rate_multiplier": 1.0},
        {"n_epochs": 2, "learning_rate_multiplier": 0.5},
        {"n_epochs": 2, "learning_rate_multiplier": 1.0},
    ]
    total = sum(trial["estimated_cost_usd"] for trial in found["trials"])
    assert found["estimated_cost_usd"] == pytest.approx(total)
    assert found["max_active"] == 3
