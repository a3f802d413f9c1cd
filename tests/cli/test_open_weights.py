"""From a job file to answers with an open-weights model on this machine; the trainer only writes down what it is
given."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support.openweights import model_folder, scribe
from support.project import Project, make_project

from orchestrator.config import find_workspace
from orchestrator.jobfile import load_job_file
from orchestrator.runs.plan import plan_job
from orchestrator.runs.submission import record_run
from orchestrator.server import serve
from orchestrator.store.migrate import open_database

__all__ = ["scribe"]
pytestmark = pytest.mark.usefixtures("scribe")

EVALUATION = '[evaluation]\nfile = "train.jsonl"\nallow_leak = true\n'
LORA = "[lora]\nrank = 8\nlearning_rate = 1e-3\n"


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A project whose job trains the model in models/smol."""
    found = make_project(tmp_path / "project")
    model_folder(found.root / "models" / "smol")
    found.write_job(f"{LORA}{EVALUATION}", model='model = "../models/smol"')
    return found


def submitted(project: Project, *more: str) -> dict[str, Any]:
    """The run of the job, as `show` has it."""
    done = project.ftorch("submit", "jobs/greet.toml", "--yes", *more)
    assert done.code == 0, done.err
    found: dict[str, Any] = json.loads(project.ftorch("show", "greet", "--json").out)
    return found


def words(text: str) -> str:
    return " ".join(text.split())


# --- submit and show ---------------------------------------------------------------------------------------------


def test_the_plan_says_what_is_trained_from_where_and_how(project: Project) -> None:
    shown = words(project.ftorch("submit", "jobs/greet.toml", "--dry-run").err)
    assert f"model smol folder {project.root}/models/smol trainer lora, on this machine" in shown
    assert "the device is reported when training starts" in shown
    assert "method supervised: n_epochs 1, batch_size auto, learning_rate 0.001, lora_rank 8" in shown
    assert "cost no charge" in shown
    assert "tiny" not in shown


def test_a_job_file_trains_an_open_weights_model_with_its_settings(project: Project) -> None:
    run = submitted(project, "--set", 'lora.targets=["q_proj", "v_proj"]')
    assert run["fine_tuned_model"].startswith("ft:smol:local:")
    assert run["base_folder"] == str(project.root / "models" / "smol")
    assert run["hyperparameters"] == {
        "n_epochs": 1,
        "batch_size": "auto",
        "lora_rank": 8,
        "lora_targets": ["q_proj", "v_proj"],
        "learning_rate": 0.001,
    }
    assert run["resolved_hyperparameters"]["lora_rank"] == 8
    shown = words(project.ftorch("show", "greet").out)
    assert f"base model smol folder {project.root}/models/smol" in shown
    assert "lora_targets q_proj v_proj" in shown


def test_the_same_submission_is_found_and_another_rank_is_another_run(project: Project) -> None:
    first = submitted(project)
    assert submitted(project)["run"] == first["run"]
    assert submitted(project, "--set", "lora.rank=16")["run"] != first["run"]


def test_each_mistake_ends_the_command_with_its_next_step(project: Project) -> None:
    project.write_job(LORA)
    done = project.ftorch("submit", "jobs/greet.toml")
    assert (done.code, "is not the name of one. None is known here yet." in words(done.err)) == (2, True), done.err
    (project.root / "models" / "smol" / "config.json").unlink()
    project.write_job(LORA, model='model = "../models/smol"')
    done = project.ftorch("submit", "jobs/greet.toml")
    assert (done.code, "it has no config.json" in words(done.err)) == (2, True), done.err
    assert project.status() == []


# --- evaluate, ask ---------------------------------------------------------------------------------------------


def test_its_metrics_are_those_of_the_model_and_no_rehearsal(project: Project) -> None:
    submitted(project)
    done = project.ftorch("evaluate", "jobs/greet.toml", "--yes")
    assert (done.code, "Rehearsal" in done.out) == (0, False), done.err
    board = json.loads(project.ftorch("leaderboard", "--json").out)
    assert json.dumps(board).count('"rehearsal": false') == 2
    project.write_job(EVALUATION)
    assert project.ftorch("submit", "jobs/greet.toml", "--yes").code == 0
    assert "Rehearsal" in project.ftorch("evaluate", "jobs/greet.toml", "--yes").out
    assert "Rehearsal" in project.ftorch("leaderboard").out


def test_the_base_model_can_be_evaluated_before_anything_is_trained(project: Project) -> None:
    done = project.ftorch("evaluate", "jobs/greet.toml", "--models", "base", "--yes", "--json")
    assert done.code == 0, done.err
    assert '"rehearsal": false' in done.out


def test_base_and_tuned_answer_from_any_folder_of_the_project(project: Project) -> None:
    tuned = submitted(project)["fine_tuned_model"]
    below = replace(project, root=project.root / "models")
    done = below.ftorch("ask", "greet", "hello", "--json")
    assert done.code == 0, done.err
    assert (str(below.root / "smol") in done.out, tuned in done.out) == (True, True)
    assert "Rehearsal" not in done.err


