"""What a rescue kept, and what it couldn't: progress, a summary, the folder's index, an object for programs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from shlex import quote
from time import monotonic
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from orchestrator.api.rescue import Rescued, RescuedModel, model_object
from orchestrator.bookkeeping.endings import today
from orchestrator.endpoints.interface import RemoteJob
from orchestrator.reports.documents.document import Document, Paragraph, Section, some
from orchestrator.reports.documents.markdown import markdown
from orchestrator.reports.table import Cell, Column, Fit, Meaning, Number, Table, facts, row
from orchestrator.reports.text import count, ending, iso, moment, money, plural, print_wrapped, printable
from orchestrator.rescue.baseline import Baseline
from orchestrator.rescue.keeping import Listener
from orchestrator.rescue.manifest import Entry

TERMS = (
    "Whether a model's answers may be used to train another model depends on its host's terms of use. Check them "
    "before you do."
)
_SHOWN = 10
"""Rows of each list on a terminal; the index has all."""
_LINE_SECONDS = 5.0
_WHY = {
    "gone": "deleted, or of another account",
    "refused": "refused to this key",
    "failing": "the host fails",
    "unsupported": "the host has no request for it",
    "unusable": "no case can be made",
}


def print_rescued(rescued: Rescued, console: Console) -> None:
    """What the folder holds, the models and their ends, and what it lacks."""
    console.print(printable(f"{rescued.endpoint} → {rescued.folder}"), style="bold", soft_wrap=True)
    console.print(facts(_facts(rescued)))
    for note in rescued.notes:
        print_wrapped(f"Note: {printable(note)}", console, indent="", style="yellow")
    if models := [each for each in _by_end(rescued) if each.model.step is None]:
        console.print()
        console.print(models_table(models[:_SHOWN]))
        _say_more(len(models), console)
    if rescued.missing:
        console.print("\nCould not be had:", style="bold")
        for entry in rescued.missing[:_SHOWN]:
            print_wrapped(printable(_lack(entry)), console)
        _say_more(len(rescued.missing), console)
    for reason, jobs in _by_reason(rescued.without_job_file)[:_SHOWN]:
        print_wrapped(printable(f"No job file for {_some(jobs, 'jobs')}: {reason}"), console, indent="")
    console.print()
    if command := _next_command(rescued):
        console.print("To train a successor:")
        console.print(f"  {printable(command)}", soft_wrap=True)
    print_wrapped(f"Every object is listed in {printable(str(rescued.folder / 'index.md'))}.", console, indent="")
    print_wrapped(TERMS, console, indent="", hanging="")


def rescued_tables(rescued: Rescued) -> list[Table]:
    """What the folder holds, the final models, and what it lacks."""
    models = [each for each in _by_end(rescued) if each.model.step is None]
    found = [models_table(models)] if models else []
    lacks = [replace(_missing(rescued), title="What could not be had")] if rescued.missing else []
    return [replace(facts(_facts(rescued)), title=f"Rescued from {rescued.endpoint}"), *found, *lacks]


def print_baseline(baseline: Baseline, console: Console) -> None:
    """The models whose answers are recorded already, and those that are not asked."""
    console.print()
    if baseline.done:
        print_wrapped(f"Answers recorded already: {printable(_some(baseline.done))}", console, indent="")
    by_reason = _by_reason({skipped.model: skipped.reason for skipped in baseline.skipped})
    for reason, models in by_reason[:_SHOWN]:
        print_wrapped(printable(f"Not asked: {_some(models)}: {reason}"), console, indent="")
    _say_more(len(by_reason), console)


def _by_reason(reasons: Mapping[str, str]) -> list[tuple[str, list[str]]]:
    """The reasons, each with everything that it is true of."""
    found: dict[str, list[str]] = {}
    for subject, reason in reasons.items():
        found.setdefault(reason, []).append(subject)
    return list(found.items())


def _next_command(rescued: Rescued) -> str | None:
    """Trains a successor of the first model to end that has a job file."""
    written = rescued.job_files
    first = next((written[job] for each in _by_end(rescued) if (job := each.model.job_id or "") in written), None)
    return f"ftorch migrate {quote(str(first))} --to ENDPOINT:MODEL" if first else None


def _some(names: Sequence[str], what: str = "models") -> str:
    return names[0] if len(names) == 1 else f"{len(names):,} {what}, such as {names[0]}"


def _say_more(total: int, console: Console) -> None:
    if total > _SHOWN:
        console.print(f"  … and {total - _SHOWN:,} more")


def _facts(rescued: Rescued) -> Iterator[tuple[str, str]]:
    statuses = Counter(job.status for job in rescued.jobs)
    yield "jobs", _tally(len(rescued.jobs), statuses)
    final = [each for each in rescued.models if each.model.step is None]
    yield "models", _tally(len(final), Counter(map(_standing, final)))
    if checkpoints := [each for each in rescued.models if each.model.step is not None]:
        yield "checkpoints", _tally(len(checkpoints), Counter(map(_standing, checkpoints)))
    for kind, title in (("file", "files"), ("eval", "evals"), ("cases", "evaluation files")):
        its = [entry for entry in rescued.entries if entry.kind == kind]
        if its or kind == "file":
            kept = [entry for entry in its if entry.is_kept]
            size = sum(entry.bytes or 0 for entry in kept)
            yield title, f"{len(kept):,} of {len(its):,} kept, {_size(size)}"
    if written := len(rescued.job_files):
        yield "job files", f"{written:,} of {written + len(rescued.without_job_file):,}: {rescued.folder / 'jobs'}"
    new = sum(each.is_new for each in rescued.adopted)
    yield "recorded", f"{plural(len(rescued.adopted), 'run')}, {new:,} of them new: ftorch status"
    if rescued.damaged:
        yield "replaced", f"{plural(len(rescued.damaged), 'file')} that had been changed or removed in the folder"
    yield "new here", plural(rescued.new, "object")


def _tally(total: int, parts: Counter[str]) -> str:
    said = ", ".join(f"{number:,} {printable(name)}" for name, number in sorted(parts.items()))
    return f"{total:,}: {said}" if total else "0"


def _standing(found: RescuedModel) -> str:
    there = found.model.is_there
    return "not known" if there is None else "listed" if there else "gone"


def _by_end(rescued: Rescued) -> list[RescuedModel]:
    """The answering ones first, by their ends; then those that are gone."""
    return [*rescued.answering, *(each for each in rescued.models if each.model.is_there is False)]


def models_table(models: Sequence[RescuedModel]) -> Table:
    """A row for each model: its run, when it ends and what its training cost; its name last."""
    columns = [
        Column("RUN", fit=Fit.LINE),
        Column("ENDS", fit=Fit.LINE),
        Column("COST", fit=Fit.LINE, is_number=True),
        Column("MODEL", fit=Fit.BELOW, takes_rest=True),
    ]
    return Table(columns, [_model_row(each) for each in models])


def _model_row(found: RescuedModel) -> Any:
    model = found.model
    ends = (
        Cell("gone", Meaning.MUTED)
        if model.is_there is False
        else Cell(ending(model.shutdown_date, today()) or "–")
    )
    known = model.step is None and found.cost_usd is not None
    cost = Number(money(found.cost_usd) if known else "–", value=found.cost_usd, unit="USD")
    return row(found.run_id or "–", ends, cost, printable(model.name))


def _lack(entry: Entry) -> str:
    of = f" of {entry.of}" if entry.of and entry.of != entry.id else ""
    name = f" ({entry.name})" if entry.name else ""
    reason = "" if entry.why == "gone" else f": {entry.reason}"
    return f"{entry.kind} {entry.id}{name}{of}: {_WHY[entry.why or 'failing']}{reason}"


def _size(size: int) -> str:
    return f"{size / 1e6:,.1f} MB" if size >= 1e5 else f"{size:,} bytes"


# --- The folder's index ------------------------------------------------------------------------------------------


def index_page(rescued: Rescued) -> str:
    """The page `index.md` of the folder, in Markdown."""
    return markdown(index_document(rescued))


def index_document(rescued: Rescued) -> Document:
    """Everything that the folder holds and lacks."""
    notes = [Paragraph(note, Meaning.WARNING) for note in rescued.notes]
    return Document(
        kind="rescue",
        title=f"Rescued from {rescued.endpoint}",
        lead=f"As of {moment(rescued.at)}. The list for programs is manifest.jsonl, with the SHA-256 of each file.",
        sections=some(
            Section("summary", "Summary", [facts(_facts(rescued)), *notes, Paragraph(TERMS)]),
            Section("models", "Models", [_all_models(rescued)] if rescued.models else []),
            Section("missing", "What could not be had", [_missing(rescued)] if rescued.missing else []),
            Section("unwritten", "Jobs without a job file", _unwritten(rescued)),
            Section("cases", "Evaluation files from evals", [_cases(rescued)] if rescued.cases else []),
            Section("files", "Files", [_files(rescued)]),
        ),
    )


def _all_models(rescued: Rescued) -> Table:
    columns = [Column(each) for each in ("MODEL", "BASE MODEL", "JOB FILE", "RUN", "STATE", "SHUTDOWN DATE")]
    numbers = [Column("TRAINED TOKENS", is_number=True), Column("COST", is_number=True)]
    rows = [
        row(
            each.model.name,
            each.model.base,
            _job_file(rescued, each),
            each.run_id or "–",
            _standing(each),
            str(each.model.shutdown_date or "–"),
            count(each.trained_tokens) if each.trained_tokens is not None else "–",
            money(each.cost_usd) if each.cost_usd is not None else "–",
        )
        for each in _by_end(rescued)
    ]
    return Table([*columns, *numbers], rows)


def _job_file(rescued: Rescued, found: RescuedModel) -> str:
    """Its path in the folder, or the job's id if there is none."""
    path = rescued.job_files.get(found.model.job_id or "")
    return path.relative_to(rescued.folder).as_posix() if path else found.model.job_id or "–"


