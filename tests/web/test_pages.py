"""What the overview and the list of runs show, and that a text is never more than a text."""

from __future__ import annotations

import asyncio
import random
import re
import time
from datetime import timedelta
from urllib.parse import quote

import pytest

from orchestrator.bookkeeping.endings import today
from orchestrator.engine.worker import new_owner
from orchestrator.store import endings, records
from orchestrator.store.records import Metric
from orchestrator.web.pages.runs import ON_A_PAGE

HOSTILE = '<script>alert("x")</script><img src=x onerror=alert(1)>\u202e\x1b[31m'


def names(text):
    return re.findall(r'<a class="row"[^>]*>([^<]*)</a>', text)


async def test_an_empty_project_says_how_to_start(browser):
    shown = (await browser.get("/")).text
    assert "ftorch init DATA.jsonl" in shown
    assert not browser.app.state.context.ledger.current().workspace.home.exists()


async def test_the_first_run_appears_without_a_restart(browser, project):
    assert "0 runs" in (await browser.get("/runs")).text
    done = await asyncio.to_thread(project.process, "submit", "jobs/greet.toml")
    assert done.code == 0, done.err
    assert names((await browser.get("/runs")).text) == ["greet"]


async def test_the_overview_names_what_runs_what_waits_and_what_ended(browser, record, ledger):
    lease = {"lease_owner": new_owner(random.Random(1)), "lease_expires_at": time.time() + 60}
    running = record(name="training", state="running", job_id="job-1", **lease)
    abandoned = record(name="abandoned", state="running", job_id="job-2")
    doubtful = record(name="doubtful", state="unknown", reason="no job with its token was found")
    ended = record(name="ended", state="succeeded", finished_at=1_500_000_000.0, fine_tuned_model="ft:it")
    with ledger.database.write() as connection:
        records.add_metrics(connection, [Metric(running.id, 5, 20, train_loss=0.25)])
    shown = (await browser.get("/")).text
    waiting, active, last = (section(shown, key) for key in ("waiting", "active", "ended"))
    assert f'<a href="/runs/{doubtful.id}">' in waiting
    assert "no job with its token was found" in waiting
    assert abandoned.id in waiting
    assert "no process follows it: ftorch resume" in waiting
    assert running.id not in waiting
    assert abandoned.id not in active
    assert "5/20" in active
    assert "0.250" in active
    assert f'<a href="/runs/{ended.id}">' in last
    assert "ft:it" in last


async def test_overview_list_run_and_report_say_when_a_model_ends(browser, record, ledger, project):
    ends = today() + timedelta(days=47)
    run = record(state="succeeded", finished_at=time.time(), fine_tuned_model="ft:it", endpoint="local")
    lasting = record(state="succeeded", finished_at=time.time(), fine_tuned_model="ft:other", endpoint="local")
    with ledger.database.write() as connection:
        endings.record(connection, "local", {"ft:it": ends}, time.time())
    for page in ("/", "/runs", f"/runs/{run.id}"):
        assert (await browser.get(page)).text.count("ends in 47 days") == (2 if run.id in page else 1)
    assert "ends in" not in (await browser.get(f"/runs/{lasting.id}")).text
    written = await asyncio.to_thread(project.ftorch, "report", run.id, "-o", "run.md")
    assert written.code == 0, written.err
    assert f"Its model ends in 47 days, on {ends}." in (project.root / "run.md").read_text()


def section(text, key):
    return text.split(f'<section id="{key}"')[1].split("</section>")[0]


async def test_trials_that_wait_for_the_same_reason_are_one_entry(browser, record, ledger, make_sweep):
    make_sweep("sw1")
    for _ in range(3):
        record(name="grid", sweep_id="sw1", state="pending")
    waiting = section((await browser.get("/")).text, "waiting")
    assert waiting.count("<tr>") == 2
    assert '<a href="/sweeps/sw1">grid: 3 trials</a>' in waiting


# --- The list of runs -----------------------------------------------------------------------------------------


async def test_the_address_filters_and_sorts(browser, record):
    record(name="a", state="running", endpoint="local")
    record(name="b", state="failed", endpoint="openai", finished_at=2000.0)
    record(name="c", state="running", endpoint="openai", model="gpt-4o")
    assert names((await browser.get("/runs")).text) == ["c", "b", "a"]
    assert names((await browser.get("/runs?sort=-created")).text) == ["a", "b", "c"]
    assert names((await browser.get("/runs?state=running")).text) == ["c", "a"]
    assert names((await browser.get("/runs?endpoint=openai&sort=name")).text) == ["b", "c"]
    assert names((await browser.get("/runs?model=gpt-4o")).text) == ["c"]
    assert names((await browser.get("/runs?q=opena")).text) == ["c", "b"]
    assert names((await browser.get("/runs?since=7")).text) == []


async def test_what_was_filled_in_stays_filled_in(browser, record):
    record()
    shown = (await browser.get("/runs?q=x%22y&state=running&tag=team=a&since=30&archived=only")).text
    assert 'name="q" value="x&#34;y"' in shown
    assert "<option selected>running</option>" in shown
    assert 'value="team=a"' in shown
    assert '<option value="30" selected>' in shown
    assert '<option value="only" selected>' in shown


@pytest.mark.parametrize(
    "query",
    ["page=0", "page=-1", "page=x", "page=99999999999", "sort=nothing", "since=x", "since=-5", "state=none"],
)
async def test_an_address_that_makes_no_sense_is_no_error(browser, record, query):
    record()
    assert (await browser.get(f"/runs?{query}")).status_code == 200


