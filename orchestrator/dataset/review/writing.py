"""The file that follows from a review: whole or not at all, and never in the place of the one that was reviewed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from orchestrator.dataset.files import json_line, new_files, open_as_sent
from orchestrator.dataset.review.decisions import Verdict
from orchestrator.dataset.review.review import Review
from orchestrator.dataset.review.rows import read_line
from orchestrator.errors import NothingLeft, OutputExists, OutputIsReviewed, RowChanged

_ACCEPTED = (Verdict.ACCEPT, Verdict.EDIT)


@dataclass(frozen=True)
class WrittenReview:
    """What was written."""

    path: Path
    rows: int
    flagged: int
    """Rows among them that somebody else has to decide on."""
    unreviewed: int
    """Rows among them without a decision."""


def reviewed_file(path: Path) -> Path:
    """The usual name of the result: train.jsonl becomes train.reviewed.jsonl."""
    return path.with_name(f"{path.stem}.reviewed.jsonl")


def write_reviewed(
    review: Review, target: Path, *, accepted_only: bool = False, replace: bool = False
) -> WrittenReview:
    """Write all rows but the dropped ones; with `accepted_only` those alone that were accepted or edited.

    Rows that were not edited are copied byte for byte, with their line ends. Blank lines and a byte-order mark are
    left out. Raises OutputIsReviewed, NothingLeft, RowChanged, OutputExists (unless `replace`), OutputUnwritable,
    DataFileNotFound and DataFileUnreadable.
    """
    require_free(review, target, replace=replace)
    kept = [row for row in review.rows if _is_kept(review.decision(row).verdict, accepted_only)]
    if not kept:
        raise NothingLeft(path=review.path, what="accepted" if accepted_only else "left")
    with new_files([target], replace=replace) as [output]:
        output.writelines(_lines(review, accepted_only))
    verdicts = [review.decision(row).verdict for row in kept]
    return WrittenReview(target, len(kept), verdicts.count(Verdict.FLAG), verdicts.count(None))


def require_free(review: Review, target: Path, *, replace: bool) -> None:
    """Raise OutputIsReviewed where the target is the file under review or its decisions.

    Raise OutputExists where it is there and is not to be replaced.
    """
    own = [path for path in (review.path, review.record.path) if path.exists()]
    if target.exists() and any(map(target.samefile, own)):
        raise OutputIsReviewed(path=target)
    if target.exists() and not replace:
        raise OutputExists(path=target)


def _is_kept(verdict: Verdict | None, accepted_only: bool) -> bool:
    return verdict in _ACCEPTED if accepted_only else verdict is not Verdict.DROP


def _lines(review: Review, accepted_only: bool) -> Iterator[bytes]:
    """The lines to write. Reads the dropped ones too: the file must be the one that was reviewed."""
    with open_as_sent(review.path) as stream:
        for row in review.rows:
            line = read_line(stream, review.path, row)
            decision = review.decision(row)
            if not _is_kept(decision.verdict, accepted_only):
                continue
            if decision.row is not None and decision.verdict is not Verdict.ACCEPT:
                line = json_line(decision.row) + line[len(line.rstrip()) :]
            yield line
        if stream.read().strip():
            raise RowChanged(path=review.path, line=review.rows[-1].line + 1)
