"""Evals of OpenAI's Evals API: read from the API and from exports, and turned into cases."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from openai.types.eval_retrieve_response import EvalRetrieveResponse
from openai.types.evals.run_retrieve_response import RunRetrieveResponse
from openai.types.evals.runs.output_item_retrieve_response import OutputItemRetrieveResponse
from pydantic import BaseModel
from support.project import Project, Result
from support.scripted_host import Answer, ScriptedHost, refusal

from orchestrator.errors import DataFileUnreadable
from orchestrator.evaluation.cases import read_cases
from orchestrator.evaluation.scoring.expectations import Text
from orchestrator.rescue.cases import rows_of, write_cases
from orchestrator.rescue.evals import Eval, read_evals

Rescue = Callable[..., tuple[Result, dict[str, Any]]]
Json = dict[str, Any]
LIGHT = {
    "name": "light_room",
    "parameters": {"type": "object", "properties": {"room": {"type": "string"}}, "required": ["room"]},
}


def check(operation: str, tested: str, reference: str) -> Json:
    return {
        "type": "string_check",
        "name": f"{operation} {tested}",
        "operation": operation,
        "input": f"{{{{ {tested} }}}}",
        "reference": f"{{{{ {reference} }}}}",
    }


def an_eval(*criteria: Json, eval_id: str = "eval_1") -> Json:
    return {
        "id": eval_id,
        "object": "eval",
        "name": "tickets",
        "created_at": 1,
        "data_source_config": {"type": "custom", "schema": {}},
        "testing_criteria": list(criteria),
        "metadata": {},
    }


def a_run(run_id: str = "evalrun_1", created_at: int = 1, tools: list[Json] | None = None) -> Json:
    return {
        "id": run_id,
        "object": "eval.run",
        "created_at": created_at,
        "eval_id": "eval_1",
        "name": "nightly",
        "model": "ft:gpt-4.1-mini:org::1",
        "status": "completed",
        "data_source": {
            "type": "completions",
            "source": {"type": "file_id", "id": "file-1"},
            "model": "gpt-4.1-mini",
            "sampling_params": {"tools": tools or []},
        },
        "error": {"code": "", "message": ""},
        "metadata": {},
        "per_model_usage": [],
        "per_testing_criteria_results": [],
        "report_url": "https://platform.openai.com/evaluations/eval_1",
        "result_counts": {"errored": 0, "failed": 0, "passed": 1, "total": 1},
    }


def an_item(
    number: int,
    *,
    item: Json,
    answer: str | None = "hardware",
    calls: list[Json] | None = None,
    passed: bool = True,
    run_id: str = "evalrun_1",
) -> Json:
    output: Json = {"role": "assistant", "content": answer, **({"tool_calls": calls} if calls else {})}
    return {
        "id": f"outputitem_{run_id}_{number}",
        "object": "eval.run.output_item",
        "created_at": 1,
        "run_id": run_id,
        "eval_id": "eval_1",
        "status": "pass" if passed else "fail",
        "datasource_item_id": number,
        "datasource_item": item,
        "results": [{"name": "check", "passed": passed, "score": float(passed), "type": "string_check"}],
        "sample": {
            "input": [{"role": "user", "content": f"Ticket {number}"}],
            "output": [output],
            "finish_reason": "stop",
            "model": "gpt-4.1-mini",
            "usage": {"total_tokens": 3, "completion_tokens": 1, "prompt_tokens": 2, "cached_tokens": 0},
            "error": {"code": "", "message": ""},
            "temperature": 1.0,
            "max_completion_tokens": 100,
            "top_p": 1.0,
            "seed": 1,
        },
    }


TEXT_EVAL = an_eval(check("eq", "sample.output_text", "item.label"))
ITEMS = [
    an_item(1, item={"label": "hardware"}),
    an_item(2, item={"label": "software"}, answer="hardware", passed=False),
    an_item(3, item={"label": "other"}, answer="other"),
]


def found_in(*objects: Json) -> Eval:
    found = Eval("eval_1")
    for value in objects:
        if value["object"] == "eval":
            found.about = value
        elif value["object"] == "eval.run":
            found.runs[value["id"]] = value
        else:
            found.items[value["run_id"]][value["id"]] = value
    return found


def test_what_the_tests_build_has_the_shapes_of_the_official_types() -> None:
    objects: list[tuple[type[BaseModel], Json]] = [
        (EvalRetrieveResponse, TEXT_EVAL),
        (RunRetrieveResponse, a_run()),
        *((OutputItemRetrieveResponse, item) for item in ITEMS),
    ]
    for kind, value in objects:
        kind.model_validate(value, strict=True)


def test_the_reference_of_a_grader_is_the_right_answer(tmp_path: Path) -> None:
    made = write_cases(found_in(TEXT_EVAL, a_run(), *ITEMS), tmp_path / "cases.jsonl", tmp_path / "log.jsonl")
    assert made.written is not None
    assert made.unapplied == ()
    cases = list(read_cases(tmp_path / "cases.jsonl"))
    assert [case.accepted for case in cases] == [(Text((label,)),) for label in ("hardware", "software", "other")]
    assert [case.slices for case in cases] == [
        ("tickets", kind) for kind in ("confirmed", "corrected", "confirmed")
    ]
    assert not (tmp_path / "log.jsonl").exists()


def test_graders_of_calls_make_the_expected_call(tmp_path: Path) -> None:
    criteria = [
        check("eq", "sample.output_tools[0].function.name", "item.tool"),
        check("eq", "sample.output_tools[0].function.arguments.room", "item.args.room"),
    ]
    item = an_item(1, item={"item": {"tool": "light_room", "args": {"room": "hall"}}}, answer=None, passed=False)
    tools = [{"type": "function", **LIGHT}]  # as a run of the Responses API has them
    row = next(iter(rows_of(found_in(an_eval(*criteria), a_run(tools=tools), item))))
    assert row["correction"] == [{"name": "light_room", "arguments": {"room": "hall"}}]
    assert row["tools"] == [{"type": "function", "function": LIGHT}]


def test_a_call_that_passed_is_the_expected_one(tmp_path: Path) -> None:
    call = {"id": "c", "type": "function", "function": {"name": "light_room", "arguments": '{"room": "hall"}'}}
    judged = an_eval({"type": "score_model", "name": "judge", "model": "o4-mini", "input": []})
    items = [
        an_item(1, item={}, answer=None, calls=[call]),
        an_item(2, item={}, answer="I can't", passed=False),
    ]
    tools = [{"type": "function", "function": LIGHT}]
    path = tmp_path / "cases.jsonl"
    made = write_cases(found_in(judged, a_run(tools=tools), *items), path, tmp_path / "log.jsonl")
    assert made.written is not None
    assert made.unapplied == ("judge",)
    [case] = read_cases(path)
    assert (case.expects, case.tool_choices) == ("call", [["light_room"]])
    assert [row.problem for row in made.written.left_out] == ["the answer was rated bad and has no correction"]


def test_the_newest_right_answer_of_several_runs_counts(tmp_path: Path) -> None:
    judged = an_eval({"type": "label_model", "name": "judge"})
    old, new = a_run("evalrun_1", 1), a_run("evalrun_2", 2)
    items = [
        an_item(1, item={}, answer="older", run_id="evalrun_1"),
        an_item(1, item={}, answer="newer", run_id="evalrun_2"),
        an_item(2, item={}, answer="right", run_id="evalrun_1"),
        an_item(2, item={}, answer="wrong", run_id="evalrun_2", passed=False),
    ]
    answers = {row["response"]["content"] for row in rows_of(found_in(judged, old, new, *items))}
    assert answers == {"newer", "right"}


@pytest.mark.parametrize("reference", ["item.missing", "sample.output_text", "item.a.b"])
def test_a_reference_that_can_not_be_filled_in_is_not_guessed(reference: str) -> None:
    found = found_in(an_eval(check("eq", "sample.output_text", reference)), a_run(), an_item(1, item={"a": 1}))
    assert "correction" not in next(iter(rows_of(found)))


@pytest.mark.parametrize("form", ["jsonl", "list", "wrapped", "folder"])
def test_exports_are_read_however_they_were_saved(tmp_path: Path, form: str) -> None:
    objects = [TEXT_EVAL, a_run(), *ITEMS]
    path = tmp_path / "export"
    if form == "folder":
        (path / "runs").mkdir(parents=True)
        (path / "eval.json").write_text("\ufeff" + json.dumps(TEXT_EVAL))
        (path / "runs" / "run.json").write_text(json.dumps(a_run()))
        (path / "runs" / "items.jsonl").write_text("".join(json.dumps(item) + "\n" for item in ITEMS))
    elif form == "jsonl":
        path.write_text("".join(json.dumps(each) + "\n" for each in objects))
    elif form == "list":
        path.write_text(json.dumps({"object": "list", "data": objects, "has_more": False}))
    else:
        runs = [{"run": a_run(), "output_items": {"data": ITEMS}}]
        path.write_text(json.dumps({"exported": [{"eval": TEXT_EVAL, "runs": runs}]}, indent=2))
    [found] = read_evals([path])
    assert (found.name, list(found.runs), len(found.items["evalrun_1"])) == ("tickets", ["evalrun_1"], 3)


@pytest.mark.parametrize("text", ["", "a,b\n1,2\n", '{"prompts": []}', "[" * 100_000])
def test_a_file_without_evals_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "export.json").write_text(text)
    with pytest.raises(DataFileUnreadable):
        read_evals([tmp_path / "export.json"])


def test_the_evals_of_the_host_become_evaluation_files(
    rescue: Rescue, host: ScriptedHost, project: Project
) -> None:
    is_openai(project)
    serve_evals(host)
    _, found = rescue("--no-answers")
    kinds = {(each["kind"], each["id"]) for each in found["kept"]}
    assert {
        ("eval", "eval_1"),
        ("eval run", "evalrun_1"),
        ("eval items", "evalrun_1"),
        ("cases", "eval_1"),
    } <= kinds
    [path] = [each["path"] for each in found["kept"] if each["kind"] == "cases"]
    assert len(list(read_cases(project.root / "rescued" / path))) == 3
    before = len(host.asked)
    _, again = rescue("--no-answers")
    assert again["new"] == 0
    assert not any("output_items" in asked.line for asked in host.asked[before:])


def test_after_its_end_the_exports_take_the_place_of_the_api(
    rescue: Rescue, host: ScriptedHost, project: Project
) -> None:
    is_openai(project)
    host.on("GET /evals", refusal(404, "The Evals API has been shut down"))
    (project.root / "export.jsonl").write_text("".join(json.dumps(each) + "\n" for each in [TEXT_EVAL, *ITEMS]))
    _, found = rescue("--no-answers", "--evals", "export.jsonl")
    assert "add --evals PATH" in found["notes"][0]
    assert [each["id"] for each in found["kept"] if each["kind"] == "cases"] == ["eval_1"]


def test_an_eval_of_which_no_case_can_be_made_says_why(rescue: Rescue, project: Project) -> None:
    (project.root / "export.json").write_text(json.dumps([TEXT_EVAL]))
    _, found = rescue("--no-answers", "--evals", "export.json")
    [lack] = found["missing"]
    assert (lack["kind"], lack["id"], lack["why"]) == ("cases", "eval_1", "unusable")


def is_openai(project: Project) -> None:
    path = project.root / "ftorch.toml"
    path.write_text(path.read_text().replace('type = "compatible"', 'type = "openai"'))


def serve_evals(host: ScriptedHost) -> None:
    def listed(*objects: Json) -> Answer:
        return Answer(200, {"object": "list", "data": list(objects), "has_more": False})

    host.on("GET /evals", listed(TEXT_EVAL))
    host.on("GET /evals/eval_1/runs", listed(a_run()))
    host.on("GET /evals/eval_1/runs/evalrun_1/output_items", listed(*ITEMS))
