"""Evaluations that follow their runs and sweeps by themselves, where a job file says so."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from orchestrator.cli.autodeployment import deploy_due
from orchestrator.cli.leaving import Leaving

if TYPE_CHECKING:
    from orchestrator.evaluation.plan import Plan
    from orchestrator.evaluation.results import Results
    from orchestrator.ledger import Ledger
    from orchestrator.store.evaluations import Evaluation
    from orchestrator.store.runs import Run


@contextmanager
def evaluated_afterwards(ledger: Ledger, runs: Sequence[Run]) -> Iterator[None]:
    """Carry out what waited for these runs when all has been said about them, but not where the user stopped."""
    ids, leaving = [run.id for run in runs], Leaving()
    with leaving.later():
        yield
    with leaving.later():
        deploy_due(ledger, ids)
    with leaving.later():
        evaluate_due(ledger, ids)
    leaving.leave()


def evaluate_due(ledger: Ledger, run_ids: Sequence[str] | None = None) -> bool:
    """Carry out the wanted evaluations of succeeded runs, of all or these; returns whether there were any.

    The tables go to stderr: stdout has the model ids alone. One that can't be carried out stays
    wanted and keeps no other from it; the command then leaves with 1 or 2, or with 3 where a gate is not met.
    """
    from orchestrator.store import evaluations

    with ledger.database.read() as connection:
        if not evaluations.wanted_of(connection, run_ids):
            return False
    from orchestrator.evaluation.wanted import due

    found, leaving = due(ledger, run_ids), Leaving()
    for wanted in found:
        with leaving.later():
            _evaluate(ledger, wanted)
    leaving.leave()
    return bool(found)


def evaluate_sweeps(ledger: Ledger, sweep_ids: Sequence[str], leaving: Leaving) -> dict[str, tuple[Plan, Results]]:
    """Carry out the wanted evaluations of these sweeps, where their trials are over; what came of each."""
    from orchestrator.store import evaluations

    with ledger.database.read() as connection:
        if not evaluations.of_sweeps(connection, evaluations.WANTED, sweep_ids):
            return {}
    from orchestrator.sweeps.evaluation import due, plan_wanted

    found = {}
    for wanted in due(ledger, sweep_ids):
        click.echo(f"evaluating sweep {wanted.name}", err=True)
        with leaving.later():
            plan = plan_wanted(ledger, wanted)
            found[str(wanted.sweep_id)] = plan, _carried_out(ledger, plan, wanted)
    return found


def leave_by_best(plan: Plan, results: Results, best_model: str) -> None:
    """Leave with 3 where the best trial of a sweep does not meet the job file's gate."""
    from dataclasses import replace

    from orchestrator.cli.evaluate import leave_by_gate

    judged = [series for series in results.series if series.is_base or series.model == best_model]
    leave_by_gate(plan, replace(results, series=judged))


def _evaluate(ledger: Ledger, wanted: Evaluation) -> None:
    from orchestrator.cli.evaluate import leave_by_gate
    from orchestrator.evaluation.wanted import plan_wanted

    click.echo(f"evaluating run {wanted.run_id}", err=True)
    plan = plan_wanted(ledger, wanted)
    leave_by_gate(plan, _carried_out(ledger, plan, wanted))


def _carried_out(ledger: Ledger, plan: Plan, wanted: Evaluation) -> Results:
    from orchestrator.cli.batches import await_batches
    from orchestrator.cli.evaluate import carry_out, show_results

    plan = await_batches(ledger, plan)
    results = carry_out(ledger, plan, yes=True, wanted=wanted)
    show_results(ledger, results, on_stderr=True)
    return results
