"""`ftorch evaluate`, `compare` and `leaderboard` on a model that was really trained."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from xml.etree.ElementTree import parse

import pytest
from support.command import ftorch
from support.project import Project, make_project

from orchestrator.cli.terminal import terminal
from orchestrator.errors import Stopped
from orchestrator.ledger import open_ledger
from orchestrator.store import evaluations as store
from orchestrator.store.runs import Run

EVALUATION = '[evaluation]\nfile = "cases.jsonl"\nauto = true\n'


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project whose job was submitted, and evaluated by itself."""
    project = make_project(tmp_path_factory.mktemp("trained"))
    write_cases(project, ["garden", "garage", "kitchen", "stairs"])
    project.write_job(f'{EVALUATION}gate = {{ metric = "tool_accuracy", min = 0.5 }}')
    done = project.ftorch("submit", "jobs/greet.toml")
    assert done.code == 0, done.err
    assert done.out.startswith("ft:gpt-4.1-mini-2025-04-14:local:")
    assert done.out.count("\n") == 1
    assert "call accuracy" in done.err
    assert "Rehearsal" in done.err
    assert "Gate met." in done.err
    return project


@pytest.fixture
def inside(trained: Project, monkeypatch: pytest.MonkeyPatch) -> Project:
    """The same, with its folder as the current one."""
    monkeypatch.chdir(trained.root)
    monkeypatch.setenv("HOME", str(trained.root / "home"))
    monkeypatch.setenv("COLUMNS", "160")
    return trained


def write_cases(project: Project, rooms: list[str]) -> Path:
    rows = [json.loads(line) for line in (project.root / "jobs" / "train.jsonl").read_text().splitlines()]
    path = project.root / "jobs" / "cases.jsonl"
    with path.open("w") as stream:
        for room, row in zip(rooms, rows, strict=False):
            row["messages"][0]["content"] = f"Switch on the light in the {room}"
            row["messages"][1]["tool_calls"][0]["function"]["arguments"] = json.dumps({"room": room})
            stream.write(json.dumps({"id": room, "slice": "rooms", **row}) + "\n")
    return path


def test_an_evaluation_that_began_by_itself_needs_no_asking(inside: Project) -> None:
    done = ftorch("evaluate", "jobs/greet.toml", "--json")
    assert done.exit_code == 0, done.stderr
    assert "4 × 2 models = 8; 0 to be asked" in done.stderr
    found = json.loads(done.stdout)
    assert [each["label"] for each in found["models"]] == ["base", "tuned"]
    assert found["rehearsal"] is True
    assert found["models"][1]["slices"]["rooms"]["answers"] == 4
    assert {each["measure"] for each in found["against_base"]} >= {"call_accuracy", "over_rejection"}


