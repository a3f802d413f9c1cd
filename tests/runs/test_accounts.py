"""Another account's key: what it can't see says nothing about the runs here."""

from __future__ import annotations

import base64
import json
import random
from dataclasses import replace

import httpx2
import pytest

from orchestrator.config import EndpointConfig
from orchestrator.endpoints.accounts import (
    account_mark,
    account_of,
    host_of,
    is_same_account,
    tenant_of,
    watch_answers,
)
from orchestrator.engine.accounts import OF_RUNS, items_of_other_accounts, mark_for
from orchestrator.runs.states import State
from orchestrator.store.accounts import PAID_RUNS


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
        PAID_RUNS.forget(connection, [creating.id])
    await drive(creating, worker=worker)
    assert reread(creating).state != State.CREATING


# --- One mark for each account -----------------------------------------------------------------------------------


def made_here(endpoint, job_id):
    """Let the host know a job of this id."""
    job = endpoint.add_job(status="running")
    endpoint.raw_jobs[job_id] = {**endpoint.raw_jobs.pop(job["id"]), "id": job_id}


async def test_all_runs_of_a_key_get_the_same_mark(keyed, make_world, make_run, step):
    first = await step(make_run(worker := make_world(config=keyed), state=State.UPLOADING), worker)
    second = await step(make_run(worker := make_world(config=keyed), state=State.UPLOADING), worker)
    assert first.account == second.account


async def test_two_keys_of_a_host_share_the_salt_and_not_the_mark(keyed, make_world, make_run, step, monkeypatch):
    ours = await step(make_run(worker := make_world(config=keyed), state=State.UPLOADING), worker)
    monkeypatch.setenv("THE_KEY", "key-of-others-987654321")
    theirs = mark_for(make_world(config=keyed))
    assert theirs.split(" ")[:2] == ours.account.split(" ")[:2]
    assert theirs != ours.account


async def test_one_job_that_is_seen_speaks_for_all_runs_of_its_account(
    under_another_key, make_run, reread, endpoint
):
    worker, (running, creating) = under_another_key
    over = make_run(state=State.SUCCEEDED, finished_at=1.0, job_id="ftjob-done", account=running.account)
    later = {"account": running.account, "created_at": running.created_at + 1}
    many = [make_run(state=State.QUEUED, job_id=f"ftjob-{n}", account=running.account) for n in range(19)]
    many.append(make_run(state=State.QUEUED, job_id="ftjob-19", **later))
    made_here(endpoint, "ftjob-19")
    assert await items_of_other_accounts(worker, OF_RUNS) == set()
    assert (endpoint.count("job"), endpoint.count("jobs")) == (1, 0)
    marks = {reread(run).account for run in (running, creating, over, *many)}
    assert marks == {mark_for(worker)}


async def test_a_run_without_a_job_is_known_by_a_run_that_is_over(under_another_key, make_run, reread, endpoint):
    worker, (running, creating) = under_another_key
    make_run(
        state=State.SUCCEEDED,
        finished_at=1.0,
        job_id="ftjob-done",
        account=running.account,
        created_at=running.created_at + 1,
    )
    made_here(endpoint, "ftjob-done")
    assert await items_of_other_accounts(worker, OF_RUNS) == set()
    assert is_same_account(reread(creating).account, worker.config)


async def test_marks_of_an_older_ftorch_become_one_with_few_requests(
    keyed, make_world, make_run, reread, endpoint, monkeypatch
):
    older = [account_mark(keyed, random.Random(number)) for number in range(40)]
    runs = [make_run(state=State.RUNNING, job_id=f"ftjob-{n}", account=mark) for n, mark in enumerate(older)]
    for run in runs:
        made_here(endpoint, run.job_id)
    assert await items_of_other_accounts(make_world(config=keyed), OF_RUNS) == set()
    assert endpoint.calls == []
    assert len({reread(run).account for run in runs}) == 1


async def test_many_marks_of_another_key_cost_few_requests(keyed, make_world, make_run, endpoint, monkeypatch):
    older = [account_mark(keyed, random.Random(number)) for number in range(60)]
    runs = [make_run(state=State.RUNNING, job_id=f"ftjob-{n}", account=mark) for n, mark in enumerate(older)]
    for run in runs[:40]:
        made_here(endpoint, run.job_id)
    monkeypatch.setenv("THE_KEY", "key-of-others-987654321")
    assert await items_of_other_accounts(make_world(config=keyed), OF_RUNS) == {run.id for run in runs[40:]}
    assert len(endpoint.calls) <= 31


# --- What answers say --------------------------------------------------------------------------------------------

OURS = {"organization": "acme", "project": "proj_ours"}


@pytest.mark.parametrize(
    ("seen", "is_ours"),
    [
        (OURS, True),
        ({"organization": "acme"}, False),  # a project apart shows other jobs
        ({**OURS, "project": "proj_theirs"}, False),
        ({}, False),
    ],
)
def test_another_key_is_known_by_organisation_and_project_together(keyed, monkeypatch, seen, is_ours):
    mark = account_of(keyed, OURS).mark("salt")
    assert "acme" not in mark
    assert "proj_ours" not in mark
    monkeypatch.setenv("THE_KEY", "key-of-others-987654321")
    assert account_of(keyed, seen).is_of(mark) is is_ours


def test_the_same_key_of_another_project_is_another_account(keyed):
    mark = account_of(keyed, OURS).mark("salt")
    assert account_of(keyed, {}).is_of(mark)
    assert not account_of(keyed, {**OURS, "project": "proj_theirs"}).is_of(mark)


async def test_a_mark_keeps_what_answers_said_before(keyed, make_world, make_run, endpoint):
    endpoint.account = dict(OURS)
    mark = mark_for(make_world(config=keyed))
    make_run(account=mark)
    endpoint.account = {}
    assert mark_for(make_world(config=keyed)) == mark


def token(claims):
    part = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    return f"Bearer e30.{part}.c2ln"


@pytest.mark.parametrize(
    ("authorization", "tenant"),
    [(token({"tid": "t-1"}), "t-1"), (token({}), None), (token([1]), None), ("Bearer key", None), ("a.b!.c", None)],
)
def test_entras_token_names_its_tenant(authorization, tenant):
    assert tenant_of(authorization) == tenant


async def test_the_tenant_belongs_to_the_account_of_an_azure_resource():
    config = EndpointConfig("azure", "azure", "https://res.openai.azure.com", auth="entra")
    seen = []
    for tenant in ("t-1", "t-2"):
        answers = httpx2.MockTransport(lambda request: httpx2.Response(404))
        async with httpx2.AsyncClient(transport=answers) as http:
            account = watch_answers(http, config)
            await http.get("https://res.openai.azure.com/", headers={"authorization": token({"tid": tenant})})
        seen.append(account_of(config, account))
    assert seen[0].is_of(seen[0].mark("salt"))
    assert not seen[1].is_of(seen[0].mark("salt"))


async def test_refusals_say_whose_key_it_is_as_well(keyed):
    said = {"openai-organization": "acme", "openai-project": "proj_ours"}
    answers = httpx2.MockTransport(lambda request: httpx2.Response(404, headers=said))
    async with httpx2.AsyncClient(transport=answers) as http:
        seen = watch_answers(http, keyed)
        await http.get("http://fake/v1/fine_tuning/jobs/ftjob-1")
    assert seen == OURS