def _missing(rescued: Rescued) -> Table:
    columns = [Column(each) for each in ("WHAT", "ID", "NAME", "OF", "WHY", "THE HOST SAYS")]
    rows = [
        row(each.kind, each.id, each.name or "–", each.of or "–", _WHY[each.why or "failing"], each.reason or "–")
        for each in rescued.missing
    ]
    return Table(columns, rows)


def _unwritten(rescued: Rescued) -> list[Table]:
    rows = [row(job, reason) for job, reason in rescued.without_job_file.items()]
    return [Table([Column("JOB"), Column("REASON")], rows)] if rows else []


def _cases(rescued: Rescued) -> Table:
    columns = [
        Column("EVAL"),
        Column("CASES", is_number=True),
        Column("LEFT OUT", is_number=True),
        Column("NOT APPLIED"),
    ]
    rows = [
        row(
            each.eval.name,
            count(each.written.count("evaluation") if each.written else 0),
            count(each.written.left_out_count) if each.written else each.problem,
            ", ".join(each.unapplied) or "–",
        )
        for each in rescued.cases
    ]
    return Table(columns, rows)


def _files(rescued: Rescued) -> Table:
    columns = [Column(each) for each in ("FILE", "WHAT", "ID", "OF")]
    rows = [
        row(each.path or "", each.kind, each.id, each.of or "–", Number(count(each.bytes), value=each.bytes))
        for each in rescued.entries
        if each.is_kept
    ]
    return Table([*columns, Column("BYTES", is_number=True)], rows)


