"""Who submitted a run, its tags and its notes: for people, and as objects."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from orchestrator.bookkeeping.subjects import Subjects
from orchestrator.reports.text import iso, plural, printable
from orchestrator.store.labels import Note
from orchestrator.store.submissions import Submission

_COMMIT_SHOWN = 7
"""Characters of a commit for people; `--json` has all."""
_FEW = 6


def submission_text(submission: Submission) -> str:
    """`by ann on laptop, at commit 1a2b3c4 (clean), ftorch 0.1.0`."""
    commit = submission.git_commit
    at = f", at commit {commit[:_COMMIT_SHOWN]}{_CHANGES[submission.git_clean]}" if commit else ""
    return f"by {submission.user} on {submission.host}{at}, ftorch {submission.ftorch_version}"


_CHANGES: Mapping[bool | None, str] = {True: " (clean)", False: " (with changes)", None: ""}


def submission_object(submission: Submission) -> dict[str, Any]:
    return {
        "user": submission.user,
        "host": submission.host,
        "git_commit": submission.git_commit,
        "git_clean": submission.git_clean,
        "ftorch_version": submission.ftorch_version,
        "job_file_sha256": submission.job_file_sha256,
        "at": iso(submission.at),
    }


def tags_text(tags: Mapping[str, str]) -> str:
    """`stage=night, team=flight`."""
    return ", ".join(f"{key}={value}" for key, value in tags.items())


def note_object(note: Note) -> dict[str, Any]:
    return {"number": note.number, "user": note.user, "text": note.text, "at": iso(note.at)}


def named(subjects: Subjects) -> str:
    """`run 7k3m9x2a (drone)`, `sweep night: 6 runs`, or how many there are."""
    sweeps = [sweep.name for sweep in subjects.sweeps]
    single = [run for run in subjects.runs if run.sweep_id not in subjects.sweep_ids]
    trials = plural(len(subjects.runs) - len(single), "run")
    parts = [f"sweep {', '.join(dict.fromkeys(sweeps))}: {trials}"] if sweeps else []
    if len(single) > _FEW:
        return printable("; ".join([*parts, plural(len(single), "run")]))
    return printable("; ".join([*parts, *(f"run {run.id} ({run.name})" for run in single)]))


def job_file_lines(text: str) -> Iterable[str]:
    """The text of a job file as a terminal may show it."""
    return (printable(line.replace("\t", "    ")) for line in text.splitlines())
