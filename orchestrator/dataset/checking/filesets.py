"""Data files that belong together: what each holds, and what only shows between them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from orchestrator.dataset.checking.checks import check_file
from orchestrator.dataset.checking.findings import CheckReport, Notes
from orchestrator.dataset.checking.sources import Source, Wishes, gather
from orchestrator.dataset.methods import Purpose
from orchestrator.dataset.survey import Survey, note_leaks
from orchestrator.dataset.variants import Definitions, Variant, disagreement
from orchestrator.errors import DataFileUnreadable

Announce = Callable[[Source], None]
"""Told of each file before it is read."""

_ORDER: tuple[Purpose, ...] = ("training", "validation", "evaluation")


@dataclass(frozen=True)
class CheckedSource:
    """A data file and what its check found."""

    source: Source
    report: CheckReport

    @property
    def definitions(self) -> Definitions:
        """The tool definitions of its rows without errors; of functions with too many to compare, none."""
        functions = {
            function.name: {
                each.definition.decode("utf-8", "surrogatepass"): each.first_line for each in function.definitions
            }
            for function in self.report.survey.tools.functions.values()
            if function.variants and not function.more_variants
        }
        return Definitions(str(self.source.path), functions)

    @property
    def variant(self) -> Variant:
        """How its tool definitions are written."""
        return self.definitions.variant


def check_files(
    paths: Iterable[Path], wishes: Wishes, *, keep_all: bool = False, announce: Announce | None = None
) -> list[CheckedSource]:
    """Check data files, and the data files of job files. Raises what `gather` and `check_together` raise."""
    sets = gather(paths, wishes)
    return [each for one in sets for each in check_together(one, keep_all=keep_all, announce=announce)]


def check_together(
    sources: Sequence[Source], *, keep_all: bool = False, announce: Announce | None = None
) -> list[CheckedSource]:
    """Check each file, then compare them: cases in more than one, tools defined in another way than in training.

    With `keep_all` every finding is kept, not the first of each kind. A file that can't be read has that as its
    finding; DataFileNotFound is raised where it is not there.
    """
    checked = []
    for source in sources:
        if announce:
            announce(source)
        checked.append(CheckedSource(source, _check(source, keep_all)))
    return _compared(checked, keep_all)


def _check(source: Source, keep_all: bool) -> CheckReport:
    try:
        report = check_file(
            source.path,
            method=source.method,
            purpose=source.purpose,
            model=source.model,
            keep_all=keep_all,
            any_size=source.limits is not None and source.limits.any_file_size,
        )
    except DataFileUnreadable as error:
        return _unreadable(source, error)
    return _with(report, _beyond_limits(source, report))


def _unreadable(source: Source, error: DataFileUnreadable) -> CheckReport:
    notes = Notes()
    notes.add("FT100", problem=error.facts["problem"])
    method = source.method or "supervised"
    return CheckReport(method, 0, tuple(notes.findings), notes.counts, None, Survey(source.purpose))


def _beyond_limits(source: Source, report: CheckReport) -> Notes:
    notes, limits = Notes(), source.limits
    if limits is None:
        return notes
    if report.method not in limits.methods:
        notes.add("FT701", endpoint=limits.endpoint, method=report.method)
    tokens, most = report.tokens, limits.most_trained_tokens
    if source.purpose == "training" and tokens and most and tokens * source.epochs > most:
        notes.add("FT702", endpoint=limits.endpoint, tokens=tokens, epochs=source.epochs, limit=most)
    return notes


def _compared(checked: Sequence[CheckedSource], keep_all: bool) -> list[CheckedSource]:
    """The files with what shows between them, noted at the one that measures."""
    in_order = sorted(checked, key=lambda each: _ORDER.index(each.source.purpose))
    names = _names(in_order)
    notes = {name: Notes(keep_all=keep_all) for name in names}
    note_leaks({name: each.report.survey for name, each in names.items()}, notes)
    for name, measured in names.items():
        if training := _training_of(measured, checked):
            _note_definitions(training, measured, notes[name])
    found = {each.source: notes[name] for name, each in names.items()}
    return [replace(each, report=_with(each.report, found[each.source])) for each in checked]


def _names(checked: Sequence[CheckedSource]) -> dict[str, CheckedSource]:
    """The files by what messages call them: the path, and the purpose where one file is given for two."""
    paths = Counter(each.source.path for each in checked)
    return {_name(each.source, alone=paths[each.source.path] == 1): each for each in checked}


def _name(source: Source, *, alone: bool) -> str:
    return str(source.path) if alone else f"{source.path} ({source.purpose})"


def _training_of(measured: CheckedSource, checked: Sequence[CheckedSource]) -> CheckedSource | None:
    """The training file that belongs to a file to measure with, where both are without errors."""
    if measured.source.purpose == "training" or not measured.report.ok:
        return None
    same_group = (
        each for each in checked if each.source.purpose == "training" and each.source.group == measured.source.group
    )
    return next((each for each in same_group if each.report.ok), None)


def _note_definitions(training: CheckedSource, measured: CheckedSource, notes: Notes) -> None:
    if found := disagreement(training.definitions, measured.definitions):
        notes.add("FT801", problem=found.reason)


def _with(report: CheckReport, notes: Notes) -> CheckReport:
    """The report with what was found afterwards."""
    if not notes.findings:
        return report
    findings = (*report.findings, *notes.findings)
    return replace(report, findings=findings, counts=Counter(report.counts) + Counter(notes.counts))
