"""Data files that belong together: what each holds, and what only shows between them."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from orchestrator.dataset.basemodels import Method, Purpose, Subject, base_model, is_version_of, trained_with
from orchestrator.dataset.checking.checks import check_file
from orchestrator.dataset.checking.formats import with_command_for
from orchestrator.dataset.checking.report import CheckReport
from orchestrator.dataset.findings import Notes
from orchestrator.dataset.profile import Profile, note_leaks
from orchestrator.dataset.variants import Definitions, Variant, disagreement
from orchestrator.errors import (
    DataBehindAddress,
    DataFileNotFound,
    DataFileUnreadable,
    NoSuchEndpoint,
    OptionAgainstJobFile,
)
from orchestrator.spelling import did_you_mean, nearest

if TYPE_CHECKING:
    from orchestrator.jobfile import JobFile


# --- Limits per endpoint -----------------------------------------------------------------------------------------


_ALL: frozenset[Method] = frozenset({"supervised", "dpo", "reinforcement"})


@dataclass(frozen=True)
class Limits:
    """Of one type of endpoint."""

    endpoint: str
    methods: frozenset[Method] = _ALL
    any_file_size: bool = False
    """True where no limit of a file's size is known; else 512 MiB, which the large services share."""
    most_trained_tokens: int | None = None
    """Tokens of an epoch × epochs, of one job; None where there is no limit."""


# OpenAI's API reference on files and Azure's page on quotas and limits, read in November 2026; for `local`, what
# its own server answers. Compatible hosts differ, and nothing holds for all of them.
_LIMITS: Mapping[str, Limits] = {
    "openai": Limits("openai"),
    "azure": Limits("azure", most_trained_tokens=2_000_000_000),
    "local": Limits("local", frozenset({"supervised", "dpo"})),
    "compatible": Limits("compatible", any_file_size=True),
}
ENDPOINT_TYPES = tuple(_LIMITS)


def limits_of(endpoint_type: str) -> Limits:
    """The limits of an endpoint type of the configuration."""
    return _LIMITS[endpoint_type]


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
    """Chooses the token encoding and the longest example; None: no length is judged."""
    limits: Limits | None = None
    """Of the endpoint the file is meant for; None: of none in particular."""
    epochs: int = 1
    """The fewest that a job would train for."""
    group: str = ""
    """The job file, or the folder: measuring and training data of one group must define tools alike."""
    purpose_is_guess: bool = False
    """True where neither the user nor the file's name says what it is for."""
    allow_leak: bool = False
    """True where most of what the file measures with may be in training too."""


@dataclass(frozen=True)
class CheckOptions:
    """What the options of a check say about all files; None where they say nothing."""

    endpoint: str | None = None
    model: str | None = None
    purpose: Purpose | None = None
    method: Method | None = None
    allow_leak: bool = False


def gather(paths: Iterable[Path], options: CheckOptions) -> list[tuple[Source, ...]]:
    """The files to check, in sets that belong together: those of each job file (.toml), and all that stand alone.

    Raises DataFileNotFound before anything is read, the errors of job files and configuration, and NoSuchEndpoint
    where `wishes.endpoint` is neither a configured endpoint nor a type of one.
    """
    paths = list(dict.fromkeys(paths))
    jobs = [path for path in paths if path.suffix == JOB_SUFFIX]
    alone = [path for path in paths if path.suffix != JOB_SUFFIX]
    for path in alone:
        _require_existing(path)
    limits = _limits_wished(options.endpoint)
    sets = [_of_job(path, options, limits) for path in jobs]
    if alone:
        sets.append(tuple(replace(_of_path(path, options), limits=limits) for path in alone))
    return sets


def sources_of(job: JobFile, limits: Limits) -> tuple[Source, ...]:
    """The files of a job file that can be read here: training, and those for validation and evaluation if any."""
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
    )


def _of_job(path: Path, options: CheckOptions, limits: Limits | None) -> tuple[Source, ...]:
    from orchestrator.config import find_workspace
    from orchestrator.jobfile import load_job_file

    if options.purpose or options.method:
        raise OptionAgainstJobFile(path=path, option="purpose" if options.purpose else "method")
    job = load_job_file(path)
    for place in (job.training_place, job.validation_place):
        if place is not None and not isinstance(place, Path):
            raise DataBehindAddress(path=path, address=place)
    if limits is None:
        limits = limits_of(find_workspace(path.parent).endpoint(job.endpoint).type)
    return tuple(
        replace(source, model=options.model or job.model, allow_leak=source.allow_leak or options.allow_leak)
        for source in sources_of(job, limits)
    )


def _limits_wished(endpoint: str | None) -> Limits | None:
    """Of an endpoint's name, or of a type: a user who has configured none still knows where the file shall go."""
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

_LARGE = ("openai", "azure")
_REFUSED: Mapping[str, str] = {
    "FT333": "definitions whose schema is incomplete",
    "FT334": 'definitions with "strict": true whose schema is not strict',
    "FT335": "definitions with too long a description",
}

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
    named = tuple(replace(each, fix=with_command_for(each.fix, source.path)) for each in report.findings)
    report = replace(report, findings=named)
    return _with(report, _beyond_limits(source, report))


def _unreadable(source: Source, error: DataFileUnreadable) -> CheckReport:
    notes = Notes()
    notes.add("FT100", problem=error.facts["problem"])
    method = source.method or "supervised"
    return CheckReport(method, 0, tuple(notes.findings), notes.counts, None, Profile(source.purpose))


def _beyond_limits(source: Source, report: CheckReport) -> Notes:
    notes, limits = Notes(), source.limits
    if limits is None:
        return notes
    if report.method not in limits.methods:
        notes.add("FT701", endpoint=limits.endpoint, method=report.method)
    _note_refusals(limits.endpoint, report, notes)
    _note_untrained(source, limits.endpoint, report, notes)
    tokens, most = report.tokens, limits.most_trained_tokens
    if source.purpose == "training" and tokens and most and tokens * source.epochs > most:
        notes.add("FT702", endpoint=limits.endpoint, tokens=tokens, epochs=source.epochs, limit=most)
    return notes


def _note_refusals(endpoint: str, report: CheckReport, notes: Notes) -> None:
    """What the two large services refuse, and other hosts may take."""
    for code, problem in _REFUSED.items():
        if endpoint in _LARGE and (count := report.counts.get(code)):
            first = next(finding for finding in report.findings if finding.code == code)
            notes.at(first.line)
            notes.add("FT703", endpoint=endpoint, problem=f"{problem} ({count}, see {code})", advice=first.fix)
    images = report.survey.answers.with_images
    if endpoint == "openai" and report.method == "dpo" and images.count:
        notes.at(images.first[0])
        problem = f"preference data with images, of which {images.count:,} example(s) hold some: {images}"
        notes.add("FT703", endpoint=endpoint, problem=problem, advice="Leave the images out, or train supervised.")


def _note_untrained(source: Source, endpoint: str, report: CheckReport, notes: Notes) -> None:
    """Note a model that the endpoint does not train with the method, or with images."""
    subjects: list[Subject] = [report.method]
    if report.survey.answers.with_images.count and report.method != "dpo":
        subjects.append("images")
    for subject in subjects:
        families = trained_with(endpoint, subject)
        if source.model is None or families is None:
            continue
        if not any(is_version_of(base_model(source.model), family) for family in families):
            notes.at(None)
            models = " and ".join(filter(None, (", ".join(families[:-1]), families[-1])))
            notes.add("FT704", endpoint=endpoint, models=models, subject=subject, model=source.model)


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
