"""Starting the program that merges an adapter into its base model, and the memory that it takes."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import tempfile
from pathlib import Path

from orchestrator.server.launchers.children import end, last_output
from orchestrator.server.launchers.environment import python_environment
from orchestrator.server.launchers.memory import kills_for_memory
from orchestrator.server.trainers.lora.bases import weight_files
from orchestrator.server.trainers.lora.failures import needs_packages
from orchestrator.server.trainers.lora.merge import MISSING

PROGRAM = "orchestrator.server.trainers.lora.merge"
LIBRARIES_BYTES = 500_000_000
"""What the libraries take. Measured with torch 2.13, transformers 5.24 and peft 0.21 on a CPU: 0.86 GB at most for
weights of 0.27 GB, 3.2 GB for 1.6 GB."""


class MergeError(Exception):
    """The weights could not be merged; the message says why and what to do."""


def memory_needed(base: Path) -> int:
    """About how many bytes of memory merging into this base model takes: its files once, and the sums once."""
    return LIBRARIES_BYTES + 2 * sum(path.stat().st_size for path in weight_files(base))


def free_memory() -> int | None:
    """The bytes of memory that new programs can use without swapping; None where the system doesn't say.

    Linux: MemAvailable of proc(5), /proc/meminfo.
    """
    with contextlib.suppress(OSError, ValueError, IndexError):
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    return None


def merge(python: str, base: Path, adapter: Path, target: Path) -> None:
    """Write the base model with the adapter merged into it into the folder `target`. Raises MergeError."""
    killed_before = kills_for_memory()
    with tempfile.TemporaryDirectory(prefix="ftorch-merge-") as folder:
        log = Path(folder) / "log"
        status = _run(python, [str(base), str(adapter), str(target)], log)
        output = last_output(log)
    if status == 0:
        return
    last = output.splitlines()[-1]
    if status == MISSING:
        raise MergeError(needs_packages(python, last))
    if status == -signal.SIGKILL and kills_for_memory() > killed_before:
        raise MergeError(
            f"the system ended the program because the memory was full. Merging takes about "
            f"{memory_needed(base) / 1e9:.1f} GB; merge on a larger machine, or export the adapter without --merge."
        )
    raise MergeError(last if status == 1 else f"its program ended with status {status}: {output}")


def _run(python: str, arguments: list[str], log: Path) -> int:
    """The exit status of the program, which ends at the latest with this process."""
    try:
        with log.open("wb") as output:
            process = subprocess.Popen(
                [python, "-P", "-m", PROGRAM, *arguments],
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=output,
                env=python_environment(log.parent),
            )
    except OSError as error:
        raise MergeError(f"the trainer's Python, {python}, can't be started: {error.strerror}.") from error
    try:
        return process.wait()
    finally:
        end(process)
