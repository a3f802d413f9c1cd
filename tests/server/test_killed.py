"""Processes that die without a word."""

from __future__ import annotations

import asyncio
import base64
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from orchestrator.server.app import Settings, create_app, running

HOST = """
import asyncio, sys
from pathlib import Path
from orchestrator.server.app import Settings, create_app, running
async def main():
    app = create_app(Path(sys.argv[1]))
    async with running(app):
        await asyncio.Event().wait()
asyncio.run(main())
"""


def _worker(store: Path, job_id: str) -> int:
    """The process that holds the job's lock."""
    return int((store / "locks" / f"{job_id}.lock").read_text())


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    # A zombie has ended; only its parent has not been told yet.
    stat = Path(f"/proc/{pid}/stat")
    return not stat.exists() or stat.read_text().rpartition(")")[2].split()[0] != "Z"


async def _ended(pid: int, seconds: float) -> bool:
    for _ in range(int(seconds / 0.02)):
        if not _lives(pid):
            return True
        await asyncio.sleep(0.02)
    return False


async def _result(client, job) -> str:
    return base64.b64decode((await client.files.content(job.result_files[0])).content).decode()


async def test_a_killed_trainer_goes_on_from_its_checkpoint(
    training, tmp_path, submit, reach, checkpointed, messages
):
    job = await submit(training, count=60, epochs=50)
    await checkpointed(training, job.id)
    os.kill(_worker(tmp_path / "endpoint", job.id), signal.SIGKILL)
    done = await reach(training, job.id, "succeeded")
    told = await messages(training, job.id)
    assert sum("it continues from the checkpoint at step" in text for text in told) == 1
    assert sum(text.startswith("New fine-tuned model created") for text in told) == 1
    models = [model.id async for model in training.models.list() if model.id.startswith("ft:")]
    assert [name for name in models if "ckpt" not in name] == [done.fine_tuned_model]
    undisturbed = await reach(training, (await submit(training, count=60, epochs=50)).id, "succeeded")
    assert await _result(training, done) == await _result(training, undisturbed)


async def test_a_trainer_killed_before_its_first_checkpoint_starts_again_and_says_so(
    training, tmp_path, submit, reach, messages
):
    job = await submit(training, count=600, epochs=1)
    await reach(training, job.id, "running")
    os.kill(_worker(tmp_path / "endpoint", job.id), signal.SIGKILL)
    await reach(training, job.id, "succeeded")
    told = await messages(training, job.id)
    assert sum("it continues from the start, as it has no checkpoint yet" in text for text in told) == 1


async def test_metrics_of_steps_trained_twice_are_told_once(training, tmp_path, submit, reach, checkpointed):
    job = await submit(training, count=60, epochs=50)
    await checkpointed(training, job.id)
    os.kill(_worker(tmp_path / "endpoint", job.id), signal.SIGKILL)
    await reach(training, job.id, "succeeded")
    events = (await training.fine_tuning.jobs.list_events(job.id, limit=1000)).data
    steps = [event.data["step"] for event in events if event.type == "metrics"]
    assert steps == sorted(set(steps), reverse=True)


async def test_a_dead_host_leaves_no_trainer_and_the_next_host_finishes_the_job(
    tmp_path, connect, submit, reach, checkpointed
):
    app = create_app(tmp_path)
    async with connect(app) as client:
        job = await submit(client, count=60, epochs=50)
        host = subprocess.Popen([sys.executable, "-c", HOST, str(tmp_path)])
        try:
            await checkpointed(client, job.id)
            worker = _worker(tmp_path, job.id)
        finally:
            host.kill()
            host.wait()
        assert await _ended(worker, 1.0)
        assert (await client.fine_tuning.jobs.retrieve(job.id)).status == "running"
        async with running(app):
            done = await reach(client, job.id, "succeeded")
        assert done.fine_tuned_model


async def test_a_host_that_stops_in_order_leaves_no_trainer_either(tmp_path, connect, submit, reach, checkpointed):
    app = create_app(tmp_path)
    async with connect(app) as client:
        async with running(app):
            job = await submit(client, count=60, epochs=50)
            await checkpointed(client, job.id)
            worker = _worker(tmp_path, job.id)
        assert not _lives(worker)
        assert (await client.fine_tuning.jobs.retrieve(job.id)).status == "running"


async def test_two_hosts_of_one_store_train_each_job_once(tmp_path, connect, submit, reach, messages):
    here, there = create_app(tmp_path), create_app(tmp_path)
    async with connect(here) as client, connect(there) as other:
        async with running(here), running(there):
            jobs = [await submit(one, count=30, epochs=3) for one in (client, other, client, other)]
            for job in jobs:
                await reach(other, job.id, "succeeded")
        for job in jobs:
            told = await messages(client, job.id)
            assert told.count("Fine-tuning job started") == 1
            assert not any("continues" in text for text in told)


async def test_a_trainer_that_always_dies_fails_its_job(app, client, submit, reach, monkeypatch):
    monkeypatch.setattr("orchestrator.server.scheduler.sys.executable", "/bin/false")
    async with running(app):
        job = await submit(client)
        failed = await reach(client, job.id, "failed")
    assert failed.error.code == "server_error"
    assert "worker.log" in failed.error.message


@pytest.mark.parametrize("most", [1, 2])
async def test_no_more_jobs_train_at_once_than_allowed(tmp_path, connect, submit, reach, most):
    app = create_app(tmp_path, settings=Settings(max_training=most))
    async with connect(app) as client, running(app):
        jobs = [await submit(client, count=30, epochs=30) for _ in range(4)]
        seen = 0
        while True:
            page = (await client.fine_tuning.jobs.list()).data
            seen = max(seen, sum(job.status == "running" for job in page))
            if all(job.status == "succeeded" for job in page):
                break
            await asyncio.sleep(0.01)
        assert len(jobs) == 4
        assert seen == most
