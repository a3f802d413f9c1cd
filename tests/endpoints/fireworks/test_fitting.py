"""What a plan for Fireworks refuses and says, before anything is sent."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support.fireworks_host import BASE
from support.project import Project, make_project


@pytest.fixture
def project(tmp_path: Path) -> Project:
    found = make_project(tmp_path)
    (found.root / "ftorch.toml").write_text('[endpoints.fireworks]\ntype = "fireworks"\n')
    return found


def planned(project: Project, text: str = "", **replaced: str) -> tuple[int, str]:
    project.write_job(text, **{"endpoint": 'endpoint = "fireworks"', "model": f'model = "{BASE}"', **replaced})
    done = project.ftorch("submit", "jobs/greet.toml", "--dry-run")
    return done.code, " ".join(done.err.split())


@pytest.mark.parametrize(
    ("text", "replaced", "said"),
    [
        ("", {"model": 'model = "qwen3-8b"'}, 'model = "accounts/fireworks/models/qwen3-8b"'),
        ("", {"model": 'model = "Qwen/Qwen3-8B"'}, 'model = "accounts/fireworks/models/qwen3-8b"'),
        ("", {"model": 'model = "gpt-4o-mini-2024-07-18"'}, 'model = "accounts/fireworks/models/qwen3-8b"'),
        ("learning_rate_multiplier = 2.0", {}, "takes no learning_rate_multiplier, only the rate itself"),
    ],
)
def test_what_it_cant_do_is_said_before_anything_is_sent(
    project: Project, text: str, replaced: dict[str, str], said: str
) -> None:
    code, shown = planned(project, text, **replaced)
    assert (code, said in shown) == (2, True)


def test_dpo_takes_no_validation_file(project: Project) -> None:
    answer = [[{"role": "assistant", "content": word}] for word in ("Yes", "No")]
    rows = [
        {
            "input": {"messages": [{"role": "user", "content": f"Climb {number}"}]},
            "preferred_output": answer[0],
            "non_preferred_output": answer[1],
        }
        for number in range(12)
    ]
    (project.root / "jobs" / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (project.root / "jobs" / "valid.jsonl").write_text(json.dumps(rows[0]) + "\n")
    data = 'training_file = "train.jsonl"\nvalidation_file = "valid.jsonl"'
    code, shown = planned(project, method='[method]\ntype = "dpo"', training_file=data)
    assert (code, "it takes no validation file for dpo; leave it out" in shown) == (2, True)


def test_what_costs_and_what_has_no_effect_is_said(project: Project) -> None:
    code, shown = planned(project, "[lora]\nrank = 16\nalpha = 32\n", name='name = "greet"\nseed = 7')
    assert code == 0
    assert "0.50 USD per 1M tokens" in shown
    assert (
        "answer only while it is deployed, charged by the hour and processor, such as $8.00 for one H200" in shown
    )
    assert "alpha of [lora] has no effect on fireworks, which takes max_length, rank." in shown
    assert "seed has no effect on fireworks" in shown
