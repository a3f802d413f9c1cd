"""Data files that belong together: what each holds, and what only shows between them."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from orchestrator.dataset.basemodels import Method, Purpose
from orchestrator.dataset.checking.checks import check_file
from orchestrator.dataset.checking.limits import ENDPOINT_TYPES, Limits, beyond_limits, limits_of
from orchestrator.dataset.checking.rendering import Base, can_render, note_not_tried, require_rendering
from orchestrator.dataset.checking.report import CheckReport
from orchestrator.dataset.findings import Notes, with_command_for
from orchestrator.dataset.profile import Profile, note_leaks
from orchestrator.dataset.variants import Definitions, Variant, disagreement
from orchestrator.errors import (
    DataBehindAddress,
    DataFileNotFound,
    DataFileUnreadable,
    NoSuchEndpoint,
    OptionAgainstJobFile,
    OverridesWithoutJobFile,
)
from orchestrator.spelling import did_you_mean, nearest

if TYPE_CHECKING:
    from orchestrator.jobfile import JobFile, Override


# --- Which files are checked -------------------------------------------------------------------------------------


JOB_SUFFIX = ".toml"

_PURPOSE_WORDS: tuple[tuple[Purpose, frozenset[str]], ...] = (
    ("training", frozenset({"train", "training"})),
    ("validation", frozenset({"valid", "validation", "val", "dev"})),
    ("evaluation", frozenset({"eval", "evaluation", "test", "testing"})),
)


@dataclass(frozen=True)
class Source:
    """A data file, and how it is judged."""

    path: Path
    purpose: Purpose
    method: Method | None = None
    """None: the one that the rows show."""
    model: str | None = None
    """Chooses the token encoding and the longest example; None: lengths are not checked."""
    limits: Limits | None = None
    """The type of endpoint the file is for; None: no particular one."""
    epochs: int = 1
    """The fewest that a job would train for."""
    group: str = ""
    """The job file, or the folder: measuring and training data of one group must define tools alike."""
    purpose_is_guess: bool = False
    """True where neither the user nor the file's name says what the file is for."""
    allow_leak: bool = False
    """True where most of what the file measures with may be in training too."""
    of_job: bool = False
    """True where a job file names it."""
    base: Base | None = None
    """The model, if it has open weights and is on this machine: rows are rendered for it."""


@dataclass(frozen=True)
class CheckOptions:
    """What the options of a check say about all files; None where they say nothing."""

    endpoint: str | None = None
    model: str | None = None
    purpose: Purpose | None = None
    method: Method | None = None
    allow_leak: bool = False
    overrides: Sequence[Override] = ()
    """Settings of job files that are replaced."""
    base: Base | None = None
    """The open-weights model that `model` names."""
    base_of_job: Callable[[JobFile], Base | None] | None = None
    """Finds the open-weights model that a job trains; without it, job files are checked as for other models."""


def gather(paths: Iterable[Path], options: CheckOptions) -> list[tuple[Source, ...]]:
    """The files to check, in sets that belong together: those of each job file (.toml), and all that stand alone.

    Raises DataFileNotFound before anything is read, the errors of job files and configuration, NoSuchEndpoint
    where `options.endpoint` is neither a configured endpoint nor a type of one, what `options.base_of_job` raises,
    and RenderingMissing where `options.base` can't be tried.
    """
    if options.base:
        require_rendering()
    paths = list(dict.fromkeys(paths))
    jobs = [path for path in paths if path.suffix == JOB_SUFFIX]
    alone = [path for path in paths if path.suffix != JOB_SUFFIX]
    for path in alone:
        _require_existing(path)
        if options.overrides:
            raise OverridesWithoutJobFile(found=path)
    limits = _limits_of(options.endpoint)
    sets = [_of_job(path, options, limits) for path in jobs]
    if alone:
        sets.append(tuple(replace(_of_path(path, options), limits=limits) for path in alone))
    return sets


def sources_of(job: JobFile, limits: Limits, base: Base | None = None) -> tuple[Source, ...]:
    """The files of a job file that can be read here: training, and those for validation and evaluation if any;
    `base` is its model, if it has open weights."""
    epochs = job.method.n_epochs
    common = Source(
        job.source,
        "training",
        job.method.type,
        job.model,
        limits,
        epochs=1 if epochs == "auto" else epochs,
        group=str(job.source),
        allow_leak=job.data.allow_leak or (job.evaluation is not None and job.evaluation.allow_leak),
        of_job=True,
        base=base,
    )
    trained_on: tuple[tuple[Path | None, Purpose], ...] = (
        (job.training_path, "training"),
        (job.validation_path, "validation"),
    )
    found = [replace(common, path=path, purpose=purpose) for path, purpose in trained_on if path is not None]
    if job.evaluation_path is not None:
        found.append(replace(common, path=job.evaluation_path, purpose="evaluation", method=None, epochs=1))
    return tuple(found)


def purpose_in_name(path: Path) -> Purpose | None:
    """What a file's name says it is for; None where it says nothing, or several things."""
    words = set(re.findall(r"[a-z]+", path.stem.lower()))
    found = [purpose for purpose, names in _PURPOSE_WORDS if words & names]
    return found[0] if len(found) == 1 else None


def _of_path(path: Path, options: CheckOptions) -> Source:
    purpose = options.purpose or purpose_in_name(path)
    return Source(
        path,
        purpose or "training",
        options.method,
        options.model,
        group=str(path.parent),
        purpose_is_guess=purpose is None,
        allow_leak=options.allow_leak,
        base=options.base,
    )


