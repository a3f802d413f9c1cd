"""The drone's shorter files and its job of open weights: made by the command, trained as it says."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from support.openweights import model_folder, scribe
from support.project import make_project

from orchestrator.dataset.shorten import CUTS, shorten_files

__all__ = ["scribe"]
JOBS = Path(__file__).parents[2] / "jobs"
SHORT = JOBS / "drone" / "no-parameters"
FILES = ("train.jsonl", "validation.jsonl", "evaluation.jsonl")


def test_the_shortened_files_are_what_the_command_makes(tmp_path: Path) -> None:
    shorten_files({JOBS / "drone" / name: tmp_path / name for name in FILES}, CUTS["no-parameters"])
    for name in FILES:
        assert (tmp_path / name).read_bytes() == (SHORT / name).read_bytes()


@pytest.mark.usefixtures("scribe")
def test_the_job_of_open_weights_trains_the_named_model_and_measures_it_as_trained(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    shutil.copytree(JOBS, project.root / "jobs", dirs_exist_ok=True)
    refused = project.ftorch("submit", "jobs/drone-lora.toml")
    assert (refused.code, "None is known here yet" in " ".join(refused.err.split())) == (2, True), refused.err
    model_folder(project.root / "models" / "smollm2")
    (project.root / "ftorch.toml").write_text('[models]\nSmolLM2-135M-Instruct = "models/smollm2"\n')
    done = project.ftorch("submit", "jobs/drone-lora.toml")
    assert (done.code, done.out.startswith("ft:SmolLM2-135M-Instruct:local:drone:")) == (0, True), done.err
    run = json.loads(project.ftorch("show", "drone-lora", "--json").out)
    assert run["hyperparameters"] == {"n_epochs": 3, "batch_size": 8, "learning_rate": 0.001}
    measured = project.ftorch("evaluate", "jobs/drone-lora.toml", "--yes", "--dry-run")
    assert (measured.code, "Warning" in measured.err) == (0, False), measured.err
