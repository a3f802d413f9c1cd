"""Jobs of open-weights models before anything is recorded: which folder a model means, and what is refused."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.openweights import cached_model, model_folder
from support.project import make_project

from orchestrator.config import find_workspace
from orchestrator.endpoints.openweights import keep, keep_missing, known_models
from orchestrator.errors import (
    BaseModelGone,
    BaseModelUnknown,
    BaseNameNotKept,
    BaseNameTaken,
    FtorchError,
    JobFileNotFitting,
    ModelFolderUnusable,
    NotOpenWeights,
)
from orchestrator.jobfile import load_job_file
from orchestrator.runs.plan import Plan, plan_job

HOSTS = """
[endpoints.host]
type = "compatible"
base_url = "https://host/v1"
[endpoints.ms]
type = "azure"
base_url = "https://res.openai.azure.com"
"""
LORA = "[lora]\nrank = 8\nlearning_rate = 1e-3\n"
Make = Callable[..., Plan]


@pytest.fixture
def project(home: Path) -> Path:
    """A project's folder with a job in jobs/, and no models."""
    found = make_project(home / "p")
    (found.root / "ftorch.toml").write_text(HOSTS)
    return found.root


@pytest.fixture
def plan(project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Make:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "cache"))

    def plan(model: str, more: str = LORA, endpoint: str | None = None, models: str = "") -> Plan:
        (project / "ftorch.toml").write_text(f"{HOSTS}[models]\n{models}\n")
        path = project / "jobs" / "greet.toml"
        path.write_text(f'name = "greet"\nmodel = "{model}"\n[data]\ntraining_file = "train.jsonl"\n{more}')
        return plan_job(load_job_file(path), find_workspace(path.parent), endpoint)

    return plan


# --- which folder a model means ----------------------------------------------------------------------------------


def test_a_name_of_models_a_path_and_a_download_are_open_weights(plan: Make, project: Path, tmp_path: Path) -> None:
    here, there = model_folder(project / "models" / "one"), model_folder(tmp_path / "two", b"2")
    beside, cached = (
        model_folder(project / "jobs" / "three", b"3"),
        cached_model(tmp_path / "cache", "org/four", b"4"),
    )
    expected = {
        "smol": ("smol", here),
        str(there): ("two", there),
        "../models/one": ("one", here),
        "./three": ("three", beside),
        "org/four": ("org/four", cached),
    }
    for model, (name, folder) in expected.items():
        found = plan(model, models='smol = "models/one"')
        assert found.weights is not None, model
        assert (found.weights.name, found.weights.folder, found.job.model) == (name, folder, name)
        assert not any("tiny" in notice for notice in found.notices)
        assert found.may_cost is False


def test_any_other_name_is_rehearsed_with_tiny_as_before(plan: Make) -> None:
    found = plan("gpt-4.1-mini-2025-04-14", "")
    assert found.weights is None
    assert any("trains in place of gpt-4.1-mini-2025-04-14" in notice for notice in found.notices)
    [notice] = plan("org/llama", "").notices
    assert notice.endswith("To train that model, download it first: hf download org/llama")


def test_models_may_map_the_name_of_a_hosted_model(plan: Make, project: Path) -> None:
    model_folder(project / "smol")
    mapped = '"gpt-4.1-mini-2025-04-14" = "smol"'
    assert plan("gpt-4.1-mini-2025-04-14", models=mapped).weights is not None
    assert plan("gpt-4.1-mini-2025-04-14", "", endpoint="openai", models=mapped).weights is None


def test_a_tuned_model_is_trained_further_on_its_base(plan: Make, project: Path) -> None:
    model_folder(project / "smol")
    found = plan("ft:smol:local::abc", models='smol = "smol"')
    assert found.weights is not None
    assert (found.weights.name, found.job.model) == ("smol", "ft:smol:local::abc")


def test_a_job_runs_the_same_again_from_a_moved_folder_and_not_with_other_weights(
    plan: Make, project: Path
) -> None:
    for name, weights in (("a", b"1"), ("b", b"1"), ("c", b"2")):
        model_folder(project / name, weights)
    prints = [plan("smol", models=f'smol = "{name}"').fingerprint for name in ("a", "b", "c")]
    assert prints[0] == prints[1] != prints[2]
    assert (
        plan("gpt-4.1-mini", "").fingerprint != plan("gpt-4.1-mini", "", models='"gpt-4.1-mini" = "a"').fingerprint
    )


# --- what is refused ---------------------------------------------------------------------------------------------


def refused(plan: Make, kind: type[FtorchError], *arguments: Any, **more: Any) -> str:
    with pytest.raises(kind) as error:
        plan(*arguments, **more)
    assert error.value.exit_code == (1 if kind is BaseModelGone else 2)
    return str(error.value)


