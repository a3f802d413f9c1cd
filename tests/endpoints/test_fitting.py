"""What is said of a job file before anything is uploaded, where the endpoint does not offer what it asks for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support.openweights import model_folder
from support.project import make_project

from orchestrator.config import find_workspace
from orchestrator.endpoints.capabilities import CAPABILITIES, capabilities_of
from orchestrator.errors import JobFileNotFitting, NotOpenWeights
from orchestrator.jobfile import load_job_file, overrides_of
from orchestrator.runs.plan import Plan, plan_job
from orchestrator.sweeps.plan import plan_sweep

HOSTS = """
[endpoints.nebius]
type = "nebius"
[endpoints.together]
type = "together"
[endpoints.fireworks]
type = "fireworks"
[endpoints.host]
type = "compatible"
base_url = "https://host/v1"
[endpoints.ms]
type = "azure"
base_url = "https://res.openai.azure.com"
"""
FIREWORKS = "accounts/fireworks/models/qwen3-8b"
RATE, MULTIPLIER = "[method]\nlearning_rate = 1e-4\n", "[method]\nlearning_rate_multiplier = 0.5\n"
Make = Callable[..., Plan]


@pytest.fixture
def folder(home: Path) -> Path:
    root = make_project(home / "p").root
    (root / "ftorch.toml").write_text(HOSTS)
    return root


def job_path(folder: Path, more: str, model: str = "gpt-4.1-mini-2025-04-14", data: str = "") -> Path:
    path = folder / "jobs" / "greet.toml"
    path.write_text(f'name = "greet"\nmodel = "{model}"\n[data]\ntraining_file = "train.jsonl"\n{data}{more}')
    return path


@pytest.fixture
def plan(folder: Path) -> Make:
    def plan(endpoint: str, more: str, *settings: str, **job: str) -> Plan:
        path = job_path(folder, more, **job)
        return plan_job(load_job_file(path, overrides_of(settings)), find_workspace(folder), endpoint)

    return plan


def refused(plan: Callable[..., Any], *arguments: str, **more: str) -> str:
    with pytest.raises(JobFileNotFitting) as caught:
        plan(*arguments, **more)
    assert caught.value.exit_code == 2
    return str(caught.value)


def without(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    """Compatible hosts no longer offer these."""
    usual = CAPABILITIES["compatible"]
    changes: dict[str, Any] = dict.fromkeys(names, False)
    reduced = {**CAPABILITIES, "compatible": lambda config: replace(usual(config), **changes)}
    monkeypatch.setattr("orchestrator.endpoints.capabilities.CAPABILITIES", reduced)


# --- learning rates ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("endpoint", ["openai", "ms"])
@pytest.mark.parametrize("table", ["method", "lora"])
def test_a_rate_itself_is_refused_where_a_multiplier_is_taken(
    plan: Make, folder: Path, endpoint: str, table: str
) -> None:
    said = refused(plan, endpoint, f"[{table}]\nlearning_rate = 1e-4\n")
    assert said == (
        f"{folder}/jobs/greet.toml:6 can't run on {endpoint}: it takes no absolute learning rate, only a "
        "multiplier of the rate that it chooses; set learning_rate_multiplier instead, such as 0.5"
    )


def test_a_multiplier_is_refused_where_only_the_rate_itself_is_taken(plan: Make, folder: Path) -> None:
    assert refused(plan, "nebius", MULTIPLIER) == (
        f"{folder}/jobs/greet.toml:6 can't run on nebius: it takes no learning_rate_multiplier, only the rate "
        "itself; set learning_rate instead, such as 1e-4, or leave both out"
    )
    assert plan("nebius", RATE).recipe.hyperparameters == {
        "n_epochs": "auto",
        "batch_size": "auto",
        "learning_rate": 0.0001,
    }
    assert plan("nebius", "").recipe.hyperparameters == {"n_epochs": "auto", "batch_size": "auto"}


def test_an_option_that_does_not_fit_is_named_as_typed(plan: Make) -> None:
    said = refused(plan, "openai", "", "method.learning_rate=1e-4")
    assert said.startswith("--set method.learning_rate=1e-4 can't run on openai: it takes no absolute")


def test_a_rehearsal_takes_no_absolute_rate_and_names_both_ways_out(plan: Make, folder: Path) -> None:
    with pytest.raises(NotOpenWeights) as caught:
        plan("local", RATE)
    assert str(caught.value) == (
        f"{folder}/jobs/greet.toml:6: learning_rate, the rate itself, is for open-weights models on local, and "
        '"gpt-4.1-mini-2025-04-14" is not the name of one. None is known here yet. Set model to the folder of one, '
        'or add a line NAME = "FOLDER" under [models] in ftorch.toml. To rehearse the job with tiny, add --set '
        "method.learning_rate=auto."
    )
    assert plan("local", RATE, "method.learning_rate=auto").recipe.hyperparameters["learning_rate_multiplier"]
    model_folder(folder / "smol")
    assert plan("local", RATE, model="../smol").recipe.hyperparameters["learning_rate"] == 0.0001


def test_a_host_that_may_take_either_gets_what_is_written(plan: Make) -> None:
    assert plan("host", RATE).recipe.hyperparameters["learning_rate"] == 0.0001
    assert plan("host", MULTIPLIER).recipe.hyperparameters["learning_rate_multiplier"] == 0.5


# --- [lora] ------------------------------------------------------------------------------------------------------


def test_keys_of_lora_that_a_host_lacks_are_named_with_those_it_takes(plan: Make) -> None:
    found = plan("nebius", '[lora]\nrank = 8\ntargets = "all-linear"\nprecision = "bf16"\npacking = true\n')
    [said] = [notice for notice in found.notices if "[lora]" in notice]
    takes = "alpha, dropout, max_length, packing, rank"
    assert said == f"targets, precision of [lora] have no effect on nebius, which takes {takes}."
    assert found.recipe.hyperparameters == {
        "n_epochs": "auto",
        "batch_size": "auto",
        "lora_rank": 8,
        "packing": True,
    }
    assert found.fingerprint == plan("nebius", "[lora]\nrank = 8\npacking = true\n").fingerprint
    assert not any("[lora]" in notice for notice in plan("nebius", "[lora]\nrank = 8\n").notices)


# --- other settings ----------------------------------------------------------------------------------------------


def test_a_seed_that_a_host_does_not_take_is_told(plan: Make) -> None:
    said = "seed has no effect on fireworks, which draws its own: the same job trained again may differ."
    assert said in plan("fireworks", "", "seed=3", model=FIREWORKS).notices
    assert said not in plan("fireworks", "", model=FIREWORKS).notices
    assert not any("seed" in notice for notice in plan("openai", "", "seed=3").notices)


def test_a_validation_file_that_a_host_does_not_take_is_refused(plan: Make, folder: Path) -> None:
    more, data = '[method]\ntype = "dpo"\n', 'validation_file = "train.jsonl"\nallow_leak = true\n'
    said = refused(plan, "fireworks", more, data=data, model=FIREWORKS)
    assert "greet.toml:5 can't run on fireworks: it takes no validation file for dpo; leave it out, and" in said
    assert plan("fireworks", "", data=data, model=FIREWORKS).validation is not None


def test_what_ftorch_does_only_elsewhere_is_one_sentence(plan: Make) -> None:
    usual = "a job can be cancelled, not paused; "
    batch = "evaluations ask directly, not in batches at a lower price."
    assert f"On nebius {usual}{batch}" in plan("nebius", "").notices
    assert not any(notice.startswith("On ") for notice in plan("openai", "").notices)
    said = f"On fireworks {usual}only the final model is kept, no checkpoints; {batch}"
    assert said in plan("fireworks", "", model=FIREWORKS).notices


# --- sweeps ------------------------------------------------------------------------------------------------------


def sweep(folder: Path, endpoint: str, text: str) -> Any:
    model = FIREWORKS if endpoint == "fireworks" else "gpt-4.1-mini-2025-04-14"
    path = job_path(folder, text, model, 'validation_file = "train.jsonl"\nallow_leak = true\n')
    return plan_sweep(load_job_file(path), find_workspace(folder), endpoint)


def test_a_sweep_over_rates_runs_where_they_are_taken(folder: Path) -> None:
    text = "[sweep.space]\nlearning_rate = [1e-5, 1e-4]\nlora_rank = [8, 16]\n"
    found = [planned.recipe.hyperparameters for planned in sweep(folder, "nebius", text).trials]
    assert [(numbers["learning_rate"], numbers["lora_rank"]) for numbers in found] == [
        *((1e-5, 8), (1e-4, 8), (1e-5, 16), (1e-4, 16)),
    ]
    assert len({planned.fingerprint for planned in sweep(folder, "nebius", text).trials}) == 4


@pytest.mark.parametrize(
    ("endpoint", "text", "line", "said"),
    [
        ("openai", "[sweep.space]\nlearning_rate = [1e-5]\n", 8, "it takes no absolute learning rate"),
        ("openai", "[sweep]\npoints = [{}, { learning_rate = 1e-5 }]\n", 7, "it takes no absolute learning rate"),
        (
            "nebius",
            "[sweep]\npoints = [{}, { lora_rank = 8 }, { learning_rate_multiplier = 1 }]\n",
            7,
            "it takes no",
        ),
        ("nebius", "[sweep.space]\nlearning_rate_multiplier = [1]\n", 8, "it takes no learning_rate_multiplier"),
        ("nebius", '[sweep]\nstrategy = "recommended"\n', 8, 'strategy "recommended" tries values of learning'),
        ("openai", "[sweep.space]\nlora_rank = [8]\n", 7, "it does not take lora_rank, which would change nothing"),
    ],
)
def test_a_sweep_over_what_is_not_taken_is_refused_at_its_line(
    folder: Path, endpoint: str, text: str, line: int, said: str
) -> None:
    found = refused(sweep, folder, endpoint, text)  # type: ignore[arg-type]
    assert found.startswith(f"{folder}/jobs/greet.toml:{line} can't run on {endpoint}: {said}")


def test_a_sweep_over_rates_is_not_rehearsed(folder: Path) -> None:
    with pytest.raises(NotOpenWeights, match=r"greet.toml:8: learning_rate, the rate itself, is for open-weights"):
        sweep(folder, "local", "[sweep.space]\nlearning_rate = [1e-5]\n")


def test_a_sweep_over_seeds_needs_a_host_that_takes_them(folder: Path) -> None:
    text = "[sweep]\npoints = [{ n_epochs = 1 }, { seed = 1 }]\n"
    said = refused(sweep, folder, "fireworks", text)  # type: ignore[arg-type]
    assert "it does not take seed, which would change nothing there" in said


def test_trials_are_not_compared_by_a_loss_that_the_host_does_not_report(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    without(monkeypatch, "validation_loss")
    said = refused(sweep, folder, "host", "[sweep.space]\nn_epochs = [1, 2]\n")  # type: ignore[arg-type]
    assert "it reports no validation loss, so trials can't be compared or stopped by it; set metric" in said


def test_capabilities_name_each_key_of_lora_once() -> None:
    from orchestrator.config import EndpointConfig

    for kind in CAPABILITIES:
        found = capabilities_of(EndpointConfig("x", kind))
        assert found.learning_rate or found.learning_rate_multiplier
        assert "learning_rate" not in found.lora
