"""What a folder holds of an endpoint: one line of JSON for each object, kept or not, in `manifest.jsonl`.

A line is appended after the object's file has its name, so a process that is killed leaves at most one file without
a line, which the next one writes again. The last line about an object counts.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, Literal

from orchestrator.dataset.files import json_line
from orchestrator.errors import FolderTaken, OutputUnwritable, RescueUnderWay
from orchestrator.jobfile.outside import RESCUE_MANIFEST

NAME = RESCUE_MANIFEST
Kind = Literal[
    "job", "events", "checkpoints", "job file", "file", "models", "eval", "eval run", "eval items", "cases"
]
Why = Literal["gone", "refused", "failing", "unsupported", "unusable"]
"""Not there, or another account's; refused to this key; answered with errors; no request of the host returns it;
nothing can be made of it."""
_EDITABLE: tuple[Kind, ...] = ("job file",)
"""The user may change these."""
_LOCK, _DRAFT = ".lock", ".draft-"
_BLOCK_BYTES = 1 << 20


@dataclass(frozen=True)
class Entry:
    """One object: kept in the file `path`, or not, with a reason."""

    kind: Kind
    id: str
    name: str | None = None
    """What the host calls it, as given: never a path."""
    path: str | None = None
    """Relative to the folder; None if it could not be had."""
    bytes: int | None = None
    sha256: str | None = None
    """In hex; of a job file, which may be edited, as it was written here."""
    why: Why | None = None
    reason: str | None = None
    of: str | None = None
    """The job, eval or run that it belongs to."""
    at: float = 0.0
    """When it was kept or asked for, in seconds since the epoch."""

    @property
    def is_kept(self) -> bool:
        return self.path is not None


class Manifest:
    """The objects of one endpoint in one folder. Only the process that opened it writes there."""

    def __init__(self, folder: Path, origin: Mapping[str, str], stream: BinaryIO) -> None:
        self.folder = folder
        self.origin = origin
        self.damaged: list[Entry] = []
        """Files that were changed or removed since they were kept."""
        self.written = 0
        """How many files this process kept."""
        self._stream = stream
        self._entries: dict[tuple[str, str], Entry] = {}

    @property
    def entries(self) -> list[Entry]:
        """The last word on each object, by kind and id."""
        return sorted(self._entries.values(), key=lambda entry: (entry.kind, entry.id))

    def entry(self, kind: Kind, object_id: str) -> Entry | None:
        return self._entries.get((kind, object_id))

    def kept(self, kind: Kind, object_id: str) -> Entry | None:
        """The object, if its file is here."""
        found = self.entry(kind, object_id)
        return found if found is not None and found.is_kept else None

    def lines(self, kind: Kind, object_id: str) -> list[Mapping[str, Any]]:
        """The objects of a kept file with one per line; empty if it is not kept."""
        kept = self.kept(kind, object_id)
        return _lines(self.folder / kept.path) if kept and kept.path else []

    def draft(self, name: str) -> Path:
        """A place for a file that is not finished; what a killed process left there is removed later."""
        return self.folder / f"{_DRAFT}{name}"

    def draft_beside(self, path: str) -> Path:
        """The same in the folder of `path`, a path in this one, where relative paths lead to the same places."""
        target = self.folder / path
        return target.with_name(f"{_DRAFT}{target.name}")

    def keep(self, kind: Kind, object_id: str, path: str, write: Callable[[Path], object], **facts: Any) -> Entry:
        """Have `write` fill a file, give it its name, and note it. Raises OutputUnwritable, and what `write`
        raises."""
        target, draft = self.folder / path, self.draft_beside(path)
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            write(draft)
            return self._placed(draft, target, Entry(kind, object_id, path=path, **facts))
        except OSError as error:
            raise OutputUnwritable(path=target, problem=error.strerror or str(error)) from error
        finally:
            draft.unlink(missing_ok=True)

    def keep_json(self, kind: Kind, object_id: str, path: str, value: Any, **facts: Any) -> Entry:
        """Keep a JSON value, unless exactly this is kept already."""
        content = json.dumps(value, ensure_ascii=False, indent=2).encode("utf-8", "backslashreplace") + b"\n"
        return self.keep_bytes(kind, object_id, path, content, **facts)

    def keep_lines(self, kind: Kind, object_id: str, path: str, values: list[Any], **facts: Any) -> Entry:
        """Keep JSON values, one per line."""
        content = b"".join(json_line(value) + b"\n" for value in values)
        return self.keep_bytes(kind, object_id, path, content, **facts)

    def keep_bytes(self, kind: Kind, object_id: str, path: str, content: bytes, **facts: Any) -> Entry:
        """Keep these bytes, unless exactly they are kept already."""
        kept = self.kept(kind, object_id)
        if kept is not None and (kept.path, kept.sha256) == (path, hashlib.sha256(content).hexdigest()):
            return kept
        return self.keep(kind, object_id, path, lambda draft: draft.write_bytes(content), **facts)

    def keep_editable(self, kind: Kind, object_id: str, path: str, content: bytes, **facts: Any) -> Entry:
        """Keep these bytes, unless the file has been edited since it was written here."""
        kept, ours = self.kept(kind, object_id), hashlib.sha256(content).hexdigest()
        path = kept.path if kept and kept.path else path
        if (found := _sha256(self.folder / path)) not in (None, ours, kept.sha256 if kept else None):
            return kept or self._note(Entry(kind, object_id, path=path, bytes=len(content), sha256=ours, **facts))
        if kept is not None and found == ours:
            return kept if kept.sha256 == ours else self._note(replace(kept, bytes=len(content), sha256=ours))
        return self.keep(kind, object_id, path, lambda draft: draft.write_bytes(content), **facts)

    def lack(self, kind: Kind, object_id: str, why: Why, reason: str, **facts: Any) -> Entry:
        """Note that an object could not be had. What was kept before stays."""
        kept = self.kept(kind, object_id)
        return kept or self._note(Entry(kind, object_id, why=why, reason=reason, **facts))

    def tidy(self) -> None:
        """Write one line for each object, and remove what killed processes left unfinished."""
        for draft in self.folder.rglob(f"{_DRAFT}*"):
            draft.unlink(missing_ok=True)
        draft = self.folder / f"{_DRAFT}{NAME}"
        with draft.open("wb") as stream:
            stream.write(b"".join(map(_line, (self.origin, *map(_object, self.entries)))))
            stream.flush()
            os.fsync(stream.fileno())
        draft.replace(self.folder / NAME)

    def _placed(self, draft: Path, target: Path, entry: Entry) -> Entry:
        with draft.open("rb") as stream:
            size, sha256 = _measured(stream)
            os.fsync(stream.fileno())
        draft.replace(target)
        self.written += 1
        return self._note(replace(entry, bytes=size, sha256=sha256))

    def _note(self, entry: Entry) -> Entry:
        noted = replace(entry, at=time.time())
        self._entries[entry.kind, entry.id] = noted
        self._stream.write(_line(_object(noted)))
        self._stream.flush()
        return noted

    def _read(self, lines: Iterator[Mapping[str, Any]]) -> None:
        for line in lines:
            entry = _entry(line)
            self._entries[entry.kind, entry.id] = entry
        for key, entry in list(self._entries.items()):
            if entry.is_kept and entry.kind not in _EDITABLE and not _is_whole(self.folder, entry):
                self.damaged.append(self._entries.pop(key))


@contextmanager
def open_manifest(folder: Path, origin: Mapping[str, str]) -> Iterator[Manifest]:
    """Take the folder for the objects of `origin`, an endpoint's name, type and address; a new one is made.

    Raises FolderTaken if it holds anything else, RescueUnderWay, OutputUnwritable.
    """
    path = folder / NAME
    lines = _lines(path) if path.exists() else []
    _require_ours(folder, lines, origin)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / _LOCK).open("wb") as lock:
            _take(lock, folder)
            lines = _lines(path) if path.exists() else []
            with path.open("ab") as stream:
                stream.write(_line(origin) if not lines else b"" if _ends_well(path) else b"\n")
                manifest = Manifest(folder, origin, stream)
                manifest._read(line for line in lines[1:] if _names_object(line))
                yield manifest
                manifest.tidy()
    except OSError as error:
        raise OutputUnwritable(path=folder, problem=error.strerror or str(error)) from error


def read_folder(folder: Path) -> tuple[Mapping[str, Any], list[Entry]]:
    """The origin and the entries of a folder that may hold a rescue; empty if it holds none."""
    try:
        first, *lines = _lines(folder / NAME)
    except (OSError, ValueError):
        return {}, []
    return first, [_entry(line) for line in lines if _names_object(line)]


def _require_ours(folder: Path, lines: list[Mapping[str, Any]], origin: Mapping[str, str]) -> None:
    if lines and (theirs := {key: lines[0].get(key) for key in origin}) != origin:
        where = f"{theirs.get('endpoint')} at {theirs.get('address')}"
        raise FolderTaken(path=folder, finding=f"holds what was rescued from {where}")
    if not lines and folder.exists():
        if not folder.is_dir():
            raise FolderTaken(path=folder, finding="is not a folder")
        if any(each.name not in (_LOCK, NAME) for each in folder.iterdir()):
            raise FolderTaken(path=folder, finding="is not empty and holds no rescue")


def _take(lock: BinaryIO, folder: Path) -> None:
    """The kernel releases it when the process ends, however that happens."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise RescueUnderWay(path=folder) from None


