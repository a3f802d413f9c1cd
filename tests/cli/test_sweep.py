"""`ftorch sweep` and what `status` shows of sweeps, after a real one on the local endpoint."""

from __future__ import annotations

import asyncio
import json
import os
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing

import pytest
from click.testing import Result
from support import command
from support.project import Project, Result as Done, make_project

from orchestrator.api import runs
from orchestrator.sweeps.supervisor import SweepSupervisor

RATE = "learning_rate_multiplier"


def write_sweep(project: Project, name: str, sweep: str, **replaced: str) -> str:
    """A job file with this `[sweep]`; returns its path."""
    rows = (project.root / "jobs" / "train.jsonl").read_text().splitlines()[:3]
    text = "\n".join(rows).replace("Switch on the light in the", "Light up the") + "\n"
    (project.root / "jobs" / "validation.jsonl").write_text(text)
    validation = 'training_file = "train.jsonl"\nvalidation_file = "validation.jsonl"'
    path = project.write_job(sweep, name=f'name = "{name}"\nseed = 1', training_file=validation, **replaced)
    return str(path.rename(path.with_name(f"{name}.toml")).relative_to(project.root))


GRID = f"[sweep.space]\nn_epochs = [1, 2]\n{RATE} = [0.1, 1.0]"


@pytest.fixture(scope="module")
def submission(tmp_path_factory: pytest.TempPathFactory) -> tuple[Project, Done]:
    """A project in which a sweep of four trials has ended, and what `submit` said of it."""
    project = make_project(tmp_path_factory.mktemp("swept"))
    done = project.ftorch("submit", write_sweep(project, "grid", GRID))
    assert done.code == 0, done.err
    return project, done


@pytest.fixture
def swept(submission: tuple[Project, Done]) -> Project:
    return submission[0]


Ftorch = Callable[..., Result]


