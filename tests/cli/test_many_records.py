"""Commands that read the records take little memory however many there are, and print as before."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event

from orchestrator import ledger as reading
from orchestrator.cli.output import print_json, print_json_list
from orchestrator.config import find_workspace
from orchestrator.ledger import EVERY_RUN, Ledger
from orchestrator.reports.runs import run_object
from orchestrator.store import records, runs
from orchestrator.store.database import Database
from orchestrator.store.migrate import open_database
from orchestrator.store.records import Event, Metric
from orchestrator.store.runs import Run

MakeRun = Callable[..., Run]


@pytest.fixture
def ledger(home: Path) -> Iterator[Ledger]:
    workspace = find_workspace()
    with closing(open_database(workspace.database_url)) as database:
        yield Ledger(workspace, database)


@pytest.fixture
def recorded(ledger: Ledger, make_run: MakeRun) -> list[Run]:
    """Twelve runs, most of them of the same moment, each with two steps but the first."""
    made = [make_run(name="many", created_at=100.0 + (number // 9)) for number in range(12)]
    with ledger.database.write() as connection:
        for run in made:
            runs.add(connection, run, "recorded")
        for run in made[1:]:
            records.add_metrics(connection, [Metric(run.id, step, 2, train_loss=1 / step) for step in (1, 2)])
    return made


def statements(database: Database) -> list[str]:
    """What is sent to the database from now on."""
    sent: list[str] = []
    event.listen(database.engine, "before_cursor_execute", lambda *args: sent.append(args[2]))
    return sent


@pytest.mark.parametrize("page", [1, 4, 5, 12, 100])
def test_pages_hold_every_run_once_and_in_order(
    ledger: Ledger, recorded: list[Run], monkeypatch: pytest.MonkeyPatch, page: int
) -> None:
    monkeypatch.setattr(reading, "_PAGE", page)
    listed = list(ledger.summaries(EVERY_RUN))
    assert [each.id for each, *_ in listed] == [run.id for run in ledger.runs()]
    last = ledger.progress([run.id for run in recorded])
    assert {each.id: metric for each, metric, _ in listed if metric} == last
    by_object = [run_object(run, last.get(run.id), {}) for run in ledger.runs("many")]
    assert [run_object(*each) for each in ledger.summaries(ledger.listing_of("many"))] == by_object
    assert [run_object(*each) for each in ledger.summaries(ledger.listing_of(recorded[3].id))] == [
        run_object(recorded[3], last[recorded[3].id], {})
    ]


def test_a_list_of_runs_reads_no_json_and_three_statements_a_page(
    ledger: Ledger, recorded: list[Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "_PAGE", 5)
    sent = statements(ledger.database)
    assert len(list(ledger.summaries(EVERY_RUN))) == len(recorded)
    selects = [text for text in sent if text.startswith("SELECT")]
    assert len(selects) == 1 + 3 * 3, "the ids, and each page with its last steps and its tags"
    assert not any(column in text for text in selects for column in ("remote_job", "runs.method", "runs.metadata"))


def test_show_reads_no_events(ledger: Ledger, recorded: list[Run]) -> None:
    sent = statements(ledger.database)
    ledger.details(recorded[0].id)
    assert not any("FROM events" in text for text in sent)


def test_events_are_read_a_page_at_a_time(
    ledger: Ledger, recorded: list[Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = recorded[0].id
    with ledger.database.write() as connection:
        records.add_events(
            connection, [Event(run, f"e{n}", 1.0, "info", None, "m", {"n": n}) for n in range(2_000)]
        )
    made: list[Event] = []
    monkeypatch.setattr(Event, "__init__", counted(Event.__init__, made))
    events = ledger.events(run)
    next(events)
    assert len(made) == 500
    with ledger.database.write() as connection:
        records.add_events(connection, [Event(run, "later", 2.0, "info", None, "m", None)])
    assert ledger.database.checkpoint(), "no reader of an older moment is open meanwhile"
    assert len(list(events)) == 2_000


def counted(original: Callable[..., None], made: list[Event]) -> Callable[..., None]:
    def initialise(self: Event, *values: Any) -> None:
        made.append(self)
        original(self, *values)

    return initialise


@pytest.mark.parametrize(
    "values",
    [
        [],
        [{}],
        [{"a": 1, "b": None, "c": "ü,\n    \x1b"}],
        [{"a": 0.5}, {"b": [1, {"c": []}]}, {}],
        [{"n": 1}] * 401,
    ],
)
def test_a_list_is_printed_as_json_dumps_does(
    capsys: pytest.CaptureFixture[str], values: list[dict[str, object]]
) -> None:
    print_json(values)
    expected = capsys.readouterr().out
    print_json_list(iter(values))
    assert capsys.readouterr().out == expected
    assert json.loads(expected) == values
