"""The answers that a rescue records: whose, to which cases, for how much, and each once."""

from __future__ import annotations

import json
import signal
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from support.filledendpoint import Filled, filled_store
from support.project import FTORCH, Project, make_project

JOBS = 9


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Filled]:
    """A store with three models that answer and one that is gone."""
    place = tmp_path_factory.mktemp("filled")
    rows = (make_project(place / "made").root / "jobs" / "train.jsonl").read_bytes()
    return place / "served", filled_store(place / "served", rows, JOBS)


@pytest.fixture(scope="module")
def address(store: tuple[Path, Filled]) -> Iterator[str]:
    command = [
        FTORCH,
        "serve",
        "--port",
        "0",
        "--store",
        str(store[0]),
        "--shutdown-date",
        "gpt-4.1-mini=2040-01-14",
    ]
    with subprocess.Popen(command, cwd=store[0].parent, stderr=subprocess.PIPE, text=True) as server:
        assert server.stderr is not None
        yield server.stderr.readline().split(" on ")[1].strip()
        server.send_signal(signal.SIGINT)


@pytest.fixture
def project(tmp_path: Path, address: str) -> Project:
    """A project for which that store is OpenAI: it charges, and has a Batch API."""
    made = make_project(tmp_path / "project")
    table = [
        "[endpoints.hosted]",
        'type = "openai"',
        f'base_url = "{address}"',
        "poll_seconds = 0.1",
        "settling_seconds = 0.5",
    ]
    (made.root / "ftorch.toml").write_text("\n".join(table) + "\n")
    write_cases(made.root / "cases.jsonl", "light_room")
    return Project(made.root, {**made.environment, "OPENAI_API_KEY": "sk-rescue-7f3a9c51"})


@pytest.fixture
def rescue(project: Project) -> Callable[..., Any]:
    def run(*arguments: str, code: int = 0) -> Any:
        done = project.ftorch("rescue", "hosted", "-o", "rescued", "--json", *arguments)
        assert done.code == code, done
        return json.loads(done.out), done.err

    return run


def write_cases(path: Path, tool: str, count: int = 3) -> None:
    parameters = {"type": "object", "properties": {"room": {"type": "string"}}, "required": ["room"]}
    definition = {"type": "function", "function": {"name": tool, "parameters": parameters}}
    with path.open("w") as stream:
        for number in range(count):
            function = {"name": tool, "arguments": json.dumps({"room": f"room {number}"})}
            call = {"id": "call_1", "type": "function", "function": function}
            messages = [
                {"role": "user", "content": f"Please light room {number}"},
                {"role": "assistant", "content": None, "tool_calls": [call]},
            ]
            stream.write(json.dumps({"messages": messages, "tools": [definition]}) + "\n")


def answers(project: Project) -> list[tuple[str, str]]:
    """The model and the request of every recorded answer."""
    with closing(sqlite3.connect(project.root / ".ftorch" / "ftorch.db")) as connection:
        return connection.execute("SELECT model, request_sha256 FROM answers").fetchall()


def final_models(filled: Filled) -> set[str]:
    return {name for name in filled.models if ":ckpt-" not in name}


def test_the_models_that_answer_are_asked_once_in_batches(
    project: Project, store: tuple[Path, Filled], rescue: Callable[..., Any]
) -> None:
    found, err = rescue("--evaluation", "cases.jsonl", "--yes")
    assert "in a batch" in err
    assert len(found["evaluations"]) == 1
    assert {model for model, _ in answers(project)} == final_models(store[1])
    assert len(answers(project)) == len(set(answers(project))) == 3 * len(final_models(store[1]))
    again, err = rescue("--evaluation", "cases.jsonl")
    assert again["evaluations"] == []
    assert "Answers recorded already" in err
    # The file of the last evaluation is what the records name from now on.
    without, err = rescue()
    assert without["not_asked"] == []
    assert "Answers recorded already" in err


def test_without_a_yes_everything_is_kept_and_nothing_is_asked(
    project: Project, store: tuple[Path, Filled], rescue: Callable[..., Any]
) -> None:
    found, err = rescue("--evaluation", "cases.jsonl", code=4)
    assert "about $" in err
    assert {each["id"] for each in found["kept"] if each["kind"] == "job"} == set(store[1].jobs)
    assert answers(project) == []


