"""What a notebook calls to evaluate."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from orchestrator.evaluation.plan import Wishes, plan_evaluation
from orchestrator.evaluation.results import Results, results_of
from orchestrator.evaluation.session import ask_missing, begin, finish
from orchestrator.runs.ledger import open_ledger
from orchestrator.runs.session import run_blocking


def evaluate(
    *targets: str | Path,
    file: str | Path | None = None,
    endpoint: str | None = None,
    models: Sequence[str] | None = None,
    variants: Sequence[str] | None = None,
    samples: int | None = None,
    allow_leak: bool = False,
) -> Results:
    """Ask models the cases of a file and return their figures; what was answered before is not asked again.

    `targets` are a job file, ids or names of runs, or models. What is not given is what the job file says. It asks
    at once, also where the endpoint charges. Raises what `plan_evaluation` and `ask_missing` raise.
    """
    names = [str(target) for target in targets]
    wishes = Wishes(
        file=Path(file) if file is not None else None,
        endpoint=endpoint,
        models=tuple(models) if models else None,
        variants=tuple(variants) if variants else None,
        samples=samples,
        allow_leak=allow_leak,
    )
    start = Path(names[0]).parent if names[0].endswith(".toml") else None
    with open_ledger(start, create=True) as ledger:
        plan = plan_evaluation(ledger, names, wishes)
        evaluation = begin(ledger, plan)
        asked = run_blocking(lambda: ask_missing(ledger, plan))
        return results_of(ledger, finish(ledger, plan, evaluation, asked.errors))
