"""The job files of a rescue: what they say, that they are valid, and that they are the user's."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.project import Project, Result
from support.scripted_host import ScriptedHost, refusal

from orchestrator.jobfile import JobFile, load_job_file
from orchestrator.rescue.jobfiles import rescued_job

from .conftest import MODEL, serve_files

Rescue = Callable[..., tuple[Result, dict[str, Any]]]
USED = {"n_epochs": 3, "batch_size": "4", "learning_rate_multiplier": 1.8}
GRADER = {
    "type": "string_check",
    "name": 'the "same"',
    "operation": "eq",
    "input": "{{sample.output_text}}",
    "reference": "{{item.answer}}",
}


@pytest.fixture
def make(host: ScriptedHost, project: Project) -> Callable[..., str]:
    """Ends another job on the host, with data that can be trained on and these changes; its id."""
    rows = (project.root / "jobs" / "train.jsonl").read_bytes()
    serve_files(host, {"file-rows": rows, "file-other": rows.replace(b"Switch on the light in", b"Light up")})

    def end(**changes: Any) -> str:
        body = {"model": MODEL, "training_file": "file-rows", "suffix": "drone"}
        job = host.make({**body, **changes.pop("body", {})})
        method = {"type": "supervised", "supervised": {"hyperparameters": USED}}
        host.end(job["id"], **{"method": method, "seed": 7, **changes})
        return str(job["id"])

    return end


def written(found: dict[str, Any], job_id: str) -> Path:
    return Path(next(each["job_file"] for each in found["jobs"] if each["id"] == job_id))


def loaded(project: Project, found: dict[str, Any], job_id: str) -> JobFile:
    return load_job_file(project.root / written(found, job_id))


def test_a_job_file_has_what_the_job_used(rescue: Rescue, make: Callable[..., str], project: Project) -> None:
    job_id = make()
    _, found = rescue()
    path = written(found, job_id)
    assert path == Path(f"rescued/jobs/drone-{job_id}.toml")
    job = loaded(project, found, job_id)
    assert (job.name, job.endpoint, job.model, job.suffix, job.seed) == ("drone", "hosted", MODEL, "drone", 7)
    assert job.method.hyperparameters == {"n_epochs": 3, "batch_size": 4, "learning_rate_multiplier": 1.8}
    assert job.training_path == project.root / "rescued" / "files" / "file-rows-file-rows.jsonl"
    assert path.as_posix().removeprefix("rescued/") in (project.root / "rescued" / "index.md").read_text()
    assert {"kind": "job file", "id": job_id}.items() <= next(
        each for each in found["kept"] if each["kind"] == "job file" and each["id"] == job_id
    ).items()
    done = project.ftorch("submit", "--dry-run", str(path))
    assert done.code == 0, done
    assert "rescued/files/file-rows-file-rows.jsonl: 12 examples" in done.err


def test_the_link_from_a_job_file_to_its_job_survives_edits(
    rescue: Rescue, make: Callable[..., str], project: Project
) -> None:
    job_id = make()
    _, found = rescue()
    path = project.root / written(found, job_id)
    path.write_text("name = 'mine'\n")
    assert rescued_job(path) == ("hosted", job_id)
    assert rescued_job(project.root / "jobs" / "greet.toml") is None


def test_an_edited_job_file_is_never_replaced(
    rescue: Rescue, host: ScriptedHost, make: Callable[..., str], project: Project
) -> None:
    host.on("POST /chat/completions", refusal(400, "No answers here"))
    edited, plain = make(), make()
    _, found = rescue("--no-answers")
    path = project.root / written(found, edited)
    path.write_text(path.read_text() + "# mine\n")
    (project.root / "cases.jsonl").write_bytes((project.root / "jobs" / "train.jsonl").read_bytes())
    for _ in range(2):
        project.ftorch("rescue", "hosted", "-o", "rescued", "--evaluation", "cases.jsonl", "--yes")
    _, found = rescue("--no-answers")
    assert path.read_text().endswith("# mine\n")
    assert loaded(project, found, edited).evaluation is None
    cases = loaded(project, found, plain).evaluation_path
    assert cases is not None
    assert cases.parent == project.root / "rescued" / "evaluation"
    assert cases.read_bytes() == (project.root / "cases.jsonl").read_bytes()


def test_a_file_of_the_user_in_its_place_stays(rescue: Rescue, make: Callable[..., str], project: Project) -> None:
    rescue()
    job_id = make()
    path = project.root / "rescued" / "jobs" / f"drone-{job_id}.toml"
    path.write_text("# mine\n")
    for _ in range(2):
        rescue()
    assert path.read_text() == "# mine\n"


def test_a_removed_job_file_is_written_again(rescue: Rescue, make: Callable[..., str], project: Project) -> None:
    job_id = make()
    _, found = rescue()
    (project.root / written(found, job_id)).unlink()
    _, found = rescue()
    assert loaded(project, found, job_id).name == "drone"


def test_a_job_without_its_training_file_has_no_job_file_and_the_reason(
    rescue: Rescue, host: ScriptedHost, make: Callable[..., str], project: Project
) -> None:
    job_id = make(training_file="file-gone")
    _, found = rescue()
    [job] = [each for each in found["jobs"] if each["id"] == job_id]
    assert (job["job_file"], job["no_job_file"]) == (None, "its training file could not be had")
    assert f"No job file for {job_id}" in project.ftorch("rescue", "hosted", "-o", "rescued").out


def test_the_runs_own_training_file_takes_the_place_of_one_that_is_gone(
    rescue: Rescue, host: ScriptedHost, project: Project
) -> None:
    job = project.write_job(endpoint='endpoint = "hosted"')
    assert project.ftorch("submit", str(job), "--detach", "--yes").code == 0
    project.ftorch("resume")
    host.files.clear()
    host.on("GET /files/[^/]+/content", refusal(404, "No such File object"))
    _, found = rescue()
    [path] = [each["job_file"] for each in found["jobs"] if each["job_file"]]
    assert load_job_file(project.root / path).training_path == job.parent / "train.jsonl"


def test_tools_that_reject_a_request_are_taken_from_the_runs_job_file(
    rescue: Rescue, host: ScriptedHost, project: Project
) -> None:
    rows = (project.root / "jobs" / "train.jsonl").read_bytes()
    (project.root / "jobs" / "cases.jsonl").write_bytes(rows)
    table = '[evaluation]\nfile = "cases.jsonl"\nrejection_tools = ["light_room"]\n'
    job = project.write_job(table, endpoint='endpoint = "hosted"')
    assert project.ftorch("submit", str(job), "--detach", "--yes", "--allow-leak").code == 0
    project.ftorch("resume")
    [submitted] = [each["id"] for each in host.jobs.values() if each["training_file"] in host.files][-1:]
    serve_files(host, {host.jobs[submitted]["training_file"]: rows})
    _, found = rescue("--no-answers")
    evaluation = loaded(project, found, submitted).evaluation
    assert evaluation is not None
    assert evaluation.rejection_tools == ["light_room"]


@pytest.mark.parametrize(
    ("kind", "extra"), [("dpo", {"beta": 0.1}), ("reinforcement", {"reasoning_effort": "low", "eval_samples": 4})]
)
def test_every_method_is_written(
    rescue: Rescue, make: Callable[..., str], project: Project, kind: str, extra: dict[str, Any]
) -> None:
    inner: dict[str, Any] = {"hyperparameters": {**USED, **extra}}
    if kind == "reinforcement":
        inner["grader"] = GRADER
    job_id = make(method={"type": kind, kind: inner}, validation_file="file-other")
    _, found = rescue()
    method = loaded(project, found, job_id).method
    assert method.type == kind
    assert extra.items() <= method.hyperparameters.items()
    assert getattr(method, "grader", GRADER) == GRADER


def test_numbers_that_no_job_file_takes_are_left_to_the_endpoint(
    rescue: Rescue, make: Callable[..., str], project: Project
) -> None:
    used = {"n_epochs": "auto", "batch_size": -1, "learning_rate_multiplier": None, "warmup": 3, "lora_rank": 16}
    job_id = make(method={"type": "supervised", "supervised": {"hyperparameters": used}})
    _, found = rescue()
    job = loaded(project, found, job_id)
    assert set(job.method.hyperparameters.values()) == {"auto"}
    assert job.lora is not None
    assert job.lora.given == {"rank": 16}


@pytest.mark.parametrize("suffix", ["../../up", 'a"b\nname = "x"', "grüße", "x" * 90])
def test_names_of_any_shape_stay_in_the_folder(
    rescue: Rescue, make: Callable[..., str], project: Project, suffix: str
) -> None:
    job_id = make(suffix=suffix, fine_tuned_model=f"ft:{MODEL}:org:{suffix}:1\x1b[2J")
    _, found = rescue()
    path = project.root / written(found, job_id)
    assert path.parent == project.root / "rescued" / "jobs"
    assert load_job_file(path).suffix is None
    assert "\x1b" not in path.read_text()


def test_a_job_of_unknown_base_has_the_reason(rescue: Rescue, make: Callable[..., str]) -> None:
    job_id = make(model=None)
    _, found = rescue()
    [job] = [each for each in found["jobs"] if each["id"] == job_id]
    assert job["no_job_file"] == "the host doesn't name its base model"


def test_an_eval_that_asked_the_model_is_its_evaluation_file(
    rescue: Rescue, make: Callable[..., str], project: Project
) -> None:
    job_id = make(fine_tuned_model=f"ft:{MODEL}:org:drone:77")
    item = {
        "object": "eval.run.output_item",
        "id": "item-1",
        "eval_id": "eval-1",
        "run_id": "run-1",
        "sample": {
            "input": [{"role": "user", "content": "Where?"}],
            "output": [{"role": "assistant", "content": "x"}],
        },
        "datasource_item": {"answer": "Here"},
    }
    check = {
        "type": "string_check",
        "operation": "eq",
        "input": "{{sample.output_text}}",
        "reference": "{{item.answer}}",
    }
    about = {"object": "eval", "id": "eval-1", "name": "where", "testing_criteria": [check]}
    run = {"object": "eval.run", "id": "run-1", "eval_id": "eval-1", "model": f"ft:{MODEL}:org:drone:77"}
    (project.root / "evals.json").write_text(json.dumps([about, run, item]))
    _, found = rescue("--evals", "evals.json", "--no-answers")
    assert (
        loaded(project, found, job_id).evaluation_path == project.root / "rescued" / "evaluation" / "eval-1.jsonl"
    )
