"""Evaluations: asking the open questions, scoring all answers, and checking the gate."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from orchestrator.api import batches
from orchestrator.api.doubts import require_own_files
from orchestrator.api.host import GATE_NOT_MET, Host
from orchestrator.api.observing import observed
from orchestrator.bookkeeping.provenance import provenance_of
from orchestrator.errors import NothingAnswered, Stopped
from orchestrator.evaluation.gate import failures
from orchestrator.evaluation.locks import Turn, hold_turn, lock_names
from orchestrator.evaluation.ownership import Ownership, Terms, ownership_of
from orchestrator.evaluation.plan import Plan, recounted
from orchestrator.evaluation.results import Results, results_of
from orchestrator.evaluation.session import (
    Asking,
    ask_plan,
    begin,
    finish,
    require_nothing_under_way,
    require_weights,
)
from orchestrator.evaluation.wanted import done_meanwhile
from orchestrator.ledger import Ledger, open_ledger
from orchestrator.store.evaluations import Evaluation


def carry_out(
    ledger: Ledger,
    plan: Plan,
    host: Host,
    *,
    rescore: bool = False,
    wanted: Evaluation | None = None,
    allow_outside: bool = False,
    is_agreed: bool = False,
) -> Results:
    """Ask the open questions, score all answers, and compute metrics; as the `wanted` evaluation if one is
    recorded.

    The user is asked before any cost, unless it `is_agreed` to, as a wanted evaluation was at submission.
    `rescore` asks no questions. Files that the job file names outside its project need a yes, or `allow_outside`.
    Raises FilesOutside, Stopped, NothingAnswered, and what `require_weights`, `ask_plan` and `answers_to_batches`
    raise.
    """
    job = plan.subject.job
    if job and plan.cases.path == job.evaluation_path and wanted is None and not rescore and not allow_outside:
        require_own_files([job], host, only_evaluation=True)
    if not rescore:
        require_weights(ledger, plan)
    if not rescore and not plan.in_batches:
        require_nothing_under_way(plan)
    is_agreed = is_agreed or wanted is not None
    if plan.price is not None and plan.missing and not rescore and not is_agreed:
        host.confirm("Ask it?")
    asks = not rescore and not plan.in_batches  # batches may take a day: their questions are locked one by one
    with observed(ledger, host), hold_turn(ledger, lock_names(plan, asks=asks), host.say) as turn:
        done = done_meanwhile(ledger, wanted) if wanted else None
        if done is None:
            plan = recounted(ledger, plan) if turn.has_waited else plan
            evaluation = begin(ledger, plan, wanted, None if wanted else provenance_of(plan.subject.job))
            asked = None if rescore else _ask(ledger, plan, host, turn)
            done = finish(ledger, plan, evaluation, asked.errors if asked else {})
        results = results_of(ledger, done)
    _require_answers(results)
    return results


def carry_out_wanted(ledger: Ledger, plan: Plan, wanted: Evaluation, host: Host) -> Results:
    """Carry out an evaluation that follows its run or sweep, after its open batches, and show the results."""
    plan = batches.await_under_way(ledger, plan, host)
    results = carry_out(ledger, plan, host, wanted=wanted)
    host.show_results(results)
    return results


def judge(plan: Plan, results: Results, host: Host) -> None:
    """Report whether the job file's gate is met, if it has one; a gate that is not met is a failure."""
    gate = plan.settings.gate
    if gate is None:
        return
    problems = failures(gate, results)
    for problem in problems:
        host.say(f"Gate not met: {problem}")
    if problems:
        host.failed(GATE_NOT_MET)
    else:
        host.say("Gate met.")


def cost_of_ownership(
    results: Results,
    requests_per_day: Sequence[int],
    *,
    life_days: int = 365,
    price_as: str | None = None,
    tier: str | None = None,
    training_usd: float | None = None,
) -> Ownership:
    """The monthly cost of an evaluation's models at these request volumes, and the volume from which the tuned
    model is cheaper than the base.

    `price_as` ("openai", "azure") and `tier` select other prices than the endpoint's own; `training_usd` is the
    billed cost of training. Raises NothingCharged, NoBaseToCompare, PricesUnreadable, and ValueError for numbers
    that are not above 0.
    """
    terms = Terms(sorted(set(requests_per_day)), life_days, price_as, tier, training_usd)
    job_file = results.evaluation.job_file
    with open_ledger(Path(job_file).parent if job_file else None) as ledger:
        return ownership_of(ledger, results, terms)


def _require_answers(results: Results) -> None:
    """Empty tables would look like a result. Raises NothingAnswered."""
    if not any(series.all.answers for series in results.series):
        count = sum(series.all.api_errors for series in results.series)
        raise NothingAnswered(count=f"{count:,}", first=results.why_unanswered)


def _ask(ledger: Ledger, plan: Plan, host: Host, turn: Turn) -> Asking:
    """Raises Stopped; answers received so far are kept."""
    if plan.in_batches:
        return batches.ask(ledger, plan, host)
    with host.asking(plan.missing) as listener:
        asked, _ = host.run(
            lambda stop: ask_plan(
                ledger, plan, listener=listener, deployments=host.deployments(), stop=stop, turn=turn
            )
        )
    if not asked.is_complete:
        left = f"{asked.answered:,} of {plan.missing:,} are answered and kept; run the same command to continue"
        raise Stopped(f"stopped: {left}")
    return asked