def test_a_chat_does_not_say_that_a_stand_in_answers(project: Project) -> None:
    submitted(project)
    chat = ("chat", "greet", "--ask", "hello")
    done = project.ftorch(*chat)
    assert (done.code, "not the model you name" in words(done.err)) == (0, False), done.err
    project.write_job()
    project.ftorch("submit", "jobs/greet.toml", "--yes")
    assert "not the model you name" in words(project.ftorch(*chat).err)


@pytest.mark.parametrize(
    "asked",
    [
        ("evaluate", "greet", "--yes"),
        ("evaluate", "jobs/greet.toml", "--yes"),
        ("ask", "greet", "hello"),
        ("ask", "jobs/greet.toml", "hello"),
        ("chat", "greet", "--ask", "hello"),
    ],
)
def test_a_base_model_whose_folder_is_gone_is_told_before_anything_is_asked(
    project: Project, asked: tuple[str, ...]
) -> None:
    submitted(project)
    smol = project.root / "models" / "smol"
    smol.rename(smol.with_name("away"))
    done = project.ftorch(*asked)
    said = f"The base model smol can't be used: it does not exist. It was in {smol}. Move it back, or name"
    assert (done.code, said in words(done.err)) == (1, True), done.err


def test_a_moved_base_model_is_found_by_models(project: Project) -> None:
    submitted(project)
    smol = project.root / "models" / "smol"
    smol.rename(smol.with_name("away"))
    (project.root / "ftorch.toml").write_text('[models]\nsmol = "models/away"\n')
    done = project.ftorch("ask", "greet", "hello", "--json")
    assert done.code == 0, done.err
    assert str(smol.with_name("away")) in done.out


def test_recorded_answers_are_scored_again_without_the_base_model(project: Project) -> None:
    submitted(project)
    assert project.ftorch("evaluate", "greet", "--yes").code == 0
    (project.root / "models" / "smol").rename(project.root / "models" / "away")
    for more in ((), ("--samples", "2")):
        done = project.ftorch("evaluate", "greet", "--rescore", *more)
        assert done.code == 0, done.err


# --- resume ------------------------------------------------------------------------------------------------------


def record(project: Project) -> None:
    """Record the job's run without starting it, as a process that is killed right after its commit."""
    with project.entered():
        path = project.root / "jobs" / "greet.toml"
        workspace = find_workspace(path.parent)
        plan = plan_job(load_job_file(path), workspace)
        database = open_database(workspace.database_url)
        record_run(plan, database, now=1e9, rng=random.Random(1))
        database.close()


def test_a_run_without_a_job_finds_its_model_from_what_is_recorded(project: Project) -> None:
    record(project)
    assert not (project.root / ".ftorch" / "base-models").exists()
    done = project.ftorch("resume")
    assert done.code == 0, done.err
    assert "ft:smol:local:" in done.out


def test_a_run_whose_folder_is_gone_is_not_trained_by_a_stand_in(project: Project) -> None:
    record(project)
    (project.root / "models" / "smol").rename(project.root / "models" / "away")
    project.ftorch("resume")
    run = json.loads(project.ftorch("show", "greet", "--json").out)
    assert run["resolved_hyperparameters"]["lora_rank"] == 8  # only the trainer of open weights has it


# --- sweeps ------------------------------------------------------------------------------------------------------


def test_a_sweep_varies_rank_and_rate(project: Project) -> None:
    sweep = "[sweep.space]\nlora_rank = [4, 8]\nlearning_rate = [1e-4, 1e-3]\n[lora]\nalpha = 16\n"
    data = 'training_file = "train.jsonl"\nvalidation_file = "train.jsonl"\nallow_leak = true'
    project.write_job(sweep, model='model = "../models/smol"', training_file=data)
    plan = words(project.ftorch("submit", "jobs/greet.toml", "--dry-run").err)
    assert f"folder {project.root}/models/smol" in plan
    assert "lora_alpha 16" in plan
    done = project.ftorch("submit", "jobs/greet.toml", "--yes")
    assert done.code == 0, done.err
    runs = [json.loads(project.ftorch("show", str(run["run"]), "--json").out) for run in project.status()]
    found = sorted((run["hyperparameters"]["lora_rank"], run["hyperparameters"]["learning_rate"]) for run in runs)
    assert found == [(4, 0.0001), (4, 0.001), (8, 0.0001), (8, 0.001)]
    assert {run["hyperparameters"]["lora_alpha"] for run in runs} == {16}
    assert {run["base_folder"] for run in runs} == {str(project.root / "models" / "smol")}
    assert all(run["fine_tuned_model"].startswith("ft:smol:local:") for run in runs)
    again = project.ftorch("submit", "jobs/greet.toml", "--yes")
    assert "4 trials recorded already, not submitted again" in again.err