def _of_job(path: Path, options: CheckOptions, limits: Limits | None) -> tuple[Source, ...]:
    from orchestrator.config import find_workspace
    from orchestrator.jobfile import load_job_file

    if options.purpose or options.method:
        raise OptionAgainstJobFile(path=path, option="purpose" if options.purpose else "method")
    job = load_job_file(path, options.overrides)
    for place in (job.training_place, job.validation_place):
        if place is not None and not isinstance(place, Path):
            raise DataBehindAddress(path=path, address=place)
    if limits is None:
        limits = limits_of(find_workspace(path.parent).endpoint(job.endpoint).type)
    base = options.base if options.model else _base_of(job, options)
    return tuple(
        replace(source, model=options.model or job.model, allow_leak=source.allow_leak or options.allow_leak)
        for source in sources_of(job, limits, base)
    )


def _base_of(job: JobFile, options: CheckOptions) -> Base | None:
    return options.base_of_job(job) if options.base_of_job else None


def _limits_of(endpoint: str | None) -> Limits | None:
    """By an endpoint's name or type: users without a configured endpoint still know where the file will go."""
    if endpoint is None:
        return None
    from orchestrator.config import find_workspace

    configured = find_workspace().endpoints
    if endpoint in configured:
        return limits_of(configured[endpoint].type)
    if endpoint in ENDPOINT_TYPES:
        return limits_of(endpoint)
    known = sorted({*configured, *ENDPOINT_TYPES})
    advice = did_you_mean(endpoint, known, otherwise=f"Choose one of: {', '.join(known)}.")
    raise NoSuchEndpoint(name=endpoint, advice=advice)


def _require_existing(path: Path) -> None:
    try:
        if path.exists():
            return
        names = os.listdir(path.parent)
    except (OSError, ValueError):
        names = []
    if near := nearest(path.name, names):
        raise DataFileNotFound(f"There is no file {path}. Did you mean {path.with_name(near)}?")
    raise DataFileNotFound(path=path)


# --- The check ---------------------------------------------------------------------------------------------------


Announce = Callable[[Source], None]
"""Told of each file before it is read."""

_IN_JOB_FILES = {
    "give --allow-leak": "set data.allow_leak = true in the job file",
    "are checked with --method reinforcement": 'need type = "reinforcement" under [method]',
}
"""What a fix says to type, and what it says where a job file decides that."""

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
    paths: Iterable[Path], options: CheckOptions, *, keep_all: bool = False, announce: Announce | None = None
) -> list[CheckedSource]:
    """Check data files, and the data files of job files. Raises what `gather` and `check_together` raise."""
    sets = gather(paths, options)
    return [each for one in sets for each in check_together(one, keep_all=keep_all, announce=announce)]


def check_together(
    sources: Sequence[Source], *, keep_all: bool = False, announce: Announce | None = None
) -> list[CheckedSource]:
    """Check each file, then compare them: cases in more than one, tools defined in another way than in training.

    With `keep_all` every finding is kept, not the first of each kind. A file that can't be read has that as its
    finding; DataFileNotFound is raised where it is not there, ModelFolderUnusable and TemplateUnusable where the
    open-weights model can't be used.
    """
    checked = []
    for source in sources:
        if announce:
            announce(source)
        checked.append(CheckedSource(source, _check(source, keep_all)))
    return [_in_words_for(each) for each in _compared(checked, keep_all)]


def _in_words_for(checked: CheckedSource) -> CheckedSource:
    """The fixes with the file's name in their commands, and with what a job file has in place of an option."""
    source, report = checked.source, checked.report
    findings = []
    for finding in report.findings:
        fix = with_command_for(finding.fix, source.path)
        for option, key in _IN_JOB_FILES.items() if source.of_job else ():
            fix = fix.replace(option, key)
        findings.append(replace(finding, fix=fix))
    return replace(checked, report=replace(report, findings=tuple(findings)))


def _check(source: Source, keep_all: bool) -> CheckReport:
    base = source.base if source.base and can_render() else None
    try:
        report = check_file(
            source.path,
            method=source.method,
            purpose=source.purpose,
            model=source.model,
            base=base,
            keep_all=keep_all,
            any_size=source.limits is not None and source.limits.any_file_size,
        )
    except DataFileUnreadable as error:
        return _unreadable(source, error)
    if source.base and not base:
        notes = Notes()
        note_not_tried(source.base, notes)
        report = _with(report, notes)
    if source.limits is None:
        return report
    return _with(report, beyond_limits(source.limits, report, source.model, source.epochs))


def _unreadable(source: Source, error: DataFileUnreadable) -> CheckReport:
    notes = Notes()
    notes.add("FT100", problem=error.facts["problem"])
    method = source.method or "supervised"
    return CheckReport(method, 0, tuple(notes.findings), notes.counts, None, Profile(source.purpose))


def _compared(checked: Sequence[CheckedSource], keep_all: bool) -> list[CheckedSource]:
    """The files with what shows between them, noted at the one that measures."""
    in_order = sorted(checked, key=lambda each: _ORDER.index(each.source.purpose))
    names = _names(in_order)
    notes = {name: Notes(keep_all=keep_all) for name in names}
    allowed = {name for name, each in names.items() if each.source.allow_leak}
    note_leaks({name: each.report.survey for name, each in names.items()}, notes, allowed)
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
