"""What `init` found in a data file, what it wrote, and which commands come next."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from shlex import quote
from typing import Any

from rich.console import Console

from orchestrator.api.init import Started
from orchestrator.reports.findings import tally
from orchestrator.reports.text import count, plural, printable


def print_started(started: Started, console: Console) -> None:
    """What was found, what was written, and the next commands."""
    for line in (*_found(started), *_written(started)):
        console.print(printable(line), soft_wrap=True, highlight=False, markup=False)
    console.print("\nNext:")
    commands = list(_next(started))
    width = max(len(command) for command, _ in commands)
    for command, why in commands:
        console.print(f"  {printable(command.ljust(width))}   {why}", soft_wrap=True, highlight=False, markup=False)


def started_object(started: Started) -> dict[str, Any]:
    """The same for programs."""
    report = started.checked.report
    return {
        "job_file": str(started.job_file),
        "name": started.job.name,
        "endpoint": started.job.endpoint,
        "model": started.job.model,
        "method": started.job.method,
        "examples": report.examples,
        "with_tool_calls": _with_calls(started),
        "tools": len(report.survey.tools.functions),
        "tokens": report.tokens,
        "errors": report.total("error"),
        "warnings": report.total("warning"),
        "split": {part: str(path) for part, path in started.split.targets.items()} if started.split else None,
        "gitignore": str(started.ignored_in) if started.ignored_in else None,
        "next": [command for command, _ in _next(started)],
    }


def _found(started: Started) -> Iterator[str]:
    report, path = started.checked.report, started.checked.source.path
    yield f"{path}: {plural(report.examples, 'example')} for {report.method} training"
    tools = len(report.survey.tools.functions)
    calls, good = _with_calls(started), len(report.survey)
    if tools:
        share = "" if report.method == "reinforcement" else f", called in {calls / good:.0%} of the examples"
        yield f"  {plural(tools, 'tool')}{share}"
    if report.tokens is not None:
        yield f"  {count(report.tokens)} tokens in each epoch"
    if errors := report.total("error"):
        yield f"  {tally(errors, report.total('warning'))}; fix them before you submit"


def _with_calls(started: Started) -> int:
    answers = started.checked.report.survey.answers
    return len(started.checked.report.survey) - answers.in_text


def _written(started: Started) -> Iterator[str]:
    if split := started.split:
        for part, path in split.targets.items():
            yield f"Wrote {path}: {plural(split.examples(part), 'example')} for {part}"
    for purpose, path in started.beside.items():
        yield f"Found {path} for {purpose}"
    if not (started.split or started.beside or started.checked.report.total("error")):
        yield "Not divided: too few different examples to set some aside for validation and evaluation"
    yield f"Wrote {started.job_file}: {started.job.model} on {started.job.endpoint}"
    if started.ignored_in:
        yield f"Added .ftorch/ to {_near(started.ignored_in)}"


def _near(path: Path) -> Path:
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path


def _next(started: Started) -> Iterator[tuple[str, str]]:
    file, report = quote(str(started.job_file)), started.checked.report
    found = tally(report.total("error"), report.total("warning"))
    yield f"ftorch data check {file}", "check the data again" if found == "clean" else f"see {found}"
    allowed = " --allow-outside" if started.outside else ""
    yield f"ftorch submit {file}{allowed}", _submit_why(started)
    if started.job.evaluation_file:
        yield f"ftorch evaluate {file}{allowed}", "measure the base and the tuned model"


def _submit_why(started: Started) -> str:
    if started.job.endpoint == "local":
        return "train on this machine; needs no key"
    return "show the plan and its cost, ask, train"
