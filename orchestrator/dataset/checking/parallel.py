"""A pass over a large file in several processes: parts that begin behind a newline, joined in order.

Each later part is done by a fresh interpreter that runs this module: it gets its order on stdin and answers on
stdout. `multiprocessing` would import the caller's main script once more, and a script that submits jobs without
guarding its main part would submit them twice.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import signal
import subprocess
import sys
from collections.abc import Iterator
from itertools import pairwise

from orchestrator.dataset.checking.passes import Order, Pass, pass_over
from orchestrator.dataset.files import open_as_sent
from orchestrator.dataset.lines import skip_line

LEAST_PART_BYTES = 4 << 20
"""Smaller parts are done before an interpreter to do them has started."""

USUAL_PROCESSES = 2
"""Each needs about 100 MB, most of it for the tokenizer."""

_HEAD_START_BYTES = 6 << 20  # what this process checks while the others start


def pass_in_parts(order: Order, size: int, processes: int | None) -> Pass:
    """Check a file of `size` bytes in at most `processes` processes; None: as suits the file and the machine.

    What is found is the same for any number.
    """
    most = _available() if processes is None else processes
    parts = _parts(order, size, max(1, min(most, size // LEAST_PART_BYTES)))
    workers = [_start(order, *part) for part in parts[1:]]
    try:
        found = pass_over(order, *parts[0])
        for worker, part in zip(workers, parts[1:], strict=True):
            found.merge(_answer(worker) or pass_over(order, *part))
    finally:
        for worker in workers:
            with worker:  # which closes its pipe and waits for it
                worker.kill()
    return found


def _available() -> int:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(cores, USUAL_PROCESSES)


def _parts(order: Order, size: int, count: int) -> list[tuple[int, int]]:
    """The start and length of at most `count` parts that take about as long, each from the start of a line."""
    ahead = min(_HEAD_START_BYTES, size // (4 * count))
    positions = [ahead + (size - ahead) * index // count for index in range(1, count)]
    starts = sorted({0, *_line_starts(order, positions)})
    return [(start, end - start) for start, end in pairwise([*starts, size]) if end > start] or [(0, size)]


def _line_starts(order: Order, positions: list[int]) -> Iterator[int]:
    """The start of the first line that begins at or behind each position."""
    if not positions:
        return
    with open_as_sent(order.path) as stream:
        for position in positions:
            stream.seek(position - 1, os.SEEK_SET)
            skip_line(stream)
            yield stream.tell()


def _start(order: Order, start: int, length: int) -> subprocess.Popen[bytes]:
    worker = subprocess.Popen(
        [sys.executable, "-P", "-m", __name__],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )
    assert worker.stdin is not None
    with contextlib.suppress(BrokenPipeError), worker.stdin as stdin:  # one that has ended has no answer either
        stdin.write(pickle.dumps((order, start, length)))
    return worker


def _answer(worker: subprocess.Popen[bytes]) -> Pass | None:
    """What a worker found; None where it was killed or could not start, so that its part is done here."""
    assert worker.stdout is not None
    with worker.stdout as stdout:
        answer = stdout.read()
    found = pickle.loads(answer) if worker.wait() == 0 else None
    return found if isinstance(found, Pass) else None


def _work() -> None:
    # Ctrl-C reaches the whole group; what becomes of the check is for the process that asked for it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    order, start, length = pickle.load(sys.stdin.buffer)
    sys.stdout.buffer.write(pickle.dumps(pass_over(order, start, length)))


if __name__ == "__main__":
    _work()
