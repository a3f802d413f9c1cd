"""An unconfirmed create is visible: what is going on, when it is looked at next, and that nobody need worry."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console

from orchestrator.ledger import RunDetails
from orchestrator.reports.rundetails import print_details
from orchestrator.reports.runs import summary, why
from orchestrator.reports.runtable import status_table
from orchestrator.store.runs import Run

NOW = 1_800_000_000.0


@pytest.fixture
def unconfirmed(make_run: Callable[..., Run]) -> Run:
    return make_run(
        state="creating",
        reason="create unconfirmed, looking for the job",
        creation_open=True,
        creation_attempts=1,
        creation_token="01ARZ3NDEKTSV4RRFFQ69G5FAV",
        creation_attempted_at=NOW - 80,
        due_at=NOW + 40,
        lease_owner="another-machine:1:0",
        lease_expires_at=NOW + 30,
    )


def shown(renderable: object) -> str:
    console = Console(file=io.StringIO(), width=200)
    console.print(renderable)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_status_says_when_the_next_look_is(unconfirmed: Run) -> None:
    text = shown(status_table([unconfirmed], {}, NOW, 200))
    assert "create unconfirmed, looking for the job (next look in 40 s)" in text


def test_status_says_when_nobody_follows_a_run(make_run: Callable[..., Run]) -> None:
    text = shown(status_table([make_run(state="running", reason="the endpoint says running")], {}, NOW, 200))
    assert "no process follows it: ftorch resume" in text


def test_status_says_that_a_create_is_unconfirmed_after_its_process_was_killed(
    make_run: Callable[..., Run],
) -> None:
    killed = make_run(state="creating", reason="files are ready; requesting the job", creation_open=True)
    text = shown(status_table([killed], {}, NOW, 200))
    assert "create unconfirmed" in text
    assert "run ftorch resume to look for the job" in text


def test_an_unknown_run_says_what_to_do_and_is_counted(make_run: Callable[..., Run]) -> None:
    unknown = make_run(state="unknown", reason="no job was found; ftorch resume --again x asks again")
    text = shown(status_table([unknown], {}, NOW, 200))
    assert "ftorch resume --again x asks again" in text
    assert "no process follows it" not in text
    assert summary({"unknown": 1}, 1) == "1 run: 1 unknown"


def test_show_explains_that_it_is_not_repeated_on_a_guess(unconfirmed: Run, tmp_path: Path) -> None:
    console = Console(file=io.StringIO(), width=400)
    print_details(RunDetails(unconfirmed, [], [], []), None, console)
    assert isinstance(console.file, io.StringIO)
    text = console.file.getvalue()
    assert "unconfirmed since" in text
    assert "01ARZ3NDEKTSV4RRFFQ69G5FAV" in text
    assert "only if no job appears within the settling window" in text


def test_a_job_that_stood_in_the_queue_for_a_day_is_pointed_at(make_run: Callable[..., Run]) -> None:
    held = {
        "state": "queued",
        "reason": "the endpoint says validating_files",
        "endpoint": "there",
        "id": "ab12cd34",
    }
    waits = make_run(**held, updated_at=NOW - 3 * 86_400)
    assert why(waits, NOW).endswith("no change for 3 d 00:00: check there, or run: ftorch cancel ab12cd34")
    assert "no change" not in why(make_run(**{**held, "id": "n"}, updated_at=NOW - 3600), NOW)
