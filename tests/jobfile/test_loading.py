from __future__ import annotations

import re
from pathlib import Path

import pytest
from pydantic import ValidationError

from orchestrator.errors import InvalidJobFile, JobFileNotFound, TomlSyntaxError, TomlUnreadable
from orchestrator.jobfile import JobFile, load_job_file

HEAD = 'name = "greet"\nmodel = "gpt-4.1-mini"\n'
DATA = '[data]\ntraining_file = "train.jsonl"\n'
VALIDATION = 'validation_file = "valid.jsonl"\n'
GRADER = '[method.grader]\ntype = "string_check"\n'


def write(folder: Path, text: str) -> Path:
    for name in ("train.jsonl", "valid.jsonl"):
        (folder / name).touch()
    path = folder / "job.toml"
    path.write_text(text, encoding="utf-8")
    return path


def load(folder: Path, text: str) -> JobFile:
    return load_job_file(write(folder, text))


def problems(folder: Path, text: str) -> list[str]:
    """What is wrong with a job file, each problem without the path of the file."""
    path = write(folder, text)
    with pytest.raises(InvalidJobFile) as caught:
        load_job_file(path)
    assert caught.value.exit_code == 2
    assert str(caught.value) == "\n".join(caught.value.problems)
    assert all(problem.startswith(str(path)) for problem in caught.value.problems)
    return [problem.removeprefix(str(path)).removeprefix(":") for problem in caught.value.problems]


def method(kind: str, key: str, value: str) -> str:
    """A job file whose line 8 sets this key of a method of this kind."""
    extra = GRADER if kind == "reinforcement" else ""
    data = DATA + (VALIDATION if kind == "reinforcement" else "# no validation\n")
    return f'{HEAD}{data}[method]\ntype = "{kind}"\n{key} = {value}\n{extra}'


def test_a_short_job_file_gets_the_defaults(tmp_path: Path) -> None:
    job = load(tmp_path, HEAD + DATA)
    assert (job.name, job.endpoint, job.model) == ("greet", "local", "gpt-4.1-mini")
    assert (job.suffix, job.seed, job.metadata) == (None, None, {})
    assert (job.limits.max_cost_usd, job.poll.seconds) == (None, None)
    assert job.method.type == "supervised"
    auto = {"n_epochs": "auto", "batch_size": "auto", "learning_rate_multiplier": "auto"}
    assert job.method.hyperparameters == auto


def test_every_key_is_read(tmp_path: Path) -> None:
    text = (
        'name = "a.b-c_1"\nendpoint = "staging"\nmodel = "ft:gpt:me::1"\nsuffix = "s"\nseed = 0\n'
        f"{DATA}{VALIDATION}[method]\nn_epochs = 3\nbatch_size = 4\nlearning_rate_multiplier = 2\n"
        '[metadata]\nteam = "flight"\n[limits]\nmax_cost_usd = 20\n[poll]\nseconds = 0.5\n'
    )
    job = load(tmp_path, text)
    assert (job.endpoint, job.suffix, job.seed) == ("staging", "s", 0)
    assert job.method.hyperparameters == {"n_epochs": 3, "batch_size": 4, "learning_rate_multiplier": 2}
    assert (job.metadata, job.limits.max_cost_usd, job.poll.seconds) == ({"team": "flight"}, 20, 0.5)


def test_paths_are_relative_to_the_job_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, HEAD + DATA + VALIDATION)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    job = load_job_file(Path("../job.toml"))
    assert job.source == Path("../job.toml")
    assert job.training_path == Path("../train.jsonl")
    assert job.validation_path == Path("../valid.jsonl")
    assert load(tmp_path, HEAD + DATA).validation_path is None


def test_a_direct_preference_job_has_a_beta(tmp_path: Path) -> None:
    job = load(tmp_path, HEAD + DATA + '[method]\ntype = "dpo"\nbeta = 0.1\n')
    assert job.method.hyperparameters["beta"] == 0.1


def test_a_reinforcement_job_keeps_its_grader_apart_from_its_hyperparameters(tmp_path: Path) -> None:
    text = HEAD + DATA + VALIDATION + '[method]\ntype = "reinforcement"\nreasoning_effort = "low"\n' + GRADER
    found = load(tmp_path, text).method
    assert found.type == "reinforcement"
    assert found.grader == {"type": "string_check"}
    assert found.hyperparameters == {
        "n_epochs": "auto",
        "batch_size": "auto",
        "learning_rate_multiplier": "auto",
        "reasoning_effort": "low",
        "compute_multiplier": "auto",
        "eval_interval": "auto",
        "eval_samples": "auto",
    }


