"""`data generate` with a teacher: what it asks, what it keeps, and what it does where the teacher answers badly."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from support.project import Project, Result
from support.teacher import CHAT, Teacher

ASK = ("data", "generate", "tools.json", "-o", "train.jsonl", "--endpoint", "school", "--model", "tutor", "--yes")
CALLS = 24
"""Of the definitions in conftest.py: nine calls of the lamp and three heights, with two requests for each."""
REJECTS = ("--rejection-tool", "reject_request")


def make(project: Project, *more: str) -> Result:
    return project.ftorch(*ASK, *REJECTS, *more)


def rows(project: Project, name: str = "train.jsonl") -> list[dict[str, Any]]:
    return [json.loads(line) for line in (project.root / name).read_text().splitlines()]


def provenance(project: Project) -> list[dict[str, Any]]:
    return rows(project, "train.provenance.jsonl")


def called(row: dict[str, Any]) -> tuple[str, Any]:
    [call] = row["messages"][-1]["tool_calls"]
    return call["function"]["name"], json.loads(call["function"]["arguments"])


def test_every_call_gets_words_and_nearly_possible_requests_are_rejected(
    project: Project, teacher: Teacher
) -> None:
    done = make(project, "--reject", "4")
    assert done.code == 0, done.err
    made = [called(row) for row in rows(project)]
    lamps = Counter(json.dumps(arguments) for name, arguments in made if name == "set_lamp")
    assert len(lamps) == 9  # three modes, and no room or one of two
    assert Counter(name for name, _ in made)["reject_request"] == 4
    head, *lines = provenance(project)
    assert head["teacher"] == "tutor"
    assert head["lines"] == {"training": len(made)}
    assert [line["line"] for line in lines if "line" in line] == list(range(1, len(made) + 1))
    assert all(set(row) <= {"messages", "tools", "parallel_tool_calls"} for row in rows(project))


def test_each_row_is_asked_back_of_the_verifier_with_the_tools_alone(project: Project, teacher: Teacher) -> None:
    assert make(project, "--reject", "0", "--verifier", "judge").code == 0
    trips = [asked.fields for asked in teacher.host.asked if asked.line == CHAT and "tools" in asked.fields]
    assert {trip["model"] for trip in trips} == {"judge"}
    assert {len(trip["messages"]) for trip in trips} == {1}
    assert len(trips) == len(rows(project))


def test_the_same_command_asks_nothing_again(project: Project, teacher: Teacher) -> None:
    first = make(project)
    asked, written = len(teacher.host.asked), (project.root / "train.jsonl").read_bytes()
    again = make(project)
    assert (first.code, again.code) == (0, 0), again.err
    assert len(teacher.host.asked) == asked
    assert (project.root / "train.jsonl").read_bytes() == written


def test_a_file_of_somebody_else_is_not_replaced_and_nothing_is_asked(project: Project, teacher: Teacher) -> None:
    (project.root / "train.jsonl").write_text("mine\n")
    refused = make(project)
    assert refused.code == 2
    assert "train.jsonl already exists" in refused.err
    assert not teacher.host.asked
    assert make(project, "--force").code == 0
    assert "mine" not in (project.root / "train.jsonl").read_text()


def test_appended_rows_follow_those_that_were_there(project: Project, teacher: Teacher) -> None:
    assert make(project, "--reject", "0").code == 0
    before = (project.root / "train.jsonl").read_bytes()
    done = make(project, "--append", "--seed", "7", "--reject", "3")
    assert done.code == 0, done.err
    after = (project.root / "train.jsonl").read_bytes()
    assert after.startswith(before)
    assert len(after) > len(before)
    lines = [line["line"] for line in provenance(project) if "line" in line]
    assert lines == list(range(1, after.count(b"\n") + 1))  # of each row, those of before too


@pytest.mark.parametrize(
    ("manner", "reason"),
    [
        ("prose", "teacher-not-json"),
        ("broken", "teacher-not-json"),
        ("refuses", "teacher-refused"),
        ("stops", "teacher-error"),
        ("wrong values", "no-evidence"),
    ],
)
def test_a_teacher_that_answers_badly_is_asked_again_up_to_a_limit(
    project: Project, teacher: Teacher, manner: str, reason: str
) -> None:
    teacher.manner = manner
    done = make(project, "--reject", "0", "--attempts", "2", "--json")
    outcome = json.loads(done.out)
    assert done.code == 1, done.err
    assert outcome["examples"] == 0
    assert outcome["dropped"][reason] > 0
    cells = len({asked.fields["messages"][-1]["content"] for asked in teacher.host.asked if asked.line == CHAT})
    assert teacher.words_requests >= cells
    assert max(teacher.paid.values()) <= 2  # a refusal may be asked once more under its key


def test_json_in_a_code_fence_is_read(project: Project, teacher: Teacher) -> None:
    teacher.manner = "fenced"
    assert make(project, "--reject", "0").code == 0
    assert len(rows(project)) == CALLS


def test_what_a_teacher_left_out_is_asked_for_again(project: Project, teacher: Teacher) -> None:
    teacher.manner = "half"
    done = make(project, "--reject", "0", "--json")
    assert done.code == 0, done.err
    outcome = json.loads(done.out)
    assert outcome["dropped"]["teacher-left-out"] >= CALLS // 2
    assert outcome["examples"] > CALLS // 2


def test_requests_that_all_read_alike_are_dropped(project: Project, teacher: Teacher) -> None:
    teacher.manner = "alike"
    done = make(project, "--reject", "0", "--attempts", "2", "--no-verify", "--json")
    assert done.code == 1
    assert json.loads(done.out)["examples"] == 0


def test_words_that_a_verifier_understands_otherwise_are_dropped(project: Project, teacher: Teacher) -> None:
    teacher.verifier = "other"
    done = make(project, "--reject", "0", "--attempts", "1", "--json")
    assert done.code == 1
    assert json.loads(done.out)["dropped"]["round-trip"] >= CALLS - 2
    assert "no request passed its checks; round-trip" in done.err
    assert "The verifier answered elsewhere({})" in done.err
    assert not (project.root / "train.jsonl").exists()


def test_a_budget_keeps_what_is_there_and_a_larger_one_goes_on(project: Project, teacher: Teacher) -> None:
    short = make(project, "--reject", "0", "--max-concurrency", "1", "--max-cost-usd", "0.03")
    assert short.code == 4, short.err
    assert "the budget of $0.03 is reached" in short.err
    some, asked = rows(project), len(teacher.host.asked)
    assert 0 < len(some) < CALLS
    assert sum(asked.line == CHAT for asked in teacher.host.asked) * 0.003 <= 0.03
    done = make(project, "--reject", "0", "--max-concurrency", "1", "--max-cost-usd", "5")
    assert done.code == 0, done.err
    assert rows(project)[: len(some)] == some
    assert len(rows(project)) == CALLS
    assert len(teacher.paid) == len(teacher.host.asked) > asked


def test_a_budget_without_a_price_is_refused(project: Project, teacher: Teacher) -> None:
    refused = project.ftorch(*ASK[:-3], "--model", "unknown-one", "--max-cost-usd", "1", "--yes")
    assert refused.code == 2
    assert "The price of unknown-one on school is unknown" in refused.err
    assert not teacher.host.asked


def test_a_plan_asks_nothing_and_says_what_it_costs(project: Project, teacher: Teacher) -> None:
    planned = make(project, "--reject", "4", "--dry-run", "--json")
    assert planned.code == 0, planned.err
    plan = json.loads(planned.out)
    assert plan["examples"] == {
        "calls": CALLS,
        "parallel": 0,
        "reject": 4,
        "missing": 0,
        "turns": 0,
        "all": CALLS + 4,
    }
    assert plan["words"]["requests"] == CALLS // 2 + 4
    assert plan["checks"]["requests"] == CALLS + 4
    assert plan["estimated_cost_usd"] > 0
    assert not teacher.host.asked
    assert not (project.root / "train.jsonl").exists()


def test_no_more_questions_are_under_way_than_allowed(project: Project, teacher: Teacher) -> None:
    teacher.seconds = 0.02
    assert make(project, "--max-concurrency", "3").code == 0
    assert teacher.most_at_once == 3


def test_an_outage_in_the_middle_loses_nothing(project: Project, teacher: Teacher) -> None:
    teacher.stops_after = 6
    broken = make(project, "--reject", "0", "--max-concurrency", "1")
    assert broken.code == 1
    assert teacher.paid.total() == 6
    teacher.stops_after = None
    resumed = project.ftorch("resume")
    assert resumed.code == 0, resumed.err
    assert len(rows(project)) == CALLS
    assert set(teacher.paid.values()) == {1}


def test_requests_of_an_evaluation_file_are_not_made_again(project: Project, teacher: Teacher) -> None:
    assert make(project, "--reject", "0").code == 0
    (project.root / "train.jsonl").rename(project.root / "eval.jsonl")
    (project.root / "train.provenance.jsonl").unlink()
    done = make(project, "--reject", "0", "--against", "eval.jsonl", "--attempts", "1", "--no-verify", "--json")
    dropped = json.loads(done.out)["dropped"]
    assert dropped["leak"] > CALLS // 2


def test_no_cell_is_on_both_sides_of_a_split(project: Project, teacher: Teacher) -> None:
    done = make(project, "--per-call", "4", "--validation", "0.2", "--evaluation", "0.2")
    assert done.code == 0, done.err
    files: dict[str, set[str]] = {}
    for line in provenance(project):
        if "cell" in line:
            files.setdefault(line["cell"], set()).add(line["file"])
    assert {len(parts) for parts in files.values()} == {1}
    cases = rows(project, "evaluation.jsonl")
    assert cases
    assert all(case["cluster"] and case["slice"] for case in cases)
    checked = project.ftorch("data", "check", "evaluation.jsonl")
    assert checked.code == 0, checked.out + checked.err


@pytest.mark.parametrize("kind", ["missing", "turns", "parallel"])
def test_further_kinds_are_made(project: Project, teacher: Teacher, kind: str) -> None:
    done = make(project, "--reject", "0", "--per-call", "1", f"--{kind}", "3")
    assert done.code == 0, done.err
    kinds = Counter(line["kind"] for line in provenance(project) if "kind" in line)
    if kind == "parallel":
        assert sum(len(row["messages"][-1].get("tool_calls") or ()) > 1 for row in rows(project)) == 3
    else:
        assert kinds[kind] == 3
    last = rows(project)[-1]["messages"]
    if kind == "missing":
        assert "tool_calls" not in last[-1]
    if kind == "turns":
        assert [message["role"] for message in last].count("tool") == 1
        assert last[-1]["tool_calls"]


def test_another_generation_of_the_same_file_is_named(project: Project, teacher: Teacher) -> None:
    teacher.stops_after = 3
    assert make(project, "--max-concurrency", "1").code == 1
    teacher.stops_after = None
    other = make(project, "--seed", "5")
    assert other.code == 4
    assert "belongs to the unfinished generation" in other.err
    assert make(project, "--seed", "5", "--replace").code == 0
    assert project.ftorch("resume").err.strip() == "Nothing to resume: every run has finished. See: ftorch status"


def has_batches(project: Project) -> None:
    """Let the teacher's endpoint be one with a Batch API."""
    for name in ("ftorch.toml", "prices.toml"):
        settings = (project.root / name).read_text().replace("compatible", "openai")
        (project.root / name).write_text(settings)


