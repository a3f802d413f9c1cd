"""Data files that are written whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import secrets
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from orchestrator.errors import OutputExists, OutputUnwritable

_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@contextmanager
def new_files(paths: Sequence[Path], *, replace: bool = False) -> Iterator[list[BinaryIO]]:
    """Open a file for each of `paths`; all of them appear under their names when the block ends well.

    Until then the bytes stand beside them under other names, and an exception in the block takes them away again.
    Missing folders are made. Raises OutputExists where a name is taken and `replace` is not given, and
    OutputUnwritable (no permission, no room, a folder of that name).
    """
    for path in paths:
        if path.is_dir():
            raise OutputUnwritable(path=path, problem="it is a folder")
        if not replace and path.exists():
            raise OutputExists(path=path)
    with ExitStack() as drafts:
        written = [drafts.enter_context(_draft(path)) for path in paths]
        yield [stream for _, stream in written]
        for path, (draft, stream) in zip(paths, written, strict=True):
            with _explained(path):
                _put_in_place(draft, stream, path, replace)


def json_line(value: Any) -> bytes:
    """The value as JSON on one line, without blanks between its parts and without a line end.

    Raises ValueError where it can't be written: numbers that are not finite, values that JSON has no form for.
    """
    try:
        text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    except TypeError as error:
        raise ValueError(str(error)) from None
    try:
        return text.encode()
    except UnicodeEncodeError:
        # Half of a surrogate pair can be written only escaped, as it was read.
        return json.dumps(value, separators=(",", ":")).encode()


@contextmanager
def _draft(path: Path) -> Iterator[tuple[Path, BinaryIO]]:
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    with _explained(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        stream = draft.open("xb")
    try:
        with stream:
            yield draft, stream
    except OSError as error:
        # The block reads files too, but only writing runs out of room.
        if error.errno in _NO_ROOM:
            raise OutputUnwritable(path=path, problem=error.strerror) from error
        raise
    finally:
        draft.unlink(missing_ok=True)


def _put_in_place(draft: Path, stream: BinaryIO, path: Path, replace: bool) -> None:
    stream.flush()
    os.fsync(stream.fileno())
    if replace:
        with contextlib.suppress(FileNotFoundError):
            draft.chmod(path.stat().st_mode & 0o777)
    else:
        # Takes the name first: a rename alone would take the place of a file that came in the meantime.
        try:
            path.open("xb").close()
        except FileExistsError:
            raise OutputExists(path=path) from None
    draft.replace(path)


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise OutputUnwritable(path=path, problem=error.strerror or str(error)) from error