def test_dotted_keys_inline_tables_and_a_byte_order_mark_are_toml_too(tmp_path: Path) -> None:
    text = f'\ufeff{HEAD}data.training_file = "train.jsonl"\nmethod = {{ type = "dpo", beta = 2 }}\n'
    job = load(tmp_path, text)
    assert job.training_path.name == "train.jsonl"
    assert job.method.hyperparameters["beta"] == 2


def test_a_job_file_can_not_be_changed(tmp_path: Path) -> None:
    job = load(tmp_path, HEAD + DATA)
    with pytest.raises(ValidationError, match="frozen"):
        job.seed = 3
    with pytest.raises(ValidationError, match="frozen"):
        job.method.n_epochs = 3


WHOLE = [
    ("supervised", "n_epochs", 1, 50),
    ("dpo", "n_epochs", 1, 50),
    ("reinforcement", "n_epochs", 1, 50),
    ("supervised", "batch_size", 1, 256),
    ("reinforcement", "eval_interval", 1, 2147483647),
    ("reinforcement", "eval_samples", 1, 2147483647),
]


@pytest.mark.parametrize(("kind", "key", "low", "high"), WHOLE)
def test_whole_numbers_have_the_ranges_of_the_api(tmp_path: Path, kind: str, key: str, low: int, high: int) -> None:
    for value in (low, high, "auto"):
        text = method(kind, key, f'"{value}"' if value == "auto" else str(value))
        assert load(tmp_path, text).method.hyperparameters[key] == value
    for value in (low - 1, high + 1, "1.0", "true", '"1"'):
        expected = f'8: method.{key} must be "auto" or a whole number from {low} to {high}, not '
        assert problems(tmp_path, method(kind, key, str(value))) == [f"{expected}{value}"]


NUMBERS = [
    (
        "supervised",
        "learning_rate_multiplier",
        ("1e-9", "1", "300.5"),
        ("0", "-1", "inf", "nan"),
        "a number above 0",
    ),
    ("dpo", "beta", ("1e-9", "2"), ("0", "0.0", "2.0001", "nan"), "a number above 0 and at most 2"),
    (
        "reinforcement",
        "compute_multiplier",
        ("0.000011", "10"),
        ("0.00001", "10.01", "inf"),
        "a number above 0.00001 and at most 10",
    ),
]


@pytest.mark.parametrize(("kind", "key", "good", "bad", "rule"), NUMBERS)
def test_numbers_have_the_ranges_of_the_api(
    tmp_path: Path, kind: str, key: str, good: tuple[str, ...], bad: tuple[str, ...], rule: str
) -> None:
    for value in good:
        found = load(tmp_path, method(kind, key, value)).method.hyperparameters[key]
        assert (found, type(found)) == (float(value), float)
    for value in (*bad, "true", '"much"', "1" + "0" * 400):
        [problem] = problems(tmp_path, method(kind, key, value))
        assert problem.startswith(f'8: method.{key} must be "auto" or {rule}, not ')


@pytest.mark.parametrize("effort", ["default", "low", "medium", "high"])
def test_every_reasoning_effort_of_the_api_is_taken(tmp_path: Path, effort: str) -> None:
    job = load(tmp_path, method("reinforcement", "reasoning_effort", f'"{effort}"'))
    assert job.method.hyperparameters["reasoning_effort"] == effort


