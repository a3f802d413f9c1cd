"""Following jobs: how many requests it takes, and what is made of odd answers."""

from __future__ import annotations

import random

import pytest

from orchestrator.errors import EndpointUnreachable, KeyRefused, NoJobList
from orchestrator.runs.polling import Pace, poll
from orchestrator.runs.states import State
from orchestrator.store import records, runs
from orchestrator.store.schema import runs as table


@pytest.fixture
def followed(make_run, context, endpoint):
    """So many runs with a running job each."""
    endpoint.life = ("running",)

    def followed(count, **fields):
        jobs = [endpoint.add_job(**{"status": "running", **fields}) for _ in range(count)]
        return [make_run(context, state=State.RUNNING, job_id=job["id"], remote_job=dict(job)) for job in jobs]

    return followed


async def test_a_hundred_runs_cost_one_request_a_cycle(followed, context, endpoint):
    followed(100)
    await poll(context)
    assert [kind for kind, _ in endpoint.calls] == ["jobs"]


async def test_more_runs_cost_one_request_for_each_hundred(followed, context, endpoint):
    followed(301)
    await poll(context)
    assert (endpoint.count("jobs"), endpoint.count("job"), len(endpoint.calls)) == (3, 1, 4)


async def test_a_few_runs_are_fetched_alone(followed, context, endpoint):
    followed(2)
    await poll(context)
    assert [kind for kind, _ in endpoint.calls] == ["job", "job"]


async def test_a_run_missing_from_the_pages_is_fetched_alone(followed, context, endpoint, reread):
    runs = followed(4)
    endpoint.hidden_lists = 1
    for job in endpoint.raw_jobs.values():
        job["status"] = "paused"
    await poll(context)
    assert [kind for kind, _ in endpoint.calls].count("job") == 4
    assert {reread(run).state for run in runs} == {State.PAUSED}


async def test_old_runs_behind_pages_of_strangers_are_not_searched_for_ever(followed, context, endpoint):
    followed(3)
    for _ in range(1000):
        endpoint.add_job()
    await poll(context)
    assert endpoint.count("jobs") == 2
    assert endpoint.count("job") == 3


async def test_no_runs_cost_no_request(context, endpoint):
    assert await poll(context) is False
    assert endpoint.calls == []


async def test_nothing_new_is_no_change_and_writes_nothing(followed, context, reread, clock):
    (run,) = followed(1)
    clock.pass_(10)
    assert await poll(context) is False
    assert reread(run) == run


async def test_what_changed_in_the_job_is_noted(followed, context, endpoint, reread):
    (run,) = followed(1)
    endpoint.raw_jobs[run.job_id]["estimated_finish"] = 1_900_000_000
    assert await poll(context) is True
    noted = reread(run)
    assert (noted.estimated_finish, noted.state, noted.version) == (1_900_000_000, State.RUNNING, run.version)
    assert context.listener.noted_runs == [run.id]


@pytest.mark.parametrize(
    ("status", "state"),
    [
        ("queued", State.QUEUED),
        ("paused", State.PAUSED),
        ("succeeded", State.COLLECTING),
        ("failed", State.FAILED),
        ("cancelled", State.CANCELLED),
    ],
)
async def test_a_run_follows_the_status_of_its_job(status, state, followed, context, endpoint, reread, history):
    (run,) = followed(1)
    endpoint.raw_jobs[run.job_id]["status"] = status
    await poll(context)
    assert (reread(run).state, reread(run).remote_status) == (state, status)
    assert history(run)[-1].to_state == state


async def test_an_unknown_status_is_kept_verbatim_and_warned_about_once(followed, context, endpoint, reread):
    (run,) = followed(1)
    endpoint.raw_jobs[run.job_id]["status"] = "Being Born"
    await poll(context)
    await poll(context)
    assert (reread(run).state, reread(run).remote_status) == (State.RUNNING, "Being Born")
    assert [text for text in context.listener.warnings if "Being Born" in text] == [
        f'run {run.id}: unknown status "Being Born"; it counts as active'
    ]


