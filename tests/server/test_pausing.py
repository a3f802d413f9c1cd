"""Cancel, pause and resume."""

from __future__ import annotations

import openai
import pytest

from orchestrator.server.app import create_app, running
from orchestrator.server.store import Store
from orchestrator.server.store.jobs import FileNotes, NoLongerRunningError
from orchestrator.server.store.records import File


async def test_a_cancelled_job_stops_and_stays_cancelled(training, submit, reach, checkpointed):
    job = await submit(training, count=60, epochs=50)
    await checkpointed(training, job.id)
    cancelled = await training.fine_tuning.jobs.cancel(job.id)
    assert cancelled.status == "cancelled"
    assert cancelled.finished_at is not None
    follower = await submit(training, count=10, epochs=1)
    await reach(training, follower.id, "succeeded")
    after = await training.fine_tuning.jobs.retrieve(job.id)
    assert (after.status, after.fine_tuned_model) == ("cancelled", None)


async def test_a_paused_job_goes_on_from_its_checkpoint(training, submit, reach, checkpointed, messages):
    job = await submit(training, count=60, epochs=50)
    checkpoint = await checkpointed(training, job.id)
    assert (await training.fine_tuning.jobs.pause(job.id)).status == "paused"
    follower = await submit(training, count=10, epochs=1)
    await reach(training, follower.id, "succeeded")
    assert (await training.fine_tuning.jobs.retrieve(job.id)).status == "paused"
    assert (await training.fine_tuning.jobs.resume(job.id)).status == "queued"
    await reach(training, job.id, "succeeded")
    told = await messages(training, job.id)
    assert told.count("Fine-tuning job paused") == 1
    (went_on,) = [
        text for text in told if text.startswith("Fine-tuning job continues from the checkpoint at step ")
    ]
    assert int(went_on.rpartition(" ")[2]) >= checkpoint.step_number


async def test_a_job_paused_before_its_files_were_checked_has_them_checked_later(app, client, submit, reach):
    job = await submit(client)
    await client.fine_tuning.jobs.pause(job.id)
    assert (await client.fine_tuning.jobs.resume(job.id)).status == "validating_files"
    async with running(app):
        await reach(client, job.id, "succeeded")


async def test_a_running_job_says_when_it_will_be_done(training, submit, checkpointed):
    job = await submit(training, count=60, epochs=50)
    await checkpointed(training, job.id)
    running = await training.fine_tuning.jobs.retrieve(job.id)
    assert 0 <= running.estimated_finish - running.created_at < 60
    await training.fine_tuning.jobs.cancel(job.id)
    assert (await training.fine_tuning.jobs.retrieve(job.id)).estimated_finish is None


@pytest.mark.parametrize("move", ["cancel", "pause", "resume"])
async def test_a_job_that_ended_cannot_be_moved(client, submit, move):
    job = await submit(client)
    await client.fine_tuning.jobs.cancel(job.id)
    with pytest.raises(openai.BadRequestError, match="is cancelled"):
        await getattr(client.fine_tuning.jobs, move)(job.id)


async def test_a_late_success_does_not_undo_a_cancel(tmp_path, connect, submit):
    app = create_app(tmp_path)
    store = Store(tmp_path)
    async with connect(app) as client:
        job_id = (await submit(client)).id
        job = store.jobs.get(job_id)
        store.progress.files_are_valid(job, 100, FileNotes(), 1)
        store.progress.begin(job, {"n_epochs": 1}, "started", 1)
        await client.fine_tuning.jobs.cancel(job_id)
        blob = store.blobs.put(b"weights")
        result = File("file-result", 1, None, "r.csv", 1, "fine-tune-results", blob)
        with pytest.raises(NoLongerRunningError):
            store.progress.succeed(job, blob, result, 100, 2)
        after = await client.fine_tuning.jobs.retrieve(job_id)
        assert (after.status, after.result_files) == ("cancelled", [])
        assert not [model async for model in client.models.list() if model.id.startswith("ft:")]