LINES = [
    (
        'name = "bad name"',
        'name must be 1 to 64 letters, digits, dots, dashes or underscores, and begin .*, not "bad',
    ),
    ('name = ""', "name must be 1 to 64 letters"),
    (f'name = "{"x" * 65}"', "name must be 1 to 64 letters"),
    ("name = 3", "name must be text in quotes, not 3$"),
    ('endpoint = ""', 'endpoint must not be empty, not ""'),
    (f'endpoint = "{"e" * 65}"', "endpoint must have at most 64 characters"),
    ('model = "a b"', 'model must be a model name without spaces, or a folder such as ./NAME, not "a b"'),
    ('model = ""', "model must not be empty"),
    (f'model = "{"m" * 1025}"', "model must have at most 1024 characters"),
    ('suffix = "-x"', "suffix must be letters, digits, dots, dashes or underscores, and begin with"),
    (f'suffix = "{"s" * 65}"', "suffix must have at most 64 characters"),
    ("seed = -1", "seed must be at least 0, not -1"),
    ("seed = 2147483648", "seed must be at most 2147483647, not 2147483648"),
    ("seed = 1.5", "seed must be a whole number, not 1.5"),
    ("seed = true", "seed must be a whole number, not true"),
    ("data = 3", "data must be a table, not 3"),
    ("method = 3", "method must be a table, not 3"),
    ("method.type = 3", "method.type must be one of supervised, dpo, reinforcement, not 3"),
    ('method.type = "sft"', 'method.type must be one of supervised, dpo, reinforcement, not "sft"'),
    ("method.reasoning_effort = 3", 'unknown key "reasoning_effort" in .method.; it is for method.type reinf'),
    ("method.beta = 3", 'unknown key "beta" in .method.; it is for method.type dpo$'),
    ("n_epochs = 3", r'unknown key "n_epochs"; put it under \[method\] \(method.n_epochs\)$'),
    ("max_cost_usd = 3", r'unknown key "max_cost_usd"; put it under \[limits\] \(limits.max_cost_usd\)$'),
    ("data.n_epochs = 3", r'unknown key "n_epochs" in \[data\]; put it under \[method\]'),
    ("method.model = 3", 'unknown key "model" in .method.; put it at the top, above the first .table.$'),
    ("method.max_cost_usd = 3", r'unknown key "max_cost_usd" in \[method\]; put it under \[limits\]'),
    ("method.n_epoch = 3", 'unknown key "n_epoch" in .method.; did you mean "n_epochs"'),
    ("metadata = 3", "metadata must be a table, not 3"),
    ("metadata.team = 3", "metadata.team must be text in quotes, not 3"),
    ("limits = []", r"limits must be a table, not \[\]"),
    ("limits.max_cost_usd = 0", "limits.max_cost_usd must be above 0, not 0"),
    ("limits.max_cost_usd = inf", "limits.max_cost_usd must be a finite number, not inf"),
    ('limits.max_cost_usd = "20"', 'limits.max_cost_usd must be a number, not "20"'),
    ("limits.max_cost = 20", 'unknown key "max_cost" in .limits.; did you mean "max_cost_usd"'),
    ("poll.seconds = 0.04", "poll.seconds must be at least 0.05, not 0.04"),
    ("poll.seconds = 3601", "poll.seconds must be at most 3600, not 3601"),
    ("poll.second = 3", 'unknown key "second" in .poll.; did you mean "seconds"'),
    ("data.validation = 3", 'unknown key "validation" in .data.; did you mean "validation_file"'),
    ("data.validation_file = 3", "data.validation_file must be text in quotes, not 3"),
    ('data.validation_file = ""', "data.validation_file must not be empty"),
    ('modle = "x"', 'unknown key "modle"; did you mean "model"'),
    ("zzz = 1", 'unknown key "zzz"; known here: endpoint, model, name, seed, suffix'),
    ("[metod]", 'unknown table "metod"; did you mean "method"'),
    ("[eval]", 'unknown table "eval"; did you mean "evaluation"?'),
]


@pytest.mark.parametrize(("line", "expected"), LINES)
def test_an_error_names_line_key_finding_and_what_is_allowed(tmp_path: Path, line: str, expected: str) -> None:
    given = {
        "name": 'name = "greet"',
        "model": 'model = "m"',
        "data.training_file": 'data.training_file = "train.jsonl"',
    }
    key = line.split(" ")[0]
    given.pop(key, None)
    if key == "data":
        given.pop("data.training_file")
    [problem] = problems(tmp_path, "\n".join([*given.values(), "", line, ""]))
    number, sentence = problem.split(": ", 1)
    assert int(number) == len(given) + 2
    assert re.match(expected, sentence), sentence


@pytest.mark.parametrize("seed", [0, 2147483647])
def test_a_seed_reaches_from_0_to_31_bits(tmp_path: Path, seed: int) -> None:
    assert load(tmp_path, f"{HEAD}seed = {seed}\n{DATA}").seed == seed


@pytest.mark.parametrize("seconds", ["0.05", "3600"])
def test_polling_reaches_from_a_twentieth_second_to_an_hour(tmp_path: Path, seconds: str) -> None:
    assert load(tmp_path, f"{HEAD}{DATA}[poll]\nseconds = {seconds}\n").poll.seconds == float(seconds)


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    nowhere = [f" {key} is missing; it must be set" for key in ("name", "model", "data")]
    assert problems(tmp_path, "") == nowhere
    assert problems(tmp_path, f"{HEAD}\n[data]\n") == ["4: data.training_file is missing; it must be set"]


def test_reinforcement_needs_a_grader_and_a_validation_file(tmp_path: Path) -> None:
    text = HEAD + DATA + '[method]\nn_epochs = 1\ntype = "reinforcement"\n'
    assert problems(tmp_path, text) == [
        "5: method.grader is missing; it must be set",
        '7: method.type "reinforcement" needs a validation file; set data.validation_file',
    ]


