"""The command inside this process: importing what it needs costs more than most commands do."""

from __future__ import annotations

import io
import logging
import os
import pty
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from click.testing import CliRunner, Result

from orchestrator.cli import main
from support.training import train_in_threads


def ftorch(*arguments: str, piped: str | None = None) -> Result:
    """Run `ftorch` in the current folder; an exception that the command does not handle fails the test."""
    with like_a_process():
        done = CliRunner().invoke(main, arguments, input=piped, catch_exceptions=False)
    assert "Traceback" not in done.stderr, done.stderr
    return done


def at_terminal(*arguments: str, typed: str = "") -> tuple[int, str]:
    """Run `ftorch` in the current folder at a terminal where this is typed; the exit code, and all it shows."""
    with like_a_process(), _terminal(typed) as shown:
        code = _exit_code(arguments)
    assert "Traceback" not in shown.getvalue(), shown.getvalue()
    return code, shown.getvalue()


@contextmanager
def like_a_process() -> Iterator[None]:
    """What a command changes in its process is undone; its log is its own, and its jobs train in threads."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "path", list(sys.path))
        patch.setattr(logging.root, "handlers", [])
        patch.setattr(logging.getLogger("ftorch"), "level", logging.NOTSET)
        train_in_threads(patch)
        yield


def _exit_code(arguments: tuple[str, ...]) -> int:
    try:
        main(list(arguments), prog_name="ftorch")
    except SystemExit as end:
        return int(end.code or 0)
    return 0


@contextmanager
def _terminal(typed: str) -> Iterator[io.StringIO]:
    """Standard streams of this process at a pseudo-terminal; yields what it shows, complete at the end."""
    ours, theirs = pty.openpty()
    shown = io.StringIO()
    reader = threading.Thread(target=_read, args=(ours, shown))
    reader.start()
    os.write(ours, typed.encode())
    with pytest.MonkeyPatch.context() as patch, os.fdopen(theirs, "r+b", buffering=0) as raw:
        streams = [io.TextIOWrapper(raw, encoding="utf-8", write_through=True) for _ in range(3)]
        for name, stream in zip(("stdin", "stdout", "stderr"), streams, strict=True):
            patch.setattr(sys, name, stream)
        try:
            yield shown
        finally:
            for stream in streams:
                stream.detach()
    reader.join()
    os.close(ours)


def _read(descriptor: int, shown: io.StringIO) -> None:
    content = b""
    try:
        while piece := os.read(descriptor, 65536):
            content += piece
    except OSError:
        pass  # what Linux says when the other end is closed
    shown.write(content.decode())
