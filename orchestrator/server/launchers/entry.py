"""What Ray starts on a worker: it runs the program, and ends with its status.

    PYTHON -m orchestrator.server.launchers.entry LOG MODULE ARGUMENT…

The program ends with this process, as on one machine. Only the standard library is imported here.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import FrameType

from orchestrator.childenv import child_environment
from orchestrator.server.launchers.interface import MEMORY_RAN_OUT
from orchestrator.server.launchers.memory import kills_for_memory

FAREWELL_SECONDS = 2.0
Program = subprocess.Popen[bytes]


def main(log: str, module: str, *arguments: str) -> int:
    """The exit status of the program; see `ran`."""
    print(f"The output of {module} goes to {log}", flush=True)

    def end_with_us(program: Program) -> None:
        signal.signal(signal.SIGTERM, lambda number, frame: _end(program, number, frame))

    return ran([sys.executable, "-P", "-m", module, *arguments], log, {}, end_with_us)


def ran(
    command: Sequence[str],
    log: str,
    variables: Mapping[str, str],
    on_start: Callable[[Program], None] | None = None,
) -> int:
    """The exit status of the command, which may use this process's variables and these; 128 and the signal's number
    if a signal ended it, MEMORY_RAN_OUT if that was for its memory."""
    kills = kills_for_memory()
    with (
        Path(log).open("ab") as output,
        subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=output,
            env=child_environment(**{**_passed_on(), **variables}),
        ) as program,
    ):
        if on_start is not None:
            on_start(program)
        status = program.wait()
    if status == -signal.SIGKILL and kills_for_memory() > kills:
        return MEMORY_RAN_OUT
    return status if status >= 0 else 128 - status


def _passed_on() -> dict[str, str]:
    """What Ray and the runtime environment have set for this job, without Ray's own token."""
    return {name: text for name, text in os.environ.items() if name != "RAY_AUTH_TOKEN"}


def _end(program: Program, number: int, _frame: FrameType | None) -> None:
    assert program.stdin is not None
    program.stdin.close()
    try:
        program.wait(FAREWELL_SECONDS)
    except subprocess.TimeoutExpired:
        program.kill()
    sys.exit(128 + number)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