def test_metadata_leaves_room_for_two_pairs_of_our_own(tmp_path: Path) -> None:
    pairs = [f'k{number} = "v"' for number in range(15)]
    assert len(load(tmp_path, "\n".join([HEAD, DATA, "[metadata]", *pairs[:14]])).metadata) == 14
    found = problems(tmp_path, "\n".join([HEAD + DATA + "[metadata]", *pairs]))
    assert found == ["5: metadata: has 15 pairs, at most 14 fit"]


def test_metadata_has_the_limits_of_the_api(tmp_path: Path) -> None:
    fits = f'[metadata]\n{"k" * 64} = "{"v" * 512}"\n'
    assert load(tmp_path, HEAD + DATA + fits).metadata == {"k" * 64: "v" * 512}
    text = f'[metadata]\nfine = "x"\nlong = "{"v" * 513}"\n{"k" * 65} = "x"\nftorch_run = "x"\n'
    long, key, own = problems(tmp_path, HEAD + DATA + text)
    assert long.startswith('7: metadata.long must have at most 512 characters, not "vvv')
    assert len(long) < 140
    assert key == f"8: metadata.{'k' * 65}: this key has 65 characters, at most 64 are allowed"
    assert own == "9: metadata.ftorch_run: this key is reserved for ftorch; choose another"


def test_a_missing_data_file_is_told_with_the_nearest_there_is(tmp_path: Path) -> None:
    text = HEAD + '[data]\ntraining_file = "trian.jsonl"\nvalidation_file = "nowhere/at/all"\n'
    assert problems(tmp_path, text) == [
        f"4: data.training_file: there is no file {tmp_path}/trian.jsonl; did you mean train.jsonl?",
        f"5: data.validation_file: there is no file {tmp_path}/nowhere/at/all",
    ]


@pytest.mark.parametrize("name", ["x" * 300, "a\\u0000b", "train.jsonl/below"])
def test_a_path_that_can_not_exist_is_a_missing_file(tmp_path: Path, name: str) -> None:
    [problem] = problems(tmp_path, f'{HEAD}[data]\ntraining_file = "{name}"\n')
    assert problem.startswith("4: data.training_file: there is no file ")


def test_all_problems_come_at_once_in_the_order_of_the_file(tmp_path: Path) -> None:
    text = (
        f"{HEAD}zzz = 1\n[poll]\nseconds = 0\n[method]\nbeta = 1\nn_epochs = 0\n{DATA.replace('train.', 'none.')}"
    )
    found = problems(tmp_path, text)
    assert [problem.split(":")[0] for problem in found] == ["3", "5", "7", "8", "10"], found
    assert [problem.split(" ")[1] for problem in found] == [
        "unknown",
        "poll.seconds",
        "unknown",
        "method.n_epochs",
        "data.training_file:",
    ]


def test_keys_in_long_texts_do_not_draw_errors_to_them(tmp_path: Path) -> None:
    text = HEAD + DATA + '[metadata]\nnote = """\n[method]\nn_epochs = 1\n"""\n[method]\nn_epochs = 99\n'
    [problem] = problems(tmp_path, text)
    assert problem.startswith("11: method.n_epochs must be")


def test_odd_key_names_are_unknown_keys_like_any_other(tmp_path: Path) -> None:
    [top, inner] = problems(tmp_path, f'"[key]" = 1\n{HEAD}{DATA}[method]\n"[key]" = 1\n')
    assert top.startswith('1: unknown key "[key]"; ')
    assert inner.startswith('7: unknown key "[key]" in [method]; ')


def test_no_job_file_is_said_with_its_path(tmp_path: Path) -> None:
    with pytest.raises(JobFileNotFound, match=r"There is no job file .*/none\.toml\. Give the path"):
        load_job_file(tmp_path / "none.toml")


def test_a_broken_job_file_is_said_with_its_line(tmp_path: Path) -> None:
    with pytest.raises(TomlSyntaxError, match=r"job\.toml:2: this is not valid TOML"):
        load(tmp_path, 'name = "x"\nmodel = \n')
    path = write(tmp_path, "")
    path.write_bytes(b'name = "\xe4"')
    with pytest.raises(TomlUnreadable, match="it is not UTF-8 text"):
        load_job_file(path)


def test_the_shipped_job_files_are_valid() -> None:
    shipped = sorted((Path(__file__).parents[2] / "jobs").glob("*.toml"))
    assert [load_job_file(path).name for path in shipped] == [path.stem for path in shipped]
    assert shipped