async def test_a_heading_sorts_and_says_so(browser, record):
    record()
    shown = (await browser.get("/runs?state=pending&sort=loss")).text
    assert 'aria-sort="ascending"' in shown
    assert 'href="/runs?state=pending&amp;sort=-loss"' in shown
    assert 'href="/runs?state=pending&amp;sort=created"' in shown
    assert 'aria-sort="descending"' in (await browser.get("/runs?sort=-loss")).text


async def test_many_runs_are_shown_a_page_at_a_time(browser, record):
    for number in range(ON_A_PAGE + 2):
        record(name=f"run-{number}")
    first = (await browser.get("/runs?state=pending")).text
    assert len(names(first)) == ON_A_PAGE
    assert f"{ON_A_PAGE + 2} runs" in first
    assert 'rel="next" href="/runs?state=pending&amp;page=2"' in first
    second = (await browser.get("/runs?state=pending&page=2")).text
    assert names(second) == ["run-1", "run-0"]
    assert 'rel="prev" href="/runs?state=pending"' in second
    assert 'rel="next"' not in second
    assert names((await browser.get("/runs?page=3")).text) == ["run-1", "run-0"]


# --- Hostile texts --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/", "/runs", "/runs?q=alert", "/runs/{run}"])
async def test_a_hostile_text_is_only_a_text(browser, record, ledger, path):
    columns = {"name": HOSTILE, "model": HOSTILE, "reason": HOSTILE, "endpoint": HOSTILE, "job_file": HOSTILE}
    run = record(**columns, state="unknown", error_message=HOSTILE, training_path=HOSTILE, suffix=HOSTILE)
    with ledger.database.write() as connection:
        event = records.Event(run.id, "e1", 1.0, HOSTILE, None, HOSTILE, None)
        records.add_events(connection, [event])
        records.add_checkpoints(connection, [records.Checkpoint(run.id, "c", 1, HOSTILE, {}, 1.0)])
        records.add_metrics(connection, [Metric(run.id, 1, train_loss=1.0), Metric(run.id, 2, train_loss=0.5)])
    shown = (await browser.get(path.format(run=run.id))).text
    assert "alert(&#34;x&#34;)" in shown or "alert(&quot;x&quot;)" in shown
    assert "<script>alert" not in shown
    assert "<img" not in shown
    assert "\x1b" not in shown
    assert "\u202e" not in shown


async def test_an_address_is_shown_as_text_too(browser):
    refused = await browser.get("/runs/%3Cscript%3Ealert(1)%3C%2Fscript%3E")
    assert refused.status_code == 404
    assert "<script>alert" not in refused.text
    assert "<script>alert" not in (await browser.get("/runs?q=%3Cscript%3Ealert(1)")).text


# --- A run ----------------------------------------------------------------------------------------------------


async def test_a_name_leads_to_the_run_itself(browser, record):
    run = record(name="drone")
    for key in ("drone", run.id[:6]):
        moved = await browser.get(f"/runs/{key}")
        assert (moved.status_code, moved.headers["location"]) == (303, f"/runs/{run.id}")


async def test_a_run_has_its_curve_for_readers_with_and_without_scripts(browser, record, ledger):
    run = record(name="drone", state="running")
    with ledger.database.write() as connection:
        found = [Metric(run.id, step, 9, train_loss=1 / step, valid_loss=2 / step) for step in range(1, 9)]
        records.add_metrics(connection, found)
    shown = (await browser.get(f"/runs/{run.id}")).text
    assert "<h1>Run drone: running</h1>" in shown
    assert "data-chart=" in section(shown, "curves")
    assert "<svg" in section(shown, "curves")


async def test_a_run_that_is_missing_is_said_to_be(browser):
    refused = await browser.get("/runs/none")
    assert refused.status_code == 404
    assert "There is no run" in refused.text


async def test_a_mistake_in_the_configuration_is_shown_until_it_is_corrected(browser, project):
    (project.root / "ftorch.toml").write_text("[endpoints.x]\ntype = 7\n")
    refused = await browser.get("/")
    assert refused.status_code == 400
    assert "ftorch.toml" in refused.text
    (project.root / "ftorch.toml").write_text("")
    assert (await browser.get("/")).status_code == 200


# --- Other lists ----------------------------------------------------------------------------------------------


async def test_sweeps_are_listed_with_what_has_ended(browser, make_sweep):
    assert "None yet. Add [sweep] to a job file" in (await browser.get("/sweeps")).text
    make_sweep("sw1")
    shown = (await browser.get("/sweeps")).text
    assert '<a href="/sweeps/sw1">grid</a>' in shown
    assert "0/3" in shown


async def test_a_model_leads_to_its_run(browser, project):
    done = await asyncio.to_thread(project.process, "submit", "jobs/greet.toml")
    model = done.out.split()[-1]
    moved = await browser.get(f"/models/{quote(model, safe='')}")
    assert moved.status_code == 303
    shown = (await browser.get(moved.headers["location"])).text
    assert model in shown
    assert (await browser.get("/models/nobody:made")).status_code == 404


async def test_money_of_this_month_is_beside_its_cap(browser, record, project):
    (project.root / "ftorch.toml").write_text("[endpoints.openai]\nmax_cost_usd_per_month = 50.0\n")
    now = time.time()
    record(endpoint="openai", endpoint_type="openai", state="succeeded", cost_usd=12.5, job_id="j1", created_at=now)
    money = section((await browser.get("/")).text, "money")
    assert "$12.50" in money
    assert "$50.00" in money
    assert '<progress max="50" value="12.5">' in money
