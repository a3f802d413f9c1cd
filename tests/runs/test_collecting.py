"""After the job ended well: nothing is lost, and no missing part keeps a run from its end."""

from __future__ import annotations

from dataclasses import replace

import pytest

from orchestrator.runs.polling import poll
from orchestrator.runs.states import State
from orchestrator.store import records


@pytest.fixture
def ended(make_run, context, endpoint, step):
    """A run whose job has just succeeded."""

    async def ended(**fields):
        endpoint.life = ()
        job = endpoint.add_job(status="running")
        run = make_run(context, state=State.RUNNING, job_id=job["id"])
        endpoint.raw_jobs[job["id"]] |= {"status": "succeeded", "fine_tuned_model": "ft:x", **fields}
        await poll(context)
        return run

    return ended


CHECKPOINT = {
    "id": "ckpt-1",
    "step_number": 4,
    "fine_tuned_model_checkpoint": "ft:x:ckpt-4",
    "metrics": {"step": 4},
}


async def test_everything_is_recorded_with_the_model(ended, step, endpoint, db):
    run = await ended(result_files=["file-r"], trained_tokens=1234)
    endpoint.events_of[run.job_id].append({"id": "e", "created_at": 1, "message": "done"})
    endpoint.checkpoints_of[run.job_id].append(CHECKPOINT)
    done = await step(run)
    assert (done.state, done.fine_tuned_model, done.trained_tokens) == (State.SUCCEEDED, "ft:x", 1234)
    with db.read() as connection:
        assert [event.event_id for event in records.events_of(connection, run.id)] == ["e"]
        assert [found.model for found in records.checkpoints_of(connection, run.id)] == ["ft:x:ckpt-4"]
        assert [metric.train_loss for metric in records.metrics_of(connection, run.id)] == [0.5]
        assert [model.model for model in records.models_newest(connection)] == ["ft:x"]


async def test_an_unknown_price_is_not_taken_for_nothing(ended, step):
    run = await ended(trained_tokens=1000)
    assert (await step(run)).cost_usd is None


async def test_the_cost_is_that_of_the_trained_tokens_by_the_table_of_the_endpoint(ended, step, context, tmp_path):
    prices = tmp_path / "prices.toml"
    prices.write_text('[[price]]\nendpoint_type = "compatible"\nmodel = "gpt-4.1-mini"\ntraining = 4\n')
    context.config = replace(context.config, prices=prices)
    run = await ended(trained_tokens=500_000)
    assert (await step(run)).cost_usd == 2.0


async def test_a_broken_table_of_prices_keeps_no_model_from_being_recorded(ended, step, context, tmp_path):
    context.config = replace(context.config, prices=tmp_path / "none.toml")
    run = await ended(trained_tokens=500_000)
    done = await step(run)
    assert (done.state, done.cost_usd) == (State.SUCCEEDED, None)
    assert "none.toml" in context.listener.warnings[0]


async def test_a_model_that_comes_late_is_waited_for(ended, step, endpoint, clock):
    run = await ended(fine_tuned_model=None)
    waiting = await step(run)
    assert (waiting.state, waiting.due_at) == (State.COLLECTING, clock.now() + 5)
    endpoint.raw_jobs[run.job_id]["fine_tuned_model"] = "ft:late"
    assert (await step(run)).fine_tuned_model == "ft:late"


async def test_a_checkpoint_is_never_taken_for_the_model(ended, step, endpoint, clock, config, db):
    run = await ended(fine_tuned_model=None)
    endpoint.checkpoints_of[run.job_id] += [CHECKPOINT]
    assert (await step(run)).state == State.COLLECTING
    clock.pass_(config.settling_seconds + 1)
    waiting = await step(run)
    assert (waiting.state, waiting.fine_tuned_model, waiting.is_over) == (State.UNKNOWN, None, False)
    assert f"1 checkpoint: ftorch show {run.id}" in waiting.reason
    with db.read() as connection:
        assert len(records.checkpoints_of(connection, run.id)) == 1