def test_the_budget_leaves_models_out_and_says_which(
    store: tuple[Path, Filled], rescue: Callable[..., Any], project: Project
) -> None:
    found, _ = rescue("--evaluation", "cases.jsonl", "--budget", "0", "--yes")
    assert {each["model"] for each in found["not_asked"]} == final_models(store[1])
    assert "of --budget is left" in found["not_asked"][0]["reason"]
    assert answers(project) == []


def test_a_file_about_other_tools_is_not_asked(
    project: Project, rescue: Callable[..., Any], store: tuple[Path, Filled]
) -> None:
    write_cases(project.root / "other.jsonl", "open_valve")
    found, _ = rescue("--evaluation", "other.jsonl", "--yes")
    assert {each["model"] for each in found["not_asked"]} == final_models(store[1])
    reason = found["not_asked"][0]["reason"]
    assert "open_valve" in reason
    assert "light_room" in reason
    assert answers(project) == []


def test_without_a_file_the_command_says_how_to_name_one(
    rescue: Callable[..., Any], store: tuple[Path, Filled]
) -> None:
    found, err = rescue()
    assert {each["model"] for each in found["not_asked"]} == final_models(store[1])
    assert "name one with --evaluation FILE" in err


def test_a_missing_evaluation_file_is_named_and_the_rest_is_kept(rescue: Callable[..., Any]) -> None:
    found, err = rescue("--evaluation", "nowhere.jsonl", code=2)
    assert "There is no data file nowhere.jsonl" in err
    assert found["kept"]


def test_the_local_endpoint_can_be_rescued_too(project: Project) -> None:
    done = project.ftorch("submit", "jobs/greet.toml")
    assert done.code == 0, done
    kept = project.ftorch("rescue", "local", "-o", "here", "--evaluation", "cases.jsonl", "--json")
    assert kept.code == 0, kept
    found = json.loads(kept.out)
    assert [each["model"] for each in found["models"] if each["step"] is None] == [done.out.strip()]
    assert len(found["evaluations"]) == 1


def test_migrate_meets_the_answers_of_the_model_that_the_job_file_is_of(
    project: Project, rescue: Callable[..., Any]
) -> None:
    """All jobs have the same data and the same name: only the folder says which model a job file means."""
    found, _ = rescue("--evaluation", "cases.jsonl", "--yes")
    files = {each["run"]: each["job_file"] for each in found["jobs"]}
    answering = [each for each in found["models"] if each["answers"] and each["step"] is None]
    assert len(answering) > 2
    for model in answering:
        done = project.ftorch("migrate", files[model["run"]], "--to", "local", "--dry-run", "--json")
        assert done.code == 0, done
        assert json.loads(done.out)["baseline"]["model"] == model["model"]
    gone = [each for each in found["models"] if each["answers"] is False and each["step"] is None]
    model = next(each for each in gone if files[each["run"]])
    done = project.ftorch("migrate", files[model["run"]], "--to", "local", "--dry-run")
    assert done.code == 2
    assert f"{model['model']} has no recorded answers" in " ".join(done.err.split())


def test_migrate_finds_the_answers_where_the_job_file_names_no_cases(
    project: Project, rescue: Callable[..., Any]
) -> None:
    found, _ = rescue("--no-answers")
    model = next(each for each in found["models"] if each["answers"] and each["step"] is None)
    job_file = next(each["job_file"] for each in found["jobs"] if each["run"] == model["run"])
    done = project.ftorch("migrate", job_file, "--to", "local", "--dry-run")
    assert f"ftorch evaluate {model['run']} --models tuned --file CASES.jsonl" in " ".join(done.err.split())
    project.ftorch("evaluate", model["run"], "--models", "tuned", "--file", "cases.jsonl", "--yes")
    done = project.ftorch("migrate", job_file, "--to", "local", "--dry-run", "--json")
    assert json.loads(done.out)["baseline"]["model"] == model["model"]