def test_batches_answer_the_same_and_cost_half(project: Project, teacher: Teacher) -> None:
    has_batches(project)
    with project.entered():
        done = project.ftorch(*ASK, *REJECTS, "--batch", "--json", OPENAI_API_KEY="sk-test")
    assert done.code == 0, done.err
    outcome = json.loads(done.out)
    assert outcome["examples"] == CALLS + 4
    assert teacher.host.count(CHAT) == 0
    assert outcome["cost_usd"] == pytest.approx(outcome["requests"] * 0.0015)
    assert json.loads(project.ftorch(*ASK, *REJECTS, "--batch", "--json", OPENAI_API_KEY="sk-test").out) == outcome


def test_a_batch_that_needs_the_user_ends_the_command_and_is_not_paid_for_again(
    project: Project, teacher: Teacher
) -> None:
    has_batches(project)
    with (project.root / "ftorch.toml").open("a") as settings:
        settings.write("settling_seconds = 0.2\n")

    def attempt(key: str) -> Result:
        return project.ftorch(*ASK, *REJECTS, "--batch", OPENAI_API_KEY=key)

    teacher.batches = "hidden"
    unknown = attempt("sk-ours")
    assert unknown.code == 4
    assert "gives no list of batches" in unknown.err
    held = attempt("sk-theirs")
    assert held.code == 4
    assert "is on hold: it belongs to another account of 127.0.0.1 than the current key" in held.err
    assert project.ftorch("resume", OPENAI_API_KEY="sk-theirs").code == 4
    assert "unknown, 0 of" in project.ftorch("status").out
    teacher.batches = "good"
    done = project.ftorch("resume", "--same-account", OPENAI_API_KEY="sk-theirs")
    assert done.code == 0, done.err
    assert rows(project)
    assert set(teacher.paid.values()) == {1}


