"""What a plan for Together refuses and says, before anything is sent."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support.project import Project, make_project
from support.together_host import BASE

from orchestrator.dataset.checking.filesets import Source, check_together
from orchestrator.dataset.checking.limits import limits_of

TUNED = f"team/{BASE}:climb-01234567:ft-ed11fd6b-847d"


@pytest.fixture
def project(tmp_path: Path) -> Project:
    found = make_project(tmp_path)
    (found.root / "ftorch.toml").write_text('[endpoints.together]\ntype = "together"\n')
    return found


def planned(project: Project, text: str = "", **replaced: str) -> tuple[int, str]:
    project.write_job(text, **{"endpoint": 'endpoint = "together"', "model": f'model = "{BASE}"', **replaced})
    done = project.ftorch("submit", "jobs/greet.toml", "--dry-run")
    return done.code, " ".join(done.err.split())


@pytest.mark.parametrize(
    ("text", "replaced", "said"),
    [
        ("[lora]\nalpha = 32\n", {}, "takes [lora] alpha only with a rank"),
        ("[lora]\ndropout = 0.1\ntargets = ['q_proj']\n", {}, "takes [lora] dropout, targets only with a rank"),
        ("", {"model": 'model = "gpt-4o-mini-2024-07-18"'}, "models there are called VENDOR/NAME"),
        ("", {"model": f'model = "{TUNED}"'}, "name the base model and train it on all of the data"),
    ],
)
def test_what_it_cant_do_is_said_before_anything_is_sent(
    project: Project, text: str, replaced: dict[str, str], said: str
) -> None:
    code, shown = planned(project, text, **replaced)
    assert (code, said in shown) == (2, True)


def test_reinforcement_is_refused(project: Project) -> None:
    grader = '[method.grader]\ntype = "string_check"\nname = "g"\ninput = "a"\nreference = "b"\noperation = "eq"\n'
    rows = [{"messages": [{"role": "user", "content": f"Climb {number}"}]} for number in range(12)]
    (project.root / "jobs" / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    data = 'training_file = "train.jsonl"\nvalidation_file = "train.jsonl"'
    code, shown = planned(project, grader, method='[method]\ntype = "reinforcement"', training_file=data)
    assert (code, "FT701" in shown) == (1, True)


def test_what_costs_and_what_happens_by_default_is_said(project: Project) -> None:
    (project.root / "jobs" / "valid.jsonl").write_bytes((project.root / "jobs" / "train.jsonl").read_bytes())
    data = 'training_file = "train.jsonl"\nvalidation_file = "valid.jsonl"\nallow_leak = true'
    _, shown = planned(project, n_epochs="", training_file=data)
    assert "n_epochs is not set, and together then trains 1 epoch." in shown
    assert "evaluates on the validation file after each epoch, and charges its tokens each time" in shown
    assert "about $0.0004: 786 tokens × 1 epoch; 0.48 USD per 1M tokens, seen 2026-02" in shown
    assert "answers on a dedicated endpoint, which is charged by the minute" in shown
    _, shown = planned(project)
    assert "n_epochs is not set" not in shown
    assert "validation file" not in shown


def test_preference_training_has_its_own_price(project: Project) -> None:
    pair = {
        "input": {"messages": [{"role": "user", "content": "Climb"}]},
        "preferred_output": [{"role": "assistant", "content": "Climbing."}],
        "non_preferred_output": [{"role": "assistant", "content": "No."}],
    }
    (project.root / "jobs" / "train.jsonl").write_text((json.dumps(pair) + "\n") * 12)
    _, shown = planned(project, method='[method]\ntype = "dpo"')
    assert "1.20 USD per 1M tokens, the prompt counted with each of its two answers" in shown


_USER, _SAID = {"role": "user", "content": "Climb"}, {"role": "assistant", "content": "Climbing."}
_CALL = {"role": "assistant", "content": None, "function_call": {"name": "climb", "arguments": "{}"}}


@pytest.mark.parametrize(
    ("row", "named"),
    [
        ({"messages": [_USER, _SAID]}, None),
        ({"messages": [{"role": "developer", "content": "Be brief."}, _USER, _SAID]}, "role developer"),
        ({"messages": [_USER, _SAID, _SAID]}, "assistant messages in a row"),
        ({"messages": [_USER, _CALL], "functions": [{"name": "climb"}]}, "functions and function_call"),
    ],
)
def test_rows_that_together_refuses_are_errors_for_it_alone(
    tmp_path: Path, row: dict[str, object], named: str | None
) -> None:
    path = tmp_path / "train.jsonl"
    path.write_text((json.dumps(row) + "\n") * 12)
    for endpoint in ("together", "compatible"):
        [checked] = check_together([Source(path, "training", limits=limits_of(endpoint))])
        found = [each.reason for each in checked.report.findings if each.code == "FT703"]
        assert [named in reason for reason in found if named] == [True] * bool(named and endpoint == "together")
        assert bool(found) is bool(named and endpoint == "together")
