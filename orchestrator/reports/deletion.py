"""What a deletion of runs deletes, before it is confirmed."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console

from orchestrator.bookkeeping.deletion import Deletion, Kind, Remote
from orchestrator.reports.bookkeeping import named
from orchestrator.reports.text import plural, print_wrapped, printable

_FEW = 6
_SINGULAR = {Kind.RESULTS: "result file", Kind.DATA: "data file", Kind.MODELS: "model"}


def print_deletion(found: Deletion, console: Console, *, remote: bool) -> None:
    """The runs, what is deleted of them, and what their endpoints have: with `remote`, a line for each."""
    console.print(named(found.subjects), soft_wrap=True)
    print_wrapped(f"deletes {_counted(found)}", console)
    print_wrapped("keeps what makes the same content known again, the job, the model's name and the cost", console)
    if remote:
        for each in found.remotes:
            console.print(f"  {_remote_line(each)}", soft_wrap=True)
    elif found.remotes:
        print_wrapped(f"leaves {_kinds(found.remotes)} on the endpoint; --remote deletes these too", console)


def kind_question(found: Sequence[Remote]) -> str:
    """`Delete 2 models on openai?`"""
    endpoints = ", ".join(dict.fromkeys(each.endpoint for each in found))
    return printable(f"Delete {_kinds(found)} on {endpoints}?")


def records_question(found: Deletion) -> str:
    return f"Delete the records of {named(found.subjects)}?"


def _counted(found: Deletion) -> str:
    counts = found.counts
    numbers = {
        "event": counts.events,
        "training step": counts.steps,
        "checkpoint": counts.checkpoints,
        "evaluation": counts.evaluations,
        "recorded answer": counts.answers,
    }
    parts = [plural(number, noun) for noun, number in numbers.items() if number]
    return ", ".join(["history", "tags", "notes", *parts])


def _remote_line(remote: Remote) -> str:
    what = f"{_SINGULAR[remote.kind]} {remote.id} on {remote.endpoint}"
    return printable(f"keeps {what}: {remote.kept}" if remote.kept else f"deletes {what}")


def _kinds(found: Sequence[Remote]) -> str:
    counts = {kind: sum(each.kind is kind for each in found) for kind in Kind}
    return ", ".join(plural(number, _SINGULAR[kind]) for kind, number in counts.items() if number)