def test_the_model_id_comes_last_also_where_the_evaluation_is_shown_with_it(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    write_cases(project, ["garden"])
    project.write_job(EVALUATION)
    done = project.terminal("submit", "jobs/greet.toml")
    assert done.code == 0, done.out
    lines = done.out.splitlines()
    assert re.sub(r"\x1b\[[\d;]*m", "", lines[-1]).startswith("ft:gpt-4.1-mini-2025-04-14:local:")
    assert any("call accuracy" in line for line in lines[:-1])


def test_a_model_id_is_printed_though_the_evaluation_was_stopped(
    make_run: Callable[..., Run], capsys: pytest.CaptureFixture[str]
) -> None:
    run = make_run(state="succeeded", finished_at=1.0, fine_tuned_model="ft:model")

    def stopped_after_the_run() -> None:
        with terminal() as host:
            host.show_runs([run])
            raise Stopped("stopped")

    with pytest.raises(Stopped):
        stopped_after_the_run()
    assert capsys.readouterr().out == "ft:model\n"


def test_the_figures_come_as_a_table_of_lines_too(inside: Project) -> None:
    done = ftorch("evaluate", "greet", "--csv", "--models", "tuned")
    rows = list(csv.DictReader(io.StringIO(done.stdout)))
    assert [(row["group"], row["name"]) for row in rows] == [
        ("all", ""),
        ("slice", "rooms"),
        ("tool", "light_room"),
    ]
    assert rows[0]["call_accuracy_of"] == "4"


def test_checkpoints_are_models_too(inside: Project) -> None:
    done = ftorch("evaluate", "greet", "--models", "base,tuned,checkpoints", "--dry-run")
    assert done.exit_code == 0, done.stderr
    assert done.stdout == ""


def test_a_gate_that_is_not_met_leaves_with_three(inside: Project) -> None:
    inside.write_job(f'{EVALUATION}gate = {{ metric = "rejection_recall", min = 0.5 }}')
    done = ftorch("evaluate", "jobs/greet.toml")
    assert done.exit_code == 3
    assert "Gate not met: tuned (full): rejection_recall" in done.stderr


def test_two_models_are_compared_from_what_is_recorded(inside: Project) -> None:
    done = ftorch("compare", "gpt-4.1-mini-2025-04-14", "greet")
    assert done.exit_code == 0, done.stderr
    assert "The second against the first" in done.stdout
    assert "Broken: " in done.stdout
    object_ = json.loads(ftorch("compare", "gpt-4.1-mini-2025-04-14@full", "greet@full", "--json").stdout)
    assert object_["second"]["model"].startswith("ft:")


def test_the_leaderboard_ranks_what_was_asked_the_same_file(inside: Project) -> None:
    done = ftorch("leaderboard", "greet", "--json")
    [board] = json.loads(done.stdout)
    assert {each["label"] for each in board["models"]} == {"base", "tuned"}
    assert "ranked by tool accuracy" in ftorch("leaderboard", "--metric", "tool_accuracy").stdout


def test_wrong_answers_are_listed_with_what_was_expected_and_nothing_is_asked(inside: Project) -> None:
    """The requests are those that were answered before; only what is expected of two of them differs."""
    inside.write_job(EVALUATION)
    path = write_cases(inside, ["garden", "garage", "kitchen", "stairs"])
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    for row in rows[1:3]:
        row["messages"][-1]["tool_calls"][0]["function"]["arguments"] = '{"room": "attic"}'
    (inside.root / "jobs" / "other.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    command = ("evaluate", "jobs/greet.toml", "--file", "jobs/other.jsonl", "--show-wrong", "1")
    done = ftorch(*command)
    assert done.exit_code == 0, done.stderr
    assert "; 0 to be asked" in done.stderr
    assert "Wrong answers of tuned: 1 of 2\n\ngarage, line 2\n" in done.stdout
    shown = (
        "request Switch on the light in the garage",
        'expected light_room(room="attic")',
        'got light_room(room="garage")',
        'reason wrong value at argument room: expected "attic", found "garage"',
    )
    assert done.stdout.split("garage, line 2\n")[1].split() == " ".join(shown).split()
    [wrong] = json.loads(ftorch(*command, "--json").stdout)["wrong_answers"]
    assert (wrong["label"], wrong["total"], len(wrong["answers"])) == ("tuned", 2, 1)
    assert wrong["answers"][0]["base_was_right"] is False


def test_a_pipeline_gets_the_results_as_junit_also_if_the_gate_is_not_met(inside: Project) -> None:
    inside.write_job(f'{EVALUATION}gate = {{ metric = "rejection_recall", min = 0.5 }}')
    path = write_cases(inside, ["garden", "garage", "kitchen", "stairs"])
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    rows[1]["messages"][-1]["tool_calls"][0]["function"]["arguments"] = '{"room": "attic"}'
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    done = ftorch("evaluate", "jobs/greet.toml", "--junit", "reports/evaluation.xml")
    assert done.exit_code == 3
    assert "wrote reports/evaluation.xml" in done.stderr
    root = parse("reports/evaluation.xml").getroot()
    assert [each.get("name") for each in root.iter("testsuite")] == ["greet: tuned (full)", "greet: gate"]
    [wrong, gate] = root.iter("failure")
    assert (wrong.text or "").split("\n")[0::2] == [
        "jobs/cases.jsonl:2",
        'expected: light_room(room="attic")',
        'reason: wrong value at argument room: expected "attic", found "garage"',
    ]
    assert "rejection_recall can't be computed" in (gate.get("message") or "")


def test_junit_is_not_written_over_a_file_of_another_kind(home: Path) -> None:
    done = ftorch("evaluate", "greet", "--junit", "cases.jsonl")
    assert (done.exit_code, "ends in .xml" in done.stderr) == (2, True)


def test_a_function_that_training_defined_differently_is_warned_of(inside: Project) -> None:
    inside.write_job(EVALUATION)
    path = write_cases(inside, ["garden", "garage", "kitchen", "stairs"])
    other = path.with_name("reworded.jsonl")
    other.write_text(path.read_text().replace("Switch the light of a room on", "Light a room"))
    done = ftorch("evaluate", "greet", "--file", str(other), "--dry-run")
    assert (
        "Warning: tuned was trained with other definitions: the function light_room is defined differently at "
        "description: "
    ) in done.stderr
    assert "Warning" not in ftorch("evaluate", "greet", "--dry-run").stderr


def test_wrong_answers_of_a_csv_are_a_usage_error(home: Path) -> None:
    assert ftorch("evaluate", "jobs/greet.toml", "--show-wrong", "2", "--csv").exit_code == 2


def test_scoring_anew_asks_nothing(inside: Project) -> None:
    inside.write_job(EVALUATION)  # without the gate of another test
    done = ftorch("evaluate", "greet", "--rescore", "--rejection-tool", "light_room", "--json")
    assert done.exit_code == 0, done.stderr
    assert json.loads(done.stdout)["models"][0]["rejection_recall"]["of"] == 4


def test_resume_makes_up_for_an_evaluation_that_a_crash_prevented(inside: Project) -> None:
    with open_ledger(inside.root) as ledger, ledger.database.write() as connection:
        done = store.newest(connection)[0]
        store.add(connection, replace(done, id="wanted01", state=store.WANTED, settings={}))
    inside.write_job(EVALUATION)
    resumed = ftorch("resume")
    assert resumed.exit_code == 0, resumed.stderr
    assert f"evaluating run {done.run_id}" in resumed.stderr
    assert "Rehearsal" in resumed.stderr
    assert "Nothing to resume" in ftorch("resume").stderr


def test_cases_from_training_are_refused_unless_it_is_wished(inside: Project) -> None:
    refused = ftorch("evaluate", "greet", "--file", "jobs/train.jsonl")
    assert refused.exit_code == 2
    assert "12 of 12 cases also appear in the training file" in refused.stderr
    allowed = ftorch("evaluate", "greet", "--file", "jobs/train.jsonl", "--allow-leak", "--dry-run")
    assert allowed.exit_code == 0
    assert "correct answers to them prove nothing" in allowed.stderr


def test_names_that_are_probably_misspelt_are_noted_before_anything_is_asked(inside: Project) -> None:
    options = ("--models", "base,tned", "--rejection-tool", "light_rom", "--dry-run")
    plan = ftorch("evaluate", "jobs/greet.toml", *options)
    assert plan.exit_code == 0, plan.stderr
    assert '"tned" is used as a model name; did you mean "tuned"?' in plan.stderr
    assert 'no case declares or expects the rejection tool "light_rom"; did you mean "light_room"?' in plan.stderr
    sound = ftorch("evaluate", "jobs/greet.toml", "--rejection-tool", "light_room", "--dry-run")
    assert "rejection tool" not in sound.stderr
    assert "name of a model" not in sound.stderr


def test_a_wish_that_makes_no_sense_is_a_usage_error(home: Path) -> None:
    (home / "ftorch.toml").write_text("")
    done = ftorch("evaluate", "jobs/greet.toml", "--variants", "short")
    assert done.exit_code == 2
    assert '"short" is not one of full, no-descriptions, no-parameters, no-tools' in done.stderr
    assert ftorch("evaluate", "jobs/greet.toml").exit_code == 2
    assert "No evaluations yet" in ftorch("leaderboard").stderr


def test_an_evaluation_that_can_not_be_carried_out_keeps_no_other_from_it(inside: Project) -> None:
    with open_ledger(inside.root) as ledger, ledger.database.write() as connection:
        done = store.newest(connection)[0]
        lost = replace(done, id="wanted02", state=store.WANTED, settings={}, file_path="gone.jsonl", created_at=1.0)
        store.add(connection, lost)
        store.add(connection, replace(done, id="wanted03", state=store.WANTED, settings={}))
    inside.write_job(EVALUATION)
    resumed = ftorch("resume")
    assert resumed.exit_code == 2
    assert "gone.jsonl" in resumed.stderr
    assert "Rehearsal" in resumed.stderr
    with open_ledger(inside.root) as ledger, ledger.database.write() as connection:
        assert [each.id for each in store.wanted_of(connection)] == ["wanted02"]
        store.set_state(connection, "wanted02", store.DROPPED, finished_at=1.0)


def test_rows_that_the_endpoint_can_not_answer_end_with_its_reason(inside: Project) -> None:
    image = {"type": "image_url", "image_url": {"url": "https://example.org/a.png"}}
    asked = {"role": "user", "content": [{"type": "text", "text": "What is on it?"}, image]}
    row = {"messages": [asked, {"role": "assistant", "content": "A chart"}]}
    (inside.root / "jobs" / "cases.jsonl").write_text(json.dumps(row) + "\n")
    done = ftorch("evaluate", "jobs/greet.toml", "--models", "base", "--yes")
    assert done.exit_code == 1
    assert "None of the 1 questions got an answer. The first: The endpoint local refused the request" in done.stderr
    assert done.stdout == ""


def test_of_questions_without_an_answer_the_first_says_why(inside: Project) -> None:
    path = write_cases(inside, ["sauna"])
    image = {"type": "image_url", "image_url": {"url": "https://example.org/a.png"}}
    asked = {"role": "user", "content": [{"type": "text", "text": "What is on it?"}, image]}
    row = {"messages": [asked, {"role": "assistant", "content": "A chart"}]}
    path.write_text(path.read_text() + json.dumps(row) + "\n")
    done = ftorch("evaluate", "jobs/greet.toml", "--models", "base", "--yes")
    assert done.exit_code == 0, done.stderr
    assert "1 question got no answer" in done.stdout
    assert "The first: The endpoint local refused the request" in " ".join(done.stdout.split())
    shown = json.loads(ftorch("evaluate", "jobs/greet.toml", "--models", "base", "--yes", "--json").stdout)
    assert "refused the request" in shown["why_unanswered"]
