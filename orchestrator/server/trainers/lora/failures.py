"""What a training fails of, for people: missing packages and memory."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from orchestrator.installation import extra_command, packages_of

MEMORY_ADVICE = (
    "Set gradient_checkpointing to true, shorten the longest rows, or choose a smaller base model; on a GPU, "
    'quantization = "nf4" makes the base model four times smaller.'
)


def needs_packages(python: str, module: str) -> str:
    """What to install for a module that the trainer's Python doesn't have."""
    return f"The trainer's Python, {python}, has no {module}. Run: {install_command(python, module)}"


def install_command(python: str, module: str) -> str:
    """The command that installs what a module needs where the trainers run."""
    if module == "bitsandbytes":
        return _pip(python, ["bitsandbytes"])
    if python == sys.executable:
        return extra_command("lora")
    return _pip(python, packages_of("lora") or ["ftorch[lora]"])


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


def _pip(python: str, packages: Sequence[str]) -> str:
    return shlex.join([python, "-m", "pip", "install", *packages])
