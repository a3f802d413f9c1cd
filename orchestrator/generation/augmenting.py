"""A generation of examples like the cases that a model got wrong in an evaluation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from orchestrator.dataset.files import inspect_file
from orchestrator.errors import EvaluationFileChanged, NoFailures, NoSuchEvaluation
from orchestrator.evaluation.cases import Case, read_cases
from orchestrator.evaluation.scores import ScoredAnswer, read_scored
from orchestrator.evaluation.scoring.expectations import Calls
from orchestrator.generation.failures import Failure
from orchestrator.generation.spec import Spec
from orchestrator.jobfile.tables import TUNED
from orchestrator.ledger import Ledger
from orchestrator.store import evaluations as store
from orchestrator.store.evaluations import Evaluation

_FULL = "full"


def failures_spec(ledger: Ledger, spec: Spec, key: str, model: str | None) -> Spec:
    """The spec for examples like the cases that `model` (by default the tuned model) got wrong in an evaluation.

    `key` is the evaluation's id or the name of its job, which means the newest. New requests are also compared with
    the evaluation file. Raises NoSuchEvaluation, EvaluationFileChanged and NoFailures.
    """
    evaluation = _evaluation(ledger, key)
    path = Path(evaluation.file_path)
    if not path.is_file() or inspect_file(path).sha256 != evaluation.file_sha256:
        raise EvaluationFileChanged(path=path, evaluation=evaluation.id)
    asked = _asked(evaluation, model)
    wrong = {
        scored.verdict.case: scored
        for scored in read_scored(ledger, evaluation.id, asked)
        if not scored.verdict.is_api_error and not scored.verdict.right()
    }
    tools = frozenset(evaluation.settings["rejection_tools"])
    rejection = spec.settings.rejection_tool or next((each for each in tools if each in spec.by_name), None)
    found = [_failure(case, wrong[case.id], rejection) for case in read_cases(path, tools) if case.id in wrong]
    failures = tuple(each for each in found if each is not None)
    if not failures:
        raise NoFailures(evaluation=key, model=asked[0])
    settings = spec.settings.model_copy(
        update={"against": [*spec.settings.against, str(path)], "rejection_tool": rejection, "reject": 0}
    )
    return replace(spec, settings=settings, failures=failures)


def _evaluation(ledger: Ledger, key: str) -> Evaluation:
    with ledger.database.read() as connection:
        done = store.newest(connection)
    named = [each for each in done if each.name == key or each.id.startswith(key)]
    if not named:
        known = ", ".join(dict.fromkeys(each.name for each in done)) or "none is done yet"
        raise NoSuchEvaluation(key=key, known=known)
    return named[0]


def _asked(evaluation: Evaluation, model: str | None) -> tuple[str, str]:
    """The model and variant whose answers are used."""
    models: Sequence[Mapping[str, Any]] = evaluation.settings["models"]
    by_label = {each["label"]: each["model"] for each in models}
    chosen = by_label.get(model, model) if model else by_label.get(TUNED, models[-1]["model"])
    variants = evaluation.settings["variants"]
    return str(chosen), _FULL if _FULL in variants else variants[0]


def _failure(case: Case, scored: ScoredAnswer, rejection_tool: str | None) -> Failure | None:
    """None for a case that expects text: it gives no call to vary."""
    expected = case.accepted[0]
    if isinstance(expected, Calls):
        calls = tuple({"name": call.name, "arguments": dict(call.arguments)} for call in expected.calls)
        return Failure(case.id, calls)
    called = [name for name in scored.verdict.called_tools if name != rejection_tool]
    if not called:
        return None
    return Failure(case.id, ({"name": called[0], "arguments": {}},), is_rejection=True)
