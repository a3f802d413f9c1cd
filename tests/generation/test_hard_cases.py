"""What went wrong when the first version was attacked: files that change meanwhile, budgets, hosts that refuse."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from support.project import Project, Result
from support.scripted_host import Answer, Asked
from support.teacher import CHAT, TOOLS, Teacher

ASK = ("data", "generate", "tools.json", "-o", "train.jsonl", "--endpoint", "school", "--model", "tutor", "--yes")
REJECTS = ("--rejection-tool", "reject_request", "--reject", "0")


def make(project: Project, *more: str) -> Result:
    return project.ftorch(*ASK, *REJECTS, *more)


def lines(project: Project, name: str = "train.jsonl") -> list[str]:
    return (project.root / name).read_text().splitlines()


def tool(name: str, properties: dict[str, Any] | None = None, *required: str) -> dict[str, Any]:
    schema = {"type": "object", "properties": properties or {}, "required": list(required)}
    return {"type": "function", "function": {"name": name, "description": f"{name} it.", "parameters": schema}}


def changing(teacher: Teacher, at: int, change: Any) -> None:
    """Do `change` when the teacher is asked for the `at`-th time."""
    answer = teacher.answer

    def changed(asked: Asked) -> Answer:
        if len(teacher.host.asked) == at:
            change()
        return answer(asked)

    teacher.answer = changed  # type: ignore[method-assign]


def test_a_row_that_is_added_while_rows_are_appended_is_not_lost(project: Project, teacher: Teacher) -> None:
    assert make(project).code == 0
    path = project.root / "train.jsonl"
    asked = len(teacher.host.asked)
    changing(teacher, asked + 3, lambda: path.write_text(path.read_text() + '{"mine": 1}\n'))
    refused = make(project, "--append", "--seed", "9")
    assert refused.code == 1
    assert "has changed since this generation started appending" in refused.err
    assert lines(project)[-1] == '{"mine": 1}'


def test_an_append_that_is_killed_at_its_end_keeps_its_rows(project: Project, teacher: Teacher) -> None:
    assert make(project).code == 0
    before = lines(project)
    died = project.process(
        *ASK, *REJECTS, "--append", "--seed", "7", FTORCH_CRASH_AT="before-commit-generation-done"
    )
    assert died.code < 0
    written = lines(project)
    assert len(written) > len(before)
    assert project.ftorch("resume").code == 0
    assert lines(project) == written


def test_an_append_that_reached_its_budget_goes_on_with_a_larger_one(project: Project, teacher: Teacher) -> None:
    assert make(project).code == 0
    before = lines(project)
    short = make(project, "--append", "--seed", "7", "--max-cost-usd", "0.05", "--max-concurrency", "1")
    assert short.code == 4
    some = lines(project)
    assert len(some) > len(before)
    done = make(project, "--append", "--seed", "7", "--max-cost-usd", "5")
    assert done.code == 0, done.err
    assert lines(project)[: len(before)] == before
    assert len(lines(project)) > len(some)


def test_equal_refusals_of_functions_without_parameters_are_made(project: Project, teacher: Teacher) -> None:
    (project.root / "tools.json").write_text(json.dumps([tool("land"), tool("halt"), tool("reject_request")]))
    done = project.ftorch(*ASK, "--rejection-tool", "reject_request", "--reject", "20", "--json")
    assert done.code == 0, done.err
    assert json.loads(done.out)["examples"] > 6


def test_answers_that_are_far_longer_than_assumed_hardly_exceed_the_budget(
    project: Project, teacher: Teacher
) -> None:
    teacher.tokens = 9_000
    short = make(project, "--max-cost-usd", "0.5", "--max-concurrency", "12", "--json")
    assert short.code == 4
    assert json.loads(short.out)["cost_usd"] < 0.65


def test_the_round_trips_of_paid_words_are_within_the_budget(project: Project, teacher: Teacher) -> None:
    teacher.is_thrifty = True
    short = make(project, "--max-cost-usd", "0.03", "--max-concurrency", "4", "--json")
    assert short.code == 4
    outcome = json.loads(short.out)
    words = sum("tools" not in asked.fields for asked in teacher.host.asked if asked.line == CHAT)
    assert outcome["examples"] >= 2 * words - 4  # two for each request, but for what was dropped


def test_a_host_that_refuses_everything_is_named_and_can_be_put_right(project: Project, teacher: Teacher) -> None:
    teacher.manner = "stops"
    refused = make(project, "--max-concurrency", "2")
    assert refused.code == 1
    assert "refused 8 requests in a row: this content is not allowed" in refused.err
    assert "--plain-json" in refused.err
    assert not (project.root / "train.jsonl").exists()
    teacher.manner = "good"
    done = make(project, "--max-concurrency", "2", "--json")
    assert done.code == 0
    assert lines(project)
    assert json.loads(done.out)["cost_usd"] == pytest.approx(0.003 * teacher.answered)


def test_refused_requests_cost_nothing(project: Project, teacher: Teacher) -> None:
    teacher.refuses = 3
    done = make(project, "--json")
    assert done.code == 0, done.err
    outcome = json.loads(done.out)
    answered = teacher.paid.total()
    assert outcome["cost_usd"] == pytest.approx(0.003 * answered)


def test_an_edited_evaluation_file_is_not_replaced(project: Project, teacher: Teacher) -> None:
    short = make(project, "--evaluation", "0.3", "--max-cost-usd", "0.06", "--max-concurrency", "1")
    assert short.code == 4
    with (project.root / "evaluation.jsonl").open("a") as target:
        target.write('{"mine": 1}\n')
    refused = make(project, "--evaluation", "0.3", "--max-cost-usd", "5")
    assert refused.code == 2
    assert "already exists" in refused.err
    assert lines(project, "evaluation.jsonl")[-1] == '{"mine": 1}'


def test_no_row_has_an_empty_answer(project: Project, teacher: Teacher) -> None:
    teacher.empties_answers = True
    done = project.ftorch(*ASK, "--reject", "4", "--missing", "2", "--attempts", "1", "--json")
    assert json.loads(done.out)["dropped"]["empty"] >= 6
    assert all(json.loads(line)["messages"][-1].get("tool_calls") for line in lines(project))


def test_a_rejection_tool_that_needs_arguments_is_refused_before_anything_is_paid(
    project: Project, teacher: Teacher
) -> None:
    needy = tool("reject_request", {"reason": {"type": "string"}}, "reason")
    (project.root / "tools.json").write_text(json.dumps([TOOLS[0], needy]))
    refused = make(project)
    assert refused.code == 2
    assert "can't be called without arguments" in refused.err
    assert not teacher.host.asked


def test_a_deleted_file_is_written_anew_of_the_recorded_answers(project: Project, teacher: Teacher) -> None:
    assert make(project).code == 0
    written, asked = lines(project), len(teacher.host.asked)
    (project.root / "train.jsonl").unlink()
    assert make(project).code == 0
    assert (lines(project), len(teacher.host.asked)) == (written, asked)


def test_relative_files_are_found_from_another_folder(project: Project, teacher: Teacher) -> None:
    (project.root / "held.jsonl").write_text((project.root / "jobs" / "train.jsonl").read_text())
    teacher.stops_after = 4
    assert make(project, "--against", "held.jsonl", "--max-concurrency", "1").code == 1
    teacher.stops_after = None
    (project.root / "sub").mkdir()
    resumed = Project(project.root / "sub", project.environment).ftorch("resume")
    assert resumed.code == 0, resumed.err
    assert lines(project)


def test_a_generation_that_waits_can_be_cancelled(project: Project, teacher: Teacher) -> None:
    assert make(project, "--max-cost-usd", "0.03", "--max-concurrency", "1").code == 4
    [line] = [line for line in project.ftorch("status").out.splitlines() if "generation" in line]
    generation_id = line.split()[1]
    cancelled = project.ftorch("cancel", generation_id, "--yes")
    assert cancelled.code == 0, cancelled.err
    assert "is cancelled; its answers are kept" in cancelled.err
    assert project.ftorch("resume").code == 0


def test_force_is_no_other_generation(project: Project, teacher: Teacher) -> None:
    path = project.root / "train.jsonl"
    changing(teacher, 3, lambda: path.write_text("somebody's\n"))
    assert make(project, "--max-concurrency", "1").code == 2
    assert path.read_text() == "somebody's\n"
    done = make(project, "--max-concurrency", "1", "--force")
    assert done.code == 0, done.err


@pytest.mark.parametrize("key", ["rejct = 4", "[generat]\ntools = 'x'"])
def test_a_misspelt_key_is_named(project: Project, teacher: Teacher, key: str) -> None:
    path = Path(project.root / "jobs" / "lamp.toml")
    path.write_text(
        'name = "lamp"\nmodel = "gpt-4.1-mini"\n[data]\ntraining_file = "train.jsonl"\n[generate]\n'
        f'tools = "../tools.json"\n{key}\n'
    )
    for command in (("data", "generate"), ("submit",)):
        refused = project.ftorch(*command, "jobs/lamp.toml", "--dry-run")
        assert refused.code == 2
        assert "unknown" in refused.err
        assert "did you mean" in refused.err.lower()


def test_shares_that_leave_nothing_to_train_on_are_refused(project: Project, teacher: Teacher) -> None:
    refused = make(project, "--validation", "0.6", "--evaluation", "0.6")
    assert refused.code == 2
    assert "must leave rows to train on" in refused.err