async def test_a_job_that_failed_brings_its_error(followed, context, endpoint, reread):
    (run,) = followed(1)
    error = {"code": "invalid_training_file", "message": "line 4 is broken", "param": "training_file"}
    endpoint.raw_jobs[run.job_id] |= {"status": "failed", "error": error}
    await poll(context)
    failed = reread(run)
    assert (failed.error_code, failed.error_message, failed.error_param) == tuple(error.values())
    assert failed.reason == "line 4 is broken (invalid_training_file)"


async def test_a_job_that_is_gone_for_a_settling_window_of_looks_is_unknown(
    followed, context, endpoint, reread, clock
):
    """A key of another project gives the same answer: the run is not given up at the first look."""
    (run,) = followed(1)
    job = endpoint.raw_jobs.pop(run.job_id)
    clock.pass_(99_999)
    await poll(context)
    assert reread(run).state == State.RUNNING
    assert "does not know job" in reread(run).reason
    endpoint.raw_jobs[run.job_id] = job
    await poll(context)
    assert "does not know job" not in reread(run).reason
    endpoint.raw_jobs.pop(run.job_id)
    await poll(context)
    clock.pass_(119)
    await poll(context)
    assert reread(run).state == State.RUNNING
    clock.pass_(2)
    await poll(context)
    assert (reread(run).state, reread(run).is_over) == (State.UNKNOWN, False)
    assert "another account's key" in reread(run).reason


async def test_a_gone_job_of_a_run_that_another_worker_took_meanwhile_is_left_to_it(
    followed, context, endpoint, reread, db, monkeypatch
):
    (run,) = followed(1)
    endpoint.raw_jobs.clear()
    look = runs.held_by_job

    def look_then_lose(connection, *args):
        found = look(connection, *args)
        with db.write() as other:
            other.execute(table.update().values(lease_owner="another"))
        return found

    monkeypatch.setattr(runs, "held_by_job", look_then_lose)
    await poll(context)
    assert reread(run).reason == run.reason


@pytest.mark.parametrize("kind", ["refused", "unreachable"])
async def test_one_job_that_can_not_be_had_is_its_own_runs_trouble(
    kind, followed, context, endpoint, errors, reread, clock
):
    sick, well = followed(2)
    sick, well = sorted((sick, well), key=lambda run: run.job_id)
    endpoint.raw_jobs[well.job_id]["status"] = "paused"
    error = errors.refused(403, message="not yours") if kind == "refused" else errors.unreachable(status=500)
    for _ in range(3):
        endpoint.fault("job", error)
        await poll(context)
        clock.pass_(61)
    assert reread(well).state == State.PAUSED
    assert reread(sick).state == State.RUNNING
    assert f"does not show job {sick.job_id}" in reread(sick).reason
    assert len(context.listener.warnings) == 1  # not at every look
    assert context.blocked == ({sick.id} if kind == "refused" else set())
    clock.pass_(61)
    await poll(context)
    assert "does not show" not in reread(sick).reason
    assert context.blocked == set()


async def test_where_no_job_at_all_can_be_had_it_is_the_endpoints_trouble(followed, context, endpoint, errors):
    followed(2)
    endpoint.fault("job", errors.unreachable(status=503), times=2)
    with pytest.raises(EndpointUnreachable):
        await poll(context)


async def test_a_host_without_a_list_of_jobs_is_asked_for_each(followed, context, endpoint, errors, reread):
    runs = followed(5)
    endpoint.fault("jobs", NoJobList(endpoint="fake", problem="no such route", status=404))
    for raw in endpoint.raw_jobs.values():
        raw["status"] = "paused"
    await poll(context)
    assert {reread(run).state for run in runs} == {State.PAUSED}
    assert endpoint.count("job") == 5


