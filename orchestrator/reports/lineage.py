"""The lineage of a model: a tree for a terminal, a few facts for `show`, an object for programs."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.text import Text

from orchestrator.bookkeeping.lineage import MOST, Evaluated, Lineage, ModelNode, RunNode
from orchestrator.reports.stages import promotion_object, stage_line
from orchestrator.reports.text import iso, percent, plural, printable
from orchestrator.runs.ancestry import Ancestor
from orchestrator.store.runs import Run

_HASH_SHOWN = 12
"""Characters of a hash for people; `--json` has all."""
_RUNS_SHOWN = 5
"""Runs that are named in one line."""
_LEAST_WIDTH = 30
"""Of a text below many branches: then lines are longer than the terminal is wide."""


def print_lineage(lineage: Lineage, console: Console) -> None:
    """The tree from the base model down to what was made of the model. No id is cut or wrapped."""
    for line in _drawn(_tree(lineage), console.width):
        console.print(line, soft_wrap=True)


def lineage_facts(lineage: Lineage) -> Iterator[tuple[str, str]]:
    """The lines of `show`: parent, runs trained from it, runs on the same data, stage and evaluations."""
    if lineage.ancestors:
        yield "trained from", _origin(lineage.ancestors[-1])
    elif lineage.base_note:
        yield "trained from", f"{lineage.base} ({lineage.base_note})"
    models = lineage.run.models if lineage.run else []
    if below := [node.run for model in models for node in model.runs]:
        yield "continued by", _named(below, is_more=bool(lineage.run and lineage.run.more_runs))
    if lineage.same_data:
        yield "same data", _named(lineage.same_data, is_more=lineage.more)
    for model in models:
        of = "" if model.step is None else f"checkpoint {model.step}: "
        if model.stage:
            yield "stage", f"{of}{stage_line(model.stage)}"
    for model in models:
        of = "" if model.step is None else f"checkpoint {model.step}: "
        for each in model.evaluations or ():
            yield "evaluation", f"{of}{_value(each)}"


def _origin(parent: Ancestor) -> str:
    what = "" if parent.step is None else f", checkpoint {parent.step}"
    return f"run {_run_named(parent.run)}{what}"


def _named(runs: Sequence[Run], *, is_more: bool) -> str:
    shown = ", ".join(f"run {_run_named(run)}" for run in runs[:_RUNS_SHOWN])
    more = len(runs) - _RUNS_SHOWN
    at_least = "more than " if is_more else ""
    return f"{shown} and {at_least}{more} more" if more > 0 else shown


def _run_named(run: Run) -> str:
    state = "deleted" if run.deleted_at is not None else run.state
    return f"{run.id} ({run.name}, {state})"


# --- The tree ----------------------------------------------------------------------------------------------------


@dataclass
class _Branch:
    """One or more lines, and the branches below them."""

    lines: list[str]
    below: list[_Branch] = field(default_factory=list)
    is_asked: bool = False


def _tree(lineage: Lineage) -> _Branch:
    note = f"  ({lineage.base_note})" if lineage.base_note else ""
    root = place = _Branch([f"{lineage.base}{note}"])
    for each in lineage.ancestors:
        lines = [*_run_lines(each.run), *([f"checkpoint {each.step}"] if each.step is not None else []), each.model]
        branch = _Branch(lines)
        place.below.append(branch)
        place = branch
    if lineage.run:
        branch = _run_branch(lineage.run, lineage.asked)
        branch.is_asked = branch.is_asked or lineage.asked is None
        if lineage.same_data:
            branch.lines.insert(2, f"same data: {_named(lineage.same_data, is_more=lineage.more)}")
        place.below.append(branch)
    if lineage.model:
        root.lines += _model_lines(lineage.model)[1:]
        root.is_asked = True
        root.below += [_run_branch(each, None) for each in lineage.model.runs]
        if lineage.more:
            root.below.append(_more())
    return root


def _run_branch(node: RunNode, asked: str | None) -> _Branch:
    branch = _Branch(_run_lines(node.run))
    for model in node.models:
        lines = _model_lines(model)
        below = [_run_branch(each, None) for each in model.runs]
        if model.step is None:
            branch.lines += lines
            branch.below += below
            branch.is_asked = model.model == asked
        else:
            branch.below.insert(0, _Branch([f"checkpoint {model.step}", *lines], below, model.model == asked))
    named = sum(model.step is not None for model in node.models)
    if node.checkpoints > named:
        branch.lines.append(plural(node.checkpoints - named, "other checkpoint" if named else "checkpoint"))
    if node.more_runs:
        branch.below.append(_more())
    return branch


def _more() -> _Branch:
    return _Branch([f"more than the newest {MOST} runs were trained from it"])


def _run_lines(run: Run) -> list[str]:
    state = "deleted" if run.deleted_at is not None else run.state
    sha256 = f"SHA-256 {run.training_sha256[:_HASH_SHOWN]}" if run.training_sha256 else "of unknown content"
    return [f"run {run.id}  {run.name} on {run.endpoint}  {state}", f"data: {_near(run.training_path)}, {sha256}"]


def _near(path: str) -> str:
    """Relative to the current directory where it is below it."""
    try:
        return str(Path(path).relative_to(Path.cwd()))
    except ValueError:
        return path


def _model_lines(node: ModelNode) -> list[str]:
    lines = [node.model]
    if node.stage:
        lines.append(stage_line(node.stage))
    lines += [f"deployment {each.name}: {each.state}" for each in node.deployments]
    lines += [f"evaluation {_value(each)}" for each in node.evaluations or ()]
    return lines


def _value(found: Evaluated) -> str:
    from orchestrator.evaluation.metrics import METRICS  # loads pydantic

    title = METRICS[found.metric].title if found.metric in METRICS else "argument F1"
    evaluation = found.evaluation
    definitions = "" if found.variant == "full" else f" with {found.variant}"
    rehearsal = ", a rehearsal" if evaluation.is_rehearsal else ""
    value = f"{title} {percent(found.value)}"
    return f"{evaluation.id}: {value} on {Path(evaluation.file_path).name}{definitions}{rehearsal}"


def _drawn(branch: _Branch, width: int, first: str = "", rest: str = "") -> Iterator[Text]:
    """The lines of a branch and all below it; `first` and `rest` are drawn before its first line and all others."""
    room = max(width - len(rest), _LEAST_WIDTH)
    lines = [part for line in branch.lines for part in _wrapped(printable(line), room)]
    for number, line in enumerate(lines):
        style = "bold" if branch.is_asked and number == 0 else ""
        yield Text(first if number == 0 else rest).append(line, style=style)
    for number, below in enumerate(branch.below):
        is_last = number == len(branch.below) - 1
        yield from _drawn(below, width, rest + ("└─ " if is_last else "├─ "), rest + ("   " if is_last else "│  "))


def _wrapped(line: str, width: int) -> list[str]:
    return textwrap.wrap(line, width, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False) or [
        ""
    ]


# --- For programs ------------------------------------------------------------------------------------------------


def lineage_object(lineage: Lineage) -> dict[str, Any]:
    """What `models lineage --json` prints."""
    return {
        "asked": lineage.asked,
        "base": lineage.base,
        "base_note": lineage.base_note or None,
        "ancestors": [_ancestor_object(each) for each in lineage.ancestors],
        "run": _run_node_object(lineage.run) if lineage.run else None,
        "model": _model_object(lineage.model) if lineage.model else None,
        "same_data": [_run_object(each) for each in lineage.same_data],
        "more": lineage.more,
    }


def _ancestor_object(each: Ancestor) -> dict[str, Any]:
    return {**_run_object(each.run), "through": {"model": each.model, "step": each.step}}


def _run_object(run: Run) -> dict[str, Any]:
    return {
        "run": run.id,
        "name": run.name,
        "sweep": run.sweep_id,
        "endpoint": run.endpoint,
        "state": "deleted" if run.deleted_at is not None else run.state,
        "base_model": run.model,
        "fine_tuned_model": run.fine_tuned_model,
        "training_file": {"path": run.training_path, "sha256": run.training_sha256 or None},
        "created_at": iso(run.created_at),
    }


def _run_node_object(node: RunNode) -> dict[str, Any]:
    return {
        **_run_object(node.run),
        "models": [_model_object(each) for each in node.models],
        "checkpoints": node.checkpoints,
        "more_runs": node.more_runs,
    }


def _model_object(node: ModelNode) -> dict[str, Any]:
    judged = node.evaluations
    return {
        "model": node.model,
        "endpoint": node.endpoint,
        "step": node.step,
        "stage": promotion_object(node.stage) if node.stage else None,
        "deployments": [{"id": each.id, "name": each.name, "state": each.state} for each in node.deployments],
        "evaluations": None if judged is None else [_evaluated_object(each) for each in judged],
        "runs": [_run_node_object(each) for each in node.runs],
    }


def _evaluated_object(found: Evaluated) -> dict[str, Any]:
    evaluation = found.evaluation
    return {
        "evaluation": evaluation.id,
        "file": evaluation.file_path,
        "file_sha256": evaluation.file_sha256,
        "variant": found.variant,
        "metric": found.metric,
        "value": found.value,
        "rehearsal": evaluation.is_rehearsal,
        "created_at": iso(evaluation.created_at),
    }
