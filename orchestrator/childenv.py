"""The environment of the processes we start: what they need to run, and none of the user's keys."""

from __future__ import annotations

import os

_NEEDED = (
    *("PATH", "HOME", "USER", "LANG", "TZ", "TMPDIR", "TEMP", "TMP", "SYSTEMROOT", "VIRTUAL_ENV"),
    *("LD_LIBRARY_PATH", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "CUDA_VISIBLE_DEVICES"),
    "FTORCH_CRASH_AT",
)
_BEGINNINGS = ("LC_", "PYTHON", "COV_", "COVERAGE_")


def child_environment(**more: str) -> dict[str, str]:
    """The variables for such a process, with `more` added."""
    kept = {name: text for name, text in os.environ.items() if name in _NEEDED or name.startswith(_BEGINNINGS)}
    return {**kept, **more}
