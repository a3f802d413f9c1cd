"""`rescue` against hosts that have everything, and against hosts that refuse, fail, or list nothing."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import pytest
from support.project import Project, Result
from support.scripted_host import EVENTS, JOB, LIST, Answer, ScriptedHost, refusal

from orchestrator.bookkeeping.endings import Endings, today

from .conftest import MODEL, serve_files, serve_models

Rescue = Callable[..., tuple[Result, dict[str, Any]]]
TUNED = f"ft:{MODEL}:org::0001"


def kept(found: dict[str, Any], kind: str) -> dict[str, dict[str, Any]]:
    return {each["id"]: each for each in found["kept"] if each["kind"] == kind}


def missing(found: dict[str, Any]) -> dict[tuple[str, str], str]:
    return {(each["kind"], each["id"]): each["why"] for each in found["missing"]}


def test_a_job_with_its_files_and_its_model_is_kept(rescue: Rescue, project: Project) -> None:
    _, found = rescue()
    assert missing(found) == {}
    files = kept(found, "file")
    assert {file_id: (project.root / "rescued" / each["path"]).read_bytes() for file_id, each in files.items()} == {
        "file-train": b'{"messages": []}\n',
        "file-results": b"step,train_loss\n1,0.5\n",  # sent in base64, as OpenAI does
    }
    [model] = found["models"]
    assert (model["model"], model["base_model"], model["answers"]) == (TUNED, MODEL, True)
    assert (model["shutdown_date"], model["trained_tokens"]) == ("2027-01-14", 2_000_000)
    assert "ends" in project.ftorch("status").out
    assert json.loads(project.ftorch("models", "--json").out)[0]["shutdown_date"] == "2027-01-14"
    shown = project.ftorch("show", model["run"]).out
    assert "shutdown date" in shown
    assert str(project.root / "rescued" / files["file-train"]["path"]) in json.dumps(
        json.loads(project.ftorch("show", model["run"], "--json").out)["files"]
    )


def test_the_same_command_again_asks_only_for_what_can_change(rescue: Rescue, host: ScriptedHost) -> None:
    rescue()
    before = len(host.asked)
    _, found = rescue()
    assert found["new"] == 0
    lines = {asked.line for asked in host.asked[before:]}
    assert lines == {LIST, "GET /files", "GET /models"}


def test_a_job_that_goes_on_is_brought_up_to_date(rescue: Rescue, host: ScriptedHost, project: Project) -> None:
    host.holds = True
    running = host.make({"model": MODEL, "training_file": "file-train"})
    rescue()
    host.end(running["id"])
    _, found = rescue()
    path = kept(found, "job")[running["id"]]["path"]
    assert json.loads((project.root / "rescued" / path).read_text())["status"] == "succeeded"
    assert host.count(EVENTS.replace("[^/]+", running["id"])) >= 2


def test_a_date_that_the_host_takes_back_is_forgotten(rescue: Rescue, host: ScriptedHost, project: Project) -> None:
    rescue()
    serve_models(host, {MODEL: None, TUNED: None})
    rescue()
    assert json.loads(project.ftorch("models", "--json").out)[0]["shutdown_date"] is None


@pytest.mark.parametrize(
    ("days", "words"), [(47, "ends in 47 days"), (1, "ends tomorrow"), (0, "ends today"), (-3, "ended 3 days ago")]
)
def test_status_says_when_a_model_ends(
    rescue: Rescue, host: ScriptedHost, project: Project, days: int, words: str
) -> None:
    serve_models(host, {MODEL: None, TUNED: str(today() + timedelta(days=days))})
    rescue()
    for command in (("status",), ("models",), ("status", "--columns", "run,ends")):
        assert words in " ".join(project.ftorch(*command).out.split())


def test_doctor_records_the_dates_too(host: ScriptedHost, project: Project) -> None:
    project.ftorch("runs", "adopt", "ftjob-0001", "--endpoint", "hosted")
    assert json.loads(project.ftorch("models", "--json").out)[0]["shutdown_date"] is None
    project.ftorch("endpoints", "doctor", "hosted")
    assert json.loads(project.ftorch("models", "--json").out)[0]["shutdown_date"] == "2027-01-14"


def test_doctor_needs_no_database_and_no_list_of_models(host: ScriptedHost, project: Project) -> None:
    done = project.ftorch("endpoints", "doctor", "hosted")
    assert "ftjob-0001" in done.out
    assert not (project.root / ".ftorch").exists()
    host.on("GET /models", refusal(404, "Unknown request URL", "unknown_url"))
    assert project.ftorch("endpoints", "doctor", "hosted").out == done.out


def test_a_deleted_file_and_a_model_that_is_gone_are_listed(rescue: Rescue, host: ScriptedHost) -> None:
    serve_models(host, {MODEL: "2027-01-14"})
    del host.files["file-train"]
    _, found = rescue()
    assert missing(found) == {("file", "file-train"): "gone"}
    assert [each["answers"] for each in found["models"]] == [False]


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (refusal(403, "Not allowed to download files of purpose: fine-tune"), "refused"),
        (refusal(400, "To help mitigate abuse, downloading of fine-tune training files is disabled"), "refused"),
        (refusal(404, "No such File object"), "gone"),
        (refusal(500, "The server had an error"), "failing"),
        (Answer(302, "elsewhere", {"location": "https://elsewhere/file"}), "refused"),
    ],
)
def test_a_file_that_is_not_returned_stops_nothing_and_is_asked_for_next_time(
    rescue: Rescue, host: ScriptedHost, answer: Answer, why: str
) -> None:
    host.on("GET /files/file-train/content", answer)
    _, found = rescue()
    assert missing(found) == {("file", "file-train"): why}
    assert set(kept(found, "file")) == {"file-results"}
    host.forget_rules()
    serve_files(host, {"file-train": b"{}\n"})
    _, found = rescue()
    assert missing(found) == {}


def test_lasting_errors_of_one_jobs_events_lose_nothing_else(rescue: Rescue, host: ScriptedHost) -> None:
    host.on(EVENTS, refusal(500, "The server had an error"))
    _, found = rescue()
    assert missing(found) == {("events", "ftjob-0001"): "failing"}
    assert set(kept(found, "checkpoints")) == {"ftjob-0001"}


@pytest.mark.parametrize("body", [{"jobs": []}, {"data": None}, {}, "<html>sign in</html>"])
def test_a_host_without_a_job_list_gives_the_jobs_of_the_records(
    rescue: Rescue, host: ScriptedHost, project: Project, body: object
) -> None:
    project.ftorch("runs", "adopt", "ftjob-0001", "--endpoint", "hosted")
    host.on(LIST, Answer(200, body))
    _, found = rescue()
    assert set(kept(found, "job")) == {"ftjob-0001"}
    assert "doesn't list its jobs" in found["notes"][0]


def test_a_host_without_a_model_list_is_asked_for_each_model(rescue: Rescue, host: ScriptedHost) -> None:
    host.on("GET /models", refusal(404, "Unknown request URL", "unknown_url"))
    host.on("GET /models/.+", Answer(200, {"id": TUNED, "object": "model"}))
    _, found = rescue()
    assert [each["answers"] for each in found["models"]] == [True]
    assert "doesn't list its models" in found["notes"][0]


def test_another_accounts_key_is_named_and_what_was_kept_stays(rescue: Rescue, host: ScriptedHost) -> None:
    rescue()
    host.on(LIST, Answer(200, {"object": "list", "data": [], "has_more": False}))
    host.on(JOB, refusal(404, "Could not find fine tune", "fine_tune_not_found"))
    host.files.clear()
    _, found = rescue()
    assert "the key may belong to another account" in found["notes"][0]
    assert set(kept(found, "job")) == {"ftjob-0001"}
    assert set(kept(found, "file")) == {"file-train", "file-results"}


def test_a_refused_key_ends_it_without_a_folder_full_of_reasons(project: Project, host: ScriptedHost) -> None:
    host.on(LIST, refusal(401, "Incorrect API key provided"))
    done = project.ftorch("rescue", "hosted", "-o", "rescued")
    assert done.code == 1
    assert "refused the key in HOSTED_KEY" in done.err
    assert "run the same command again" in done.err


def test_hundreds_of_jobs_come_in_pages(rescue: Rescue, host: ScriptedHost) -> None:
    for _ in range(249):
        host.end(host.make({"model": MODEL, "training_file": "file-train"})["id"], "failed")

    def page(asked: Any) -> Answer:
        jobs = list(host.jobs.values())[::-1]
        start = next((place + 1 for place, job in enumerate(jobs) if job["id"] == asked.query.get("after")), 0)
        part = jobs[start : start + int(asked.query["limit"])]
        return Answer(200, {"object": "list", "data": part, "has_more": start + len(part) < len(jobs)})

    host.on(LIST, page)
    _, found = rescue("--no-answers")
    assert len(kept(found, "job")) == len(found["jobs"]) == 250
    assert all(each["run"] for each in found["jobs"])


def test_the_key_is_in_no_kept_file(rescue: Rescue, host: ScriptedHost, project: Project) -> None:
    host.jobs["ftjob-0001"]["metadata"] = {"said": "sk-rescue-7f3a9c51"}
    serve_files(host, {"file-train": b'{"text": "sk-rescue-7f3a9c51"}\n'})
    rescue()
    texts = [path.read_bytes() for path in (project.root / "rescued").rglob("*") if path.is_file()]
    assert texts
    assert not any(b"sk-rescue-7f3a9c51" in text for text in texts)


def test_a_wrong_folder_and_wrong_options_are_named_before_anything_is_asked(
    project: Project, host: ScriptedHost
) -> None:
    for arguments, problem in (
        (("hosted", "-o", "jobs"), "is not empty and holds no rescue"),
        (("hosted", "-o", "rescued", "--evals", "nowhere.json"), "There is no data file nowhere.json"),
        (("hosted", "-o", "rescued", "--evals", "jobs/greet.toml"), "is not JSON"),
        (("hosted", "-o", "rescued", "--budget", "-1"), '"-1" is not an amount from 0'),
        (("hosted", "-o", "rescued", "--budget", "1", "--no-answers"), "can't be combined"),
        (("elsewhere", "-o", "rescued"), 'There is no endpoint named "elsewhere"'),
        (("hosted",), "Missing option '-o'"),
    ):
        done = project.ftorch("rescue", *arguments)
        assert done.code == 2, done
        assert problem in done.err
    assert host.asked == []


def test_the_ends_that_were_announced_need_no_rescue() -> None:
    found = Endings({("mine", "ft:gpt-4o:org::1"): date(2026, 12, 1)}, {"mine": "openai", "azure": "azure"})
    assert found.of("mine", "ft:gpt-4o:org::1") == date(2026, 12, 1)
    assert found.of("mine", "ft:gpt-4.1-mini-2025-04-14:org::1") == date(2027, 1, 14)
    assert found.of("azure", "gpt-4.1-mini-2025-04-14.ft-1") is None
    assert found.of("mine", None) is None