@pytest.fixture
def ftorch(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Ftorch:
    """`ftorch` inside this process: in the folder of the sweep that has ended, or of a test that has its own."""
    project: Project = request.getfixturevalue("project" if "project" in request.fixturenames else "swept")
    for name in set(os.environ) - set(project.environment):
        monkeypatch.delenv(name)
    for name in ("HOME", "COLUMNS"):
        monkeypatch.setenv(name, project.environment[name])
    monkeypatch.chdir(project.root)
    return command.ftorch


def test_submit_shows_the_plan_then_the_ranking_and_prints_the_best_model_alone(
    submission: tuple[Project, Done], ftorch: Ftorch
) -> None:
    _, done = submission
    assert "Plan: sweep grid on local" in done.err
    assert "sweep grid  4 trials: 4 succeeded" in done.err
    assert done.err.index("all 4") < done.err.index("RUN")
    assert done.out == ftorch("sweep", "best", "grid").stdout
    assert done.out.startswith("ft:gpt-4.1-mini-2025-04-14:local:")
    assert len(done.out.splitlines()) == 1


def test_status_has_one_line_for_a_sweep_and_unfolds_it_by_name(ftorch: Ftorch) -> None:
    shown = ftorch("status").stdout
    assert "4/4" in shown
    assert "4 succeeded" in shown
    assert "RUN" not in shown, "its trials are no lines of their own"
    unfolded = ftorch("status", "grid").stdout.splitlines()
    trials = [line.split() for line in unfolded if "rate" in line]
    assert [trial[0] for trial in trials] == ["1", "2", "3", "4"]
    assert " ".join(trials[3][1:5]) == "epochs 2, rate 1"
    assert len(json.loads(ftorch("status", "--json").stdout)) == 4


def test_the_list_of_sweeps_has_them_all(ftorch: Ftorch) -> None:
    assert "grid" in ftorch("sweep", "list").stdout
    [listed] = json.loads(ftorch("sweep", "list", "--json").stdout)
    assert (listed["name"], listed["trials"], listed["over"]) == ("grid", 4, 4)
    assert listed["states"] == {"succeeded": 4}


def test_show_ranks_explains_and_suggests(ftorch: Ftorch) -> None:
    shown = ftorch("sweep", "show", "grid").stdout
    for part in ("Ranking", "Best", "Effects", "n_epochs: explains", "Worth a try next", "tiny, a small trainer"):
        assert part in shown
    found = json.loads(ftorch("sweep", "show", "grid", "--json").stdout)
    means = [point["mean"] for point in found["ranking"]]
    assert means == sorted(means)
    assert len(means) == 4
    assert found["best"]["score"] == means[0]
    assert {effect["parameter"] for effect in found["effects"]} == {"n_epochs", RATE}
    assert [trial["trial"] for trial in found["trials"]] == [1, 2, 3, 4]


def test_best_is_the_model_of_the_lowest_loss(ftorch: Ftorch) -> None:
    found = json.loads(ftorch("sweep", "best", "grid", "--json").stdout)
    trials = json.loads(ftorch("sweep", "show", "grid", "--json").stdout)["trials"]
    lowest = min(trials, key=lambda trial: trial["score"])
    assert (found["model"], found["run"]) == (lowest["model"], lowest["run"])
    assert ftorch("sweep", "best", "grid").stdout == f"{found['model']}\n"


@pytest.mark.parametrize("command", ["show", "best", "stop"])
def test_an_unknown_name_is_told_with_the_nearest_one(command: str, ftorch: Ftorch) -> None:
    done = ftorch("sweep", command, "grib")
    assert done.exit_code == 2
    assert 'no sweep "grib". Did you mean grid?' in done.stderr
    elsewhere = ftorch("sweep", command, "grid", "--endpoint", "openai")
    assert elsewhere.exit_code == 2
    assert "It was run on local" in elsewhere.stderr


def test_a_grid_is_not_extended_and_the_error_says_what_to_do(ftorch: Ftorch) -> None:
    done = ftorch("sweep", "extend", "grid", "--trials", "9")
    assert done.exit_code == 2
    assert 'its strategy is "grid"' in done.stderr
    assert "add to the space" in done.stderr


def test_a_sweep_that_is_over_has_nothing_to_stop(ftorch: Ftorch) -> None:
    done = ftorch("sweep", "stop", "grid", "--yes")
    assert done.exit_code == 0
    assert "Nothing to stop: sweep grid has finished (4 trials: 4 succeeded)" in done.stderr


def test_showing_a_run_by_the_name_of_a_sweep_points_to_the_sweep(ftorch: Ftorch) -> None:
    assert "ftorch sweep show grid" in ftorch("show", "grid").stderr


def test_without_sweeps_there_is_a_word_on_how_to_begin(project: Project, ftorch: Ftorch) -> None:
    assert "then: ftorch submit JOB.toml" in ftorch("sweep", "list").stderr
    assert json.loads(ftorch("sweep", "list", "--json").stdout) == []
    assert not (project.root / ".ftorch").exists()


def test_a_random_sweep_is_extended_by_what_its_seed_draws_next(project: Project, ftorch: Ftorch) -> None:
    space = f"[sweep]\nstrategy = 'random'\ntrials = {{}}\n[sweep.space]\n{RATE} = {{{{ low = 0.1, high = 1.0 }}}}"
    assert ftorch("submit", write_sweep(project, "drawn", space.format(2))).exit_code == 0
    done = ftorch("sweep", "extend", "drawn", "--trials", "3")
    assert done.exit_code == 0, done.stderr
    assert "2 trials recorded already, not submitted again" in done.stderr
    assert "Also write trials = 3 into" in done.stderr
    trials = json.loads(ftorch("sweep", "show", "drawn", "--json").stdout)["trials"]
    assert [trial["state"] for trial in trials] == ["succeeded"] * 3
    again = ftorch("submit", write_sweep(project, "drawn", space.format(3)))
    assert "3 trials recorded already, not submitted again" in again.stderr


def test_ctrl_c_leaves_with_130_also_where_every_open_trial_was_drawn_meanwhile(
    project: Project, ftorch: Ftorch, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("optuna")

    async def interrupted(
        *_: object, supervisors: list[SweepSupervisor], stop: asyncio.Event, **__: object
    ) -> None:
        supervisors[0].attend(time.time())
        stop.set()

    monkeypatch.setattr(runs, "drive", interrupted)
    space = f"[sweep]\nstrategy = 'tpe'\ntrials = 3\n[sweep.space]\n{RATE} = {{ low = 0.1, high = 1.0 }}"
    done = ftorch("submit", write_sweep(project, "drawn", space))
    assert (done.exit_code, done.stdout) == (130, "")
    assert "continue with: ftorch resume" in done.stderr


def test_a_stopped_sweep_has_no_best_and_says_so(project: Project, ftorch: Ftorch) -> None:
    job = write_sweep(project, "long", f"[sweep.space]\n{RATE} = [0.1, 1.0]", n_epochs="n_epochs = 50")
    assert ftorch("submit", "--detach", job).exit_code == 0
    early = ftorch("sweep", "best", "long")
    assert early.exit_code == 1
    assert "To continue: ftorch resume" in early.stderr
    stopped = ftorch("sweep", "stop", "long", "--yes")
    assert "2 trials: 2 cancelled; stopped" in stopped.stderr
    done = ftorch("sweep", "best", "long")
    assert (done.exit_code, done.stdout) == (1, "")
    assert "To see why: ftorch sweep show long" in done.stderr
    assert "No trial has a result yet" in ftorch("sweep", "show", "long").stdout
    assert "stopped" in ftorch("status").stdout


def test_no_escape_sequence_in_what_is_recorded_reaches_the_terminal(swept: Project, ftorch: Ftorch) -> None:
    database = swept.root / ".ftorch" / "ftorch.db"
    with closing(sqlite3.connect(database)) as connection, connection:
        before = connection.execute("SELECT parameters FROM trials WHERE number = 1").fetchone()
        connection.execute("UPDATE trials SET parameters = ? WHERE number = 1", ('{"model": "m\\u001b[31m"}',))
        connection.commit()
        try:
            for arguments in (["status", "grid"], ["sweep", "show", "grid"], ["sweep", "list"]):
                assert "\x1b" not in ftorch(*arguments).stdout
        finally:
            connection.execute("UPDATE trials SET parameters = ? WHERE number = 1", before)
