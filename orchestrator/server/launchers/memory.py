"""Whether the kernel has ended processes because memory ran out."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path


def kills_for_memory() -> int:
    """How many processes the kernel has ended for their memory since the machine started; 0 if it doesn't say.

    Linux counts those of control groups (containers) here too: `oom_kill` in proc(5), /proc/vmstat.
    """
    with suppress(OSError, ValueError):
        for line in Path("/proc/vmstat").read_text().splitlines():
            name, _, count = line.partition(" ")
            if name == "oom_kill":
                return int(count)
    return 0
