"""Submitting and evaluating files outside the project: named, and used only after a yes or with --allow-outside."""

from __future__ import annotations

import json

import pytest
from support.command import at_terminal, ftorch


@pytest.fixture
def job(home, tmp_path):
    """A job file whose training file lies beside the project."""
    rows = [
        {"messages": [{"role": "user", "content": f"{n}?"}, {"role": "assistant", "content": f"{n}"}]}
        for n in range(12)
    ]
    outside = tmp_path / "outside.jsonl"
    outside.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    (home / "job.toml").write_text(f'name = "a"\nmodel = "tiny"\n[data]\ntraining_file = "{outside}"\n')
    return outside


def test_a_plan_names_the_file_and_asks_nobody(job):
    done = ftorch("submit", "--dry-run", "--json", "job.toml")
    assert done.exit_code == 0
    named = f"outside the job file's folder and project: data.training_file ({job.resolve()})."
    assert named in json.loads(done.stdout)["notices"]


@pytest.mark.parametrize("options", [(), ("--yes",)])
def test_without_a_terminal_nothing_is_recorded_or_sent(job, home, options):
    done = ftorch("submit", "job.toml", *options)
    assert done.exit_code == 4
    assert "job.toml names files outside its folder and its project: data.training_file (" in done.stderr
    assert "add --allow-outside" in done.stderr
    assert json.loads(ftorch("status", "--json").stdout) == []


def test_a_sweep_over_such_files_is_refused_too(job, home):
    lines = (home / "job.toml").read_text().replace(str(job), "own.jsonl")
    (home / "own.jsonl").write_text(job.read_text())
    (home / "other.jsonl").write_text(job.read_text().replace("?", " then?"))
    (home / "job.toml").write_text(
        f'{lines}validation_file = "other.jsonl"\n[sweep]\n[sweep.space]\ntraining_file = ["own.jsonl", "{job}"]\n'
    )
    done = ftorch("submit", "job.toml", "--yes")
    assert done.exit_code == 4
    assert f"names files outside its folder and its project: data.training_file ({job.resolve()})" in done.stderr
    assert json.loads(ftorch("status", "--json").stdout) == []


def test_at_a_terminal_a_no_ends_it(job):
    code, shown = at_terminal("submit", "job.toml", typed="n\n")
    assert "Use them?" in shown
    assert code == 1
    assert json.loads(ftorch("status", "--json").stdout) == []


def test_allow_outside_goes_on(job):
    assert ftorch("submit", "job.toml", "--detach", "--allow-outside").exit_code == 0


def test_an_evaluation_of_such_a_file_is_asked_about_too(job, home):
    row = {"messages": [{"role": "user", "content": "x"}, {"role": "assistant", "content": "y"}]}
    (job.parent / "cases.jsonl").write_text(json.dumps(row) + "\n")
    text = (home / "job.toml").read_text()
    (home / "job.toml").write_text(f'{text}[evaluation]\nfile = "{job.parent}/cases.jsonl"\nmodels = ["base"]\n')
    done = ftorch("evaluate", "job.toml")
    assert done.exit_code == 4, done.output
    assert "names files outside its folder and its project: evaluation.file (" in done.stderr