def test_a_hosted_models_name_with_lora_is_told_how_to_add_a_base_model(plan: Make, project: Path) -> None:
    said = refused(plan, NotOpenWeights, "gpt-4.1-mini-2025-04-14")
    assert said == (
        f"{project}/jobs/greet.toml:5: [lora] trains open-weights models on local, and "
        '"gpt-4.1-mini-2025-04-14" is not the name of one. None is known here yet. Set model to the folder of one, '
        'or add a line NAME = "FOLDER" under [models] in ftorch.toml.'
    )


def test_a_hosted_models_name_with_lora_is_told_which_base_models_there_are(plan: Make, project: Path) -> None:
    model_folder(project / "one")
    said = refused(plan, NotOpenWeights, "gpt-4.1-mini", models='qwen = "one"\nsmol = "one"\ngone = "gone"')
    assert 'Set model to one of qwen, smol; a line NAME = "FOLDER" under [models]' in said


def test_a_model_that_is_not_downloaded_is_told_how_to_get_it(plan: Make, tmp_path: Path) -> None:
    assert refused(plan, NotOpenWeights, "org/smol").endswith("Download it: hf download org/smol")
    cached_model(tmp_path / "cache", "org/smol-135m")
    assert refused(plan, NotOpenWeights, "smol-135m").endswith('cache has it: write model = "org/smol-135m"')


@pytest.mark.parametrize("more", ["", LORA])
def test_a_slip_in_a_name_of_models_is_not_trained_by_a_stand_in(plan: Make, project: Path, more: str) -> None:
    model_folder(project / "one")
    said = refused(plan, BaseModelUnknown, "smollm", more, models='smollm2 = "one"')
    assert said.endswith('greet.toml:2: there is no base model "smollm" on local. Did you mean "smollm2"?')


def test_a_folder_that_is_no_model_is_refused_with_what_is_missing(plan: Make, project: Path) -> None:
    (model_folder(project / "smol") / "tokenizer.json").unlink()
    said = f"{project}/smol can't be used as a model: it has no tokenizer.json"
    assert refused(plan, ModelFolderUnusable, str(project / "smol")).startswith(f"{said}. Give a folder")
    named = refused(plan, ModelFolderUnusable, "smol", models='smol = "smol"')
    assert named.startswith(f"{said} (smol under [models] in {project}/ftorch.toml). Give a folder")
    assert refused(plan, ModelFolderUnusable, "../smol", "").startswith(f"{said}.")
    (project / "jobs" / "sets" / "v1").mkdir(parents=True)
    assert "it has no config.json" in refused(plan, ModelFolderUnusable, "sets/v1", "")


@pytest.mark.parametrize(
    ("endpoint", "model", "said"),
    [
        (
            "openai",
            "/models/smol",
            "model is the folder /models/smol on this machine; name one of the models of openai",
        ),
        (
            "ms",
            "./smol",
            "model is the folder ./smol on this machine; name one of the models of ms, or add --endpoint",
        ),
        ("host", "~/smol", "model is the folder ~/smol on this machine"),
        (
            "openai",
            "smol",
            '"smol" is on this machine, by [models] in {}/ftorch.toml; name one of the models of openai',
        ),
        ("ms", "smol", '"smol" is on this machine, by [models]'),
    ],
)
def test_a_model_of_this_machine_is_not_sent_elsewhere(
    plan: Make, project: Path, endpoint: str, model: str, said: str
) -> None:
    model_folder(project / "smol")
    found = refused(plan, JobFileNotFitting, model, endpoint=endpoint, models='smol = "smol"')
    assert found.startswith(f"{project}/jobs/greet.toml:2 can't run on {endpoint}: ")
    assert said.format(project) in found


def test_a_compatible_host_may_have_a_model_of_the_same_name(plan: Make, project: Path) -> None:
    found = plan("smol", endpoint="host", models='smol = "smol"')
    assert (found.job.model, found.weights) == ("smol", None)
    assert plan("org/smol", endpoint="host").job.model == "org/smol"


# --- what the settings do ----------------------------------------------------------------------------------------


def test_lora_becomes_hyperparameters_where_it_has_an_effect(plan: Make, project: Path) -> None:
    model_folder(project / "smol")
    numbers = {"n_epochs": "auto", "batch_size": "auto", "lora_rank": 8, "learning_rate": 0.001}
    assert plan("smol", models='smol = "smol"').recipe.hyperparameters == numbers
    assert plan("smol", endpoint="host").recipe.hyperparameters == numbers
    without = {"n_epochs": "auto", "batch_size": "auto", "learning_rate_multiplier": "auto"}
    for endpoint in ("openai", "ms"):
        ignored = plan("gpt-4.1-mini-2025-04-14", "[lora]\nrank = 8\n", endpoint=endpoint)
        assert ignored.recipe.hyperparameters == without
        assert any(f"[lora] has no effect on {endpoint}" in notice for notice in ignored.notices)
        assert ignored.fingerprint == plan("gpt-4.1-mini-2025-04-14", "", endpoint=endpoint).fingerprint


