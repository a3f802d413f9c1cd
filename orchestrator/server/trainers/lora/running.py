"""Starting a program in the trainer's Python, and ending it."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from orchestrator.childenv import child_environment
from orchestrator.server.trainers.interface import TrainingFailedError

FAREWELL_SECONDS = 2.0
"""The time that a program gets to end once its standard input is closed."""
SHOWN_LINES, SHOWN_CHARACTERS = 12, 1_500
"""The part of a log that an error shows."""
PROGRAM = "orchestrator.server.trainers.lora.training.program"


def python_environment(folder: Path, **more: str) -> dict[str, str]:
    """The variables of a process in the trainer's Python, with `more` added; none of the user's keys.

    That Python finds this package by a link in `folder`, and not the packages beside it, which may be of another
    version of Python. OMP_WAIT_POLICY: waiting in a busy loop takes three times the processor time on a shared
    machine.
    """
    folder.mkdir(parents=True, exist_ok=True)
    link, package = folder / "orchestrator", Path(__file__).parents[3]
    if not link.is_symlink() or link.readlink() != package:
        draft = folder / f".orchestrator.{os.getpid()}"
        draft.symlink_to(package)
        draft.replace(link)
    fixed = {
        "PYTHONPATH": str(folder),
        "OMP_WAIT_POLICY": "PASSIVE",
        "TOKENIZERS_PARALLELISM": "false",
        "HF_HUB_OFFLINE": "1",
    }
    return child_environment(**fixed, **more)


@contextmanager
def running(
    python: str,
    arguments: Sequence[str],
    folder: Path,
    log: Path,
    descriptors: Sequence[int] = (),
    **more: str,
) -> Iterator[subprocess.Popen[bytes]]:
    """The program, running in `python` with its output in `log`; it has ended when the block ends.
    `folder` and `more` are those of `python_environment`.

    Raises TrainingFailedError if there is no such Python.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        try:
            process = subprocess.Popen(
                [python, "-P", "-m", PROGRAM, *arguments],
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=output,
                env=python_environment(folder, **more),
                pass_fds=descriptors,
            )
        except (FileNotFoundError, PermissionError, NotADirectoryError) as error:
            raise TrainingFailedError(
                f"The trainer's Python, {python}, can't be started: {error.strerror}. Give the path of a Python "
                "that has the packages of ftorch[lora]."
            ) from error
    try:
        yield process
    finally:
        end(process)


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
