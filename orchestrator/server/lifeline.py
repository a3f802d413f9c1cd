"""Ties a trainer process to the process that started it: when that one is gone, however it went, so is this."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sys
import threading

PR_SET_PDEATHSIG = 1
"""From linux/prctl.h: the signal this process gets when its parent dies."""


def end_with_parent() -> None:
    """End this process as soon as the parent closes its end of our standard input or dies.

    The pipe alone is enough on every system; Linux's death signal also covers a pipe end that some other child of
    the parent inherited.
    """
    threading.Thread(target=_exit_at_end_of_input, name="lifeline", daemon=True).start()
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def _exit_at_end_of_input() -> None:
    with contextlib.suppress(OSError):
        while os.read(0, 1024):
            pass
    os._exit(0)
