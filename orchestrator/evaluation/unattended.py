"""Evaluations that nobody watches: planned ones asked, scored and counted in one call."""

from __future__ import annotations

from collections.abc import Collection

from orchestrator.engine.worker import run_blocking
from orchestrator.evaluation.batching.driving import answers_to_batches
from orchestrator.evaluation.batching.submission import record_batches
from orchestrator.evaluation.locks import hold_locks, lock_names
from orchestrator.evaluation.plan import Plan
from orchestrator.evaluation.results import Results, results_of
from orchestrator.evaluation.session import Asking, ask_plan, begin, finish
from orchestrator.evaluation.wanted import done_meanwhile, due, plan_wanted
from orchestrator.ledger import Ledger
from orchestrator.store.evaluations import Evaluation


def carry_out(ledger: Ledger, plan: Plan, wanted: Evaluation | None = None) -> Results:
    """Ask what has no answer and score everything, as the `wanted` evaluation where one was recorded.

    Raises what `ask_plan` and `answers_to_batches` raise.
    """
    with hold_locks(ledger, lock_names(plan, asks=not plan.in_batches)):
        done = done_meanwhile(ledger, wanted) if wanted else None
        if done is None:
            evaluation = begin(ledger, plan, wanted)
            done = finish(ledger, plan, evaluation, _ask(ledger, plan).errors)
    return results_of(ledger, done)


def carry_out_due(ledger: Ledger, run_ids: Collection[str]) -> None:
    """Carry out the wanted evaluations of those of these runs that have succeeded."""
    for wanted in due(ledger, run_ids):
        carry_out(ledger, plan_wanted(ledger, wanted), wanted)


def _ask(ledger: Ledger, plan: Plan) -> Asking:
    if not plan.in_batches:
        return run_blocking(lambda: ask_plan(ledger, plan))
    ids = record_batches(ledger, plan)
    return run_blocking(lambda: answers_to_batches(ledger, plan, ids))
