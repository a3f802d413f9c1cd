"""The plan of a sweep: every trial and its price, before anything is recorded."""

from __future__ import annotations

import shutil

import pytest
from support.sweeping import GRID, Sweeping

from orchestrator.api import runs
from orchestrator.api.host import Host
from orchestrator.errors import BudgetTooSmall, InvalidData, JobFileIsSweep

PAID = """
[endpoints.paid]
type = "compatible"
base_url = "http://127.0.0.1:9/v1"
prices = "prices.toml"
"""
PRICES = """
[[price]]
endpoint_type = "compatible"
model = "gpt-4.1-mini-2025-04-14"
training = 1000.0
input = 1.0
output = 1.0
seen = 2026-11-01
source = "https://prices.example/"
"""


@pytest.fixture
def paid(sweeping: Sweeping) -> Sweeping:
    """With an endpoint that costs something."""
    (sweeping.project.root / "ftorch.toml").write_text(PAID)
    (sweeping.project.root / "prices.toml").write_text(PRICES)
    return sweeping


def test_each_trial_is_priced_by_its_epochs_and_all_of_them_add_up(paid: Sweeping) -> None:
    planned = paid.plan(endpoint="paid")
    costs = [trial.cost.usd for trial in planned.trials]
    assert costs[0]
    assert costs == pytest.approx([costs[0], 2 * costs[0], 3 * costs[0]])
    assert planned.cost_usd == pytest.approx(6 * costs[0])
    assert planned.may_cost


def test_of_tpe_the_plan_tells_the_most_that_it_may_cost(paid: Sweeping) -> None:
    pytest.importorskip("optuna")
    tpe = '[sweep]\nstrategy = "tpe"\ntrials = 5\nseeds = 2\n[sweep.space]\nn_epochs = { low = 1, high = 4 }'
    tpe += "\nbatch_size = [1, 2]"
    planned = paid.plan(tpe, endpoint="paid")
    dearest = max(corner.cost.usd or 0 for corner in planned.corners)
    assert (planned.trials, planned.drawn) == ((), 10)
    assert planned.cost_usd == pytest.approx(10 * dearest)
    assert dearest == pytest.approx(4 * min(corner.cost.usd or 0 for corner in planned.corners))


def test_a_budget_below_the_cheapest_trial_is_refused(paid: Sweeping) -> None:
    cheapest = paid.plan(endpoint="paid").trials[0].cost.usd
    assert cheapest
    enough = f"{GRID}\n[limits]\nmax_cost_usd = {cheapest * 1.01}"
    assert len(paid.plan(enough, endpoint="paid").trials) == 3
    with pytest.raises(BudgetTooSmall, match=r"limits.max_cost_usd is .* the cheapest trial would cost about"):
        paid.plan(f"{GRID}\n[limits]\nmax_cost_usd = {cheapest * 0.99}", endpoint="paid")


def test_every_data_file_of_the_space_is_checked_before_anything_is_sent(sweeping: Sweeping) -> None:
    jobs = sweeping.project.root / "jobs"
    sweep = '[sweep.space]\ntraining_file = ["train.jsonl", "short.jsonl"]'
    lines = (jobs / "train.jsonl").read_text().splitlines(keepends=True)
    (jobs / "short.jsonl").write_text("".join(lines[:10]))
    planned = sweeping.plan(sweep)
    assert [trial.recipe.training.examples for trial in planned.trials] == [12, 10]
    assert len(planned.plans) == 2
    (jobs / "short.jsonl").write_text("".join(lines[:9]))
    with pytest.raises(InvalidData, match=r"short.jsonl"):
        sweeping.plan(sweep)


def test_a_file_is_checked_once_for_all_trials_that_train_on_it(sweeping: Sweeping) -> None:
    assert len(sweeping.plan().plans) == 1
    jobs = sweeping.project.root / "jobs"
    (jobs / "more.jsonl").write_text((jobs / "train.jsonl").read_text() * 2)
    both = sweeping.plan(f'{GRID}\ntraining_file = ["train.jsonl", "more.jsonl"]')
    assert (len(both.trials), len(both.plans)) == (6, 2)


def test_a_copy_of_a_file_makes_no_other_trial(sweeping: Sweeping) -> None:
    jobs = sweeping.project.root / "jobs"
    shutil.copy(jobs / "train.jsonl", jobs / "copy.jsonl")
    both = sweeping.plan(f'{GRID}\ntraining_file = ["train.jsonl", "copy.jsonl"]')
    assert [trial.trial.parameters["training_file"] for trial in both.trials] == ["train.jsonl"] * 3


def test_recommended_points_fit_the_size_of_the_data(sweeping: Sweeping) -> None:
    planned = sweeping.plan('[sweep]\nstrategy = "recommended"')
    assert planned.trials[0].trial.parameters == {"n_epochs": 4, "learning_rate_multiplier": 0.3}


def test_a_sweep_is_not_trained_as_a_single_run(sweeping: Sweeping) -> None:
    with pytest.raises(JobFileIsSweep, match=r"orchestrator.sweep\("):
        runs.plan(sweeping.write(), Host())
