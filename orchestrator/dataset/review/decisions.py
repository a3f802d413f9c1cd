"""The file of decisions beside a file under review: one line for each, written before the next row is shown."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

from orchestrator.dataset.files import json_line
from orchestrator.dataset.jsontext import NotJson, parse_json
from orchestrator.errors import DecisionNotKept, ReviewFileForeign, ReviewFileUnreadable

_START = b'{"sha256":"'
_NONE = "none"


class Verdict(StrEnum):
    """What is to become of a row."""

    ACCEPT = "accept"
    """It stays as it is."""
    EDIT = "edit"
    """Another row takes its place."""
    DROP = "drop"
    """It is left out."""
    FLAG = "flag"
    """Somebody else has to decide. It stays, as edited if it was."""


@dataclass(frozen=True)
class Decision:
    """All that is recorded about a row. A later decision on the same row takes the place of this one."""

    sha256: str
    """Of the row's bytes in the file under review."""
    line: int
    """Where it was; for people."""
    verdict: Verdict | None
    """None where a decision was taken back, or an edit was begun and is not finished."""
    note: str = ""
    row: Mapping[str, Any] | None = None
    """What the row was made into, if it was edited."""
    draft: str = ""
    """An edit that the checks refused, as its author left it."""

    def judged(self, verdict: Verdict, note: str = "") -> Decision:
        """The same row with this verdict. Who accepts an edited row accepts the edit."""
        is_edit = verdict is Verdict.ACCEPT and self.row is not None
        return replace(self, verdict=Verdict.EDIT if is_edit else verdict, note=note, draft="")


def review_file(path: Path) -> Path:
    """Where decisions are kept: train.jsonl has train.review.jsonl beside it."""
    return path.with_name(f"{path.stem}.review.jsonl")


@dataclass(frozen=True)
class DecisionFile:
    """Decisions in the order in which they were made. Two such files may be joined by `cat`."""

    path: Path

    def read(self) -> tuple[dict[str, Decision], list[str]]:
        """The last decision on each row by its hash, and what is wrong with lines that can't be read.

        Raises ReviewFileForeign where no line holds a decision, and ReviewFileUnreadable.
        """
        found: dict[str, Decision] = {}
        problems = []
        content = self._content()
        for number, line in enumerate(content.split(b"\n"), 1):
            if not line.strip():
                continue
            try:
                decision = _read(line)
            except ValueError as error:
                problems.append(f"{self.path}, line {number}: {error}")
            else:
                found[decision.sha256] = decision
        if problems and not found and not content.startswith(_START):
            raise ReviewFileForeign(path=self.path)
        return found, problems

    def append(self, decisions: Iterable[Decision]) -> None:
        """Add decisions in one write, and wait until they are on the disk. Raises DecisionNotKept."""
        now = datetime.now(UTC).isoformat(timespec="seconds")
        content = b"".join(json_line(_object(each, now)) + b"\n" for each in decisions)
        try:
            descriptor = os.open(
                self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o666
            )
            try:
                if _is_torn(descriptor):
                    content = b"\n" + content
                if os.write(descriptor, content) < len(content):
                    raise OSError(0, "no room is left")
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        except OSError as error:
            raise DecisionNotKept(path=self.path, problem=error.strerror or str(error)) from error

    def _content(self) -> bytes:
        try:
            return self.path.read_bytes()
        except FileNotFoundError:
            return b""
        except OSError as error:
            raise ReviewFileUnreadable(path=self.path, problem=error.strerror or str(error)) from error


def _is_torn(descriptor: int) -> bool:
    """Whether the file ends within a line: its writer was killed, or the disk was full."""
    size = os.lseek(descriptor, 0, os.SEEK_END)
    if not size:
        return False
    os.lseek(descriptor, size - 1, os.SEEK_SET)
    return os.read(descriptor, 1) != b"\n"


def _object(decision: Decision, now: str) -> dict[str, Any]:
    given = {"note": decision.note, "row": decision.row, "draft": decision.draft}
    return {
        "sha256": decision.sha256,
        "line": decision.line,
        "decision": decision.verdict or _NONE,
        "at": now,
        **{key: value for key, value in given.items() if value},
    }


def _read(line: bytes) -> Decision:
    """Raises ValueError with what is wrong."""
    try:
        found = parse_json(line)
    except NotJson as error:
        raise ValueError(error.problem) from None
    sha256 = _text(found.get("sha256")) if isinstance(found, dict) else ""
    if not sha256:
        raise ValueError("it has no decision")
    row = found.get("row")
    verdict = _verdict(found.get("decision"))
    if not _is_example(row, is_needed=verdict is Verdict.EDIT):
        raise ValueError('its "row" is not an example')
    line_number = found.get("line")
    return Decision(
        sha256=sha256,
        line=line_number if isinstance(line_number, int) else 0,
        verdict=verdict,
        note=_text(found.get("note")),
        row=row,
        draft=_text(found.get("draft")),
    )


def _is_example(row: Any, *, is_needed: bool) -> bool:
    return isinstance(row, dict) or (row is None and not is_needed)


def _verdict(word: Any) -> Verdict | None:
    if word == _NONE:
        return None
    try:
        return Verdict(word)
    except ValueError:
        raise ValueError(f'its "decision" is not one of {", ".join(Verdict)} and {_NONE}') from None


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
