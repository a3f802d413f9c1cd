"""A file under review: its rows, what the check finds in them, and the decision on each."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from orchestrator.dataset.basemodels import Method, Purpose
from orchestrator.dataset.checking.checks import check_file
from orchestrator.dataset.checking.filesets import purpose_in_name
from orchestrator.dataset.files import json_line
from orchestrator.dataset.findings import Finding
from orchestrator.dataset.jsontext import parse_json
from orchestrator.dataset.profile.fingerprints import canonical
from orchestrator.dataset.review.decisions import Decision, DecisionFile, Verdict, review_file
from orchestrator.dataset.review.editing import Edited, findings_of
from orchestrator.dataset.review.rows import RowPlace, read_row, rows_of
from orchestrator.dataset.review.texts import answer_of, request_of
from orchestrator.errors import NothingSelected


@dataclass(frozen=True)
class Selection:
    """Which rows to look at; all conditions that are given hold together."""

    pattern: re.Pattern[str] | None = None
    """Found in the request or in the answer."""
    flagged: bool = False
    sample: int | None = None
    """This many of the rows, always the same ones of a file: those with the lowest hashes."""
    first_line: int | None = None
    """From this line on, rows with a decision too."""

    @property
    def revisits(self) -> bool:
        """Whether rows with a decision are shown again."""
        return self.flagged or self.first_line is not None


@dataclass(frozen=True)
class Counts:
    """How many rows have which decision. Equal rows share one, and each counts."""

    accepted: int
    edited: int
    dropped: int
    flagged: int
    to_go: int

    @property
    def rows(self) -> int:
        return self.accepted + self.edited + self.dropped + self.flagged + self.to_go


@dataclass
class Review:
    """A file under review. What is decided is on the disk when `decide` returns."""

    path: Path
    rows: tuple[RowPlace, ...]
    method: Method
    purpose: Purpose
    found: Mapping[int, Sequence[Finding]]
    """What `data check` finds, by line."""
    record: DecisionFile
    decisions: dict[str, Decision]
    """By the hash of the row; also those on rows that the file no longer holds."""
    problems: Sequence[str] = field(default=())
    """What is wrong with lines of the record."""

    def original(self, row: RowPlace) -> dict[str, Any]:
        """The row as the file has it. Raises RowChanged, DataFileNotFound and DataFileUnreadable."""
        value: dict[str, Any] = parse_json(read_row(self.path, row))
        return value

    def current(self, row: RowPlace) -> Mapping[str, Any]:
        """The row as edited, or else as the file has it. Raises what `original` raises."""
        decision = self.decision(row)
        return self.original(row) if decision.row is None else decision.row

    def findings(self, row: RowPlace) -> Sequence[Finding]:
        """What is wrong with the row: as edited, by the checks of one row; else by that of the whole file."""
        decision = self.decision(row)
        if decision.row is None:
            return self.found.get(row.line, ())
        return findings_of(json_line(decision.row), self.method, self.purpose)

    def decision(self, row: RowPlace) -> Decision:
        """The decision on a row; one without a verdict where there is none."""
        return self.decisions.get(row.sha256) or Decision(row.sha256, row.line, None)

    def decide(self, decisions: Iterable[Decision]) -> None:
        """Record decisions, those that change nothing left out. Raises DecisionNotKept."""
        new = [each for each in decisions if self.decisions.get(each.sha256) != each]
        if new:
            self.record.append(new)
            self.decisions.update({each.sha256: each for each in new})

    def edit(self, row: RowPlace, made: Edited) -> None:
        """Record what a row was made into; one that is again as the file has it is accepted.

        Raises what `decide` and `original` raise.
        """
        is_same = canonical(made.row) == canonical(self.original(row))
        verdict = Verdict.ACCEPT if is_same else Verdict.EDIT
        self.decide([Decision(row.sha256, row.line, verdict, row=None if is_same else made.row)])

    def counts(self) -> Counts:
        verdicts = Counter(self.decision(row).verdict for row in self.rows)
        return Counts(
            accepted=verdicts[Verdict.ACCEPT],
            edited=verdicts[Verdict.EDIT],
            dropped=verdicts[Verdict.DROP],
            flagged=verdicts[Verdict.FLAG],
            to_go=verdicts[None],
        )

    def others(self) -> int:
        """Decisions on rows that the file no longer holds."""
        return len(
            {sha for sha, each in self.decisions.items() if each.verdict} - {row.sha256 for row in self.rows}
        )

    def selected(self, selection: Selection) -> list[RowPlace]:
        """The rows of a selection, decided or not, in the order of the file. Raises NothingSelected."""
        rows: Sequence[RowPlace] = self.rows
        if selection.first_line is not None:
            rows = [row for row in rows if row.line >= selection.first_line]
            if not rows:
                problem = f"its last row is on line {self.rows[-1].line}"
                raise NothingSelected(path=self.path, option=f"--from {selection.first_line}", problem=problem)
        if selection.flagged:
            rows = [row for row in rows if self.decision(row).verdict is Verdict.FLAG]
            if not rows:
                raise NothingSelected(path=self.path, option="--flagged", problem="no row is flagged")
        if selection.pattern is not None:
            rows = [row for row in rows if self._matches(row, selection.pattern)]
            if not rows:
                problem = "no request and no answer matches"
                raise NothingSelected(path=self.path, option=f"--only {selection.pattern.pattern}", problem=problem)
        if selection.sample is not None:
            drawn = sorted(rows, key=lambda row: row.sha256)[: selection.sample]
            rows = sorted(drawn, key=lambda row: row.line)
        return list(rows)

    def _matches(self, row: RowPlace, pattern: re.Pattern[str]) -> bool:
        shown = self.current(row)
        return bool(pattern.search(request_of(shown)) or pattern.search(answer_of(shown)))


def open_review(path: Path) -> Review:
    """Read a file, check it, and read the decisions that are kept beside it.

    Raises what `rows_of` raises, ReviewFileForeign and ReviewFileUnreadable.
    """
    rows = rows_of(path)
    record = DecisionFile(review_file(path))
    decisions, problems = record.read()
    purpose = purpose_in_name(path) or "training"
    report = check_file(path, method=None, purpose=purpose, count_tokens=False, any_size=True)
    found: defaultdict[int, list[Finding]] = defaultdict(list)
    for finding in report.findings:
        if finding.line is not None:
            found[finding.line].append(finding)
    return Review(path, rows, report.method, purpose, found, record, decisions, problems)
