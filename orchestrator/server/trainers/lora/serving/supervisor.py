"""Runs a program that knows nothing of us, and ends it and its children when our standard input is closed.

PYTHON supervisor.py COMMAND…; only the standard library is used, so any Python runs this file.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading

FAREWELL_SECONDS = 10.0
"""The time that the program gets to end on its own."""


def main(command: list[str]) -> None:
    """Exit with the program's status, or 0 when the input is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True)
    threading.Thread(target=_end_with_input, args=(process,), daemon=True).start()
    status = process.wait()
    _signal(process, signal.SIGKILL)
    os._exit(status if status >= 0 else 128 - status)


def _end_with_input(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(OSError):
        while os.read(0, 1024):
            pass
    _signal(process, signal.SIGTERM)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(FAREWELL_SECONDS)
    _signal(process, signal.SIGKILL)
    os._exit(0)


def _signal(process: subprocess.Popen[bytes], number: int) -> None:
    """To the program and the children that stayed in its session."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, number)


if __name__ == "__main__":
    main(sys.argv[1:])