async def test_a_model_id_that_comes_late_is_recorded_when_resume_looks_again(
    ended, step, endpoint, clock, config, context
):
    run = await ended(fine_tuned_model=None)
    clock.pass_(config.settling_seconds + 1)
    assert (await step(run)).state == State.UNKNOWN
    assert (await step(run)).state == State.UNKNOWN  # it is not collected again and again
    assert context.blocked == {run.id}
    endpoint.raw_jobs[run.job_id]["fine_tuned_model"] = "ft:late"
    assert (await step(run)).state == State.COLLECTING
    assert (await step(run)).fine_tuned_model == "ft:late"


@pytest.mark.parametrize("kind", ["events", "checkpoints", "result_rows"])
async def test_a_part_that_is_refused_is_told_and_left_out(kind, ended, step, endpoint, errors, context):
    run = await ended(result_files=["file-r"])
    endpoint.fault(kind, errors.refused(404))
    assert (await step(run)).state == State.SUCCEEDED
    assert len(context.listener.warnings) == 1


@pytest.mark.parametrize("kind", ["events", "checkpoints", "result_rows"])
async def test_a_part_that_never_comes_is_not_waited_for_for_ever(
    kind, ended, step, endpoint, errors, clock, config
):
    run = await ended(result_files=["file-r"])
    endpoint.fault(kind, errors.unreachable(status=500), times=2)
    assert (await step(run)).state == State.COLLECTING
    clock.pass_(config.settling_seconds + 1)
    assert (await step(run)).state == State.SUCCEEDED


async def test_a_job_deleted_after_its_end_still_yields_its_model(ended, step, endpoint, context):
    run = await ended()
    endpoint.raw_jobs.clear()
    done = await step(run)
    assert (done.state, done.fine_tuned_model) == (State.SUCCEEDED, "ft:x")
    assert run.job_id in context.listener.warnings[0]


async def test_a_crash_between_collecting_and_the_end_repeats_nothing_wrong(ended, step, endpoint, db, monkeypatch):
    run = await ended(result_files=["file-r"])
    endpoint.checkpoints_of[run.job_id].append(CHECKPOINT)
    add_model = records.add_model
    monkeypatch.setattr(records, "add_model", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        await step(run)
    with db.read() as connection:
        assert records.checkpoints_of(connection, run.id) == []
    monkeypatch.setattr(records, "add_model", add_model)
    assert (await step(run)).state == State.SUCCEEDED
    with db.read() as connection:
        assert len(records.checkpoints_of(connection, run.id)) == 1


async def test_the_last_checkpoint_is_the_model_where_the_table_says_so(ended, step, endpoint, context):
    context.config = replace(context.config, result="last-checkpoint")
    run = await ended(fine_tuned_model=None)
    later = {**CHECKPOINT, "id": "ckpt-2", "step_number": 12, "fine_tuned_model_checkpoint": "ft:x:ckpt-12"}
    endpoint.checkpoints_of[run.job_id] += [later, CHECKPOINT]
    done = await step(run)
    assert (done.state, done.fine_tuned_model) == (State.SUCCEEDED, "ft:x:ckpt-12")


async def test_where_nothing_else_is_measured_the_checkpoints_have_the_metrics(ended, step, endpoint, db):
    run = await ended()
    endpoint.checkpoints_of[run.job_id].append({**CHECKPOINT, "metrics": {"train_loss": 0.25, "valid_loss": 0.5}})
    await step(run)
    with db.read() as connection:
        [metric] = records.metrics_of(connection, run.id)
    assert (metric.step, metric.train_loss, metric.valid_loss) == (4, 0.25, 0.5)


async def test_what_was_measured_is_not_replaced_by_the_checkpoints(ended, step, endpoint, db):
    run = await ended()
    with db.write() as connection:
        records.add_metrics(connection, [records.Metric(run.id, 4, train_loss=0.75)])
    endpoint.checkpoints_of[run.job_id].append({**CHECKPOINT, "metrics": {"train_loss": 0.25}})
    await step(run)
    with db.read() as connection:
        assert [metric.train_loss for metric in records.metrics_of(connection, run.id)] == [0.75]
