"""A program that ends with the process that started it. Only the standard library is imported here."""

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

    The pipe alone is enough on every system; Linux's death signal also covers a pipe end that another child of the
    parent inherited.
    """
    threading.Thread(target=_exit_at_end_of_input, name="lifeline", daemon=True).start()
    die_with_parent()


def die_with_parent() -> None:
    """Have Linux kill this process when the thread that started it ends, with its process or before."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def _exit_at_end_of_input() -> None:
    with contextlib.suppress(OSError):
        while os.read(0, 1024):
            pass
    os._exit(0)
