"""Starting a child process in the trainer's Python, and ending it."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Sequence
from pathlib import Path

from orchestrator.server.launchers.environment import python_environment
from orchestrator.server.launchers.interface import LaunchError

FAREWELL_SECONDS = 2.0
"""The time that a program gets to end once its standard input is closed."""
SHOWN_LINES, SHOWN_CHARACTERS = 12, 1_500
"""The part of a log that an error shows."""


def started(
    command: Sequence[str], folder: Path, log: Path, descriptors: Sequence[int] = (), **more: str
) -> subprocess.Popen[bytes]:
    """The command, running with its output in `log`, and ending when its standard input does.
    `folder` and `more` are those of `python_environment`.

    Raises LaunchError if there is no such Python.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        try:
            return subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=output,
                env=python_environment(folder, **more),
                pass_fds=descriptors,
            )
        except (FileNotFoundError, PermissionError, NotADirectoryError) as error:
            raise LaunchError(
                f"The trainer's Python, {command[0]}, can't be started: {error.strerror}. Give the path of a "
                "Python that has the packages of ftorch[lora]."
            ) from error


def end(process: subprocess.Popen[bytes], seconds: float = FAREWELL_SECONDS) -> None:
    """Close the program's standard input, which tells it to end, and kill it if it doesn't."""
    if process.stdin is not None:
        with contextlib.suppress(OSError):
            process.stdin.close()
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def last_output(log: Path) -> str:
    """The end of a program's log; a sentence if there is nothing in it."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - SHOWN_LINES * 1_000))
            lines = file.read().decode(errors="replace").strip().splitlines()
    except OSError:
        lines = []
    return "\n".join(lines[-SHOWN_LINES:])[-SHOWN_CHARACTERS:] or "(it printed nothing)"
