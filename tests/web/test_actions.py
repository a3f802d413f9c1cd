"""What a person does on the page is recorded first, carried out on the endpoint, and reported on the page."""

from __future__ import annotations

import asyncio
import time

import pytest
from support.paid_host import PaidHost


@pytest.fixture
def submit(project, host: PaidHost):
    async def submit(*arguments):
        done = await asyncio.to_thread(
            project.process, "submit", "jobs/greet.toml", "--yes", "--detach", *arguments
        )
        assert done.code == 0, done.err

    return submit


async def until(condition, seconds=20.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.05)


async def test_cancel_shows_what_is_lost_and_then_cancels_the_job(browser, ledger, submit, host):
    await submit()
    [run] = ledger.runs()
    asked = (await browser.get(f"/runs/{run.id}/cancel")).text
    assert f"job {run.job_id}" in asked
    assert "What has been trained so far is lost." in asked
    done = await browser.send(f"/runs/{run.id}/cancel", f"/runs/{run.id}/cancel")
    assert (done.status_code, done.headers["location"]) == (303, f"/runs/{run.id}")
    await until(lambda: ledger.run(run.id).state == "cancelled")
    assert host.jobs[run.job_id]["cancelled"]
    await until(lambda: browser.app.state.context.work.notices.of(f"run:{run.id}"))
    shown = (await browser.get(f"/runs/{run.id}")).text
    assert f"run {run.id} is cancelled" in shown
    assert "Cancel…" not in shown


async def test_a_host_that_can_not_be_asked_is_reported_on_the_page(browser, ledger, submit, host):
    await submit()
    [run] = ledger.runs()
    host.on_cancel = lambda _job: (401, {"error": {"message": "this <b>job</b> stays"}})
    assert (await browser.send(f"/runs/{run.id}/cancel", f"/runs/{run.id}/cancel")).status_code == 303
    await until(lambda: any(each.is_bad for each in browser.app.state.context.work.notices.of(f"run:{run.id}")))
    shown = (await browser.get(f"/runs/{run.id}")).text
    assert "this &lt;b&gt;job&lt;/b&gt; stays" in shown
    assert "cancel is requested and not carried out yet" in shown


async def test_what_is_impossible_is_refused_with_the_reason(browser, record):
    ended = record(state="succeeded", finished_at=2.0)
    secret = {"form_secret": browser.app.state.context.settings.form_secret}
    refused = await browser.post(f"/runs/{ended.id}/cancel", secret)
    assert refused.status_code in (400, 503)
    assert "it has finished (succeeded)" in refused.text
    assert (await browser.post("/runs/none/cancel", secret)).status_code == 404


async def test_a_page_offers_what_the_endpoint_can_do(browser, record):
    running = record(state="running", job_id="job-1", endpoint="local")
    paused = record(state="paused", job_id="job-2", endpoint="local")
    ended = record(state="failed", finished_at=2.0)
    shown = {run.id: (await browser.get(f"/runs/{run.id}")).text for run in (running, paused, ended)}
    assert f'action="/runs/{running.id}/pause"' in shown[running.id]
    assert f'action="/runs/{paused.id}/unpause"' in shown[paused.id]
    assert "Cancel…" not in shown[ended.id]
    assert f'action="/runs/{ended.id}/archive"' in shown[ended.id]


async def test_a_sweep_is_cancelled_as_a_whole(browser, ledger, project, host, submit):
    rows = (project.root / "jobs" / "train.jsonl").read_text()
    (project.root / "jobs" / "validation.jsonl").write_text(rows.replace("Switch on", "Light up"))
    data = 'training_file = "train.jsonl"\nvalidation_file = "validation.jsonl"'
    grid = "[sweep.space]\nn_epochs = [1, 2]\n"
    project.write_job(grid, endpoint='endpoint = "paid"', n_epochs="", training_file=data)
    await submit()
    [standing] = ledger.sweeps()
    address = f"/sweeps/{standing.sweep.id}/cancel"
    assert "2 unfinished trials" in (await browser.get(address)).text
    assert (await browser.send(address, address)).status_code == 303
    await until(lambda: all(run.state == "cancelled" for run in ledger.runs()))
    assert ledger.sweep(standing.sweep.id)[0].stopped_at is not None


async def test_a_tag_is_added_changed_listed_and_removed(browser, record, ledger):
    run = record(state="running")
    page, tags = f"/runs/{run.id}", f"/runs/{run.id}/tags"
    assert (await browser.send(page, tags, {"key": "team", "value": "flight"})).status_code == 303
    await browser.send(page, tags, {"key": "team", "value": "<b>ground</b>"})
    assert ledger.tags([run.id]) == {run.id: {"team": "<b>ground</b>"}}
    assert "team=&lt;b&gt;ground&lt;/b&gt;" in (await browser.get("/runs?tag=team")).text
    assert run.id not in (await browser.get("/runs?tag=team=flight")).text
    await browser.send(page, tags, {"key": "team", "value": ""})
    assert ledger.tags([run.id]) == {}


async def test_a_tag_that_can_not_be_is_refused_with_the_rule(browser, record, ledger):
    run = record(state="running")
    refused = await browser.send(f"/runs/{run.id}", f"/runs/{run.id}/tags", {"key": "a b", "value": "x"})
    assert refused.status_code == 400
    assert "A key has 1 to 64 letters" in refused.text
    assert ledger.tags([run.id]) == {}


async def test_a_note_is_kept_with_its_lines_and_shown_as_text(browser, record, ledger, monkeypatch):
    monkeypatch.setenv("FTORCH_USER", "ada")
    run = record(state="running")
    text = "first line\r\n<script>alert(1)</script>"
    assert (await browser.send(f"/runs/{run.id}", f"/runs/{run.id}/notes", {"text": text})).status_code == 303
    [note] = ledger.details(run.id).notes
    assert (note.user, note.text) == ("ada", "first line\n<script>alert(1)</script>")
    shown = (await browser.get(f"/runs/{run.id}")).text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in shown
    assert "<script>alert" not in shown


async def test_an_archived_run_is_hidden_until_it_is_listed_again(browser, record):
    run = record(state="failed", finished_at=2.0)
    page = f"/runs/{run.id}"
    await browser.send(page, f"{page}/archive")
    assert run.id not in (await browser.get("/runs")).text
    assert run.id in (await browser.get("/runs?archived=only")).text
    await browser.send(page, f"{page}/unarchive")
    assert run.id in (await browser.get("/runs")).text
