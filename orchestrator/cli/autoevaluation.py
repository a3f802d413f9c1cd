"""Evaluations that follow their runs by themselves, where a job file says `auto = true`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from orchestrator.cli.following import INTERRUPTED

if TYPE_CHECKING:
    from orchestrator.runs.ledger import Ledger
    from orchestrator.store.evaluations import Evaluation
    from orchestrator.store.runs import Run


@contextmanager
def evaluated_afterwards(ledger: Ledger, runs: Sequence[Run]) -> Iterator[None]:
    """Carry out what waited for these runs when all has been said about them, but not where the user stopped."""
    ids = [run.id for run in runs]
    try:
        yield
    except click.exceptions.Exit as leaving:
        if leaving.exit_code != INTERRUPTED:
            evaluate_due(ledger, ids)
        raise
    evaluate_due(ledger, ids)


def evaluate_due(ledger: Ledger, run_ids: Sequence[str] | None = None) -> bool:
    """Carry out the wanted evaluations of succeeded runs, of all or these; returns whether there were any.

    The tables go to stderr: stdout has the model ids alone.
    """
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
