"""The variables of a process in the trainer's Python, and how that one finds this package."""

from __future__ import annotations

import os
from pathlib import Path

from orchestrator.childenv import child_environment

PACKAGE = Path(__file__).parents[2]
FIXED = {
    "OMP_WAIT_POLICY": "PASSIVE",
    "TOKENIZERS_PARALLELISM": "false",
    "HF_HUB_OFFLINE": "1",
    "ONEDNN_PRIMITIVE_CACHE_CAPACITY": "32",
    "LRU_CACHE_CAPACITY": "32",
}
"""OMP_WAIT_POLICY: waiting in a busy loop takes three times the processor time on a shared machine.

The last two are for torch on a processor: oneDNN and torch's layer over it each keep 1,024 compiled operations and
their memory, one for each length of a micro-batch, and few lengths come twice. With 32 of each the memory of a
training stops growing, in the same time.
"""


def python_environment(folder: Path, **more: str) -> dict[str, str]:
    """The variables of a process in the trainer's Python, with `more` added; none of the user's keys.

    That Python finds this package by a link in `folder`, and not the packages beside it, which may be of another
    version of Python.
    """
    folder.mkdir(parents=True, exist_ok=True)
    link = folder / PACKAGE.name
    if not link.is_symlink() or link.readlink() != PACKAGE:
        draft = folder / f".{PACKAGE.name}.{os.getpid()}"
        draft.symlink_to(PACKAGE)
        draft.replace(link)
    return child_environment(**{"PYTHONPATH": str(folder), **FIXED}, **more)
