"""The page as a person uses it: curves grow, a run is cancelled, keys move, and hostile names do nothing."""

from __future__ import annotations

import json
import re
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from browser.conftest import Served, serve
from playwright.sync_api import Page, expect
from support.project import FTORCH, Project

from orchestrator.ledger import open_ledger
from orchestrator.store import records, runs
from orchestrator.store.records import Metric
from orchestrator.store.runs import Run

if TYPE_CHECKING:
    from playwright.sync_api import Browser

HOSTILE = "<script>window.hacked=1</script><img src=x onerror=window.hacked=1>'\"`"
WAIT = 30_000
"""Milliseconds; a busy machine trains slowly."""


@pytest.fixture
def record(project: Project, make_run: Callable[..., Run]) -> Callable[..., Run]:
    def add(**columns: Any) -> Run:
        run = make_run(**columns)
        with open_ledger(create=True) as ledger, ledger.database.write() as connection:
            runs.add(connection, run, "submitted")
        return run

    return add


@contextmanager
def training(project: Project, times: int = 1) -> Iterator[str]:
    """A run on `times` as much data; yields its id."""
    path = project.root / "jobs" / "train.jsonl"
    rows = path.read_text()
    path.write_text("".join(rows.replace("Switch on", f"Please {number}: switch on") for number in range(times)))
    project.write_job(n_epochs="n_epochs = 50")
    process = subprocess.Popen(
        [FTORCH, "submit", "jobs/greet.toml", "--yes"],
        cwd=project.root,
        env=project.environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        while not (found := project_runs(project)):
            assert process.poll() is None, process.stderr.read()
        yield found[0].id
    finally:
        process.kill()
        process.communicate()


def project_runs(project: Project) -> list[Run]:
    with open_ledger(project.root) as ledger:
        return ledger.runs()


def points(page: Page) -> int:
    """The points of the first chart that a script draws."""
    chart = page.locator("figure.chart.drawn").first.get_attribute("data-chart")
    return len(json.loads(chart or "")["data"][0])


def test_the_curve_grows_without_a_reload(project, open_page):
    with training(project, times=20) as run_id:
        page = open_page(f"/runs/{run_id}")
        page.evaluate("window.kept = true")
        expect(page.locator("figure.chart.drawn canvas").first).to_be_visible(timeout=WAIT)
        before, drawn = points(page), page.locator("canvas").first.evaluate("each => each.toDataURL()")
        deadline = time.monotonic() + WAIT / 1000
        while points(page) <= before:
            assert time.monotonic() < deadline
            page.wait_for_timeout(200)
        assert page.locator("canvas").first.evaluate("each => each.toDataURL()") != drawn
        assert page.evaluate("window.kept")


def test_a_new_state_is_shown_and_said_without_a_reload(project, open_page):
    with training(project) as run_id:
        page = open_page(f"/runs/{run_id}")
        page.evaluate("window.kept = true")
        expect(page.locator("h1")).to_have_text("Run greet: succeeded", timeout=2 * WAIT)
        expect(page).to_have_title("Run greet: succeeded · ftorch")
        expect(page.locator("#said")).to_have_text("Run greet: succeeded")
        assert page.evaluate("window.kept")


def test_a_run_is_cancelled_from_the_page(project, open_page):
    with training(project, times=20) as run_id:
        page = open_page(f"/runs/{run_id}")
        page.get_by_role("link", name="Cancel…").click(timeout=WAIT)
        expect(page.locator("h1")).to_have_text(f"Cancel run {run_id}?")
        page.get_by_role("button", name="Cancel it").click()
        expect(page.locator("h1")).to_have_text("Run greet: cancelled", timeout=WAIT)
        assert project_runs(project)[0].state == "cancelled"


def test_hostile_names_are_only_texts(open_page, record):
    run = record(name=HOSTILE, reason=HOSTILE, model=HOSTILE, state="unknown", endpoint=HOSTILE)
    with open_ledger() as ledger, ledger.database.write() as connection:
        records.add_metrics(connection, [Metric(run.id, step, 9, train_loss=1.0) for step in range(3)])
        records.add_checkpoints(connection, [records.Checkpoint(run.id, "c", 2, HOSTILE, {}, 1.0)])
    for path in ("/", "/runs", f"/runs/{run.id}", f"/runs/{run.id}/cancel"):
        page = open_page(path)
        expect(page.get_by_text("window.hacked=1").first).to_be_visible()
        assert page.evaluate("window.hacked") is None
        assert page.locator("img, script:not([src])").count() == 0


def test_keys_find_and_move(open_page, record):
    for name in ("first", "second"):
        record(name=name, state="failed", finished_at=2.0)
    page = open_page("/runs")
    page.keyboard.press("/")
    expect(page.locator("#q")).to_be_focused()
    page.keyboard.press("Escape")
    page.keyboard.press("j")
    expect(page.get_by_role("link", name="second")).to_be_focused()
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_have_text("Run first: failed")


def test_the_first_tab_skips_to_the_content(open_page):
    page = open_page("/")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#main")).to_be_focused()


def test_the_filter_changes_the_list_and_the_address_without_a_reload(open_page, record):
    record(name="wanted", state="running")
    record(name="other", state="failed", finished_at=2.0)
    page = open_page("/runs")
    page.evaluate("window.kept = true")
    page.locator("#q").press_sequentially("want")
    expect(page.locator("a.row")).to_have_text(["wanted"])
    expect(page).to_have_url(re.compile(r"/runs\?q=want$"))
    record(name="wanted-too", state="running")
    expect(page.locator("a.row")).to_have_text(["wanted-too", "wanted"], timeout=WAIT)
    page.select_option("#state", "failed")
    expect(page.locator("a.row")).to_have_count(0)
    assert page.evaluate("window.kept")
    page.go_back()
    expect(page.locator("a.row")).to_have_count(2)


def test_what_is_picked_stays_picked_while_the_list_changes(open_page, record):
    run = record(name="picked", state="running")
    page = open_page("/runs")
    page.get_by_label(f"Select run {run.id}").check()
    record(name="new", state="running")
    expect(page.locator("a.row")).to_have_text(["new", "picked"], timeout=WAIT)
    expect(page.get_by_label(f"Select run {run.id}")).to_be_checked()


def test_a_note_that_is_being_written_stays_while_the_page_changes(open_page, record):
    run = record(name="noted", state="running")
    page = open_page(f"/runs/{run.id}")
    page.get_by_text("Add a tag or a note").click()
    page.get_by_label("Note", exact=True).fill("half a sent")
    with open_ledger() as ledger, ledger.database.write() as connection:
        connection.exec_driver_sql(f"INSERT INTO tags VALUES ('{run.id}', 'team', 'flight')")
    expect(page.get_by_role("link", name="team=flight")).to_be_visible(timeout=WAIT)
    expect(page.get_by_label("Note", exact=True)).to_have_value("half a sent")
    page.get_by_role("button", name="Add the note").click()
    expect(page.locator("#notes")).to_contain_text("half a sent")


def test_everything_works_without_a_script(open_page, record):
    run = record(name="plain", state="running")
    with open_ledger() as ledger, ledger.database.write() as connection:
        records.add_metrics(connection, [Metric(run.id, step, 9, train_loss=1 / (step + 1)) for step in range(5)])
    page = open_page("/runs", java_script_enabled=False)
    page.locator("#q").fill("plain")
    page.get_by_role("button", name="Apply").click()
    page.get_by_role("link", name="plain").click()
    expect(page.locator("svg.chart").first).to_be_visible()
    page.get_by_text("Add a tag or a note").click()
    page.get_by_label("Tag", exact=True).fill("team")
    page.get_by_label("Value").fill("flight")
    page.get_by_role("button", name="Tag it").click()
    expect(page.get_by_role("link", name="team=flight")).to_be_visible()


def test_a_page_says_when_its_server_is_gone_and_returns_with_it(project, open_page, served):
    page = open_page("/")
    expect(page.locator("#live")).to_have_text("live", timeout=WAIT)
    served.stop()
    expect(page.locator("#live")).to_have_text("no connection", timeout=WAIT)
    with serve(project, "--port", served.port) as again:
        expect(page.locator("#live")).to_have_text("live", timeout=WAIT)
        again.stop()


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_is_wider_than_the_screen(open_page, record, width, scheme):
    run = record(name="a-name-of-sixty-characters-" + "x" * 33, state="running", model="ft:" + "m" * 120)
    for path in ("/", "/runs", f"/runs/{run.id}", f"/runs/{run.id}/cancel", "/sweeps", "/evaluations"):
        page = open_page(path, viewport={"width": width, "height": 800}, color_scheme=scheme)
        assert page.evaluate("document.documentElement.scrollWidth") <= width, path


def test_a_screen_reader_finds_landmarks_names_and_one_heading(open_page, record):
    run = record(name="heard", state="running")
    for path in ("/", "/runs", f"/runs/{run.id}", f"/runs/{run.id}/cancel"):
        page = open_page(path)
        for role in ("banner", "main", "contentinfo"):
            expect(page.get_by_role(role)).to_have_count(1)
        expect(page.get_by_role("heading", level=1)).to_have_count(1)
        nameless = page.evaluate(
            """() => [...document.querySelectorAll("input:not([type=hidden]), select, textarea, button, a")]
                .filter(each => !(each.labels && each.labels.length) && !each.ariaLabel && !each.textContent.trim())
                .map(each => each.outerHTML)"""
        )
        assert nameless == []


def test_read_only_offers_nothing_to_change(chromium: Browser, project, record):
    run = record(name="kept", state="running")
    with serve(project, "--read-only") as served:
        page = chromium.new_context(base_url=served.address).new_page()
        page.goto(f"/runs/{run.id}")
        expect(page.locator("h1")).to_have_text("Run kept: running")
        assert page.locator("form[method=post]").count() == 0
        assert page.get_by_role("link", name="Cancel…").count() == 0


def test_a_hidden_page_needs_no_stream(open_page, served: Served, record):
    record(name="seen", state="running")
    page = open_page("/runs")
    expect(page.locator("#live")).to_have_text("live", timeout=WAIT)
    hide = "Object.defineProperty(document, 'hidden', {value: %s, configurable: true});"
    page.evaluate(hide % "true" + "document.dispatchEvent(new Event('visibilitychange'))")
    record(name="later", state="running")
    page.wait_for_timeout(3000)
    expect(page.locator("a.row")).to_have_text(["seen"])
    page.evaluate(hide % "false" + "document.dispatchEvent(new Event('visibilitychange'))")
    expect(page.locator("a.row")).to_have_text(["later", "seen"], timeout=WAIT)