# --- For programs ------------------------------------------------------------------------------------------------


def rescued_object(rescued: Rescued, baseline: Baseline | None, evaluations: Sequence[str]) -> dict[str, Any]:
    """What `rescue --json` prints."""
    return {
        "endpoint": rescued.endpoint,
        "folder": str(rescued.folder),
        "at": iso(rescued.at),
        "jobs": [_job_object(rescued, job) for job in rescued.jobs],
        "models": [model_object(each) for each in _by_end(rescued)],
        "kept": [_entry_object(each) for each in rescued.entries if each.is_kept],
        "missing": [_entry_object(each) for each in rescued.missing],
        "new": rescued.new,
        "notes": list(rescued.notes),
        "evaluations": list(evaluations),
        "not_asked": [{"model": each.model, "reason": each.reason} for each in baseline.skipped]
        if baseline
        else [],
    }


def _job_object(rescued: Rescued, job: RemoteJob) -> dict[str, Any]:
    run, written = rescued.runs.get(job.id), rescued.job_files.get(job.id)
    return {
        "id": job.id,
        "status": job.status,
        "run": run.id if run else None,
        "job_file": str(written) if written else None,
        "no_job_file": rescued.without_job_file.get(job.id),
    }


def _entry_object(entry: Entry) -> dict[str, Any]:
    what = {"kind": entry.kind, "id": entry.id, "name": entry.name, "of": entry.of}
    if entry.is_kept:
        return {**what, "path": entry.path, "bytes": entry.bytes, "sha256": entry.sha256}
    return {**what, "why": entry.why, "reason": entry.reason}


# --- Progress ----------------------------------------------------------------------------------------------------


@contextmanager
def rescue_progress(console: Console) -> Iterator[Listener]:
    """A bar on a terminal, and an occasional line elsewhere."""
    if not console.is_terminal:
        yield _Lines(console)
        return
    columns = (TextColumn("rescuing"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(
        *columns, TextColumn("{task.fields[note]}", markup=False), console=console, transient=True
    ) as bar:
        yield _Bar(bar)


class _Bar:
    def __init__(self, progress: Progress) -> None:
        self._progress, self._total = progress, 0
        self._task = progress.add_task("rescuing", total=0, note="")

    def found(self, objects: int) -> None:
        self._total += objects
        self._progress.update(self._task, total=self._total)

    def done(self, what: str) -> None:
        self._progress.update(self._task, advance=1, note=printable(what))


class _Lines:
    def __init__(self, console: Console) -> None:
        self._console = console
        self._total = self._done = 0
        self._told = monotonic()

    def found(self, objects: int) -> None:
        self._total += objects

    def done(self, what: str) -> None:
        self._done += 1
        if monotonic() - self._told >= _LINE_SECONDS:
            self._told = monotonic()
            self._console.print(f"rescuing: {self._done:,} of {self._total:,}, {printable(what)}", soft_wrap=True)