def test_a_refused_batch_ends_the_command(project: Project, teacher: Teacher) -> None:
    has_batches(project)
    teacher.batches = "refused"
    refused = project.ftorch(*ASK, *REJECTS, "--batch", OPENAI_API_KEY="sk-ours")
    assert refused.code == 1
    assert "the endpoint refused the batch: this account has no batches" in refused.err
    assert teacher.host.count("POST /batches") == 1


def test_an_endpoint_without_batches_is_named(project: Project, teacher: Teacher) -> None:
    refused = make(project, "--batch")
    assert refused.code == 2
    assert "No Batch API" in refused.err


def test_status_says_what_is_being_made(project: Project, teacher: Teacher) -> None:
    teacher.stops_after = 3
    assert make(project, "--max-concurrency", "1").code == 1
    said = " ".join(project.ftorch("status").out.split())
    assert "train.jsonl: 0 of 28 examples" in said
    assert "ftorch resume continues" in said


def test_a_job_file_names_what_its_data_is_made_of(project: Project, teacher: Teacher) -> None:
    (project.root / "jobs" / "lamp.toml").write_text(
        'name = "lamp"\nmodel = "gpt-4.1-mini"\n[data]\ntraining_file = "made.jsonl"\n[generate]\n'
        'tools = "../tools.json"\nendpoint = "school"\nmodel = "tutor"\nrejection_tool = "reject_request"\n'
    )
    missing = project.ftorch("submit", "jobs/lamp.toml", "--dry-run")
    assert missing.code == 2
    assert "make it: ftorch data generate jobs/lamp.toml" in missing.err
    done = project.ftorch("data", "generate", "jobs/lamp.toml", "--yes")
    assert done.code == 0, done.err
    assert len(rows(project, "jobs/made.jsonl")) == CALLS + 4
    assert project.ftorch("submit", "jobs/lamp.toml", "--dry-run").code == 0


