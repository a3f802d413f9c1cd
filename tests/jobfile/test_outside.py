"""Files that a job file names outside its folder and its project: found however the path is written."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.jobfile import load_job_file
from orchestrator.jobfile.outside import files_outside


@pytest.fixture
def job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A job file in `project/jobs` that names this training file; beside `project` lies `other`."""
    for folder in ("project/jobs/data", "project/data", "other", "home"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "a.jsonl").write_text("{}\n")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))

    def make(training_file: str, folder: str = "project/jobs"):
        path = tmp_path / folder / "job.toml"
        path.write_text(f'name = "a"\nmodel = "tiny"\n[data]\ntraining_file = "{training_file}"\n')
        return load_job_file(path)

    return make


@pytest.mark.parametrize("name", ["data/a.jsonl", "../data/a.jsonl", "./data/../data/a.jsonl"])
def test_the_folder_and_the_project_are_the_job_files_own(job, tmp_path, name):
    assert files_outside(job(name), tmp_path / "project") == []


def test_what_leads_elsewhere_is_named_with_its_key_and_where_it_leads(job, tmp_path):
    other = tmp_path / "other" / "a.jsonl"
    (tmp_path / "project" / "jobs" / "link.jsonl").symlink_to(other)
    (tmp_path / "project" / "jobs" / "linked").symlink_to(tmp_path / "other")
    for name in ("../../other/a.jsonl", str(other), "link.jsonl", "linked/a.jsonl", "data/../../../other/a.jsonl"):
        assert list(map(str, files_outside(job(name), tmp_path / "project"))) == [f"data.training_file ({other})"]


def test_a_home_folder_is_no_project_and_nor_is_one_that_the_job_file_is_not_in(job, tmp_path):
    assert files_outside(job("../data/a.jsonl"), tmp_path)
    assert files_outside(job("../data/a.jsonl"), tmp_path / "home")
    assert files_outside(job("../data/a.jsonl"), Path("/"))


def test_the_folder_of_a_rescue_belongs_to_its_job_files(job, tmp_path):
    project, elsewhere = tmp_path / "project", tmp_path / "elsewhere"
    assert files_outside(job("../data/a.jsonl"), elsewhere)
    (project / "manifest.jsonl").write_text("{}\n")
    assert files_outside(job("../data/a.jsonl"), elsewhere) == []
    assert files_outside(job("../../other/a.jsonl"), elsewhere)
    assert files_outside(job("../jobs/data/a.jsonl", "project/data"), elsewhere)


def test_a_manifest_above_the_home_folder_makes_no_rescue(job, tmp_path, monkeypatch):
    (tmp_path / "project" / "manifest.jsonl").write_text("{}\n")
    monkeypatch.setenv("HOME", str(tmp_path / "project" / "data"))
    assert files_outside(job("../data/a.jsonl"), tmp_path / "elsewhere")
