"""What a notebook calls to evaluate."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from orchestrator.evaluation.batching.asking import answers_to_batches
from orchestrator.evaluation.batching.submission import record_batches
from orchestrator.evaluation.deployed import ask_plan
from orchestrator.evaluation.ownership import Ownership, Terms, ownership_of
from orchestrator.evaluation.plan import Plan, Wishes, plan_evaluation
from orchestrator.evaluation.results import Results, results_of
from orchestrator.evaluation.session import Asking, begin, finish
from orchestrator.evaluation.turns import claims_of, turn
from orchestrator.runs.ledger import Ledger, open_ledger
from orchestrator.runs.session import run_blocking


def evaluate(
    *targets: str | Path,
    file: str | Path | None = None,
    endpoint: str | None = None,
    models: Sequence[str] | None = None,
    variants: Sequence[str] | None = None,
    samples: int | None = None,
    allow_leak: bool = False,
    batch: bool = False,
) -> Results:
    """Ask models the cases of a file and return their figures; what was answered before is not asked again.

    `targets` are a job file, ids or names of runs, or models. What is not given is what the job file says. It asks
    at once, also where the endpoint charges; with `batch` through the endpoint's Batch API, which may take a day.
    Raises what `plan_evaluation`, `ask_plan` and `answers_to_batches` raise.
    """
    names = [str(target) for target in targets]
    wishes = Wishes(
        file=Path(file) if file is not None else None,
        endpoint=endpoint,
        models=tuple(models) if models else None,
        variants=tuple(variants) if variants else None,
        samples=samples,
        allow_leak=allow_leak,
        in_batches=batch,
    )
    start = Path(names[0]).parent if names[0].endswith(".toml") else None
    with open_ledger(start, create=True) as ledger:
        plan = plan_evaluation(ledger, names, wishes)
        with turn(ledger, claims_of(plan, asks=not batch)):
            evaluation = begin(ledger, plan)
            asked = _ask(ledger, plan)
            return results_of(ledger, finish(ledger, plan, evaluation, asked.errors))


def cost_of_ownership(
    results: Results,
    requests_per_day: Sequence[int],
    *,
    life_days: int = 365,
    price_as: str | None = None,
    tier: str | None = None,
    training_usd: float | None = None,
) -> Ownership:
    """What the models of an evaluation cost at so many requests a day, and from where on they are cheaper than the
    base.

    `price_as` ("openai", "azure") and `tier` name other prices than the endpoint's own; `training_usd` is what the
    training was billed. Raises NothingCharged, NoBaseToCompare, PricesUnreadable, and ValueError for numbers that
    are not above 0.
    """
    terms = Terms(sorted(set(requests_per_day)), life_days, price_as, tier, training_usd)
    job_file = results.evaluation.job_file
    with open_ledger(Path(job_file).parent if job_file else None) as ledger:
        return ownership_of(ledger, results, terms)


def _ask(ledger: Ledger, plan: Plan) -> Asking:
    if not plan.in_batches:
        return run_blocking(lambda: ask_plan(ledger, plan))
    ids = record_batches(ledger, plan)
    return run_blocking(lambda: answers_to_batches(ledger, plan, ids))
