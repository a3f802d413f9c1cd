"""Whether a model may be promoted: the gate of its run's job file, judged from a recorded evaluation."""

from __future__ import annotations

import os
import shlex
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from orchestrator.bookkeeping.models import RecordedModel
from orchestrator.dataset.files import inspect_file
from orchestrator.errors import DataFileEmpty, DataFileNotFound, DataFileUnreadable, JobFileTextUnreadable
from orchestrator.evaluation.gate import failures
from orchestrator.evaluation.results import results_of
from orchestrator.jobfile import Evaluation as Settings, Gate
from orchestrator.ledger import Ledger
from orchestrator.store import evaluations, submissions
from orchestrator.store.evaluations import Evaluation
from orchestrator.store.runs import Run


@dataclass(frozen=True)
class Judgement:
    """Whether a model meets the gate for a stage."""

    source: str
    """The job file that has the gate."""
    evaluation_id: str | None
    """The evaluation that was judged; None if there is none."""
    problems: tuple[str, ...]
    """Why the gate is not met, a sentence each; none if it is met."""
    advice: str
    """A sentence on the evaluation that was judged, or on the command that makes one."""


def judge(ledger: Ledger, found: RecordedModel, stage: str) -> Judgement | None:
    """The gate that the job file of the model's run sets for the stage, judged from the newest evaluation of the
    model on the job file's cases; None if no gate is set.

    The job file is the text recorded at submission, else the file at its path. Raises JobFileTextUnreadable.
    """
    settings = _settings(ledger, found)
    gate = settings.gate if settings else None
    if settings is None or gate is None or not _is_required(gate, stage):
        return None
    with ledger.database.read() as connection:
        asked = evaluations.asking(connection, found.endpoint, found.model)
    newest = next((each for each in asked if _is_judged(each, found.run, settings)), None)
    problems = _problems(ledger, found, gate, newest) if newest else [_unjudged(asked, settings)]
    advice = f"It was judged by evaluation {newest.id}." if newest else _advice(found)
    return Judgement(found.run.job_file, newest.id if newest else None, tuple(problems), advice)


def unmet(ledger: Ledger, evaluation: Evaluation) -> list[str]:
    """Why a finished evaluation does not meet the gate of its job file as recorded, a sentence each; empty if it
    does, or if no gate is recorded."""
    with ledger.database.read() as connection:
        text = submissions.job_file_of(connection, submissions.EVALUATION, evaluation.id)
        if text is None and evaluation.run_id is not None:
            text = submissions.job_file_of(connection, submissions.RUN, evaluation.run_id)
    try:
        settings = _table(tomllib.loads(text)) if text else None
    except (tomllib.TOMLDecodeError, ValidationError):
        return []  # of another version
    gate = settings.gate if settings else None
    return failures(gate, results_of(ledger, evaluation)) if gate else []


def _is_required(gate: Gate, stage: str) -> bool:
    """A gate for candidates holds for production too."""
    return stage == gate.required_for or (stage == "production" and gate.required_for == "candidate")


def _problems(ledger: Ledger, found: RecordedModel, gate: Gate, evaluation: Evaluation) -> list[str]:
    """The other models of the evaluation don't matter, except the base."""
    results = results_of(ledger, evaluation)
    its = [series for series in results.series if series.is_base or series.model == found.model]
    return failures(gate, replace(results, series=its))


def _unjudged(asked: Sequence[Evaluation], settings: Settings) -> str:
    if not asked:
        return "no evaluation of it is recorded"
    return f"it was not evaluated on {settings.file} as that file is now, with the job file's variants and tools"


def _advice(found: RecordedModel) -> str:
    model = [] if found.step is None else ["--models", f"base,{found.model}"]
    return f"To evaluate it: {shlex.join(['ftorch', 'evaluate', found.run.id, *model])}."


# --- Which evaluation --------------------------------------------------------------------------------------------


def _is_judged(evaluation: Evaluation, run: Run, settings: Settings) -> bool:
    """Whether the evaluation is on the cases of the job file, and as its settings ask them."""
    return _is_as_set(evaluation, settings) and _is_its_file(evaluation, run, settings)


def _is_as_set(evaluation: Evaluation, settings: Settings) -> bool:
    asked = evaluation.settings
    has_variants = set(settings.variants or ()) <= set(asked["variants"])
    return has_variants and set(asked.get("rejection_tools", ())) == set(settings.rejection_tools)


def _is_its_file(evaluation: Evaluation, run: Run, settings: Settings) -> bool:
    """Whether the file is the one that the job file names, relative to where that was when the evaluation was made,
    and still the same, if it is on this machine."""
    folder = Path(evaluation.job_file or run.job_file).parent
    if os.path.abspath(folder / settings.file) != os.path.abspath(evaluation.file_path):
        return False
    try:
        return inspect_file(Path(evaluation.file_path)).sha256 == evaluation.file_sha256
    except DataFileNotFound:
        return True
    except (DataFileUnreadable, DataFileEmpty):
        return False


# --- The job file ------------------------------------------------------------------------------------------------


def _settings(ledger: Ledger, found: RecordedModel) -> Settings | None:
    """The `[evaluation]` of the run's job file; None without one, and for an adopted job."""
    run = found.run
    with ledger.database.read() as connection:
        recorded = submissions.job_file_of(connection, submissions.RUN, run.id)
    text = recorded or (_text_at(Path(run.job_file)) if run.job_file else None)
    if text is None:
        return None
    try:
        document = tomllib.loads(text)
        is_its = recorded is not None or document.get("name") == run.name  # the path may have another job by now
        return _table(document) if is_its else None
    except (tomllib.TOMLDecodeError, ValidationError) as error:
        problem = " ".join(str(error).split())[:200]
        raise JobFileTextUnreadable(run=run.id, model=found.model, problem=problem) from error


def _table(document: Mapping[str, Any]) -> Settings | None:
    """Raises ValidationError."""
    table = document.get("evaluation")
    return None if table is None else Settings.model_validate(table)


def _text_at(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return None
