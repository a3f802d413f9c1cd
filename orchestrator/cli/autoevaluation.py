"""Evaluations that follow their runs by themselves, where a job file says `auto = true`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from orchestrator.cli.following import print_endings

if TYPE_CHECKING:
    from orchestrator.runs.ledger import Ledger
    from orchestrator.store.evaluations import Evaluation
    from orchestrator.store.runs import Run


def print_endings_and_evaluate(ledger: Ledger, runs: Sequence[Run]) -> None:
    """What became of the runs, and the evaluations that waited for them, on stderr: stdout has the model ids alone.

    Leaves as the endings do, or by what stopped an evaluation.
    """
    try:
        print_endings(runs)
    finally:
        evaluate_due(ledger, [run.id for run in runs])


def evaluate_due(ledger: Ledger, run_ids: Sequence[str] | None = None) -> bool:
    """Carry out the wanted evaluations of runs that have succeeded. Returns whether there was one."""
    from orchestrator.store import evaluations

    with ledger.database.read() as connection:
        if not evaluations.wanted_of(connection, run_ids):
            return False
    from orchestrator.evaluation.wanted import due

    found = due(ledger, run_ids)
    for wanted in found:
        _evaluate(ledger, wanted)
    return bool(found)


def _evaluate(ledger: Ledger, wanted: Evaluation) -> None:
    from pathlib import Path

    from orchestrator.cli.evaluate import carry_out, leave_by_gate, show_results
    from orchestrator.evaluation.plan import Wishes, plan_evaluation

    click.echo(f"evaluating run {wanted.run_id}", err=True)
    plan = plan_evaluation(ledger, [str(wanted.run_id)], Wishes(file=Path(wanted.file_path)))
    results = carry_out(ledger, plan, yes=True, wanted=wanted)
    show_results(results, on_stderr=True)
    leave_by_gate(plan, results)
