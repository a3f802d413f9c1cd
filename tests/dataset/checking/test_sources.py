"""Which files a check is about, and what is known of each."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.dataset.checking.filesets import CheckOptions, gather, purpose_in_name
from orchestrator.dataset.checking.limits import limits_of
from orchestrator.errors import (
    DataFileNotFound,
    InvalidJobFile,
    NoSuchEndpoint,
    OptionAgainstJobFile,
    UnknownEndpoint,
)

JOB = """
name = "small"
endpoint = "{endpoint}"
model = "gpt-4.1-mini-2025-04-14"
[data]
training_file = "data/train.jsonl"
validation_file = "data/valid.jsonl"
[method]
type = "dpo"
n_epochs = {epochs}
"""


@pytest.fixture
def job(home: Path) -> Path:
    """A job file with two data files, in a project of its own."""
    (home / "data").mkdir()
    for name in ("train", "valid"):
        (home / "data" / f"{name}.jsonl").write_text("{}\n")
    return write_job(home)


def write_job(folder: Path, endpoint: str = "local", epochs: str = "4") -> Path:
    path = folder / "small.toml"
    path.write_text(JOB.format(endpoint=endpoint, epochs=epochs))
    return path


@pytest.mark.parametrize(
    ("name", "purpose"),
    [
        ("train.jsonl", "training"),
        ("stocks_training_v2.jsonl", "training"),
        ("valid.jsonl", "validation"),
        ("my-val-set.jsonl", "validation"),
        ("dev.jsonl", "validation"),
        ("TEST.jsonl", "evaluation"),
        ("eval2.jsonl", "evaluation"),
        ("drone.jsonl", None),
        ("evaluated.jsonl", None),
        ("latest.jsonl", None),
        ("train-test.jsonl", None),
    ],
)
def test_a_files_name_tells_what_it_is_for(name: str, purpose: str | None) -> None:
    assert purpose_in_name(Path("training") / name) == purpose


def test_a_file_whose_name_tells_nothing_is_taken_for_training_and_said_to_be(home: Path) -> None:
    (home / "drone.jsonl").write_text("{}\n")
    [[source]] = gather([Path("drone.jsonl")], CheckOptions())
    assert (source.purpose, source.purpose_is_guess) == ("training", True)


def test_options_speak_for_bare_files(home: Path) -> None:
    (home / "train.jsonl").write_text("{}\n")
    [[source]] = gather([Path("train.jsonl")], CheckOptions("azure", "gpt-4o", "validation", "dpo"))
    assert (source.purpose, source.method, source.model) == ("validation", "dpo", "gpt-4o")
    assert source.limits == limits_of("azure")
    assert not source.purpose_is_guess


def test_a_job_file_brings_its_files_with_roles_method_model_and_limits(job: Path) -> None:
    [[training, validation]] = gather([job], CheckOptions())
    assert (training.path, training.purpose) == (job.parent / "data" / "train.jsonl", "training")
    assert (validation.path, validation.purpose) == (job.parent / "data" / "valid.jsonl", "validation")
    for source in (training, validation):
        assert (source.method, source.model, source.epochs) == ("dpo", "gpt-4.1-mini-2025-04-14", 4)
        assert source.limits == limits_of("local")


def test_auto_epochs_count_as_the_one_that_is_certain(job: Path) -> None:
    [[training, _]] = gather([write_job(job.parent, epochs='"auto"')], CheckOptions())
    assert training.epochs == 1


def test_files_that_stand_alone_are_one_set_and_each_job_file_is_another(job: Path) -> None:
    alone = [job.parent / "data" / "valid.jsonl", job.parent / "data" / "train.jsonl"]
    sets = gather([alone[0], job, alone[1], alone[0]], CheckOptions())
    assert [[source.path.name for source in one] for one in sets] == [
        ["train.jsonl", "valid.jsonl"],
        ["valid.jsonl", "train.jsonl"],
    ]


def test_for_takes_the_name_of_a_configured_endpoint_or_a_type(job: Path) -> None:
    (job.parent / "ftorch.toml").write_text('[endpoints.work]\ntype = "azure"\n')
    for name in ("work", "azure"):
        [[training, _]] = gather([job], CheckOptions(endpoint=name))
        assert training.limits == limits_of("azure")


def test_an_unknown_endpoint_is_refused_with_the_nearest_one(job: Path) -> None:
    with pytest.raises(NoSuchEndpoint, match="Did you mean azure"):
        gather([job], CheckOptions(endpoint="azur"))
    with pytest.raises(NoSuchEndpoint, match="Choose one of: azure, compatible"):
        gather([job], CheckOptions(endpoint="zzz"))
    with pytest.raises(UnknownEndpoint):
        gather([write_job(job.parent, endpoint="nowhere")], CheckOptions())


@pytest.mark.parametrize("options", [CheckOptions(purpose="training"), CheckOptions(method="dpo")])
def test_what_a_job_file_says_itself_is_not_overridden(options: CheckOptions, job: Path) -> None:
    with pytest.raises(OptionAgainstJobFile, match=r"small\.toml"):
        gather([job], options)


def test_a_file_that_is_not_there_is_told_with_the_nearest_one_before_anything_is_read(job: Path) -> None:
    with pytest.raises(DataFileNotFound, match=r"Did you mean .*train\.jsonl"):
        gather([job.parent / "data" / "trian.jsonl"], CheckOptions())
    with pytest.raises(DataFileNotFound, match="no data file"):
        gather([Path("nowhere/at-all.jsonl")], CheckOptions())
    with pytest.raises(DataFileNotFound):
        gather([Path("x" * 5000)], CheckOptions())


def test_a_job_file_with_problems_is_told_as_submit_would(home: Path) -> None:
    (home / "bad.toml").write_text('name = "bad"\n')
    with pytest.raises(InvalidJobFile, match="model is missing"):
        gather([Path("bad.toml")], CheckOptions())


def test_the_evaluation_file_of_a_job_is_checked_too(job: Path) -> None:
    cases = job.parent / "data" / "cases.jsonl"
    cases.write_text("{}\n")
    job.write_text(f'{job.read_text()}[evaluation]\nfile = "data/cases.jsonl"\n')
    [sources] = gather([job], CheckOptions())
    assert [(each.path.name, each.purpose, each.method) for each in sources] == [
        ("train.jsonl", "training", "dpo"),
        ("valid.jsonl", "validation", "dpo"),
        ("cases.jsonl", "evaluation", None),
    ]
