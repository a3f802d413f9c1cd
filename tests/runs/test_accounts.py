"""Another account's key: what it can't see says nothing about the runs here."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from orchestrator.config import EndpointConfig
from orchestrator.endpoints.accounts import account_mark, host_of, is_same_account
from orchestrator.runs.states import State
from orchestrator.store import runs as store


@pytest.fixture
def keyed(config, monkeypatch):
    """The endpoint's configuration with a key, which a test can change."""
    monkeypatch.setenv("THE_KEY", "key-of-ours-0123456789")
    return replace(config, api_key_env="THE_KEY")


def test_a_mark_tells_accounts_apart_and_holds_no_key(keyed, monkeypatch):
    mark = account_mark(keyed, random.Random(1))
    assert "key-of-ours" not in mark
    assert host_of(mark) == "fake"
    assert is_same_account(mark, keyed)
    assert account_mark(keyed, random.Random(2)) != mark  # two runs' marks can't be compared without the key
    monkeypatch.setenv("THE_KEY", "key-of-others-987654321")
    assert not is_same_account(mark, keyed)


def test_the_same_key_at_another_host_is_another_account(keyed):
    mark = account_mark(keyed, random.Random(1))
    assert not is_same_account(mark, replace(keyed, base_url="https://elsewhere/v1"))


@pytest.mark.parametrize("variable", ["OPENAI_ORG_ID", "OPENAI_PROJECT_ID"])
def test_openais_organisation_and_project_belong_to_the_account(variable, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "key-of-ours-0123456789")
    config = EndpointConfig("openai", "openai", "https://api.openai.com/v1", "OPENAI_API_KEY")
    mark = account_mark(config, random.Random(1))
    monkeypatch.setenv(variable, "another")
    assert not is_same_account(mark, config)


async def test_the_intent_records_the_account(keyed, make_world, make_run, step):
    worker = make_world(config=keyed)
    run = await step(make_run(worker, state=State.UPLOADING), worker)
    assert is_same_account(run.account, keyed)


@pytest.fixture
def under_another_key(keyed, make_world, make_run, endpoint, monkeypatch):
    """A running run and one whose create is unconfirmed, made with another key; no job of them is shown."""
    mark = account_mark(keyed, random.Random(1))
    runs = [
        make_run(state=State.RUNNING, job_id="ftjob-of-theirs", account=mark),
        make_run(
            state=State.CREATING, creation_open=True, creation_attempts=1, creation_started_at=1.0, account=mark
        ),
    ]
    monkeypatch.setenv("THE_KEY", "key-of-others-987654321")
    return make_world(config=keyed), runs


async def test_runs_of_another_account_are_on_hold_and_keep_their_state(under_another_key, drive, reread, endpoint):
    worker, runs = under_another_key
    await drive(*runs, worker=worker)
    assert [reread(run).state for run in runs] == [State.RUNNING, State.CREATING]
    assert all("another account of fake" in reread(run).reason for run in runs)
    assert endpoint.count("create") == 0
    assert endpoint.count("jobs") == 0


async def test_a_new_key_of_the_same_account_is_known_by_the_jobs_it_sees(
    under_another_key, drive, reread, endpoint
):
    worker, (running, _) = under_another_key
    job = endpoint.add_job(status="running")
    endpoint.raw_jobs[running.job_id] = {**job, "id": running.job_id}
    del endpoint.raw_jobs[job["id"]]
    await drive(running, worker=worker)
    assert reread(running).state == State.SUCCEEDED


async def test_the_user_may_say_that_it_is_the_same_account(under_another_key, drive, reread, endpoint, db):
    worker, (_, creating) = under_another_key
    with db.write() as connection:
        store.forget_account(connection, [creating.id])
    await drive(creating, worker=worker)
    assert reread(creating).state != State.CREATING
