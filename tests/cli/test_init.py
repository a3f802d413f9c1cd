"""`init`: from a data file to a job file that can be submitted."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
from support.project import Project

from orchestrator.jobfile import load_job_file

JOBS = Path(__file__).parents[2] / "jobs"


def rows(number: int, make: Callable[[int], dict[str, Any]]) -> str:
    return "".join(json.dumps(make(n)) + "\n" for n in range(number))


NUMBERS = (
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
)


def spelled(n: int) -> str:
    return f"{NUMBERS[n % 14]} {NUMBERS[n // 14]} {'abcdefghijklm'[n % 13] * 5} {'nopqrstuvwxyz'[n % 11] * 7}"


def chat(n: int) -> dict[str, Any]:
    return {
        "messages": [
            {"role": "user", "content": f"Tell me about {spelled(n)}"},
            {"role": "assistant", "content": f"It is {spelled(n)}."},
        ]
    }


def preference(n: int) -> dict[str, Any]:
    return {
        "input": {"messages": [{"role": "user", "content": f"Tell me about {spelled(n)}"}]},
        "preferred_output": [{"role": "assistant", "content": f"It is {spelled(n)}."}],
        "non_preferred_output": [{"role": "assistant", "content": "No."}],
    }


def graded(n: int) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": f"Tell me about {spelled(n)}"}], "answer": spelled(n)}


def write(project: Project, name: str, content: str | bytes) -> str:
    path = project.root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return name


def started(project: Project, *arguments: str) -> dict[str, Any]:
    done = project.ftorch("init", *arguments, "--json")
    assert done.code == 0, done.err
    found: dict[str, Any] = json.loads(done.out)
    return found


# --- what comes next works unchanged --------------------------------------------------------------------------


SAMPLES: dict[str, tuple[Callable[[], str], str, bool]] = {
    "drone": ((JOBS / "drone" / "train.jsonl").read_text, "supervised", True),
    "stock": ((JOBS / "stock" / "train.jsonl").read_text, "supervised", True),
    "chats": (lambda: rows(60, chat), "supervised", True),
    "few": (lambda: rows(12, chat), "supervised", False),
    "preferences": (lambda: rows(110, preference), "dpo", True),
    "few preferences": (lambda: rows(12, preference), "dpo", False),
}


@pytest.mark.parametrize("sample", SAMPLES)
def test_check_submit_and_evaluate_work_on_what_init_wrote(project: Project, sample: str) -> None:
    content, method, is_split = SAMPLES[sample]
    before = content()
    data = write(project, f"my files/{sample}.jsonl", before)
    found = started(project, data)
    assert (found["method"], found["split"] is not None, found["errors"]) == (method, is_split, 0)
    assert found["next"][:2] == ["ftorch data check job.toml", "ftorch submit job.toml"]
    checked = project.ftorch("data", "check", "job.toml")
    assert checked.code == 0, checked.out
    fast = ["--set", "method.n_epochs=1"] if sample in ("drone", "stock") else []
    submitted = project.ftorch("submit", "job.toml", *fast)
    assert submitted.code == 0, submitted.err
    assert submitted.out.startswith("ft:gpt-4.1-mini-2025-04-14:local:")
    if found["next"][2:]:
        assert found["next"][2] == "ftorch evaluate job.toml"
        measured = project.ftorch("evaluate", "job.toml")
        assert measured.code == 0, measured.err
    assert (project.root / data).read_text() == before


def test_graded_data_gets_a_grader_and_a_place_that_trains_it(project: Project) -> None:
    found = started(project, write(project, "sums.jsonl", rows(60, graded)))
    assert (found["method"], found["endpoint"], found["model"]) == ("reinforcement", "openai", "o4-mini-2025-04-16")
    job = load_job_file(project.root / "job.toml")
    assert job.method.type == "reinforcement"
    assert job.method.grader["reference"] == "{{item.answer}}"
    assert job.validation_path is not None
    assert project.ftorch("data", "check", "job.toml").code == 0
    assert project.ftorch("submit", "job.toml", "--dry-run").code == 0
    refused = project.ftorch("init", "sums.jsonl", "-o", "b.toml", "--endpoint", "local")
    assert refused.code == 2
    assert "which the endpoint local does not train. Name another: --endpoint openai" in refused.err


def test_files_beside_the_data_are_used_and_nothing_is_split(project: Project) -> None:
    for name in ("train", "validation", "evaluation"):
        write(project, f"drone/{name}.jsonl", (JOBS / "drone" / f"{name}.jsonl").read_bytes())
    write(project, "drone/other-validation.jsonl", rows(20, chat))
    found = started(project, "drone/train.jsonl")
    job = load_job_file(project.root / "job.toml")
    assert (found["name"], found["split"]) == ("drone", None)
    assert (job.data.training_file, job.data.validation_file) == ("drone/train.jsonl", "drone/validation.jsonl")
    assert job.evaluation is not None
    assert job.evaluation.file == "drone/evaluation.jsonl"
    assert job.evaluation.rejection_tools == ["reject_request"]


def test_a_split_never_replaces_its_source(project: Project) -> None:
    data = write(project, "drone/train.jsonl", (JOBS / "drone" / "train.jsonl").read_bytes())
    found = started(project, data)
    assert found["split"]["training"] == "drone-split/train.jsonl"
    assert (project.root / data).read_bytes() == (JOBS / "drone" / "train.jsonl").read_bytes()


def test_data_outside_the_project_is_split_into_it_or_named_with_the_option(
    project: Project, tmp_path_factory: pytest.TempPathFactory
) -> None:
    elsewhere = tmp_path_factory.mktemp("else where")
    (elsewhere / "big.jsonl").write_text(rows(60, chat))
    (elsewhere / "small.jsonl").write_text(rows(12, chat))
    big = started(project, str(elsewhere / "big.jsonl"), "-o", "big.toml")
    assert big["next"][1] == "ftorch submit big.toml"
    small = started(project, str(elsewhere / "small.jsonl"), "-o", "small.toml")
    assert small["next"][1] == "ftorch submit small.toml --allow-outside"
    assert project.ftorch("submit", "small.toml", "--allow-outside").code == 0


# --- what it chooses and says ----------------------------------------------------------------------------------


def test_it_says_what_it_found_and_wrote_and_what_comes_next(project: Project) -> None:
    subprocess.run(["git", "init", "-q", str(project.root)], check=True)
    write(project, "drone.jsonl", (JOBS / "drone" / "train.jsonl").read_bytes())
    said = project.ftorch("init", "drone.jsonl", COLUMNS="80").out
    for line in (
        "drone.jsonl: 259 examples for supervised training",
        "  16 tools, called in 100% of the examples",
        "  242,025 tokens in each epoch",
        "Wrote drone/train.jsonl: 207 examples for training",
        "Wrote drone/validation.jsonl: 26 examples for validation",
        "Wrote drone/evaluation.jsonl: 26 examples for evaluation",
        "Wrote job.toml: gpt-4.1-mini-2025-04-14 on local",
        "Added .ftorch/ to .gitignore",
        "  ftorch data check job.toml   check the data again",
        "  ftorch submit job.toml       train on this machine; needs no key",
        "  ftorch evaluate job.toml     measure the base and the tuned model",
    ):
        assert f"{line}\n" in said


@pytest.mark.parametrize(
    ("data", "job_file", "name"),
    [
        ("flights.jsonl", "job.toml", "flights"),
        ("Wetter für Köln.jsonl", "job.toml", "Wetter-fur-Koln"),
        ("drone/train.jsonl", "job.toml", "drone"),
        ("train.jsonl", "night-flight.toml", "night-flight"),
        (f"{'x' * 90}.jsonl", "job.toml", "x" * 64),
        ("+.jsonl", "work/job.toml", None),
    ],
)
def test_the_name_comes_from_the_first_file_or_folder_that_says_something(
    project: Project, data: str, job_file: str, name: str | None
) -> None:
    found = started(project, write(project, data, rows(12, chat)), "-o", job_file)
    job = load_job_file(project.root / job_file)
    assert found["name"] == job.name
    if name:
        assert (job.name, job.suffix) == (name, name)


def test_options_choose_endpoint_model_and_name(project: Project) -> None:
    write(project, "d.jsonl", rows(60, chat))
    model = "gpt-4.1-nano-2025-04-14"
    started(project, "d.jsonl", "--endpoint", "openai", "--model", model, "--name", "mine")
    job = load_job_file(project.root / "job.toml")
    assert (job.endpoint, job.model, job.name, job.suffix) == ("openai", model, "mine", "mine")
    assert job.limits.max_cost_usd == 1
    plan = json.loads(project.ftorch("submit", "job.toml", "--dry-run", "--json").out)
    assert 0 < plan["estimated_cost_usd"] < 1


def test_a_suffix_has_room_for_the_run_where_the_endpoint_needs_it(project: Project) -> None:
    (project.root / "ftorch.toml").write_text(
        '[endpoints.azure]\ntype = "azure"\nbase_url = "https://res.openai.azure.com"\n'
        '[endpoints.host]\ntype = "compatible"\nbase_url = "https://host.example/v1"\nsuffix_max = 18\n'
    )
    write(project, "d.jsonl", rows(60, chat))
    name = f"{'long.name-' * 6}end"
    for endpoint, options in (("azure", []), ("host", ["--model", "some/model"])):
        found = started(project, "d.jsonl", "--endpoint", endpoint, "--name", name, "--force", *options)
        assert found["endpoint"] == endpoint
        plan = json.loads(project.ftorch("submit", "job.toml", "--dry-run", "--json").out)
        assert not [each for each in plan["notices"] if "suffix" in each], plan["notices"]
    refused = project.ftorch("init", "d.jsonl", "-o", "other.toml", "--endpoint", "host")
    assert (refused.code, "Name the base model: --model MODEL" in refused.err) == (2, True)


@pytest.mark.parametrize(
    ("kind", "model", "lora"),
    [
        ("nebius", "meta-llama/Llama-3.1-8B-Instruct", ["rank", "alpha", "dropout", "max_length"]),
        ("fireworks", "accounts/fireworks/models/qwen3-8b", ["rank", "max_length"]),
        ("openai", "gpt-4.1-mini-2025-04-14", []),
    ],
)
def test_the_job_file_shows_the_settings_that_its_endpoint_takes(
    project: Project, kind: str, model: str, lora: list[str]
) -> None:
    if kind != "openai":
        (project.root / "ftorch.toml").write_text(f'[endpoints.{kind}]\ntype = "{kind}"\n')
    write(project, "d.jsonl", rows(60, chat))
    started(project, "d.jsonl", "--endpoint", kind, "--model", model, "--name", "mine")
    text = (project.root / "job.toml").read_text()
    assert ("# learning_rate = 1e-4" in text) is (kind != "openai")
    assert ("# learning_rate_multiplier = 0.5" in text) is (kind == "openai")
    shown = re.findall(r"^# (rank|alpha|dropout|max_length) = ", text, flags=re.MULTILINE)
    assert shown == lora
    turned_on = re.sub(r"^# (?=\[lora\]|learning_rate|rank|alpha|dropout|max_length)", "", text, flags=re.MULTILINE)
    (project.root / "job.toml").write_text(turned_on)
    assert project.ftorch("submit", "job.toml", "--dry-run").code == 0


def test_errors_in_the_data_are_counted_and_do_not_stop_it(project: Project) -> None:
    content = rows(60, chat) + "{}\nnot json\n"
    done = project.ftorch("init", write(project, "d.jsonl", content))
    assert done.code == 0, done.err
    assert "  2 errors, 1 warning; fix them before you submit\n" in done.out
    assert "  ftorch data check job.toml   see 2 errors, 1 warning\n" in done.out
    assert load_job_file(project.root / "job.toml").data.training_file == "d.jsonl"
    assert project.ftorch("data", "check", "job.toml").code == 1


# --- what it refuses --------------------------------------------------------------------------------------------


SHAREGPT = {"conversations": [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Hello"}]}
BAD: Iterable[tuple[str, str | bytes, str]] = [
    ("d.csv", "prompt,answer\nHi,Hello\nBye,See you\n", "ftorch data convert d.csv -o d.converted.jsonl --prompt"),
    ("d.json", json.dumps([chat(1), chat(2)], indent=1), "ftorch data convert d.json -o d.converted.jsonl"),
    ("a b.jsonl", rows(12, lambda _: SHAREGPT), "ftorch data convert 'a b.jsonl' -o 'a b.converted.jsonl'"),
    ("d.parquet", b"PAR1\x15\x04", "the file looks like a Parquet file"),
    ("d.jsonl.gz", b"\x1f\x8b\x08\x00", "Unpack it with gunzip."),
    ("utf16.jsonl", '{"messages": []}\n'.encode("utf-16"), "Save it as UTF-8."),
    (
        "latin.jsonl",
        '{"messages": [{"role": "user", "content": "\xe9"}]}\n'.encode("latin-1") * 12,
        "not valid UTF-8",
    ),
    ("empty.jsonl", "", "The data file empty.jsonl is empty."),
    ("blank.jsonl", "\n\n", "The data file blank.jsonl is empty."),
    ("folder/x.jsonl", "", ""),
]


@pytest.mark.parametrize(("name", "content", "said"), BAD, ids=[name for name, _, _ in BAD])
def test_what_can_not_be_trained_on_is_refused_with_the_next_step(
    project: Project, name: str, content: str | bytes, said: str
) -> None:
    write(project, name, content)
    if "/" in name:
        name, said = "folder", "The data file folder can't be read: it is a directory"
    done = project.ftorch("init", name)
    assert done.code in (1, 2)
    assert said in done.err
    assert not (project.root / "job.toml").exists()


def test_converted_data_can_be_started_with(project: Project) -> None:
    write(
        project,
        "d.jsonl",
        rows(
            12,
            lambda n: {
                "conversations": [
                    {"from": "human", "value": f"Tell me about {spelled(n)}"},
                    {"from": "gpt", "value": spelled(n)},
                ]
            },
        ),
    )
    refused = project.ftorch("init", "d.jsonl")
    assert "Then: ftorch init d.converted.jsonl" in refused.err
    assert project.ftorch("data", "convert", "d.jsonl", "-o", "d.converted.jsonl").code == 0
    assert started(project, "d.converted.jsonl")["errors"] == 0


def test_a_missing_file_is_named_with_the_nearest(project: Project) -> None:
    done = project.ftorch("init", "jobs/trian.jsonl")
    assert (done.code, "Did you mean jobs/train.jsonl?" in done.err) == (2, True)
    assert project.ftorch("init", "jobs/greet.toml").err == (
        "Error: jobs/greet.toml is a job file, not data. Submit it: ftorch submit jobs/greet.toml\n"
    )


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--name", "two words"], "--name two words: name must be 1 to 64 letters"),
        (["--model", "two words"], "--model two words: model must be a model name without spaces"),
        (["--endpoint", "locl"], 'There is no endpoint named "locl"'),
    ],
)
def test_a_wrong_option_is_named_and_nothing_is_written(project: Project, options: list[str], said: str) -> None:
    write(project, "d.jsonl", rows(60, chat))
    before = sorted(project.root.rglob("*"))
    done = project.ftorch("init", "d.jsonl", *options)
    assert (done.code, said in done.err) == (2, True), done.err
    assert sorted(project.root.rglob("*")) == before


def test_nothing_is_replaced_without_force(project: Project) -> None:
    write(project, "d.jsonl", rows(60, chat))
    write(project, "job.toml", "mine")
    done = project.ftorch("init", "d.jsonl")
    assert (done.code, "job.toml already exists" in done.err) == (2, True)
    assert (project.root / "job.toml").read_text() == "mine"
    assert not (project.root / "d").exists()
    write(project, "d/train.jsonl", "mine")
    done = project.ftorch("init", "d.jsonl", "-o", "new.toml", "--name", "d")
    assert (done.code, "d/train.jsonl already exists" in done.err) == (2, True)
    assert not (project.root / "new.toml").exists()
    assert project.ftorch("init", "d.jsonl", "--force").code == 0
    assert load_job_file(project.root / "job.toml").name == "d"


@pytest.mark.parametrize(
    "name", ['quo"te.jsonl', "back\\slash.jsonl", "émoji 🛸.jsonl", "tab\there.jsonl", "d\x7f.jsonl"]
)
def test_any_file_name_is_written_as_toml(project: Project, name: str) -> None:
    started(project, write(project, name, rows(12, chat)))
    assert load_job_file(project.root / "job.toml").data.training_file == name


# --- .gitignore -------------------------------------------------------------------------------------------------


def ignored(project: Project, before: bytes | None, *, is_checkout: bool) -> bytes | None:
    path = project.root / ".gitignore"
    if before is not None:
        path.write_bytes(before)
    if is_checkout:
        (project.root / ".git").mkdir()
    started(project, "jobs/train.jsonl")
    return path.read_bytes() if path.exists() else None


@pytest.mark.parametrize(
    ("before", "is_checkout", "after"),
    [
        (None, False, None),
        (None, True, b".ftorch/\n"),
        (b"build/", False, b"build/\n.ftorch/\n"),
        (b"build/\r\n", True, b"build/\r\n.ftorch/\r\n"),
        (b"/.ftorch\n", True, b"/.ftorch\n"),
        (b"  .ftorch/  \n", True, b"  .ftorch/  \n"),
        (b"\xff\n", True, b"\xff\n.ftorch/\n"),
    ],
)
def test_the_state_directory_is_ignored_once(
    project: Project, before: bytes | None, is_checkout: bool, after: bytes | None
) -> None:
    assert ignored(project, before, is_checkout=is_checkout) == after
    assert project.ftorch("init", "jobs/train.jsonl", "--force").code == 0
    path = project.root / ".gitignore"
    assert (path.read_bytes() if path.exists() else None) == after


def test_a_state_directory_elsewhere_is_not_ignored(project: Project) -> None:
    (project.root / ".git").mkdir()
    done = project.ftorch("init", "jobs/train.jsonl", FTORCH_HOME=str(project.root / "elsewhere"))
    assert done.code == 0, done.err
    assert not (project.root / ".gitignore").exists()


def test_data_too_small_to_divide_is_said(project: Project) -> None:
    write(project, "d.jsonl", rows(12, chat))
    done = project.ftorch("init", "d.jsonl")
    assert "Not divided: too few different examples" in done.out