def test_a_sweep_over_models_trains_each(project: Project) -> None:
    model_folder(project.root / "models" / "large", b"more weights")
    sweep = '[sweep.space]\nmodel = ["../models/smol", "../models/large"]\n[lora]\nrank = 4\n'
    data = 'training_file = "train.jsonl"\nvalidation_file = "train.jsonl"\nallow_leak = true'
    project.write_job(sweep, model='model = "../models/smol"', training_file=data)
    done = project.ftorch("submit", "jobs/greet.toml", "--yes")
    assert done.code == 0, done.err
    assert sorted(str(run["model"]) for run in project.status()) == ["large", "smol"]


def test_axes_that_an_endpoint_ignores_are_refused(project: Project) -> None:
    data = 'training_file = "train.jsonl"\nvalidation_file = "train.jsonl"\nallow_leak = true'
    project.write_job("[sweep.space]\nlora_rank = [4, 8]\n", training_file=data)
    done = project.ftorch("submit", "jobs/greet.toml", "--endpoint", "openai", "--dry-run")
    assert done.code == 2
    assert "it does not take lora_rank, which would change nothing there; leave it out of [sweep]" in words(
        done.err
    )


# --- serve -------------------------------------------------------------------------------------------------------


@pytest.fixture
def served(project: Project, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Runs `ftorch serve` with options until it would listen; returns its settings, or how it ended."""
    seen: list[Any] = []
    monkeypatch.setattr(serve, "serve", lambda _store, _host, _port, settings, **_: seen.append(settings))

    def run(*options: str) -> Any:
        done = project.ftorch("serve", *options)
        return seen.pop() if done.code == 130 else done

    return run


def test_serve_has_the_models_of_the_configuration_and_of_its_options(project: Project, served: Any) -> None:
    other = model_folder(project.root / "more" / "other", b"2")
    (project.root / "ftorch.toml").write_text('[models]\nsmol = "models/smol"\n')
    settings = served("--models", "more")
    assert dict(settings.models) == {"smol": project.root / "models" / "smol", "other": other}
    assert dict(served("--models", str(other), "--store", "elsewhere").models).keys() == {"smol", "other"}
    assert dict(served("--store", "elsewhere").models).keys() == {"smol"}


def test_serve_leaves_out_a_model_that_can_not_be_used_and_says_so(project: Project, served: Any) -> None:
    (project.root / "ftorch.toml").write_text('[models]\nsmol = "models/smol"\ngone = "gone"\n')
    assert served().models.keys() == {"smol"}
    done = project.ftorch("serve")
    assert "Note: the model gone of [models] is left out: " in words(done.err)


def test_serve_takes_how_to_train_from_the_table_and_its_options(project: Project, served: Any) -> None:
    program = project.root / "python"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    (project.root / "ftorch.toml").write_text('[endpoints.local]\npython = "./python"\nconstrained = false\n')
    settings = served()
    assert (settings.python, settings.serving, settings.constrained) == (str(program), "transformers", False)
    settings = served("--serving", "vllm", "--vllm-url", "http://127.0.0.1:9")
    assert (settings.serving, settings.vllm_url) == ("vllm", "http://127.0.0.1:9")
    with (project.root / "ftorch.toml").open("a") as table:
        table.write('[endpoints.local.ray]\naddress = "http://127.0.0.1:8265"\nstorage = "/"\ngpus = 0\n')
    assert served().ray is None
    cluster = served("--launcher", "ray", "--ray-address", "http://127.0.0.1:9").ray
    assert (cluster.address, cluster.storage, cluster.gpus) == ("http://127.0.0.1:9", Path("/"), 0)
    refused = project.ftorch("serve", "--ray-address", "http://127.0.0.1:9")
    assert (refused.code, "--ray-address needs --launcher ray" in words(refused.err)) == (2, True)
    (project.root / "other").write_text("#!/bin/sh\n")
    (project.root / "other").chmod(0o755)
    assert served("--python", "other").python == str(project.root / "other")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--vllm-url", "http://127.0.0.1:9"), "--vllm-url needs --serving vllm"),
        (("--serving", "vllm", "--vllm-url", "localhost"), "must be an address such as"),
        (("--serving", "vllm", "--vllm-url", "http://gpu:8000"), "the requests would travel to http://gpu:8000"),
        (("--models", "jobs"), "neither it nor a folder in it has a config.json"),
        (("--models", "org/none"), "hf download org/none"),
        (("--models", "none"), "none can't be used as a model: it does not exist"),
        (("--python", "none"), "'none' does not exist"),
        (("--models", "models/smol", "--models", "copy/smol"), "The name smol already means another model"),
    ],
)
def test_serve_refuses_what_can_not_work(
    project: Project, served: Any, options: tuple[str, ...], said: str
) -> None:
    model_folder(project.root / "copy" / "smol", b"2")
    done = served(*options)
    assert (done.code, said in words(done.err)) == (2, True), done.err