def test_each_setting_of_lora_makes_another_run(plan: Make, project: Path) -> None:
    model_folder(project / "smol")
    tables = ["", "[lora]\n", "[lora]\nrank = 8\n", "[lora]\nrank = 16\n", "[method]\nlearning_rate = 1e-3\n"]
    prints = [plan("smol", table, models='smol = "smol"').fingerprint for table in tables]
    assert prints[0] == prints[1]
    assert len(set(prints)) == len(prints) - 1


def test_a_run_keeps_its_identity_under_the_present_name_of_its_rate(plan: Make, project: Path) -> None:
    model_folder(project / "smol")
    older, present = (
        plan("smol", f"[{table}]\nlearning_rate = 1e-3\n", models='smol = "smol"') for table in ("lora", "method")
    )
    assert older.fingerprint == present.fingerprint
    method = {"type": "supervised", "n_epochs": "auto", "batch_size": "auto", "learning_rate_multiplier": "auto"}
    identity = {
        "name": "greet",
        "endpoint": "local",
        "model": "smol",
        **dict.fromkeys(("suffix", "seed", "validation")),
        "metadata": {},
        "method": method,
        "training": older.recipe.training.sha256,
        "lora": {"learning_rate": 0.001},
        "base": older.weights.mark if older.weights else None,
    }
    assert older.fingerprint == hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()


def test_a_job_without_open_weights_is_the_run_that_it_was_before_there_were_any(plan: Make) -> None:
    found = plan("gpt-4.1-mini-2025-04-14", "")
    method = {"type": "supervised", "n_epochs": "auto", "batch_size": "auto", "learning_rate_multiplier": "auto"}
    identity = {
        "name": "greet",
        "endpoint": "local",
        "model": "gpt-4.1-mini-2025-04-14",
        **dict.fromkeys(("suffix", "seed", "validation")),
        "metadata": {},
        "method": method,
        "training": found.recipe.training.sha256,
    }
    assert found.fingerprint == hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()


# --- what a name has meant ---------------------------------------------------------------------------------------


def kept(found: Plan, project: Path) -> Plan:
    keep(found.weights, project / ".ftorch")
    return found


def test_a_name_that_was_used_is_found_again_without_its_path(plan: Make, project: Path) -> None:
    folder = model_folder(project / "models" / "smol")
    kept(plan("../models/smol"), project)
    again = plan("smol")
    assert again.weights is not None
    assert again.weights.folder == folder


def test_a_name_can_not_come_to_mean_another_model(plan: Make, project: Path) -> None:
    kept(plan(str(model_folder(project / "a" / "smol", b"1"))), project)
    kept(plan(str(model_folder(project / "moved" / "smol", b"1"))), project)
    other = model_folder(project / "b" / "smol", b"2")
    said = refused(plan, BaseNameTaken, str(other))
    assert f"The name smol already means another model in this project: the one in {project}/moved/smol." in said
    assert f"Give the model in {other} another name under [models]" in said
    model_folder(project / "moved" / "smol", b"3")
    assert "the folder's earlier contents" in refused(plan, BaseNameTaken, "smol")
    assert "the one in" in refused(plan, BaseNameTaken, str(other), models='smol = "a/smol"')


def test_a_folder_that_is_gone_is_told_with_what_to_do(plan: Make, project: Path) -> None:
    folder = model_folder(project / "models" / "smol")
    kept(plan("../models/smol"), project)
    folder.rename(project / "models" / "elsewhere")
    assert refused(plan, BaseModelGone, "smol") == (
        f"The base model smol can't be used: it does not exist. It was in {folder}. Move it back, or name its new "
        'folder with the line "smol" = "FOLDER" under [models] in ftorch.toml.'
    )
    moved = plan("smol", models='smol = "models/elsewhere"')
    assert moved.weights is not None
    assert moved.weights.folder == project / "models" / "elsewhere"
    assert plan("../models/smol", models='smol = "models/elsewhere"').weights == moved.weights


def test_what_a_run_recorded_is_kept_where_the_state_directory_has_lost_it(plan: Make, project: Path) -> None:
    home, config = project / ".ftorch", find_workspace(project).endpoint("local")
    keep_missing({"ft:smol:local::1": {"folder": "/models/smol", "mark": "m"}}, home)
    assert known_models(config, home) == {"smol": Path("/models/smol")}
    keep_missing({"smol": {"folder": "/other", "mark": "n"}}, home)
    assert known_models(config, home) == {"smol": Path("/models/smol")}
    (home / "base-models" / "smol.json").write_text("damaged")
    assert known_models(config, home) == {}


def test_a_state_directory_that_can_not_be_written_is_told(plan: Make, project: Path) -> None:
    (project / ".ftorch").mkdir()
    (project / ".ftorch" / "base-models").write_text("in the way")
    model_folder(project / "smol")
    with pytest.raises(BaseNameNotKept, match="Nothing was submitted"):
        kept(plan("../smol"), project)
