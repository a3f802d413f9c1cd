"""What became of a log of requests: the files written, and what was left out and why."""

from __future__ import annotations

from collections import Counter
from typing import Any

from rich.console import Console

from orchestrator.dataset.checking.checks import LEAST_TRAINING_EXAMPLES
from orchestrator.evaluation.logs import LogConversion
from orchestrator.reports.formats import count, plural, printable

_WORDS = {"evaluation": "case", "training": "training example"}
_SHOWN = 8


def print_log(done: LogConversion, console: Console) -> None:
    """The files, then what was left out, the first lines with their reasons, then what to look at."""
    console.print(printable(f"Read {done.source}: {plural(done.requests, 'request')}"), soft_wrap=True)
    for purpose, (path, kinds) in done.written.items():
        said = ", ".join(f"{number} {kind}" for kind, number in sorted(kinds.items(), reverse=True))
        wrote = f"Wrote {path}: {plural(done.count(purpose), _WORDS[purpose])}{f' ({said})' if said else ''}"
        console.print(printable(wrote), soft_wrap=True)
    for row in done.left_out[:_SHOWN]:
        text = f"Left out: {done.source}:{row.line}: {_reason(row.problem, row.advice)}"
        console.print(printable(text), style="yellow", soft_wrap=True)
    if more := done.left_out_count - len(done.left_out[:_SHOWN]):
        console.print(f"Left out: {count(more)} more; --json without a job file names them", style="yellow")
    for warning in _warnings(done):
        console.print(printable(f"Warning: {warning}"), style="yellow", soft_wrap=True)


def log_object(done: LogConversion) -> dict[str, Any]:
    """The same for programs, with the first 1,000 lines that were left out."""
    return {
        "source": str(done.source),
        "requests": done.requests,
        "files": [
            {"purpose": purpose, "path": str(path), "examples": done.count(purpose), **kinds}
            for purpose, (path, kinds) in done.written.items()
        ],
        "left_out": done.left_out_count,
        "reasons": dict(Counter(row.problem for row in done.left_out).most_common()),
        "lines": [{"line": row.line, "problem": row.problem, "advice": row.advice} for row in done.left_out],
        "warnings": _warnings(done),
    }


def _reason(problem: str, advice: str) -> str:
    return f"{problem}. {advice}" if advice else problem


def _warnings(done: LogConversion) -> list[str]:
    """What a user should know before using the files."""
    found = [f"{done.source}: {finding.message}" for finding in done.warnings]
    if "training" in done.written and 0 < done.count("training") < LEAST_TRAINING_EXAMPLES:
        number = plural(done.count("training"), "training example")
        found.append(f"{number} are too few to train on alone; put them behind those that you have")
    found += [
        f"no {_WORDS[purpose]} was left for {path}"
        for purpose, (path, _) in done.written.items()
        if not done.count(purpose)
    ]
    return found
