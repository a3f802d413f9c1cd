"""The pages of a sweep, an evaluation, runs side by side, and a data file."""

from __future__ import annotations

import asyncio
import json
import re

import pytest
from sqlalchemy import update
from support.recording import BASE, TUNED, record_evaluation
from support.sweeping import Sweeping

from orchestrator.store import records
from orchestrator.store.records import Metric
from orchestrator.store.schema import evaluations

INLINE = re.compile(r"<[^>]+\s(?:style|on\w+)\s*=")


@pytest.fixture
def sweeping(project, ledger):
    rows = (project.root / "jobs" / "train.jsonl").read_text()
    (project.root / "jobs" / "valid.jsonl").write_text(rows.replace("Switch on the light in", "Light up"))
    return Sweeping(project, ledger.database)


async def test_a_sweep_is_ranked_and_can_be_cancelled_while_trials_run(browser, sweeping):
    trials = sweeping.trials(sweeping.submit())
    for trial, loss in zip(trials[:2], (0.5, 0.25), strict=True):
        sweeping.train(trial, {5: 1.0, 8: loss + 0.1}, 10)
        sweeping.score(trial, loss)
    sweep_id = trials[0].sweep_id
    moved = await browser.get("/sweeps/greet")
    assert moved.headers["location"] == f"/sweeps/{sweep_id}"
    shown = (await browser.get(f"/sweeps/{sweep_id}")).text
    assert f'<a href="/runs/{trials[1].run_id}">' in shown
    assert f'href="/sweeps/{sweep_id}/cancel"' in shown
    assert "data-chart=" in shown
    assert 'class="parallel' in shown
    sweeping.end(trials[2], "failed")
    assert "/cancel" not in (await browser.get(f"/sweeps/{sweep_id}")).text
    assert (await browser.get("/sweeps/none")).status_code == 404


async def test_a_trial_belongs_to_its_sweep(browser, sweeping):
    [trial, *_] = sweeping.trials(sweeping.submit())
    shown = (await browser.get(f"/runs/{trial.run_id}")).text
    assert f'<a href="/sweeps/{trial.sweep_id}">greet</a>' in shown


async def test_an_evaluation_begins_with_its_verdict(browser, ledger):
    found = record_evaluation(ledger, {(BASE, "full"): [1, 2], (TUNED, "full"): range(2, 11)})
    shown = (await browser.get(f"/evaluations/{found.id}")).text
    assert shown.index('id="verdict"') < shown.index("<table")
    assert "data-has" not in shown  # nothing of it changes any more
    assert f'<a href="/evaluations/{found.id}">' in (await browser.get("/evaluations")).text
    assert (await browser.get("/evaluations/none")).status_code == 404


async def test_an_evaluation_that_is_not_finished_says_what_it_waits_for(browser, ledger, record):
    run = record(state="running")
    found = record_evaluation(ledger, {(BASE, "full"): [1]})
    with ledger.database.write() as connection:
        waiting = update(evaluations).where(evaluations.c.id == found.id)
        connection.execute(waiting.values(state="wanted", run_id=run.id, finished_at=None))
    shown = (await browser.get(f"/evaluations/{found.id}")).text
    assert f'It waits for <a href="/runs/{run.id}">its run</a> to succeed.' in shown


async def test_runs_are_compared_side_by_side(browser, record, ledger):
    pair = [record(name=name, state="succeeded", finished_at=9.0, model=model) for name, model in ("ab", "cd")]
    with ledger.database.write() as connection:
        for run in pair:
            found = [Metric(run.id, step, 5, train_loss=1.0 / step) for step in range(1, 6)]
            records.add_metrics(connection, found)
    shown = (await browser.get(f"/compare?run={pair[0].id}&run={pair[1].id}")).text
    assert f'<a href="/runs/{pair[0].id}">' in shown
    assert f'<a href="/runs/{pair[1].id}">' in shown
    assert "data-chart=" in shown


@pytest.mark.parametrize("query", ["", "?run=one", "?run=&run="])
async def test_one_run_alone_is_asked_for_another(browser, query):
    shown = await browser.get(f"/compare{query}")
    assert (shown.status_code, "Select two or more" in shown.text) == (200, True)
    assert (await browser.get("/compare?run=none&run=neither")).status_code in (400, 404)


# --- A data file ----------------------------------------------------------------------------------------------


@pytest.fixture
async def trained(project, ledger):
    done = await asyncio.to_thread(project.process, "submit", "jobs/greet.toml")
    assert done.code == 0, done.err
    [run] = ledger.runs()
    return run


async def test_a_training_file_is_profiled(browser, trained):
    assert f'href="/runs/{trained.id}/data/training"' in (await browser.get(f"/runs/{trained.id}")).text
    shown = (await browser.get(f"/runs/{trained.id}/data/training")).text
    assert "Data file train.jsonl" in shown
    assert "light_room" in shown


async def test_a_file_that_is_not_the_one_submitted_is_not_shown(browser, trained, project):
    (project.root / "jobs" / "train.jsonl").write_text(json.dumps({"secret": "another-file"}) + "\n")
    refused = await browser.get(f"/runs/{trained.id}/data/training")
    assert refused.status_code == 400
    assert "its bytes have changed" in refused.text
    assert "another-file" not in refused.text


async def test_a_file_that_is_gone_or_never_was_is_said_to_be(browser, trained, project):
    (project.root / "jobs" / "train.jsonl").unlink()
    assert (await browser.get(f"/runs/{trained.id}/data/training")).status_code in (400, 404)
    assert (await browser.get(f"/runs/{trained.id}/data/validation")).status_code == 404
    assert (await browser.get(f"/runs/{trained.id}/data/..%2F..%2Fetc%2Fpasswd")).status_code == 404


# --- All of them ----------------------------------------------------------------------------------------------


async def test_no_page_has_a_style_or_a_handler_inside(browser, ledger, sweeping, record):
    """The policy forbids them, so what needs them would not work."""
    found = record_evaluation(ledger, {(BASE, "full"): [1, 2], (TUNED, "full"): range(2, 11)})
    trials = sweeping.trials(sweeping.submit())
    for trial, loss in zip(trials, (0.5, 0.25, 0.3), strict=True):
        sweeping.score(trial, loss)
    pages = ["/", "/runs", "/sweeps", "/evaluations", f"/evaluations/{found.id}", f"/sweeps/{trials[0].sweep_id}"]
    pages += [f"/runs/{trials[0].run_id}", f"/compare?run={trials[0].run_id}&run={trials[1].run_id}"]
    for path in pages:
        shown = await browser.get(path)
        assert shown.status_code == 200, path
        assert INLINE.findall(shown.text) == [], path
        assert "<style" not in shown.text
        assert re.findall(r"<script(?! defer src=\"/static/)", shown.text) == []
        foreign = re.findall(r'(?:href|src|action)="(?!/|#)([^"]*)"', shown.text)
        assert foreign == [], path