def test_offline_words_are_marked_and_warned_of(project: Project, teacher: Teacher) -> None:
    made = project.ftorch("data", "generate", "tools.json", "-o", "draft.jsonl", "--offline", *REJECTS)
    assert made.code == 0, made.err
    assert not teacher.host.asked
    written = rows(project, "draft.jsonl")
    assert {row["messages"][0]["name"] for row in written} == {"template"}
    sheet = (project.root / "draft-sheet.csv").read_text("utf-8-sig").splitlines()
    assert len(sheet) == len(written) + 1
    assert "FT626" in project.ftorch("data", "check", "draft.jsonl").out
    assert not (project.root / ".ftorch").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("tools.json", "-o", "x.jsonl"), "No teacher model was given"),
        (("tools.json", "-o", "x.jsonl", "--endpoint", "local", "--model", "tutor"), "can't write requests"),
        (("tools.json",), "No output file was given"),
        (("tools.json", "-o", "x.jsonl", "--offline", "--rejection-tool", "reject"), 'has no function "reject"'),
        (("nowhere.json", "-o", "x.jsonl", "--offline"), "nowhere.json"),
        (("tools.json", "-o", "x.jsonl", "--offline", "--styles", "rude"), "--styles"),
    ],
)
def test_mistakes_are_named_with_the_next_step(
    project: Project, teacher: Teacher, arguments: tuple[str, ...], said: str
) -> None:
    refused = project.ftorch("data", "generate", *arguments)
    assert refused.code == 2
    assert said in refused.err, refused.err
    assert not list(Path(project.root).glob("x*"))
