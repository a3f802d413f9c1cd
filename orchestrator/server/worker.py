"""The process that works on one job: it checks the job's files, waits for nothing, trains, and ends.

It may be killed at any moment: the kernel then frees its locks, and the next worker goes on from the last
checkpoint.
"""

from __future__ import annotations

import contextlib
import signal
import sqlite3
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path

from orchestrator.server.lifeline import end_with_parent
from orchestrator.server.locks import job_lock, slot_locks, take_any
from orchestrator.server.store import Store
from orchestrator.server.store.progress import NoLongerRunningError
from orchestrator.server.store.records import ACTIVE, Failure, Job, JobStatus
from orchestrator.server.training import train
from orchestrator.server.validation import JobFailedError, validate_files

Task = Callable[[Job], None]


def main(store_dir: str, job_id: str, slots: str, job_lock_fd: str, slot_fd: str = "") -> None:
    """Work on the job as far as it goes now.

    The lock of the job, and that of a place for training if one was free, come as open descriptors from the
    parent: so no job is ever started twice, and no lock is free for a moment in between.
    """
    end_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    store = Store(Path(store_dir))
    lock = job_lock(store.locks, job_id, int(job_lock_fd))
    lock.sign()
    work(store, job_id, int(slots), has_slot=bool(slot_fd))
    job = store.jobs.get(job_id)
    if job is not None and job.status not in ACTIVE:
        lock.discard()


def work(store: Store, job_id: str, slots: int, *, has_slot: bool) -> None:
    """Take the job from where it stands to the next place where it has to wait, or to its end."""
    job = store.jobs.get(job_id)
    with contextlib.suppress(NoLongerRunningError):
        if job is not None and job.status is JobStatus.VALIDATING_FILES:
            _failing_cleanly(store, job, lambda job: _validate(store, job))
            job = store.jobs.get(job_id)
        if job is None or job.status not in (JobStatus.QUEUED, JobStatus.RUNNING):
            return
        slot = None if has_slot else take_any(slot_locks(store.locks, slots))
        if has_slot or slot is not None:
            _failing_cleanly(store, job, lambda job: train(store, job, time.time))


def _validate(store: Store, job: Job) -> None:
    valid = validate_files(store, job, time.time())
    store.progress.files_are_valid(job, valid.training_tokens, valid.notes, int(time.time()))


def _failing_cleanly(store: Store, job: Job, task: Task) -> None:
    """Run one part of the work. What is wrong with the job ends the job; a sick machine, this process only."""
    try:
        task(job)
    except (NoLongerRunningError, OSError, sqlite3.Error):
        raise
    except JobFailedError as error:
        store.progress.fail(job, error.failure, int(time.time()))
    except Exception as error:
        traceback.print_exc()
        message = f"The trainer {job.trainer} stopped with {type(error).__name__}: {error}"
        store.progress.fail(job, Failure("server_error", message, None), int(time.time()))


if __name__ == "__main__":
    main(*sys.argv[1:])
