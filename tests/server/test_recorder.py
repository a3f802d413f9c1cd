"""What a training reports, on its way into the store."""

from __future__ import annotations

import math

import pytest

from orchestrator.server.store import Store
from orchestrator.server.store.jobs import FileNotes, NoLongerRunningError
from orchestrator.server.trainers.interface import Step
from orchestrator.server.worker import Recorder


@pytest.fixture
async def running(app, client, submit):
    """A store and a job in it that counts as running."""
    store: Store = app.state.context.store
    job = store.jobs.get((await submit(client)).id)
    store.progress.files_are_valid(job, 100, FileNotes(), 1)
    store.progress.begin(job, {"n_epochs": 1}, "started", 1)
    return store, store.jobs.get(job.id)


def _report(store, job, steps, total=20, loss=0.5):
    recorder = Recorder(store, job, lambda: 1000.0)
    for number in steps:
        recorder.step(Step(number, total, 1, loss, 1.0))
    recorder.flush()


def _metrics(store, job):
    events = store.jobs.events(job.id, after=None, limit=1000, newest_first=False)
    return [event for event in events if event.kind == "metrics"]


def test_steps_trained_again_after_a_crash_are_told_once_and_their_rows_replaced(running):
    store, job = running
    _report(store, job, range(1, 11), loss=0.5)
    _report(store, job, range(6, 16), loss=0.25)
    assert [event.data["step"] for event in _metrics(store, job)] == list(range(1, 16))
    assert [row.train_loss for row in store.progress.steps(job)] == [0.5] * 5 + [0.25] * 10


def test_a_number_that_is_not_finite_is_left_out(running):
    store, job = running
    _report(store, job, [1], loss=math.nan)
    assert "train_loss" not in _metrics(store, job)[0].data
    assert store.progress.steps(job)[0].train_loss is None


def test_the_trainer_of_a_cancelled_job_is_stopped_and_writes_nothing(running, tmp_path):
    store, job = running
    store.jobs.cancel(job.id, 2)
    with pytest.raises(NoLongerRunningError):
        _report(store, job, [1])
    recorder = Recorder(store, job, lambda: 1000.0)
    (tmp_path / "weights").mkdir()
    with pytest.raises(NoLongerRunningError):
        recorder.checkpoint(Step(1, 1, 1, 0.5, 1.0), tmp_path / "weights")
    for tell in (lambda: recorder.note("still here"), recorder.waiting):
        with pytest.raises(NoLongerRunningError):
            tell()
    assert store.progress.steps(job) == []
    assert store.progress.last_checkpoint(job) == 0
    assert list((store.folder / "weights").iterdir()) == []


def test_a_checkpoint_reported_again_after_a_crash_is_recorded_once(running, tmp_path):
    store, job = running
    for text in ("first", "second"):
        weights = tmp_path / text
        weights.mkdir()
        (weights / "file").write_text(text)
        Recorder(store, job, lambda: 1000.0).checkpoint(Step(5, 20, 1, 0.5, 1.0), weights)
    (kept,) = store.jobs.checkpoints(job.id, after=None, limit=10)
    assert (store.weights.path(kept.weights) / "file").read_text() == "first"
    assert len(list((store.folder / "weights").iterdir())) == 1


def test_a_note_is_an_event_after_the_steps_so_far(running):
    store, job = running
    recorder = Recorder(store, job, lambda: 1000.0)
    recorder.step(Step(1, 20, 1, 0.5, 1.0))
    recorder.note("the batch is split in two")
    newest = store.jobs.events(job.id, after=None, limit=2, newest_first=True)
    assert [event.message for event in newest] == ["the batch is split in two", "Step 1/20: training loss=0.50"]


def test_the_end_is_estimated_from_the_measured_pace(running):
    store, job = running
    _report(store, job, range(1, 11), total=10)
    assert store.jobs.get(job.id).estimated_finish == 1000
