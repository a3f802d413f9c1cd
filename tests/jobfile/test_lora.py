"""`[lora]`, its axes in `[sweep]`, and folders as `model`: what is read and what is refused, with its place."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.errors import InvalidJobFile
from orchestrator.jobfile import Choices, JobFile, Range, job_from_document, load_job_file, overrides_of

HEAD = 'name = "greet"\nmodel = "smol"\n[data]\ntraining_file = "train.jsonl"\nvalidation_file = "train.jsonl"\n'
LINES = HEAD.count("\n")


def load(folder: Path, text: str, *settings: str) -> JobFile:
    (folder / "train.jsonl").touch()
    path = folder / "job.toml"
    path.write_text(HEAD + text)
    return load_job_file(path, overrides_of(settings))


def problems(folder: Path, text: str) -> list[str]:
    """What is wrong, each problem as "line of `text`: sentence"."""
    with pytest.raises(InvalidJobFile) as caught:
        load(folder, text)
    found = []
    for problem in caught.value.problems:
        line, sentence = problem.removeprefix(f"{folder / 'job.toml'}:").split(": ", 1)
        found.append(f"{int(line) - LINES}: {sentence}")
    return found


def test_every_key_has_its_api_name_and_what_is_left_out_is_not_sent(tmp_path: Path) -> None:
    text = (
        '[lora]\nrank = 8\nalpha = 16\ndropout = 0\ntargets = ["q_proj", "v_proj"]\nlearning_rate = 1e-3\n'
        'quantization = "nf4"\ngradient_checkpointing = true\nprecision = "fp32"\n'
    )
    text += "max_length = 8192\npacking = false\n"
    lora = load(tmp_path, text).lora
    assert lora is not None
    assert lora.hyperparameters == {
        "lora_rank": 8,
        "lora_alpha": 16,
        "lora_dropout": 0.0,
        "lora_targets": ["q_proj", "v_proj"],
        "max_length": 8192,
        "packing": False,
        "quantization": "nf4",
        "gradient_checkpointing": True,
        "precision": "fp32",
    }
    few = load(tmp_path, '[lora]\ntargets = "all-linear"\ngradient_checkpointing = "auto"\n').lora
    assert few is not None
    assert few.hyperparameters == {"lora_targets": "all-linear", "gradient_checkpointing": "auto"}
    assert load(tmp_path, "").lora is None


def test_a_setting_of_the_command_line_reaches_the_table(tmp_path: Path) -> None:
    job = load(tmp_path, "[lora]\nrank = 4\n", "lora.rank=8", "lora.learning_rate=2e-4")
    assert job.lora is not None
    assert job.lora.hyperparameters == {"lora_rank": 8}
    assert job.method.learning_rate == 0.0002


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("rank = 0", "lora.rank must be a whole number from 1 to 1024, not 0"),
        ("rank = 8.0", "lora.rank must be a whole number from 1 to 1024, not 8.0"),
        ("alpha = true", "lora.alpha must be a whole number from 1 to 10000, not true"),
        ("dropout = 1", "lora.dropout must be a number of at least 0 and below 1, not 1"),
        ("dropout = nan", "lora.dropout must be a number of at least 0 and below 1, not nan"),
        ("learning_rate = 0", 'lora.learning_rate must be "auto" or a number above 0 and at most 1, not 0'),
        (
            'targets = "up"',
            'lora.targets must be "all-linear" or a list of module names, such as ["q_proj", "v_proj"], not "up"',
        ),
        (
            "targets = []",
            'lora.targets must be "all-linear" or a list of module names, such as ["q_proj", "v_proj"], not []',
        ),
        ('quantization = "int8"', "lora.quantization must be 'none' or 'nf4', not \"int8\""),
        (
            'gradient_checkpointing = "yes"',
            'lora.gradient_checkpointing must be "auto", true or false, not "yes"',
        ),
        ('precision = "fp16"', "lora.precision must be 'auto', 'bf16' or 'fp32', not \"fp16\""),
        ("max_length = 0", "lora.max_length must be a whole number from 1 to 10000000, not 0"),
        ("packing = 1", "lora.packing must be true or false, not 1"),
        ("rnak = 8", 'unknown key "rnak" in [lora]; did you mean "rank"?'),
        ("lora_rank = 8", 'unknown key "lora_rank" in [lora]; did you mean "rank"?'),
        ("n_epochs = 3", 'unknown key "n_epochs" in [lora]; put it under [method] (method.n_epochs)'),
    ],
)
def test_a_mistake_names_line_key_finding_and_what_is_allowed(tmp_path: Path, line: str, expected: str) -> None:
    assert problems(tmp_path, f"[lora]\n{line}\n") == [f"2: {expected}"]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("rank = 8", 'unknown key "rank" in [method]; put it under [lora] (lora.rank)'),
        ("lora_alpha = 8", 'unknown key "lora_alpha" in [method]; put it under [lora] (lora.alpha)'),
        (
            "learning_rate = 2",
            'method.learning_rate must be "auto" or a number above 0 and at most 1, not 2',
        ),
    ],
)
def test_a_key_in_the_wrong_table_is_sent_home(tmp_path: Path, line: str, expected: str) -> None:
    assert problems(tmp_path, f"[method]\n{line}\n") == [f"2: {expected}"]


def test_a_misspelt_table_is_told(tmp_path: Path) -> None:
    assert problems(tmp_path, "[lorra]\nrank = 8\n") == ['1: unknown table "lorra"; did you mean "lora"?']


def test_an_absolute_rate_leaves_no_room_for_a_multiplier(tmp_path: Path) -> None:
    text = "[lora]\nlearning_rate = 1e-3\n[method]\nlearning_rate_multiplier = {}\n"
    said = "2: lora.learning_rate is absolute, but method.learning_rate_multiplier is 0.5; keep one of them"
    assert problems(tmp_path, text.format("0.5")) == [said]
    assert load(tmp_path, text.format('"auto"')).lora is not None
    text = "[method]\nlearning_rate_multiplier = 0.5\nlearning_rate = 1e-3\n"
    assert problems(tmp_path, text) == [said.replace("2: lora", "3: method")]


def test_the_older_name_of_an_absolute_rate_means_the_same(tmp_path: Path) -> None:
    older, present = (load(tmp_path, f"[{table}]\nlearning_rate = 1e-3\n") for table in ("lora", "method"))
    assert older.method == present.method
    assert older.method.hyperparameters == {"n_epochs": "auto", "batch_size": "auto", "learning_rate": 0.001}
    again = job_from_document(older.document, older.source)
    assert (again.method, again.lora) == (older.method, older.lora)


def test_a_rate_under_both_of_its_names_is_told(tmp_path: Path) -> None:
    text = "[method]\nlearning_rate = {}\n[lora]\nlearning_rate = 1e-4\n"
    said = "4: lora.learning_rate is an older name of method.learning_rate, which is set too; keep one of them"
    assert problems(tmp_path, text.format("1e-3")) == [said]
    assert load(tmp_path, text.format('"auto"')).method.learning_rate == 1e-4
    job = load(tmp_path, text.format("1e-3"), 'lora.learning_rate="auto"')
    assert job.method.learning_rate == 1e-3


def test_a_rate_in_any_other_place_is_sent_home(tmp_path: Path) -> None:
    home = 'unknown key "learning_rate" in [limits]; put it under [method] (method.learning_rate)'
    assert problems(tmp_path, "[limits]\nlearning_rate = 1e-3\n") == [f"2: {home}"]


# --- [sweep] -----------------------------------------------------------------------------------------------------


def test_a_sweep_has_axes_for_lora(tmp_path: Path) -> None:
    text = (
        '[sweep]\nstrategy = "random"\ntrials = 3\n[sweep.space]\nlora_rank = [8, 16]\nlora_alpha = [16]\n'
        "lora_dropout = { low = 0.0, high = 0.1 }\nlearning_rate = { low = 1e-4, high = 1e-3, log = true }\n"
    )
    sweep = load(tmp_path, text).sweep
    assert sweep is not None
    assert sweep.space.axes == {
        "lora_rank": Choices((8, 16)),
        "lora_alpha": Choices((16,)),
        "lora_dropout": Range(0.0, 0.1),
        "learning_rate": Range(1e-4, 1e-3, log=True),
    }


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "[sweep.space]\nlora_rank = [0]\n",
            "2: sweep.space.lora_rank must contain only allowed values: each must be a whole number from 1 to 1024",
        ),
        ("[sweep.space]\nrank = [8]\n", '2: unknown key "rank" in [sweep.space]; did you mean "lora_rank"?'),
        (
            "[sweep.space]\nlearning_rate = [1e-3]\nlearning_rate_multiplier = [1]\n",
            "1: sweep.space: a trial would have both learning_rate and learning_rate_multiplier; keep one of them",
        ),
        (
            "[lora]\nlearning_rate = 1e-3\n[sweep.space]\nlearning_rate_multiplier = [1]\n",
            "3: sweep.space: a trial would have both learning_rate and learning_rate_multiplier; keep one of them",
        ),
        (
            "[method]\nlearning_rate_multiplier = 2\n[sweep]\npoints = [{ learning_rate = 1e-3 }]\n",
            "4: sweep.points: a trial would have both learning_rate and learning_rate_multiplier; keep one of them",
        ),
        (
            '[lora]\nlearning_rate = 1e-3\n[sweep]\nstrategy = "recommended"\n',
            '4: sweep.strategy "recommended" tries values of learning_rate_multiplier; leave out learning_rate',
        ),
    ],
)
def test_a_contradiction_in_a_sweep_is_told(tmp_path: Path, text: str, expected: str) -> None:
    [found] = problems(tmp_path, text)
    assert found.startswith(expected)


# --- model -------------------------------------------------------------------------------------------------------


def job_with(model: str, path: Path) -> JobFile:
    return job_from_document({"name": "x", "model": model, "data": {"training_file": "t"}}, path)


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("/models/SmolLM2-135M-Instruct/", "SmolLM2-135M-Instruct"),
        ("~/models/my model", "my-model"),
        ("./smol", "smol"),
        ("../smol", "smol"),
        (".", "jobs"),
        ("org/smol", "org/smol"),
        ("models/smol", "models/smol"),
        ("ft:smol:local::1", "ft:smol:local::1"),
    ],
)
def test_a_folder_is_named_by_the_last_part_of_its_path(written: str, name: str) -> None:
    job = job_with(written, Path("/project/jobs/x.toml"))
    assert (job.model, job.written_model) == (name, written)


def test_a_folder_on_the_command_line_is_relative_to_where_it_is_typed(home: Path, tmp_path: Path) -> None:
    [here, by_key] = (overrides_of(model="./smol")[0], overrides_of(["model=./smol"])[0])
    assert (here.value, here.option, by_key.value) == (str(home / "smol"), "--model ./smol", "./smol")
    assert overrides_of(model="~/smol")[0].value == str(tmp_path / "home" / "smol")
    assert overrides_of(model="org/smol")[0].value == "org/smol"
    assert overrides_of(model=".models/smol")[0].value == str(home / ".models/smol")
    (home / "org/smol").mkdir(parents=True)
    assert overrides_of(model="org/smol")[0].value == str(home / "org/smol")


def test_a_name_with_spaces_is_no_model(tmp_path: Path) -> None:
    (tmp_path / "train.jsonl").touch()
    path = tmp_path / "job.toml"
    path.write_text(HEAD.replace('"smol"', '"smol two"'))
    with pytest.raises(InvalidJobFile, match=r"must be a model name without spaces, or a folder such as \./NAME"):
        load_job_file(path)