async def test_a_run_that_another_worker_took_meanwhile_is_left_to_it(followed, context, endpoint, reread, db):
    """Its lease goes between the worker's look at the database and its write."""
    lost, *kept = followed(3)
    events = endpoint.events

    async def events_while_it_is_taken(job_id, known):
        if job_id == lost.job_id:
            with db.write() as connection:
                connection.execute(table.update().where(table.c.id == lost.id).values(lease_owner="another"))
        return await events(job_id, known)

    endpoint.events = events_while_it_is_taken
    for raw in endpoint.raw_jobs.values():
        raw["status"] = "paused"
    await poll(context)
    assert reread(lost).state == State.RUNNING
    assert {reread(run).state for run in kept} == {State.PAUSED}


async def test_events_and_metrics_are_recorded_once(followed, context, endpoint, db):
    (run,) = followed(1)
    endpoint.events_of[run.job_id] = [
        {"id": "e1", "created_at": 1, "message": "Job started"},
        {"created_at": 2, "message": "Step 1", "data": {"step": 1, "train_loss": 0.5, "total_steps": 9}},
    ]
    for status in ("queued", "running", "queued"):
        endpoint.raw_jobs[run.job_id]["status"] = status
        await poll(context)
    with db.read() as connection:
        assert len(records.events_of(connection, run.id)) == 2
        (metric,) = records.metrics_of(connection, run.id)
    assert (metric.step, metric.train_loss, metric.total_steps) == (1, 0.5, 9)
    assert context.listener.steps == [1]


async def test_events_are_fetched_for_what_changed_or_is_looked_at(followed, context, endpoint):
    watched, changed, _still = followed(3)
    context.followed.add(watched.id)
    endpoint.raw_jobs[changed.job_id]["trained_tokens"] = 5
    await poll(context)
    assert {detail for kind, detail in endpoint.calls if kind == "events"} == {watched.job_id, changed.job_id}


async def test_a_host_without_events_is_followed_all_the_same(followed, context, endpoint, errors, reread):
    (run,) = followed(1)
    endpoint.fault("events", errors.refused(404))
    endpoint.raw_jobs[run.job_id]["status"] = "paused"
    await poll(context)
    assert reread(run).state == State.PAUSED


# --- pace -----------------------------------------------------------------------------------------------------


@pytest.fixture
def pace():
    return lambda base: Pace(base, random.Random(3))


def test_polls_get_rarer_while_nothing_changes_and_frequent_again_after_a_change(pace):
    steady = pace(5.0)
    for _ in range(20):
        steady.next(changed=False, seconds_to_finish=None)
    assert steady.interval == 60.0
    steady.next(changed=True, seconds_to_finish=None)
    assert steady.interval == 5.0


def test_polls_stay_frequent_near_the_estimated_end(pace):
    steady = pace(5.0)
    intervals = [steady.next(changed=False, seconds_to_finish=left) for left in (300, 200, 150, 119, 10, -5)]
    assert intervals[2] > 8
    assert max(intervals[3:]) <= 6


def test_a_local_endpoint_is_always_asked_often(pace):
    near = pace(0.2)
    assert max(near.next(changed=False, seconds_to_finish=None) for _ in range(50)) <= 0.24


def test_workers_do_not_ask_in_step(pace):
    steady = pace(5.0)
    found = {steady.next(changed=True, seconds_to_finish=None) for _ in range(20)}
    assert len(found) == 20
    assert all(4.0 <= pause <= 6.0 for pause in found)


async def test_a_key_that_is_refused_once_is_tried_again(followed, context, endpoint, reread):
    (run,) = followed(1)
    refused = KeyRefused(endpoint="fake", problem="try again", api_key_env="K")
    endpoint.fault("job", refused)
    await poll(context)
    assert (reread(run).state, context.refused_keys) == (State.RUNNING, 1)
    context.poor_looks.clear()
    await poll(context)
    assert context.refused_keys == 0


async def test_a_key_that_stays_refused_is_told(followed, context, endpoint):
    followed(1)
    refused = KeyRefused(endpoint="fake", problem="no", api_key_env="K")
    endpoint.fault("job", refused, times=3)
    for _ in range(2):
        await poll(context)
        context.poor_looks.clear()
    with pytest.raises(KeyRefused):
        await poll(context)
