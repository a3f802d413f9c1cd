"""`status` with filters, an order, columns or ids, and `logs --tail`."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from datetime import datetime
from typing import Any

import click
import pytest
from support.project import Project

from orchestrator.cli.listingoptions import SORTS, STATES
from orchestrator.cli.status import COLUMNS, status
from orchestrator.cli.times import parse_duration, parse_since
from orchestrator.identity import USER_VARIABLE
from orchestrator.ledger import open_ledger
from orchestrator.reports.runtable import RUN_COLUMNS
from orchestrator.runs.states import State
from orchestrator.store import listing, records, runs, schema, sweeps
from orchestrator.store.records import Event, Metric, Model
from orchestrator.store.runs import Run
from orchestrator.store.sweeps import RecordedSweep, RecordedTrial

MakeRun = Callable[..., Run]
NANO = "gpt-4.1-nano-2025-04-14"
LONG = "ft:gpt-4.1-mini-2025-04-14:acme-robotics:drone-commands-with-a-long-suffix:AbCdEf12"
RUNS: dict[str, dict[str, Any]] = {
    "aaa": {"created_at": 100.0, "state": "failed", "finished_at": 200.0, "reason": "bad data", "cost_usd": 0.5},
    "bbb": {
        "created_at": 200.0,
        "state": "succeeded",
        "finished_at": 300.0,
        "fine_tuned_model": LONG,
        "cost_usd": 3,
    },
    "ccc": {"state": "running", "endpoint": "paid", "model": NANO, "estimated_cost_usd": 9.0},
    "ddd": {"created_at": 300.0, "name": "grid", "sweep_id": "sweep1", "state": "succeeded", "finished_at": 310.0},
    "eee": {"created_at": 400.0, "archived_at": 500.0, "name": "past"},
    "fff": {"created_at": 400.0, "archived_at": 500.0, "deleted_at": 500.0, "name": "gone"},
}


@pytest.fixture
def recorded(project: Project, make_run: MakeRun) -> Project:
    now = time.time()
    with project.entered(), open_ledger(create=True) as ledger, ledger.database.write() as connection:
        sweeps.add(connection, RecordedSweep("sweep1", "grid", "local", "jobs/grid.toml", {}, 1, None, 1.0))
        for run_id, columns in RUNS.items():
            runs.add(connection, make_run(**{"id": run_id, "created_at": now - 3600, "reason": "", **columns}), "")
        sweeps.add_trial(connection, RecordedTrial("sweep1", 0, {"n_epochs": 1}, 0, "f", "ddd"))
        connection.execute(schema.tags.insert().values(run_id="aaa", key="team", value="flight"))
        who = {"user": "ann", "host": "desk", "ftorch_version": "1", "at": 1.0}
        connection.execute(schema.submissions.insert().values(kind="run", item_id="bbb", **who))
        records.add_model(connection, Model("local", LONG, "bbb", "gpt-4.1-mini-2025-04-14", 300.0))
        records.add_metrics(connection, [Metric("bbb", 7, 10, train_loss=0.25, valid_loss=0.5)])
    return project


def ids(project: Project, *options: str, **environment: str) -> list[str]:
    """What is listed with these options, the same in each of the three forms."""
    found = project.ftorch("status", *options, "--ids", **environment).out.split()
    objects = json.loads(project.ftorch("status", *options, "--json", **environment).out)
    assert [each["run"] for each in objects] == found
    shown = project.ftorch("status", *options, "--columns", "run", **environment).out
    if any(option.startswith("--") for option in options):
        assert [line for line in shown.splitlines()[1:-1] if line in RUNS] == found
    return found


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ((), ["ccc", "ddd", "bbb", "aaa"]),
        (("--state", "failed"), ["aaa"]),
        (("--state", "failed", "--state", "running"), ["ccc", "aaa"]),
        (("--endpoint", "paid"), ["ccc"]),
        (("--model", "gpt-4.1-nano"), ["ccc"]),
        (("--model", LONG), ["bbb"]),
        (("--tag", "team"), ["aaa"]),
        (("--tag", "team=flight"), ["aaa"]),
        (("--tag", "team=ground"), []),
        (("--since", "2h"), ["ccc"]),
        (("--since", "1970-01-01T00:04:30Z"), ["ccc", "ddd"]),
        (("--archived",), ["eee"]),
        (("--sort", "cost"), ["ccc", "bbb", "ddd", "aaa"]),
        (("--sort", "cost", "--reverse"), ["aaa", "ddd", "bbb", "ccc"]),
        (("--state", "succeeded", "--limit", "1"), ["ddd"]),
        (("drone",), ["ccc", "bbb", "aaa"]),
        (("drone", "--state", "failed"), ["aaa"]),
        (("grid", "--state", "succeeded"), ["ddd"]),
        (("bb",), ["bbb"]),
        (("eee",), ["eee"]),
    ],
)
def test_filters_choose_and_order_the_same_in_every_form(
    recorded: Project, options: tuple[str, ...], expected: list[str]
) -> None:
    assert ids(recorded, *options) == expected


def test_mine_is_what_the_recorded_user_submitted(recorded: Project) -> None:
    assert ids(recorded, "--mine", **{USER_VARIABLE: "ann"}) == ["bbb"]
    assert ids(recorded, "--mine", **{USER_VARIABLE: "bo"}) == []


def test_a_screen_says_how_many_are_left_and_programs_get_all(recorded: Project) -> None:
    done = recorded.ftorch("status", "--sort", "name", "--limit", "2")
    assert "4 runs: 1 running, 2 succeeded, 1 failed; the first 2 are shown, --all shows every one" in done.out
    assert "the newest 2 are shown" in recorded.ftorch("status", "--since", "1970-01-01", "--limit", "2").out
    assert "shown" not in recorded.ftorch("status", "--sort", "name").out


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--state", "failed", "--endpoint", "paid"), "No run matches. Without filters: ftorch status (4 runs)"),
        (("grid", "--state", "failed"), "No run matches. Without filters: ftorch status grid (1 run)"),
        (("past",), "Nothing but 1 archived run: ftorch status past --archived"),
        (("past", "--mine"), "Nothing but 1 archived run: ftorch status past --archived"),
        (("fff",), "Run fff is deleted. To see what is left of it: ftorch show fff"),
    ],
)
def test_an_empty_list_says_why_and_what_there_is(recorded: Project, options: tuple[str, ...], said: str) -> None:
    done = recorded.ftorch("status", *options)
    assert (done.code, done.out.strip()) == (0, said)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--state", "runing"), "'runing' is not one of 'pending', 'uploading'"),
        (("--sort", "price"), "'price' is not one of 'created', 'updated'"),
        (("--since", "yesterday"), '"yesterday" is neither a duration, such as 12h or 7d, nor a date'),
        (("--since", "0d"), '"0d" is neither'),
        (("--tag", "=flight"), '"=flight" has no key'),
        (("--tag", "team=a", "--tag", "team=b"), "a run has one value for the tag team"),
        (("--columns", "run,stat"), 'there is no column "stat". Did you mean state? Columns: run, name'),
        (("--columns", ","), "give at least one of run, name"),
        (("--limit", "0"), "0 is not in the range x>=1"),
        (("--limit", "3", "--all"), "give either --limit or --all"),
        (("--ids", "--json"), "give either --ids or --json"),
        (("--ids", "--columns", "run"), "--columns is for the table"),
        (("--watch", "--ids"), "--watch is for the table"),
        (("zzz", "--state", "failed"), 'There is no run "zzz"'),
        (("gone",), 'There is no run "gone"'),
    ],
)
def test_a_wrong_option_names_the_choices(recorded: Project, options: tuple[str, ...], said: str) -> None:
    done = recorded.ftorch("status", *options)
    assert (done.code, done.out) == (2, "")
    assert said in " ".join(done.err.split())


def test_columns_come_as_asked_with_the_model_last(recorded: Project) -> None:
    lines = recorded.ftorch("status", "--columns", "model,cost,run", "--state", "succeeded").out.splitlines()
    assert lines[0].split() == ["COST", "RUN", "MODEL", "/", "REASON"]
    assert lines[2].split() == ["$3.00", "bbb", LONG] or lines[2].split() == ["$3.00", "bbb"]
    assert "~$1.50" in lines[1], "an estimate"


def test_what_is_asked_for_is_not_cut(recorded: Project) -> None:
    every = ",".join(COLUMNS)
    shown = recorded.ftorch("status", "--columns", every, "--sort", "name", COLUMNS="60").out
    assert "gpt-4.1-nano-2025-04-14" in shown
    assert "…" not in shown


@pytest.mark.parametrize("width", ["40", "60", "80", "100", "120"])
def test_a_model_id_stays_whole_at_every_width(recorded: Project, width: str) -> None:
    for command in (("status",), ("status", "drone"), ("status", "--state", "succeeded"), ("models",)):
        assert LONG in recorded.ftorch(*command, COLUMNS=width).out, command


def test_the_names_of_options_are_those_of_the_records() -> None:
    assert tuple(str(state) for state in State) == STATES
    assert tuple(listing.SORTS) == SORTS
    assert tuple(RUN_COLUMNS) == COLUMNS


def test_columns_are_completed_after_a_comma() -> None:
    [columns] = [param for param in status.params if param.name == "columns"]
    found = columns.shell_complete(click.Context(status), "run,st")
    assert [each.value for each in found] == ["run,state", "run,step"]


# --- durations and moments -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90s", 90), ("30m", 1800), ("1h30m", 5400), ("2 h", None), ("7D", 604800), ("2w", 1209600)],
)
def test_durations(text: str, seconds: float | None) -> None:
    if seconds is None:
        with pytest.raises(click.BadParameter, match="is not a duration"):
            parse_duration(text)
    else:
        assert parse_duration(text) == seconds


def test_a_moment_is_before_now_or_a_local_date() -> None:
    assert parse_since("1h") == pytest.approx(time.time() - 3600, abs=60)
    assert parse_since("2026-11-01") == datetime(2026, 11, 1).timestamp()
    assert parse_since("2026-11-01T00:00Z") == 1793491200.0
    for wrong in ("", "7", "h", "-1h", "2026-13-01", "0001-01-01", "٣d"):
        with pytest.raises(click.BadParameter):
            parse_since(wrong)


# --- logs ------------------------------------------------------------------------------------------------------


def test_tail_begins_with_the_last_events(recorded: Project) -> None:
    events = [Event("bbb", f"e{n}", 1.0, "info", None, f"event {n}", None) for n in range(5)]
    with recorded.entered(), open_ledger() as ledger, ledger.database.write() as connection:
        records.add_events(connection, events)

    def shown(*options: str) -> list[str]:
        return re.findall(r"event \d", recorded.ftorch("logs", "bbb", *options).out)

    assert shown("--tail", "2") == shown("--tail", "2", "--json") == ["event 3", "event 4"]
    assert shown("--tail", "0") == []
    assert shown("--tail", "9") == shown() == [event.message for event in events]
    assert shown("-f", "--tail", "1") == ["event 4"]
    assert "No events are recorded" in recorded.ftorch("logs", "aaa", "--tail", "1").err
