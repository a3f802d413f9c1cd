from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from sqlalchemy import Connection

from orchestrator.errors import DatabaseError
from orchestrator.store import records, runs
from orchestrator.store.database import Database
from orchestrator.store.records import Checkpoint, Event, Metric, Model
from orchestrator.store.runs import Run

RUN = "run00001"


@pytest.fixture
def connection(database: Database, make_run: Callable[..., Run]) -> Iterator[Connection]:
    """A write transaction on a database with two runs."""
    with database.write() as opened:
        runs.add(opened, make_run(), "recorded")
        runs.add(opened, make_run(), "recorded")
        yield opened


def event(number: int, created_at: float = 100.0, run_id: str = RUN) -> Event:
    return Event(run_id, f"ftevent-{number}", created_at, "info", "metrics", f"Step {number}", {"step": number})


def test_events_are_recorded_once(connection: Connection) -> None:
    records.add_events(connection, [event(1), event(2)])
    records.add_events(connection, [event(2), event(3)])
    records.add_events(connection, [])
    assert records.events_of(connection, RUN) == [event(1), event(2), event(3)]
    assert records.known_event_ids(connection, RUN) == {"ftevent-1", "ftevent-2", "ftevent-3"}


def test_events_of_one_second_stay_in_the_order_in_which_they_came(connection: Connection) -> None:
    records.add_events(connection, [event(9), event(10)])
    records.add_events(connection, [event(3), event(4, created_at=99.0)])
    assert [found.event_id[8:] for found in records.events_of(connection, RUN)] == ["4", "9", "10", "3"]
    page, place = records.events_page(connection, RUN, below=None, limit=2)
    rest, end = records.events_page(connection, RUN, below=place, limit=3)
    assert [[found.event_id[8:] for found in each] for each in (page, rest)] == [["4", "9"], ["10", "3"]]
    assert end is None


def test_each_run_has_its_own_events(connection: Connection) -> None:
    records.add_events(connection, [event(1)])
    records.add_events(connection, [event(1, run_id="run00002")])
    assert records.events_of(connection, "run00002") == [event(1, run_id="run00002")]


def test_a_metric_gains_what_it_lacked_and_keeps_what_it_had(connection: Connection) -> None:
    records.add_metrics(connection, [Metric(RUN, 1, 10, train_loss=0.5), Metric(RUN, 2, 10, train_loss=0.4)])
    records.add_metrics(connection, [Metric(RUN, 1, 10, train_loss=9.9, valid_loss=0.7), Metric(RUN, 3)])
    records.add_metrics(connection, [])
    assert records.metrics_of(connection, RUN) == [
        Metric(RUN, 1, 10, train_loss=0.5, valid_loss=0.7),
        Metric(RUN, 2, 10, train_loss=0.4),
        Metric(RUN, 3),
    ]


def test_a_step_twice_in_one_report_is_one_metric(connection: Connection) -> None:
    records.add_metrics(connection, [Metric(RUN, 1, train_loss=0.5), Metric(RUN, 1, valid_loss=0.6)])
    assert records.metrics_of(connection, RUN) == [Metric(RUN, 1, train_loss=0.5, valid_loss=0.6)]


def test_the_last_metric_of_each_run_is_its_highest_step(connection: Connection) -> None:
    records.add_metrics(connection, [Metric(RUN, 10), Metric(RUN, 9), Metric("run00002", 2)])
    found = records.last_metrics(connection, [RUN, "run00002", "run00003"])
    assert found == {RUN: Metric(RUN, 10), "run00002": Metric("run00002", 2)}
    assert records.last_metrics(connection, [RUN]) == {RUN: Metric(RUN, 10)}
    assert records.last_metrics(connection, []) == {}


def test_checkpoints_are_recorded_once_and_read_by_step(connection: Connection) -> None:
    late = Checkpoint(RUN, "ftckpt-1", 20, "ft:m:late", {"train_loss": 0.1}, 2.0)
    early = replace(late, checkpoint_id="ftckpt-2", step=10, model="ft:m:early")
    records.add_checkpoints(connection, [late, early])
    records.add_checkpoints(connection, [early])
    assert records.checkpoints_of(connection, RUN) == [early, late]


def test_models_are_recorded_once_and_listed_newest_first(connection: Connection) -> None:
    old = Model("local", "ft:m:old", RUN, "m", 1.0)
    new = replace(old, model="ft:m:new", run_id="run00002", created_at=2.0)
    for model in (old, new, old):
        records.add_model(connection, model)
    assert records.models_newest(connection) == [new, old]
    assert records.models_newest(connection, limit=1) == [new]


def test_records_of_a_run_that_is_not_there_are_refused(database: Database) -> None:
    with pytest.raises(DatabaseError), database.write() as connection:
        records.add_metrics(connection, [Metric("nothere0", 1)])
