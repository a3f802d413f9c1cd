"""An open page sees what changes, asks the database for all pages together, and ends with its browser."""

from __future__ import annotations

import asyncio

import pytest

from orchestrator.store import records
from orchestrator.store.records import Metric
from orchestrator.web import changes, live
from orchestrator.web.changes import Changes


@pytest.fixture(autouse=True)
def fast(monkeypatch):
    monkeypatch.setattr(changes, "POLL_SECONDS", 0.02)
    monkeypatch.setattr(live, "_LEAST_REST", 0.02)
    monkeypatch.setattr(live, "_REST_PER_WORK", 0.0)


async def marks_of(browser, path):
    shown = (await browser.get(path)).text
    return shown.split('data-has="')[1].split('"')[0]


def measure(ledger, run, *steps):
    with ledger.database.write() as connection:
        records.add_metrics(connection, [Metric(run.id, step, 99, train_loss=1 / step) for step in steps])


async def test_a_new_step_is_sent_and_what_stays_is_not(browser, record, ledger):
    run = record(state="running")
    measure(ledger, run, 1, 2)
    marks = await marks_of(browser, f"/runs/{run.id}")
    async with browser.stream(f"/live/runs/{run.id}?has={marks}") as stream:
        await asyncio.sleep(0.1)
        measure(ledger, run, 3)
        name, data = await stream.event()
        assert (name, data["key"]) == ("part", "curves")
        assert "3/99" in data["html"]
        assert "data-chart" in data["html"]


async def test_what_changed_before_the_stream_began_is_sent_at_once(browser, record, ledger):
    run = record(state="running")
    marks = await marks_of(browser, f"/runs/{run.id}")
    measure(ledger, run, 7)
    async with browser.stream(f"/live/runs/{run.id}?has={marks}") as stream:
        _, data = await stream.event()
        assert "7/99" in data["html"]


async def test_a_part_that_comes_or_goes_sends_all_of_them(browser, record):
    run = record(state="running")
    marks = await marks_of(browser, "/")
    async with browser.stream(f"/live/?has={marks}") as stream:
        record(state="succeeded", name="ended-now", finished_at=2.0)
        name, data = await stream.event()
        assert name == "parts"
        assert "ended-now" in data["html"]
        assert run.id in data["html"]


async def test_a_filtered_list_stays_filtered(browser, record):
    record(state="running", name="first")
    marks = await marks_of(browser, "/runs?state=running")
    async with browser.stream(f"/live/runs?state=running&has={marks}") as stream:
        record(state="failed", name="elsewhere", finished_at=2.0)
        record(state="running", name="second")
        _, data = await stream.event()
        while "second" not in data["html"]:
            _, data = await stream.event()
        assert "elsewhere" not in data["html"]


async def test_a_run_that_is_gone_is_said_on_its_page(browser, record, ledger):
    run = record(state="running")
    marks = await marks_of(browser, f"/runs/{run.id}")
    async with browser.stream(f"/live/runs/{run.id}?has={marks}") as stream:
        await asyncio.sleep(0.05)
        with ledger.database.write() as connection:
            connection.exec_driver_sql("DELETE FROM transitions")
            connection.exec_driver_sql("DELETE FROM runs")
        _, data = await stream.event()
        assert data["key"] == "problem"
        assert "There is no run" in data["html"]


async def test_without_an_open_page_nothing_is_read(browser, record):
    record()
    watched = browser.app.state.context.changes
    async with browser.stream("/live/"), browser.stream("/live/runs"):
        await asyncio.sleep(0.1)
        assert watched._polling is not None
    assert watched._polling is None


async def test_a_page_ends_when_the_server_stops(browser):
    async with browser.stream("/live/") as stream:
        browser.app.state.context.changes.close()
        while await stream.event() is not None:
            pass


async def test_all_pages_share_one_look_at_the_database():
    looks = 0

    def look():
        nonlocal looks
        looks += 1
        return looks // 10

    watched = Changes(look)
    async with watched.listening(), watched.listening(), watched.listening():
        await watched.wait(0, 5)
    assert watched.number == 1
    assert looks == 10


async def test_a_page_is_made_again_after_a_while_since_it_says_how_long_ago(browser, record, monkeypatch):
    monkeypatch.setattr(live, "TICK_SECONDS", 0.05)
    run = record(state="running", job_id="job-1")
    marks = await marks_of(browser, f"/runs/{run.id}")
    made, original = [], live.LiveParts._made

    def counted(parts):
        made.append(parts)
        return original(parts)

    monkeypatch.setattr(live.LiveParts, "_made", counted)
    async with browser.stream(f"/live/runs/{run.id}?has={marks}"):
        await asyncio.sleep(1.0)
    assert len(made) > 2


async def test_a_page_that_takes_long_to_make_is_made_less_often(browser, record, ledger, monkeypatch):
    """But not after the first time, which fills caches."""
    monkeypatch.setattr(live, "_REST_PER_WORK", 100.0)
    rests: list[float] = []
    run = record(state="running")
    watched = browser.app.state.context.changes

    async def rest(seconds):
        rests.append(seconds)
        await asyncio.sleep(0.02)

    monkeypatch.setattr(watched, "rest", rest)
    works = iter([5.0, 0.01, 0.05, 0.05])
    monkeypatch.setattr(live.LiveParts, "_made", lambda _self: (": made\n\n", next(works, 0.05)))
    async with browser.stream(f"/live/runs/{run.id}"):
        for step in (1, 2, 3):
            await asyncio.sleep(0.15)
            measure(ledger, run, step)
        await asyncio.sleep(0.2)
    assert rests[:4] == [pytest.approx(each) for each in (live._LEAST_REST, 1.0, 1.0, 5.0)]
