"""Locks between processes that the kernel releases when their holder dies, however it dies."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path


class FileLock:
    """An exclusive lock, held until `release`, or until nothing refers to this object, or the process ends.

    If a child process inherited the descriptor, the lock is held until that one ends too.
    """

    def __init__(self, path: Path, descriptor: int | None = None) -> None:
        """`descriptor` is that of a lock which the parent process took and passed on."""
        self._path = path
        self._descriptor = descriptor

    @property
    def descriptor(self) -> int | None:
        """What a child process must inherit to hold the lock too; None while it is not held."""
        return self._descriptor

    def acquire(self) -> bool:
        """Take the lock; False when somebody else holds it."""
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return False
        self._descriptor = descriptor
        return True

    def sign(self) -> None:
        """Write this process's id into the held lock's file, for information."""
        if self._descriptor is not None:
            os.ftruncate(self._descriptor, 0)
            os.pwrite(self._descriptor, f"{os.getpid()}\n".encode(), 0)

    def release(self) -> None:
        """Release the lock; a child process that inherited it keeps it."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def __del__(self) -> None:
        self.release()

    def discard(self) -> None:
        """Release the lock and delete its file; only for a lock that will not be needed again."""
        self._path.unlink(missing_ok=True)
        self.release()


def job_lock(folder: Path, job_id: str, descriptor: int | None = None) -> FileLock:
    """Held by the one process that works on the job."""
    return FileLock(folder / f"{job_id}.lock", descriptor)


def slot_locks(folder: Path, slots: int) -> list[FileLock]:
    """One per job that may train at the same time."""
    return [FileLock(folder / f"slot-{number}.lock") for number in range(slots)]


def take_any(locks: list[FileLock]) -> FileLock | None:
    """The first of these locks that is free, now held; None when all are taken."""
    return next((lock for lock in locks if lock.acquire()), None)