def _lines(path: Path) -> list[Mapping[str, Any]]:
    """Every whole line that holds an object: the last one is torn after a power failure."""
    found: list[Mapping[str, Any]] = []
    for line in path.read_bytes().splitlines():
        try:
            value = json.loads(line)
        except ValueError:
            continue
        if isinstance(value, dict):
            found.append(value)
    return found


def _entry(line: Mapping[str, Any]) -> Entry:
    return Entry(**{key: line[key] for key in Entry.__dataclass_fields__ if key in line})


def _names_object(line: Mapping[str, Any]) -> bool:
    return all(isinstance(line.get(key), str) for key in ("kind", "id"))


def _ends_well(path: Path) -> bool:
    with path.open("rb") as stream:
        stream.seek(-1, os.SEEK_END)
        return stream.read() == b"\n"


def _is_whole(folder: Path, entry: Entry) -> bool:
    """Whether the file is still the one that was kept. A path that leads out of the folder is nobody's."""
    place = PurePosixPath(entry.path or "")
    if place.is_absolute() or ".." in place.parts:
        return False
    try:
        with (folder / place).open("rb") as stream:
            return _measured(stream) == (entry.bytes, entry.sha256)
    except OSError:
        return False


def _sha256(path: Path) -> str | None:
    """None if there is no such file."""
    try:
        with path.open("rb") as stream:
            return _measured(stream)[1]
    except FileNotFoundError:
        return None


def _measured(stream: BinaryIO) -> tuple[int, str]:
    """Bytes and SHA-256 (hex)."""
    digest, size = hashlib.sha256(), 0
    while block := stream.read(_BLOCK_BYTES):
        digest.update(block)
        size += len(block)
    return size, digest.hexdigest()


def _object(entry: Entry) -> Mapping[str, Any]:
    return {key: value for key, value in asdict(entry).items() if value is not None}


def _line(value: Mapping[str, Any]) -> bytes:
    return json_line(value) + b"\n"
